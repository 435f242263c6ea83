"""Folders and repositories in open_clip's format: read as open_clip reads them, with nothing fetched or run beside."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import save_file

from gallop import GalLoPClassifier, load_backbone
from gallop.backbones.weights import (
    backbones_here,
    cached_repositories,
    fetch_weights,
    licence_by_name,
    named_backbone,
    remove_weights,
    repository_of,
)
from gallop.errors import BackboneError, UnsupportedBackbone
from tests import tiny
from tests.backbones.conftest import Bomb, refused
from tests.backbones.test_encoders import TINY_VISION, draw_parameters
from tests.backbones.test_pairs import BOTH_WAYS, train_tokenizer
from tests.backbones.test_weights import ask_at
from tests.conftest import ROOT
from tests.connects import Connects
from tests.reference import relative_error
from tests.weight_server import COMMIT, Hub, weight_server

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2}
SIGLIP = {
    **TEXT,
    **BOTH_WAYS,
    "context_length": 24,
    "vocab_size": 700,
    "hf_tokenizer_name": "nobody/nothing",
    "proj_bias": True,
    "tokenizer_kwargs": {"clean": "canonicalize"},
}
PLAIN = {"embed_dim": 16, "vision_cfg": TINY_VISION, "text_cfg": TEXT, "quick_gelu": True}
LAYOUTS: dict[str, dict[str, Any]] = {
    "ViT": PLAIN | {"vision_cfg": TINY_VISION | {"image_size": [32, 32], "patch_size": [16, 16]}},
    "TinyCLIP": {
        "embed_dim": 512,
        "vision_cfg": {"image_size": 224, "layers": 10, "width": 256, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 256, "heads": 4, "layers": 3},
    },
    "timm": {
        "embed_dim": 16,
        "vision_cfg": {
            "timm_model_name": "vit_tiny_patch16_224",
            "timm_model_pretrained": True,
            "timm_pool": "token",
            "timm_proj": "linear",
            "image_size": 224,
        },
        "text_cfg": TEXT,
    },
    "SigLIP": {
        "embed_dim": 16,
        "vision_cfg": TINY_VISION,
        "text_cfg": SIGLIP,
        "custom_text": True,
        "init_logit_bias": -10,
    },
    "RN50": {
        "embed_dim": 64,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
        "text_cfg": TEXT,
    },
}
PREPROCESS: dict[str, Any] = {
    "mean": [0.4, 0.5, 0.6],
    "std": [0.2, 0.25, 0.3],
    "interpolation": "bilinear",
    "resize_mode": "squash",
}


@pytest.fixture(autouse=True)
def nothing_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache of the Hub, and nobody there."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    ask_at(monkeypatch, "http://127.0.0.1:1")


def written(folder: Path, settings: dict[str, Any], weights: str = "open_clip_model.safetensors") -> Any:
    """Write a folder in open_clip's format with everything drawn at random, and return the model."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    config = deepcopy(settings)
    config["vision_cfg"].pop("timm_model_pretrained", None)
    model = (open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP)(**config).eval()
    draw_parameters(model.requires_grad_(False))
    (save_file if weights.endswith(".safetensors") else torch.save)(model.state_dict(), folder / weights)
    write_settings(folder, settings)
    return model


def write_settings(folder: Path, settings: Any, preprocess: Any = PREPROCESS) -> None:
    text = json.dumps({"model_cfg": settings, "preprocess_cfg": preprocess})
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_is_read_as_open_clip_reads_it(layout: str, tmp_path: Path) -> None:
    written(tmp_path / "model", LAYOUTS[layout])
    if layout == "SigLIP":
        train_tokenizer(tmp_path / "model", "gallop-siglip")
    named, texts = f"local-dir:{tmp_path / 'model'}", [f"A photo of a {name}" for name in ("cat", "golden retriever")]
    theirs, _, transform = open_clip.create_model_and_transforms(named)
    theirs.eval()
    ours = load_backbone(named, device="cpu")
    photo = Image.effect_noise((90, 60), 80).convert("RGB")
    pixels = transform(photo)[None]
    assert torch.allclose(ours.preprocess.centre(photo)[0], pixels[0], atol=1e-6)
    with torch.no_grad():
        assert relative_error(ours.encode_image(pixels)[0], theirs.encode_image(pixels)) < 1e-5
        wanted = theirs.encode_text(open_clip.get_tokenizer(named)(texts))
    assert relative_error(ours.text.encode_texts(texts), wanted) < 1e-5
    assert ours.logit_scale == pytest.approx(theirs.logit_scale.exp().item())


def test_safetensors_come_first_and_a_torch_file_is_read_where_there_are_none(tmp_path: Path) -> None:
    model = written(tmp_path / "model", PLAIN, "open_clip_pytorch_model.bin")
    pixels = torch.randn(1, 3, 32, 32)
    assert relative_error(load_backbone(tmp_path / "model").encode_image(pixels)[0], model.encode_image(pixels)) < 1e-5
    save_file({"no": torch.zeros(4_000_000)}, tmp_path / "model" / "open_clip_model.safetensors")
    refused("weights do not fit", tmp_path / "model")


def changed(**parts: Any) -> dict[str, Any]:
    both = {part: {**PLAIN[part], **more} for part, more in parts.items() if isinstance(PLAIN.get(part), dict)}
    return {**PLAIN, **parts, **both}


TIMM = {"timm_pool": "token", "timm_proj": "linear"}
UNSUPPORTED = {
    "text of another": (changed(text_cfg={"hf_model_name": "nobody/text"}), "text encoder is 'nobody/text'"),
    "captions": (changed(multimodal_cfg={}), r"decoder for captions \(multimodal_cfg\)"),
    "code of a tokenizer": (
        changed(text_cfg={**SIGLIP, "tokenizer_kwargs": {"trust_remote_code": True}}),
        "tokenizer_kwargs contain trust_remote_code",
    ),
    "a trunk of the Hub": (
        changed(vision_cfg={"timm_model_name": "hf-hub:nobody/trunk", **TIMM}),
        "timm does not know its image encoder 'hf-hub:nobody/trunk'",
    ),
    "no such trunk": (changed(vision_cfg={"timm_model_name": "../../x", **TIMM}), "timm does not know"),
}
INVALID: dict[str, Any] = {
    "no settings": None,
    "a list": [],
    "a text": "model",
    "no encoders": {"embed_dim": 16},
    "encoders that are none": {"embed_dim": 16, "vision_cfg": 3, "text_cfg": []},
    "a width of text": changed(vision_cfg={"width": "wide"}),
    "a width of zero": changed(vision_cfg={"width": 0}),
    "heads of no width": changed(vision_cfg={"head_width": 0}),
    "patches of zero": changed(vision_cfg={"patch_size": 0}),
    "no embedding": changed(embed_dim=None),
    "an unknown setting": changed(vision_cfg={"run": "rm"}),
    "an unknown setting of all": changed(shell="rm"),
    "a million layers": changed(vision_cfg={"layers": 10**6}),
    "a word for every star": changed(text_cfg={"vocab_size": 10**11}),
    "a long text": changed(text_cfg={"context_length": 10**9}),
    "a wide encoder": changed(vision_cfg={"width": 10**6}),
    "a photo as large as a town": changed(vision_cfg={"image_size": 10**8}),
    "a wide layer": changed(vision_cfg={"mlp_ratio": 10**9}),
    "endless layers": changed(vision_cfg={"layers": [10**9, 1, 1, 1]}),
}


REFUSED = [
    *((settings, PREPROCESS, UnsupportedBackbone, sentence) for settings, sentence in UNSUPPORTED.values()),
    *(
        (settings, PREPROCESS, BackboneError, "does not contain valid settings of an open_clip model")
        for settings in INVALID.values()
    ),
    *(
        (PLAIN, preprocess, BackboneError, "")
        for preprocess in (
            {"mean": 3},
            {"mean": [0.1]},
            {"std": [0, 0, 0]},
            {"interpolation": "magic"},
            {"resize_mode": "longest"},
            7,
        )
    ),
]


@pytest.mark.parametrize(("settings", "preprocess", "kind", "sentence"), REFUSED)
def test_what_would_be_fetched_or_run_is_refused(
    settings: Any, preprocess: Any, kind: type[Exception], sentence: str, tmp_path: Path
) -> None:
    """And so is what is damaged, too large, or not read here."""
    written(tmp_path / "model", PLAIN)
    write_settings(tmp_path / "model", settings, preprocess)
    refused(sentence, tmp_path / "model", kind)


def test_files_that_are_missing_or_no_json_are_sentences(tmp_path: Path) -> None:
    written(tmp_path / "model", PLAIN)
    (tmp_path / "model" / "open_clip_config.json").write_text("{")
    refused("valid settings", tmp_path / "model")
    (tmp_path / "model" / "open_clip_model.safetensors").unlink()
    refused(r"but neither open_clip_model\.safetensors nor open_clip_pytorch_model", tmp_path / "model")


def test_a_tokenizer_that_is_not_beside_the_weights_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    written(tmp_path / "model", LAYOUTS["SigLIP"])
    refused("tokenizer of .* could not be loaded", tmp_path / "model")


def test_a_model_on_it_is_saved_and_loaded_and_the_command_line_names_it(tmp_path: Path) -> None:
    written(tmp_path / "model", PLAIN)
    made = GalLoPClassifier(str(tmp_path / "model"), device="cpu").zero_shot(["red", "green"])
    made.save(tmp_path / "saved")
    photos = [tiny.picture(1, "red"), tiny.picture(2, "green")]
    loaded = GalLoPClassifier.load(tmp_path / "saved", device="cpu")
    assert (loaded.predict_proba(photos) == made.predict_proba(photos)).all()
    known = named_backbone(str(tmp_path / "model"))
    assert (known.name, known.grid, known.input) == ("model", (2, 2), 32)
    assert [each.name for each in backbones_here([str(tmp_path / "model")], seek=False)][-1] == "model"
    assert str(licence_by_name(str(tmp_path / "model"))) == "not known"


# --- A repository of the Hub -----------------------------------------------------------------------------------------


def as_pickle(folder: Path, content: Any) -> None:
    (folder / "open_clip_model.safetensors").unlink()
    torch.save(content, folder / "open_clip_pytorch_model.bin")


def piped(folder: Path) -> None:
    (folder / "open_clip_model.safetensors").unlink()
    os.mkfifo(folder / "open_clip_model.safetensors")


DAMAGED: dict[str, Callable[[Path], object]] = {
    "weights cut off": lambda folder: os.truncate(folder / "open_clip_model.safetensors", 100_000),
    "a pickle that runs": lambda folder: as_pickle(folder, {"weight": Bomb(folder.parent / "ran")}),
    "a pickle of no weights": lambda folder: as_pickle(folder, [1, 2, 3]),
    "a pipe for weights": piped,
    "a header without an end": lambda folder: (folder / "open_clip_model.safetensors").write_bytes(b"\xff" * 4_000_000),
    "weights of another": lambda folder: save_file(
        {"x": torch.zeros(2_000_000)}, folder / "open_clip_model.safetensors"
    ),
    "settings without an end": lambda folder: (folder / "open_clip_config.json").write_bytes(b"[" * 900_000),
    "settings of two megabytes": lambda folder: (folder / "open_clip_config.json").write_bytes(b" " * 2**21),
    "settings that are none": lambda folder: (folder / "open_clip_config.json").write_bytes(b"\xff\xfe{"),
}
ASKED = """
import json, sys
from gallop.backbones import load_backbone
from gallop.errors import BackboneError, UnsupportedBackbone

said = {}
for folder in sys.argv[1:]:
    try:
        said[folder] = load_backbone(folder, device="cpu").name
    except (BackboneError, UnsupportedBackbone) as error:
        said[folder] = f"refused: {error}"
print(json.dumps(said))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it has no pipes")
def test_damaged_and_hostile_folders_are_refused_and_nothing_is_asked_of_a_network(tmp_path: Path) -> None:
    written(tmp_path / "good", PLAIN)
    cases: dict[str, Any] = {name: settings for name, (settings, _) in UNSUPPORTED.items()} | INVALID | DAMAGED
    for name, case in cases.items():
        shutil.copytree(tmp_path / "good", tmp_path / name)
        if name in DAMAGED:
            case(tmp_path / name)
        else:
            write_settings(tmp_path / name, case)
    connects = Connects(tmp_path / "record")
    folders = [str(tmp_path / name) for name in ("good", *cases)]
    child = subprocess.run(
        [sys.executable, "-c", ASKED, *folders],
        env=connects.environment() | {"PYTHONPATH": f"{tmp_path / 'record' / 'recording'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    loaded = [folder for folder, said in json.loads(child.stdout).items() if not said.startswith("refused: ")]
    assert (loaded, connects.all(), (tmp_path / "ran").exists()) == (folders[:1], [], False)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A repository with a model, whose branch v2 has another one."""
    folder = tmp_path / "model"
    files = {}
    for prefix, settings in (("someone/clip", PLAIN), ("someone/clip/resolve/v2", changed(quick_gelu=False))):
        written(folder, settings)
        files |= {f"{prefix}/{path.name}": path.read_bytes() for path in folder.iterdir()}
    with weight_server(Hub(files)) as found:
        ask_at(monkeypatch, found.address)
        yield found


def test_a_repository_is_fetched_once_and_never_without_leave_and_a_revision_is_another(hub: Hub) -> None:
    refused("on this machine, and downloading is turned off", "hf-hub:someone/clip", download=False)
    assert hub.asked == []
    fetched = load_backbone("hf-hub:someone/clip", device="cpu")
    assert {re.split(r"[ /]", line)[-1] for line in hub.asked} == {
        "open_clip_config.json",
        "open_clip_model.safetensors",
    }
    before = len(hub.asked)
    again = load_backbone("hf-hub:someone/clip", device="cpu", download=False)
    assert load_backbone("hf-hub:someone/clip", device="cpu").fingerprint == again.fingerprint == fetched.fingerprint
    assert (len(hub.asked), named_backbone("hf-hub:someone/clip").source) == (before, "hf-hub:someone/clip")
    pixels, other = torch.randn(1, 3, 32, 32), load_backbone("hf-hub:someone/clip@v2", device="cpu")
    assert not torch.allclose(fetched.encode_image(pixels)[0], other.encode_image(pixels)[0])
    assert repository_of("hf-hub:someone/clip@v2") == "someone/clip"


def test_a_repository_is_of_one_commit_even_where_the_branch_moves_meanwhile(hub: Hub) -> None:
    wanted = load_backbone("hf-hub:someone/clip@v2", device="cpu")

    def moved(path: str) -> None:
        """The branch main gets v2's weights once its settings were sent."""
        if path.endswith("main/open_clip_config.json"):
            old = hub.files["someone/clip/open_clip_model.safetensors"]
            hub.files[f"someone/clip/resolve/{COMMIT}/open_clip_model.safetensors"] = old
            hub.files["someone/clip/open_clip_model.safetensors"] = b"other weights"
            hub.main = "f" * 40

    hub.after = moved
    found = load_backbone("hf-hub:someone/clip", device="cpu")
    assert found.fingerprint == wanted.fingerprint, "both were drawn with one seed"
    assert hub.asked[-1].endswith(f"/someone/clip/resolve/{COMMIT}/open_clip_model.safetensors")


def test_a_commit_that_has_gone_meanwhile_is_a_sentence(hub: Hub) -> None:
    hub.after = lambda path: setattr(hub, "main", "f" * 40)
    refused(r"someone/clip has no open_clip_config\.json with open_clip_model", "hf-hub:someone/clip")


def test_a_downloaded_repository_is_listed_and_removed(hub: Hub) -> None:
    assert [report.fraction for report in fetch_weights("hf-hub:someone/clip")][-1] == 1
    assert [known.name for known in cached_repositories()] == ["hf-hub:someone/clip"]
    assert remove_weights("hf-hub:someone/clip") > 0
    assert cached_repositories() == []
    assert load_backbone("hf-hub:someone/clip").name == "hf-hub:someone/clip", "it can be downloaded again"


def test_a_repository_with_another_text_encoder_is_not_listed(hub: Hub) -> None:
    text = json.dumps({"model_cfg": changed(text_cfg={"hf_model_name": "nobody/text"})})
    hub.files["someone/clip/open_clip_config.json"] = text.encode()
    list(fetch_weights("hf-hub:someone/clip"))
    assert cached_repositories() == []


@pytest.mark.parametrize(
    "name",
    [
        "hf-hub:",
        "hf-hub:clip",
        "hf-hub:a/b/c",
        "hf-hub:a/b@",
        "hf-hub:../b c",
        "hf-hub:a/b?x",
        "hf-hub:a/b@../c",
        "hf-hub:a/b@/c",
    ],
)
def test_another_form_of_address_is_a_sentence(name: str) -> None:
    refused("is not hf-hub:OWNER/NAME", name)


def test_a_repository_without_the_files_is_a_sentence(hub: Hub) -> None:
    refused(r"someone/other has no open_clip_config\.json with open_clip_model", "hf-hub:someone/other")
    hub.leave()
    refused("not on this machine and could not be downloaded", "hf-hub:someone/clip")
