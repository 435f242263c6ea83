"""Folders and repositories in open_clip's format: read as open_clip reads them, with nothing fetched or run beside."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest import mock

import open_clip
import pytest
import timm
import torch
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import load_file, save_file

from gallop import GalLoPClassifier, load_backbone
from gallop.backbones.allowed import OPEN_CLIPS, check_settings
from gallop.backbones.loading import read_state
from gallop.backbones.text.tokenizers import hub_tokenizer
from gallop.backbones.weights import (
    backbones_here,
    cached_repositories,
    fetch_weights,
    licence_by_name,
    named_backbone,
    remove_weights,
    repository_of,
)
from gallop.cli import main
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
    "code of a tokenizer": changed(text_cfg={**SIGLIP, "tokenizer_kwargs": {"trust_remote_code": True}}),
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
        (settings, PREPROCESS, BackboneError, "does not contain valid backbone settings|weights, more than")
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
    refused("valid backbone settings", tmp_path / "model")
    write_settings(tmp_path / "model", PLAIN)
    (tmp_path / "model" / "open_clip_model.safetensors").unlink()
    refused(r"but neither open_clip_model\.safetensors nor open_clip_pytorch_model", tmp_path / "model")


@pytest.mark.parametrize("packed", ["data.pkl", "data/0"])
def test_a_torch_file_with_a_packed_part_is_not_unpacked(packed: str, tmp_path: Path) -> None:
    """torch would unpack it before it compares a size: forty megabytes were five gigabytes."""
    file, bomb = tmp_path / "weights.bin", tmp_path / "bomb.bin"
    torch.save({"weight": torch.zeros(1000)}, file)
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(bomb, "w") as other:
        for part in whole.infolist():
            how = zipfile.ZIP_DEFLATED if part.filename.endswith(packed) else zipfile.ZIP_STORED
            other.writestr(part.filename, whole.read(part), how)
    assert read_state(str(file)).keys() == {"weight"}
    with pytest.raises(BackboneError, match="weights that can be read safely"):
        read_state(str(bomb))


@pytest.mark.parametrize("scale", [89.0, 1e30, -200.0, float("nan")])
def test_a_logit_scale_with_which_no_probability_is_a_number_is_refused(scale: float, tmp_path: Path) -> None:
    tiny.backbone_folder(tmp_path)
    (weights,) = tmp_path.glob("*.safetensors")
    save_file({**load_file(weights), "logit_scale": torch.tensor(scale)}, weights)
    with pytest.raises(BackboneError, match="logit scale"):
        load_backbone(tmp_path, device="cpu")


def test_a_tokenizer_that_makes_texts_grow_without_end_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra tokenizers")
    tenfold = {"type": "Replace", "pattern": {"String": "."}, "content": ".........."}
    usual = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    (tmp_path / "tokenizer_config.json").write_text("{}")
    for each, steps, told in ((tenfold, 9, "make a text too long"), (usual, 5, "could not be loaded")):
        normalizer = {"type": "Sequence", "normalizers": [each] * steps}
        (tmp_path / "tokenizer.json").write_text(json.dumps({"normalizer": normalizer, "pre_tokenizer": None}))
        with pytest.raises(BackboneError, match=told):
            hub_tokenizer("x", {"hf_tokenizer_name": "nobody/nothing"}, tmp_path, download=False)


def test_a_tokenizer_that_is_not_here_is_not_even_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers", reason="needs the extra tokenizers")
    asked = mock.Mock(side_effect=AssertionError)
    monkeypatch.setattr("open_clip.tokenizer.HFTokenizer", asked)
    with pytest.raises(BackboneError, match="not on this machine"):
        hub_tokenizer("x", {"hf_tokenizer_name": "nobody/nothing"}, tmp_path, download=False)
    assert not asked.called


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


# --- Settings of strangers, in either layout -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The weights of PLAIN, in open_clip's layout and in that of mini."""
    theirs, ours = (tmp_path_factory.mktemp(name) for name in ("theirs", "ours"))
    written(theirs, PLAIN)
    shutil.copy(theirs / "open_clip_model.safetensors", ours / "weights.safetensors")
    return theirs, ours


def write_both(folders: tuple[Path, Path], place: str, changes: Any) -> None:
    """Change the settings of a place in both; what is no place of open_clip's layout is beside the others there."""
    for folder, preprocess, file in zip(
        folders, ("preprocess_cfg", "preprocess"), ("open_clip_config.json", "config.json"), strict=True
    ):
        how = {key: value for key, value in PREPROCESS.items() if key != "resize_mode"}
        settings: dict[str, Any] = {"model_cfg": deepcopy(PLAIN), preprocess: how}
        parts = {**settings["model_cfg"], "model_cfg": settings["model_cfg"], "preprocess": how, "": settings}
        parts[place].update(changes)
        (folder / file).write_text(json.dumps(settings), encoding="utf-8")


NAN, LARGE = float("nan"), 10**30
TEST_VIT = {"timm_model_name": "test_vit", "timm_proj": "linear", "image_size": 160}
HOSTILE: dict[tuple[str, str], list[Any]] = {
    ("vision_cfg", "pool_type"): ["none", "max", None, ["tok"]],
    ("vision_cfg", "norm_kwargs"): [{"eps": "x"}, {"elementwise_affine": 3}, [1], "x"],
    ("vision_cfg", "act_kwargs"): [{"approximate": "x"}, {"approximate": "tanh"}, {"inplace": True}, 3],
    ("vision_cfg", "image_size"): [0, -32, 31.5, True, "32", [32], [32, 48], 2**20, LARGE, NAN],
    ("vision_cfg", "patch_size"): [0, 1, 33, 1.5, [16], {}, None],
    ("vision_cfg", "layers"): [0, 10**6, [10**6] * 4, [1, 1], [2.0] * 4, {"a": 1}, None],
    ("vision_cfg", "mlp_ratio"): [NAN, float("inf"), -1, "4", 10**9],
    ("vision_cfg", "pos_embed_type"): ["sin_cos_2d", None],
    ("vision_cfg", "timm_model_name"): ["hf-hub:a/b", "local-dir:/etc", "\0", 7, [], "x" * 10**5],
    ("vision_cfg", "url"): ["http://127.0.0.1:1/x", None],
    ("vision_cfg", "checkpoint_path"): ["/etc/passwd"],
    ("text_cfg", "pool_type"): ["none", "mean", None, 3, []],
    ("text_cfg", "tokenizer_kwargs"): [{"trust_remote_code": True}, {"clean": "x"}, [], "x", {"language": "../x"}],
    ("text_cfg", "hf_tokenizer_name"): ["../../x", "/etc", r"\\host\share\x", "a/b/c", "no/such", 3, []],
    ("text_cfg", "hf_model_name"): ["a/b", 3, ["a"]],
    ("text_cfg", "heads"): [0, 3, 2.0, 10**6, None],
    ("text_cfg", "context_length"): [0, 1, 10**9, "77"],
    ("text_cfg", "vocab_size"): [0, 1, 49407, LARGE, -1],
    ("text_cfg", "proj_type"): ["none", "mlp"],
    ("text_cfg", "tokenizer_mode"): ["clips"],
    ("text_cfg", "embed_cls"): [True],
    ("model_cfg", "vision_cfg"): [{}, None, 3, TEST_VIT | {"timm_pool": "abs_attn"}, TEST_VIT | {"timm_pool": ""}],
    ("model_cfg", "text_cfg"): [{}, None, [], "x"],
    ("model_cfg", "cast_dtype"): ["float16", None],
    ("model_cfg", "embed_dim"): [0, None, True, "16", 2**40, [16]],
    ("preprocess", "mean"): ["abc", [NAN] * 3, [float("inf")] * 3, [0.5], 0.5, None, ["a"] * 3],
    ("preprocess", "std"): [[0, 0, 0], [NAN] * 3, [1e-30] * 3, [-1] * 3, [[1]] * 3],
    ("preprocess", "interpolation"): ["magic", 3, None, ["bicubic"]],
    ("", "model_cfg"): [None, [], "x", {}],
    ("", "trunk"): [{key: "http://127.0.0.1:1/x"} for key in ("pretrained_cfg", "checkpoint_path", "output_stride")],
    ("", "damping"): [{"image": NAN}, {"image": float("inf")}, {"image": -1}, {"image": "1"}, {"other": 1}, "x"],
    ("", "more"): [1],
}


@pytest.mark.parametrize(("place", "key"), HOSTILE, ids=map(".".join, HOSTILE))
def test_a_setting_that_makes_no_sense_is_a_sentence_in_either_layout(
    place: str, key: str, folders: tuple[Path, Path]
) -> None:
    for value in HOSTILE[place, key]:
        write_both(folders, place, {key: value})
        for folder in folders:
            with pytest.raises((BackboneError, UnsupportedBackbone)) as caught:
                load_backbone(folder, device="cpu")
            assert str(folder) in str(caught.value), value
            assert len(str(caught.value).splitlines()) == 1, value


def test_settings_that_say_what_is_usual_are_read_in_either_layout(folders: tuple[Path, Path]) -> None:
    for place, changes in (
        ("text_cfg", {"tokenizer_kwargs": None, "act_kwargs": None, "hf_tokenizer_name": None, "norm_kwargs": {}}),
        ("vision_cfg", {"ls_init_value": None, "timm_model_name": None, "timm_model_pretrained": True}),
    ):
        write_both(folders, place, changes)
        theirs, ours = (load_backbone(folder, device="cpu") for folder in folders)
        assert theirs.fingerprint == ours.fingerprint


def test_every_architecture_of_open_clip_passes_the_rules() -> None:
    for arch in open_clip.list_models():
        settings = open_clip.get_model_config(arch)
        refused_ = settings["text_cfg"].get("hf_model_name") or "multimodal_cfg" in settings
        with pytest.raises(UnsupportedBackbone) if refused_ else nullcontext():
            check_settings(arch, {"model_cfg": settings, "preprocess_cfg": PREPROCESS}, OPEN_CLIPS)


def test_a_trunk_that_is_larger_than_the_file_is_not_built(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name says nothing about its weights: they are counted without their numbers."""
    name = {"timm_model_name": "vit_base_patch16_224", "timm_pool": "token", "timm_proj": "linear", "image_size": 224}
    write_both(folders, "vision_cfg", name)
    devices, create = set[str](), timm.create_model

    def create_model(*given: Any, **how: Any) -> Any:
        devices.add(torch.empty(0).device.type)
        return create(*given, **how)

    monkeypatch.setattr(timm, "create_model", create_model)
    for folder in folders:
        refused(r"describe \d\d,\d{3},\d{3} weights, more than .*safetensors holds", folder)
    assert devices == {"meta"}


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


def test_a_repository_of_pickled_weights_is_not_asked_again_for_others(hub: Hub, tmp_path: Path) -> None:
    written(tmp_path / "pickled", PLAIN, "open_clip_pytorch_model.bin")
    hub.files = {f"someone/clip/{path.name}": path.read_bytes() for path in (tmp_path / "pickled").iterdir()}
    first = load_backbone("hf-hub:someone/clip", device="cpu")
    before = len(hub.asked)
    assert load_backbone("hf-hub:someone/clip", device="cpu").fingerprint == first.fingerprint
    assert len(hub.asked) == before


def test_settings_that_name_an_address_ask_nobody(
    hub: Hub, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for weights nor with the token of whoever loads them, even where a download is allowed."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    url, trunk = f"{hub.address}/weights.pth", {"timm_pool": "token", "timm_proj": "linear", "image_size": 160}
    for place, changes in (
        ("", {"trunk": {"pretrained": True, "pretrained_cfg": {"url": url}}}),
        ("", {"trunk": {"pretrained": True, "pretrained_cfg": {"hf_hub_id": "someone/clip"}}}),
        ("vision_cfg", trunk | {"timm_model_name": "hf-hub:someone/clip"}),
        ("vision_cfg", trunk | {"timm_model_name": "test_vit", "timm_model_pretrained": True}),
        ("text_cfg", {"hf_model_name": "someone/clip"}),
        ("text_cfg", {"hf_tokenizer_name": "someone/clip"}),
        ("text_cfg", {"hf_tokenizer_name": url}),
    ):
        write_both(folders, place, changes)
        if "trunk" in changes:
            settings = json.loads((folders[1] / "config.json").read_text())
            settings["model_cfg"]["vision_cfg"] = trunk | {"timm_model_name": "test_vit"}
            (folders[1] / "config.json").write_text(json.dumps(settings))
        for folder in folders:
            with pytest.raises((BackboneError, UnsupportedBackbone)):
                load_backbone(folder, device="cpu")
    assert hub.asked == []


TINY_TRAINING = ("--epochs", "1", "--views", "1", "--folds", "0", "--device", "cpu")


def test_a_model_answers_without_naming_its_backbone_again_and_never_asks_for_it(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger may have written the name that is in it: it is allowed by whoever names it once more."""
    monkeypatch.setenv("GALLOP_CACHE", str(tmp_path / "cache"))
    name, model, photos = "hf-hub:someone/clip", str(tmp_path / "saved"), tmp_path / "photos"
    for colour in ("red", "green"):
        photo, _ = map(str, tiny.write_images(photos / colour, [tiny.picture(seed, colour) for seed in (1, 2)]))
    predict = ("predict", photo, "--model", model, "--device", "cpu")
    training = ("--shots", "2", "--epochs", "1", "--views", "1", "--batch-size", "2", "--device", "cpu")
    assert main(["train", str(photos), "--out", model, "--backbone", name, *training]) == 0
    before = len(hub.asked)
    assert main([*predict]) == 0
    loaded = GalLoPClassifier.load(model, device="cpu")
    packed = pickle.dumps(loaded)
    loaded.fit(photos)
    assert (loaded.backbone, len(hub.asked)) == (name, before)
    remove_weights(name)
    capsys.readouterr()
    assert main([*predict]) == 2
    told = capsys.readouterr().err
    assert f"`gallop backbones get {name}`" in told
    assert f"--backbone {name}" in told
    with pytest.raises(BackboneError, match="gallop backbones get"):
        pickle.loads(packed)
    assert len(hub.asked) == before
    assert main(["backbones", "get", name]) == 0
    assert main([*predict]) == 0
    assert len(hub.asked) > before


@pytest.fixture
def naming(tmp_path: Path) -> Callable[[str], Path]:
    """Returns the folder of a model that names a backbone."""
    with pytest.warns(UserWarning, match="cannot be loaded by its name"):
        tiny.classifier().zero_shot(["red", "green"]).save(tmp_path / "saved")

    def named(backbone: str) -> Path:
        tiny.edit_settings(tmp_path / "saved", lambda settings: settings.update(backbone=backbone))
        return tmp_path / "saved"

    return named


def test_a_path_of_another_machine_in_a_model_is_not_looked_at(
    naming: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows that would ask its network, and log in there."""
    looked, stat = list[str](), os.stat
    monkeypatch.setattr(os, "stat", lambda path, **how: looked.append(str(path)) or stat(path, **how))
    for name in (
        r"\\host\share\clip",
        "//host/share/clip",
        r"/\host\share",
        r"\\?\UNC\host\share",
        r"\??\UNC\host\share",
        r"local-dir:\\host\share",
        r"ViT-B-32/\\host\share\w.safetensors",
        "ViT-B-32///host/share/w.safetensors",
    ):
        with pytest.raises(
            BackboneError, match=r"a path of another machine, which is not followed\. .*backbone=\.\.\."
        ):
            GalLoPClassifier.load(naming(name), device="cpu")
    assert [path for path in looked if "host" in path] == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hf-hub:someone/other", r"`gallop backbones get hf-hub:someone/other`, .* backbone='hf-hub:someone/other'"),
        ("ViT-B-32/openai", r"`gallop backbones get ViT-B-32/openai`, .* backbone='ViT-B-32/openai'"),
        ("/no/such/folder", "'/no/such/folder' as its backbone, .*lies now: backbone="),
        ("hf-hub:a/b; rm -rf ~", "is not hf-hub:OWNER/NAME"),
    ],
)
def test_a_model_whose_backbone_is_not_here_says_how_to_get_it(
    name: str, says: str, hub: Hub, tmp_path: Path, naming: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(BackboneError, match=says):
        GalLoPClassifier.load(naming(name), device="cpu")
    assert hub.asked == []


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
