"""Files of weights: found without loading them, described from settings, fetched whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from huggingface_hub import constants
from open_clip.pretrained import get_pretrained_cfg, list_pretrained
from safetensors.torch import save_file

from gallop.backbones import load_backbone
from gallop.backbones.vision import vision_tower
from gallop.backbones.weights.fetching import Fetched, fetch_weights
from gallop.backbones.weights.known import KnownTower, licence_of, memory_of
from gallop.backbones.weights.offered import offered_towers
from gallop.backbones.weights.on_disk import cached_towers, cached_weights, named_tower, towers_here
from gallop.config import REGION_KINDS
from gallop.errors import BackboneError
from tests import tiny
from tests.conftest import ROOT
from tests.weight_server import COMMIT, Hub, weight_server

NAME = "ViT-B-32/laion2b_s34b_b79k"
REPOSITORY = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
SAFE, PICKLED = f"{REPOSITORY}/open_clip_model.safetensors", f"{REPOSITORY}/open_clip_pytorch_model.bin"
CONTENT = bytes(range(256)) * 2**14  # 4 MB: four steps


@pytest.fixture(autouse=True)
def caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of its own, where nothing is cached."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with weight_server(Hub({SAFE: CONTENT})) as found:
        monkeypatch.setattr(constants, "ENDPOINT", found.address)
        yield found


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def snapshot(caches: Path, arch: str, tag: str) -> Path:
    """The file of a pair's weights in the hub's cache, to be written."""
    place = caches / "hub" / f"models--{get_pretrained_cfg(arch, tag)['hf_hub'].rstrip('/').replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    (place / "snapshots" / COMMIT).mkdir(parents=True)
    return place / "snapshots" / COMMIT / "open_clip_model.safetensors"


def test_a_list_of_what_ships_and_is_named_needs_no_torch(tmp_path: Path) -> None:
    folder = tiny.backbone_folder(tmp_path)
    code = (
        "import sys\nfrom gallop.backbones.weights.on_disk import available_models, cached_towers, named_tower\n"
        f"print(list(available_models()), named_tower({str(folder)!r}).grid, cached_towers(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['mini'] (4, 4) [] False"


def test_mini_is_described_as_it_is() -> None:
    (mini,) = towers_here()
    backbone = load_backbone("mini")
    assert (mini.name, mini.source, mini.here) == ("mini", "mini", True)
    assert (mini.grid, mini.input, mini.tokens) == (backbone.vision.grid, backbone.preprocess.size, 32)
    assert (backbone.name, mini.grid, mini.input) == ("mini", (14, 14), 224)
    assert mini.memory == sum(4 * value.numel() for value in backbone._model.state_dict().values())
    assert mini.bytes < 0.6 * mini.memory, "the file has half precision"


def test_a_folder_and_a_file_are_named_by_whoever_starts(tmp_path: Path) -> None:
    folder = tiny.backbone_folder(tmp_path / "mine" if (tmp_path / "mine").mkdir() is None else tmp_path)
    mine = named_tower(str(folder))
    assert (mine.name, mine.source, mine.grid, mine.tokens) == ("mine", str(folder), (4, 4), 32)
    assert load_backbone(mine.source).vision.grid == mine.grid
    weights = folder / "weights.safetensors"
    for word in (f"ViT-B-32={weights}", f"ViT-B-32/{weights}"):
        found = named_tower(word)
        assert (found.name, found.source) == ("ViT-B-32/weights.safetensors", f"ViT-B-32/{weights}")
        assert "/" not in found.name.partition("/")[2], "no path of this machine is in its name"
    described = {tower.name: tower for tower in towers_here([f"ViT-B-32={weights}"])}
    assert described["ViT-B-32/weights.safetensors"].grid == (7, 7)


@pytest.mark.parametrize("word", ["", "nothing", "ViT-B-32=", "ViT-B-32=nothing.pt", "=x", "/etc", "ViT-B-32/openai"])
def test_what_is_named_and_not_there_is_refused(word: str) -> None:
    with pytest.raises(BackboneError, match=r"names no tower|holds no config.json"):
        named_tower(word)


def test_a_pair_in_open_clips_cache_is_found(caches: Path) -> None:
    assert cached_towers() == []
    clip = caches / ".cache" / "clip"
    clip.mkdir(parents=True)
    (clip / "ViT-B-16.pt").write_bytes(b"x" * 1000)
    (clip / "RN50.pt").write_bytes(b"x" * 10)
    found = {tower.name: tower for tower in cached_towers()}
    assert sorted(found) == ["RN50/openai", "ViT-B-16/openai"], "once each, though two architectures share the weights"
    tower = found["ViT-B-16/openai"]
    assert (tower.source, tower.bytes, tower.memory) == ("ViT-B-16/openai", 1000, 2000)
    assert (tower.input, tower.grid, tower.tokens) == (224, (14, 14), 77)
    assert tower.licence == licence_of("openai")
    assert found["RN50/openai"].grid == (7, 7)


def test_a_pair_in_the_hubs_cache_is_found_and_loaded_without_a_network(
    caches: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub
) -> None:
    """With its own tag's settings: nothing in a file of the hub tells that OpenAI's weights want QuickGELU."""
    model = open_clip.create_model("RN50", pretrained=None)
    save_file(model.state_dict(), snapshot(caches, "RN50", "openai"))
    (tower,) = cached_towers()
    assert tower.name == "RN50/openai"
    assert tower.memory == sum(4 * value.numel() for value in model.state_dict().values())
    backbone = load_backbone(tower.source, download=False)
    assert backbone.vision.grid == tower.grid
    activations = {type(block.mlp[1]).__name__ for block in backbone._model.transformer.resblocks}  # type: ignore[union-attr]
    assert activations == {"QuickGELU"}
    assert hub.asked == []
    with pytest.raises(BackboneError, match="not on this machine"):
        load_backbone(NAME, download=False)
    assert hub.asked == []


def test_a_cached_pair_says_what_it_needs_and_one_that_is_not_read_is_not_listed(caches: Path) -> None:
    for arch, tag in (("ViT-B-16-SigLIP2", "webli"), ("roberta-ViT-B-32", "laion2b_s12b_b32k")):
        snapshot(caches, arch, tag).write_bytes(b"x" * 100)
    (tower,) = cached_towers()
    assert (tower.name, tower.needs) == ("ViT-B-16-SigLIP2/webli", "needs the extra tokenizers")
    assert (tower.grid, tower.tokens, tower.licence) == ((14, 14), 64, "Apache-2.0")


@pytest.mark.parametrize("tower", offered_towers(), ids=lambda tower: tower.name)
def test_what_is_offered_is_as_large_as_open_clip_makes_it(tower: KnownTower) -> None:
    arch, _, tag = tower.name.partition("/")
    assert (arch, tag) in list_pretrained()
    with torch.device("meta"):
        state = open_clip.create_model(arch, pretrained=None, device="meta").state_dict()
    assert tower.bytes == tower.memory == sum(4 * value.numel() for value in state.values())
    looked_up = KnownTower("").with_settings(open_clip.get_model_config(arch))
    assert (tower.input, tower.grid, tower.tokens) == (looked_up.input, looked_up.grid, looked_up.tokens)
    assert tower.licence == licence_of(tag) != ""
    assert not tower.here


def test_the_longest_beginning_of_a_tag_tells_the_licence() -> None:
    assert licence_of("datacompdr") != licence_of("datacomp_xl_s13b_b90k") == "MIT"
    assert licence_of("yfcc15m") == ""


def test_a_file_that_is_no_tensor_file_is_as_large_as_it_is(tmp_path: Path) -> None:
    for content in (b"", b"\x08" + b"\x00" * 7 + b"not json", b"\xff" * 100):
        path = tmp_path / "odd.safetensors"
        path.write_bytes(content)
        assert memory_of(path) == len(content)


# Fetching ------------------------------------------------------------------------------------------------------------


def test_weights_are_fetched_to_where_open_clip_looks(caches: Path, hub: Hub) -> None:
    told = list(fetch_weights(NAME))
    assert told[0] == Fetched(0, len(CONTENT))
    assert told[-1] == Fetched(len(CONTENT), len(CONTENT))
    assert told[-1].share == 1
    assert len(told) > 3, "in steps"
    path = cached_weights(get_pretrained_cfg(*NAME.split("/")))
    assert path is not None
    assert path.read_bytes() == CONTENT
    from open_clip.pretrained import download_pretrained

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        assert download_pretrained(get_pretrained_cfg(*NAME.split("/"))) == str(path)
    finally:
        constants.HF_HUB_OFFLINE = before
    asked = len(hub.asked)
    assert list(fetch_weights(NAME)) == []
    assert len(hub.asked) == asked, "what is here is not asked for again"


def test_pickled_weights_are_fetched_where_there_are_no_others(caches: Path, hub: Hub) -> None:
    hub.files = {PICKLED: CONTENT}
    list(fetch_weights(NAME))
    assert files(caches / "hub") == [
        f"models--{REPOSITORY.replace('/', '--')}/{rest}"
        for rest in ("refs/main", f"snapshots/{COMMIT}/open_clip_pytorch_model.bin")
    ]


def test_a_download_that_is_cancelled_leaves_nothing(caches: Path, hub: Hub) -> None:
    steps = fetch_weights(NAME)
    next(steps)
    assert 0 < next(steps).done < len(CONTENT)
    steps.close()  # type: ignore[attr-defined]
    assert files(caches / "hub") == []


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"cut": True}, r"could not be downloaded \(ConnectionError|IncompleteRead"),
        ({"other": True}, "is another file than was to come"),
        ({"gated": True}, "Accept it on https://huggingface.co/laion/"),
        ({"files": {}}, "could not be downloaded"),
    ],
)
def test_a_download_that_fails_is_a_sentence_and_leaves_nothing(
    caches: Path, hub: Hub, how: dict[str, Any], says: str
) -> None:
    vars(hub).update(how)
    with pytest.raises(BackboneError, match=says):
        list(fetch_weights(NAME))
    assert files(caches / "hub") == []


def test_no_network_is_a_sentence(monkeypatch: pytest.MonkeyPatch, caches: Path) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BackboneError, match="'mini' works now, without a network"):
        list(fetch_weights(NAME))
    with pytest.raises(BackboneError, match="lists no weights 'ViT-B-32/nothing'"):
        list(fetch_weights("ViT-B-32/nothing"))
    assert files(caches) == []


def test_a_full_disk_is_a_sentence_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch, caches: Path, hub: Hub
) -> None:
    usage = shutil._ntuple_diskusage(10, 9, 1)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(BackboneError, match="no room on the disk"):
        list(fetch_weights(NAME))
    assert [asked.split()[0] for asked in hub.asked] == ["HEAD"]


def test_a_disk_that_fills_up_meanwhile_is_one_too(monkeypatch: pytest.MonkeyPatch, caches: Path, hub: Hub) -> None:
    import os

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BackboneError, match="no room on the disk"):
        list(fetch_weights(NAME))
    assert files(caches / "hub") == []


@pytest.mark.parametrize(
    ("vision", "several"),
    [
        ({}, True),
        ({"pool_type": "avg"}, False),
        ({"attentional_pool": True}, False),
        ({"final_ln_after_pool": True}, False),
        ({"layers": [1, 1, 1, 1], "width": 8}, False),
        ({"timm_model_name": "test_vit", "timm_pool": "token"}, False),
    ],
)
def test_the_kinds_of_regions_that_settings_tell_are_those_that_the_tower_has(
    vision: dict[str, Any], several: bool
) -> None:
    usual = {"image_size": 32, "patch_size": 8, "width": 64, "layers": 1, "head_width": 32}
    text = {"context_length": 16, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
    settings = {"embed_dim": 32, "vision_cfg": usual | vision, "text_cfg": text}
    told = KnownTower("x").with_settings(settings).kinds
    tower = open_clip.CLIP(**settings).visual
    has = []
    for kind in REGION_KINDS:
        with contextlib.suppress(BackboneError):
            has.append(vision_tower(tower, kind).region_kind)
    assert told == tuple(has) == (REGION_KINDS if several else ("value",))
