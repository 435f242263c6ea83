"""Files of weights: found without loading them, described in settings and in a table, fetched whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import open_clip
import pytest
import torch
from huggingface_hub import constants
from open_clip.pretrained import download_pretrained, get_pretrained_cfg, list_pretrained
from safetensors.torch import save_file

from benchmarks.backbones import HEAD, TABLE, row
from gallop.backbones import load_backbone
from gallop.backbones.vision import image_encoder
from gallop.backbones.weights import (
    Fetched,
    KnownBackbone,
    backbones_here,
    cached_backbones,
    cached_weights,
    catalogue,
    fetch_weights,
    licence_by_name,
    licence_of,
    memory_of,
    named_backbone,
    offered_backbones,
    remove_weights,
    repository_of,
)
from gallop.config import REGION_KINDS
from gallop.errors import BackboneError, UnsupportedBackbone
from tests import tiny
from tests.backbones.conftest import refused
from tests.conftest import ROOT
from tests.http_server import Answers, listening
from tests.reference import relative_error
from tests.until import until
from tests.weight_server import COMMIT, Hub, weight_server

NAME = "ViT-B-32/laion2b_s34b_b79k"
REPOSITORY = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
SAFE, PICKLED = f"{REPOSITORY}/open_clip_model.safetensors", f"{REPOSITORY}/open_clip_pytorch_model.bin"
CONTENT = bytes(range(256)) * 2**17  # 34 MB: four pieces of the hub's client


@pytest.fixture(autouse=True)
def caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of its own, where nothing is cached."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def ask_at(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with weight_server(Hub({SAFE: CONTENT}, pause=0.004)) as found:
        ask_at(monkeypatch, found.address)
        yield found


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def weights(caches: Path) -> list[str]:
    """What the hub's cache has of any weights, whole or not."""
    return [name for name in files(caches / "hub") if "/blobs/" in name or "/snapshots/" in name]


def snapshot(caches: Path, arch: str, tag: str) -> Path:
    """The file of a pair's weights in the hub's cache, to be written."""
    place = caches / "hub" / f"models--{get_pretrained_cfg(arch, tag)['hf_hub'].rstrip('/').replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    (place / "snapshots" / COMMIT).mkdir(parents=True)
    return place / "snapshots" / COMMIT / "open_clip_model.safetensors"


def test_mini_is_described_as_it_is() -> None:
    (mini,) = backbones_here()
    backbone = load_backbone("mini")
    assert (mini.name, mini.source, mini.here, mini.grid, mini.input) == ("mini", "mini", True, (14, 14), 224)
    assert (backbone.name, backbone.vision.grid, backbone.preprocess.size) == ("mini", (14, 14), 224)
    assert mini.memory == pytest.approx(backbone.bytes, rel=1e-5)
    assert mini.bytes < 0.6 * mini.memory, "the file has half precision"


def test_a_folder_and_a_file_are_named_by_whoever_starts(tmp_path: Path) -> None:
    folder = tiny.backbone_folder(tmp_path / "mine")
    mine = named_backbone(str(folder))
    assert (mine.name, mine.source, mine.grid) == ("mine", str(folder), (4, 4))
    assert load_backbone(mine.source).vision.grid == mine.grid
    weights = folder / "weights.safetensors"
    for word in (f"ViT-B-32={weights}", f"ViT-B-32/{weights}"):
        found = named_backbone(word)
        assert (found.name, found.source) == ("ViT-B-32/weights.safetensors", f"ViT-B-32/{weights}")
    described = {known.name: known.grid for known in backbones_here([f"ViT-B-32={weights}"])}
    assert described["ViT-B-32/weights.safetensors"] == (7, 7)


@pytest.mark.parametrize("word", ["", "nothing", "ViT-B-32=", "ViT-B-32=nothing.pt", "=x", "/etc", "ViT-B-32/openai"])
def test_what_is_named_and_not_there_is_refused(word: str) -> None:
    with pytest.raises(BackboneError, match=r"is not a backbone|does not contain config.json"):
        named_backbone(word)


def test_a_pair_in_open_clips_cache_is_found(caches: Path) -> None:
    assert cached_backbones() == []
    clip = caches / ".cache" / "clip"
    clip.mkdir(parents=True)
    (clip / "ViT-B-16.pt").write_bytes(b"x" * 1000)
    (clip / "RN50.pt").write_bytes(b"x" * 10)
    rows = [(each.name, each.source, each.bytes, each.memory, each.input, each.grid) for each in cached_backbones()]
    assert sorted(rows) == [
        ("RN50/openai", "RN50/openai", 10, 20, 224, (7, 7)),
        ("ViT-B-16/openai", "ViT-B-16/openai", 1000, 2000, 224, (14, 14)),
    ], "once each, though two architectures share the weights"
    assert {each.licence for each in cached_backbones()} == {licence_of("openai")}


@pytest.mark.slow
def test_a_pair_in_the_hubs_cache_is_found_and_loaded_without_a_network(
    caches: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub
) -> None:
    """With its own tag's settings: nothing in a file of the hub tells that OpenAI's weights want QuickGELU."""
    model = open_clip.create_model("RN50", pretrained=None)
    save_file(model.state_dict(), snapshot(caches, "RN50", "openai"))
    (known,) = cached_backbones()
    assert known.name == "RN50/openai"
    assert known.memory == sum(4 * value.numel() for value in model.state_dict().values())
    backbone = load_backbone(known.source, download=False)
    quick = open_clip.create_model("RN50", pretrained=None, force_quick_gelu=True).eval()
    quick.load_state_dict(model.state_dict())
    with torch.no_grad():
        wanted = quick.encode_text(open_clip.tokenize(["a cat"]))
    assert relative_error(backbone.text.encode_texts(["a cat"]), wanted) < 1e-5
    assert backbone.vision.grid == known.grid
    refused("not on this machine", NAME, download=False)
    assert hub.asked == []


def test_a_cached_pair_says_what_it_needs_and_one_that_is_not_read_is_not_listed(caches: Path) -> None:
    for arch, tag in (("ViT-B-16-SigLIP2", "webli"), ("roberta-ViT-B-32", "laion2b_s12b_b32k")):
        snapshot(caches, arch, tag).write_bytes(b"x" * 100)
    rows = [(each.name, each.needs, each.grid, str(each.licence)) for each in cached_backbones()]
    assert rows == [("ViT-B-16-SigLIP2/webli", "needs the extra tokenizers", (14, 14), "Apache-2.0")]


PAIRS = [known for known in offered_backbones() if not known.name.startswith("hf-hub:")]


@pytest.mark.parametrize("known", PAIRS, ids=lambda known: known.name)
def test_what_is_offered_is_as_large_as_open_clip_makes_it(known: KnownBackbone) -> None:
    arch, _, tag = known.name.partition("/")
    assert (arch, tag) in list_pretrained()
    with torch.device("meta"):
        model = open_clip.create_model(arch, pretrained=None, device="meta")
        grid = image_encoder(model.visual.eval()).grid
    size = open_clip.get_model_config(arch)["vision_cfg"]["image_size"]
    assert known.bytes == known.memory == sum(4 * value.numel() for value in model.state_dict().values())
    assert (known.input, known.grid, known.licence, known.here) == (size, grid, licence_of(tag), False)


def test_the_catalogue_gives_the_repositories_that_open_clip_has() -> None:
    offered = {each["name"]: each["repository"] for each in catalogue()["offered"]}
    assert {name: repository_of(name) for name in offered} == offered


def test_what_is_offered_has_a_licence_with_its_page_and_a_day() -> None:
    for known in offered_backbones():
        assert re.fullmatch(r"https://\S+", known.licence.source)
        assert date.fromisoformat(known.licence.date) <= date.today()
        assert f"{known.licence}" in known.licence.cited


def test_the_longest_beginning_of_a_tag_and_the_whole_name_of_a_repository_tell_the_licence() -> None:
    assert licence_of("datacompdr") != licence_of("datacomp_xl_s13b_b90k")
    assert str(licence_of("datacomp_xl_s13b_b90k")) == "MIT"
    assert str(licence_of("metaclip_400m")) != str(licence_of("meta")) == "Apache-2.0"
    assert str(licence_of("yfcc15m")) == licence_of("yfcc15m").cited == "not known"
    assert str(licence_by_name("hf-hub:imageomics/bioclip@main")) == "MIT"
    assert str(licence_by_name("hf-hub:imageomics/bioclip-of-another")) == "not known"


@pytest.mark.parametrize("content", [b"", b"\x08" + b"\x00" * 7 + b"not json", b"\xff" * 100])
def test_a_file_that_is_no_tensor_file_is_as_large_as_it_is(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.safetensors").write_bytes(content)
    assert memory_of(tmp_path / "odd.safetensors") == len(content)


# Fetching ------------------------------------------------------------------------------------------------------------


def test_weights_are_fetched_to_where_open_clip_looks(hub: Hub) -> None:
    reports = list(fetch_weights(NAME))
    assert (reports[-1], reports[-1].fraction) == (Fetched(len(CONTENT), len(CONTENT)), 1)
    assert any(0 < report.done < len(CONTENT) for report in reports)
    hub.asked.clear()
    assert (fetched(), list(fetch_weights(NAME)), hub.asked) == (CONTENT, [], []), "what is here is not asked for again"
    path = tiny.there(cached_weights(get_pretrained_cfg(*NAME.split("/"))))
    assert (path.name, path.read_bytes()) == ("open_clip_model.safetensors", CONTENT)


def test_pickled_weights_are_fetched_where_there_are_no_others(hub: Hub) -> None:
    hub.files = {PICKLED: CONTENT}
    assert fetched() == CONTENT
    assert tiny.there(cached_weights(get_pretrained_cfg(*NAME.split("/")))).name == "open_clip_pytorch_model.bin"


def test_no_network_is_a_sentence(monkeypatch: pytest.MonkeyPatch, caches: Path) -> None:
    ask_at(monkeypatch, "http://127.0.0.1:9")
    not_fetched("'mini' works without a network")
    not_fetched("lists no weights named 'ViT-B-32/nothing'", "ViT-B-32/nothing")
    assert files(caches) == []


def test_a_full_disk_is_a_sentence_and_what_is_there_is_continued(caches: Path, hub: Hub) -> None:
    hub.pause = 0
    partial_of(caches).write_bytes(CONTENT[:1000])
    full = OSError(errno.ENOSPC, "No space left on device")
    with mock.patch("huggingface_hub.file_download.http_get", side_effect=full):
        not_fetched(f"no space left .*`gallop backbones rm {NAME}` removes")
    assert (fetched() == CONTENT, hub.begins) == (True, [1000])


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub: Hub) -> None:
    hub.breaks = [3 * 2**20]
    assert fetched() == CONTENT
    assert sum(line.startswith("GET") for line in hub.asked) == 2


MISBEHAVES: dict[str, tuple[dict[str, Any], str]] = {
    "wants a licence accepted": ({"gated": True}, "Accept it on https://huggingface.co/laion/"),
    "has no such file": ({"files": {}}, "could not be downloaded"),
    "sends another file": ({"sends": {SAFE: CONTENT[::-1]}}, "is not what the Hub announced"),
    "sends another file, longer than announced": ({"longer": 100, "sends": {SAFE: CONTENT[::-1]}}, "is not what the"),
    "sends another file, shorter than announced": ({"longer": -100, "sends": {SAFE: CONTENT[::-1]}}, "is not what the"),
    "sends a file with one other byte": ({"sends": {SAFE: b"x" + CONTENT[1:]}}, "is not what the Hub announced"),
}


@pytest.mark.parametrize("case", MISBEHAVES)
def test_a_hub_that_sends_something_else_is_a_sentence_and_leaves_nothing(case: str, hub: Hub, caches: Path) -> None:
    how, says = MISBEHAVES[case]
    vars(hub).update({"pause": 0} | how)
    not_fetched(says)
    assert (weights(caches), cached_backbones()) == ([], [])


@pytest.mark.parametrize("longer", [100, -100])
def test_a_file_with_the_digest_is_right_whatever_length_was_announced(longer: int, hub: Hub) -> None:
    vars(hub).update(pause=0, longer=longer)
    assert fetched() == CONTENT


@pytest.mark.slow  # the hub's client tries five times, with a second between
@pytest.mark.parametrize("how", [{"breaks": [0] * 20}, {"stalls": 3.0}])
def test_a_hub_that_sends_nothing_is_given_up(
    how: dict[str, Any], hub: Hub, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    vars(hub).update(how)
    not_fetched("could not be downloaded")
    assert partial_of(caches).stat().st_size == 0


# Continuing a download that was stopped -------------------------------------------------------------------------------


def partial_of(caches: Path, content: bytes = CONTENT) -> Path:
    """Where a download of ``SAFE`` that was stopped is kept."""
    blobs = caches / "hub" / f"models--{REPOSITORY.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    return blobs / f"{hashlib.sha256(content).hexdigest()}.gallop.incomplete"


def not_fetched(says: str, name: str = NAME) -> None:
    with pytest.raises(BackboneError, match=says):
        list(fetch_weights(name))


def fetched() -> bytes:
    """What is in the cache once the weights were fetched, where open_clip looks for them without a network."""
    list(fetch_weights(NAME))
    with mock.patch.object(constants, "HF_HUB_OFFLINE", True):
        return Path(download_pretrained(get_pretrained_cfg(*NAME.split("/")))).read_bytes()


def test_a_download_that_is_cancelled_continues_at_the_next_call(caches: Path, hub: Hub) -> None:
    hub.pause = 0.002
    reports = fetch_weights(NAME)
    assert any(0 < report.done < len(CONTENT) for report in reports)
    reports.close()  # type: ignore[attr-defined]
    kept = partial_of(caches).stat().st_size
    assert 0 < kept < len(CONTENT)
    assert partial_of(caches).read_bytes() == CONTENT[:kept]
    hub.pause = 0
    assert (fetched() == CONTENT, hub.begins) == (True, [0, kept])
    assert len(weights(caches)) == 2, "a blob, and its name in the snapshot"


def test_progress_begins_at_what_is_there(caches: Path, hub: Hub) -> None:
    partial_of(caches).write_bytes(CONTENT[: 30 * 2**20])
    done = [report.done for report in fetch_weights(NAME) if report.total]
    assert min(done) >= 30 * 2**20
    assert done[-1] == len(CONTENT)


@pytest.mark.slow  # a process
def test_a_command_that_is_killed_continues_at_the_next_call(caches: Path, hub: Hub) -> None:
    hub.pause = 0.01
    environment = os.environ | {"HF_ENDPOINT": hub.address, "HF_HUB_CACHE": str(caches / "hub")}
    command = [sys.executable, "-m", "gallop", "backbones", "get", NAME]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        until(lambda: partial_of(caches).exists() and partial_of(caches).stat().st_size)
        process.kill()
    kept = partial_of(caches).stat().st_size
    assert 0 < kept < len(CONTENT)
    hub.pause = 0
    assert (fetched() == CONTENT, hub.begins) == (True, [0, kept])


@pytest.mark.slow  # the hub's client tries five times, with a second between
def test_a_download_whose_connection_was_lost_continues_at_the_next_call(hub: Hub) -> None:
    vars(hub).update(pause=0, breaks=[20 * 2**20, *[0] * 20])
    not_fetched("to continue it")
    vars(hub).update(breaks=[], begins=[])
    assert (fetched() == CONTENT, hub.begins) == (True, [20 * 2**20])


def test_what_is_there_is_not_continued_where_the_network_is_turned_off(
    caches: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial_of(caches).write_bytes(CONTENT[:1000])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    not_fetched(r"could not be downloaded \(OfflineModeIsEnabled\)")
    assert (hub.asked, partial_of(caches).read_bytes()) == ([], CONTENT[:1000])


def test_a_branch_that_moves_during_the_download_is_of_the_commit_that_was_asked_for(caches: Path, hub: Hub) -> None:
    def moved(path: str) -> None:
        hub.files |= {f"{REPOSITORY}/resolve/{COMMIT}/open_clip_model.safetensors": CONTENT, SAFE: b"other weights"}
        hub.main = "f" * 40

    vars(hub).update(pause=0, after=moved)
    assert fetched() == CONTENT
    assert {line.split("/resolve/")[1].split("/")[0] for line in hub.asked[1:]} == {COMMIT}


@pytest.mark.parametrize("ranges", ["shifted", "refused"])
def test_a_part_that_does_not_fit_is_deleted_with_what_was_there(ranges: str, caches: Path, hub: Hub) -> None:
    partial_of(caches).write_bytes(CONTENT[:1000])
    vars(hub).update(pause=0, ranges=ranges)
    not_fetched("is not what the Hub announced")
    assert (weights(caches), cached_backbones()) == ([], [])
    assert (fetched() == CONTENT, hub.begins) == (True, [1000, 0])


@pytest.mark.parametrize(
    ("there", "sends", "content", "begins"),
    [
        (CONTENT, {}, CONTENT, []),
        (CONTENT + b"x", {}, CONTENT, [0]),
        (CONTENT[:1000], {"files": {SAFE: CONTENT[::-1]}, "main": "f" * 40}, CONTENT[::-1], [0]),
        (CONTENT[:1000], {"ranges": "ignored"}, CONTENT, [1000]),
    ],
    ids=["complete", "longer than the file", "of a file that changed meanwhile", "of a server without ranges"],
)
def test_what_is_there_is_taken_or_replaced(
    there: bytes, sends: dict[str, Any], content: bytes, begins: list[int], caches: Path, hub: Hub
) -> None:
    partial_of(caches).write_bytes(there)
    vars(hub).update({"pause": 0} | sends)
    assert (fetched() == content, hub.begins) == (True, begins)


def test_what_is_there_completely_and_wrong_is_deleted(caches: Path, hub: Hub) -> None:
    partial_of(caches).write_bytes(CONTENT[::-1])
    not_fetched("is not what the Hub announced .*, so it was deleted")
    assert (weights(caches), hub.begins) == ([], [])


def test_a_part_is_asked_for_where_the_hub_sends_to_and_no_token_is_sent_there(
    caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the Hub does with large files: it gives the digest itself, and the address of another host for the bytes."""
    asked = []

    class Sends(Answers):
        def do_GET(self) -> None:
            asked.append((self.headers["Range"], self.headers["Authorization"]))
            part = CONTENT[1000:] if self.path == "/bytes" else b""
            self.send_response(206 if part else 302)
            answer = {"Content-Range": f"bytes 1000-{len(CONTENT) - 1}/{len(CONTENT)}"} if part else points
            for header, value in answer.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part)

        do_HEAD = do_GET

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    partial_of(caches).write_bytes(CONTENT[:1000])
    with listening(Sends) as elsewhere, listening(Sends) as sends:
        points = {
            "Location": f"{elsewhere.address}/bytes",
            "X-Repo-Commit": COMMIT,
            "X-Linked-ETag": f'"{hashlib.sha256(CONTENT).hexdigest()}"',
            "X-Linked-Size": str(len(CONTENT)),
        }
        ask_at(monkeypatch, sends.address)
        assert fetched() == CONTENT
    rest, token = "bytes=1000-", "Bearer hf_secret"
    assert asked == [(None, token), (rest, token), (rest, None), (None, token)]


def test_two_downloads_at_once_ask_once(hub: Hub) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: list(fetch_weights(name)), [NAME] * 2))
    assert (fetched() == CONTENT, hub.begins) == (True, [0])


def test_without_links_the_file_lies_in_the_snapshot_alone(
    caches: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.are_symlinks_supported", lambda cache_dir=None: False)
    hub.pause = 0
    assert fetched() == CONTENT
    assert ["/snapshots/" in name for name in weights(caches)] == [True]


@pytest.mark.parametrize("tag", ["W/tagged", "../../../../outside", "a" * 64 + "/../../../../outside"])
def test_a_tag_that_is_no_digest_names_no_file_of_ours(tag: str, caches: Path, hub: Hub) -> None:
    """Nothing could be compared with it, so what is there cannot be continued either."""
    hub.tag = tag
    with mock.patch("huggingface_hub.hf_hub_download", side_effect=OSError("asked")) as full:
        not_fetched(r"\(OSError\)")
    assert (full.call_count, files(caches), hub.begins) == (1, [], [])


# Removing ------------------------------------------------------------------------------------------------------------


def test_what_was_downloaded_is_removed(hub: Hub, caches: Path) -> None:
    hub.pause = 0
    list(fetch_weights(NAME))
    assert remove_weights(NAME) == len(CONTENT)
    assert weights(caches) == cached_backbones() == []
    with pytest.raises(BackboneError, match="there is nothing to remove"):
        remove_weights(NAME)


def test_what_is_there_of_a_download_that_was_stopped_and_a_file_in_open_clips_cache_are_removed(caches: Path) -> None:
    partial_of(caches).write_bytes(CONTENT[:1000])
    assert (remove_weights(NAME), weights(caches)) == (1000, [])
    (caches / ".cache" / "clip").mkdir(parents=True)
    (caches / ".cache" / "clip" / "RN50.pt").write_bytes(b"x" * 10)
    assert (remove_weights("RN50/openai"), cached_backbones()) == (10, [])


def test_what_was_not_downloaded_is_not_removed(tmp_path: Path) -> None:
    folder = tiny.backbone_folder(tmp_path)
    for name in ("mini", str(folder), f"ViT-B-32/{folder / 'weights.safetensors'}"):
        with pytest.raises(BackboneError, match="was not downloaded"):
            remove_weights(name)
    assert (folder / "weights.safetensors").is_file()


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
def test_the_kinds_of_regions_that_settings_tell_are_those_that_the_backbone_has(
    vision: dict[str, Any], several: bool
) -> None:
    usual = {"image_size": 32, "patch_size": 8, "width": 64, "layers": 1, "head_width": 32}
    text = {"context_length": 16, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
    settings = {"embed_dim": 32, "vision_cfg": usual | vision, "text_cfg": text}
    told = KnownBackbone("x").with_settings(settings).kinds
    visual = open_clip.CLIP(**settings).visual
    has = []
    for kind in REGION_KINDS:
        with contextlib.suppress(BackboneError):
            has.append(image_encoder(visual, kind).region_kind)
    assert told == tuple(has) == (REGION_KINDS if several else ("value",))


# The table of pairs --------------------------------------------------------------------------------------------------


VERSION = "3.3"
of_this_version = pytest.mark.skipif(
    not open_clip.__version__.startswith(f"{VERSION}."),
    reason=f"the table is of open_clip {VERSION}, this is {open_clip.__version__}",
)


LINES = TABLE.read_text(encoding="utf-8").partition(HEAD)[2].splitlines()[2:]
ROWS = {line.split(" | ")[0].removeprefix("| "): line for line in LINES}
"""The table's lines by their pair."""


@of_this_version
def test_the_table_has_every_pair_and_the_count_is_known() -> None:
    pairs = ["/".join(pair) for pair in open_clip.list_pretrained()]
    assert (list(ROWS), len(pairs)) == (pairs, 196)
    admitted = [pair for pair, row in ROWS.items() if row.split(" | ")[1] == "yes"]
    assert len(admitted) == 187
    assert f"{len(admitted)} of the {len(pairs)} pairs" in TABLE.read_text(encoding="utf-8")
    for pair in set(pairs) - set(admitted):  # all for the same reason, which the settings tell
        assert "hf_model_name" in open_clip.get_model_config(pair.split("/")[0])["text_cfg"]


ONE_OF_A_KIND = [
    ("RN50", "openai"),
    ("ViT-B-32", "laion2b_s34b_b79k"),
    ("roberta-ViT-B-32", "laion2b_s12b_b32k"),
    ("coca_ViT-B-32", "laion2b_s13b_b90k"),
    ("EVA02-B-16", "merged2b_s8b_b131k"),
    ("ViT-B-32-SigLIP2-256", "webli"),
    ("MobileCLIP-B", "datacompdr"),
    ("MobileCLIP2-S0", "dfndr2b"),
    ("ViTamin-XL-384", "datacomp1b"),
    ("PE-Core-T-16-384", "meta"),
    ("convnext_base", "laion400m_s13b_b51k"),
]


@pytest.mark.slow
@of_this_version
@pytest.mark.parametrize(("arch", "tag"), ONE_OF_A_KIND, ids=[arch for arch, _ in ONE_OF_A_KIND])
def test_a_row_is_what_the_library_says(arch: str, tag: str) -> None:
    assert ROWS[f"{arch}/{tag}"] == row(arch, tag)


def test_a_refused_pair_is_refused_before_anything_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gallop.backbones.loading.download_weights", lambda *_: pytest.fail("it was downloaded"))
    with pytest.raises(
        UnsupportedBackbone, match=r"cannot be used: its text encoder is roberta-base from Hugging Face"
    ):
        load_backbone("roberta-ViT-B-32/laion2b_s12b_b32k")
