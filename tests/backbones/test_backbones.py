"""``load_backbone``: every way to name weights, and a sentence for everything that can be wrong with them."""

from __future__ import annotations

import gc
import json
import os
import weakref
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest import mock

import open_clip
import open_clip.pretrained
import pytest
import torch
from huggingface_hub import constants
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch import Tensor, nn

from gallop.backbones import (
    Backbone,
    available_models,
    load_backbone,
    loading,
    pick_device,
    pick_precision,
)
from gallop.backbones.device import memory_bytes
from gallop.backbones.loading import moved
from gallop.config import REGION_KINDS, MethodConfig
from gallop.errors import BackboneError
from gallop.features.cache import feature_key
from gallop.images import load_image
from gallop.lab.methods.zero_shot import template_features
from gallop.model.prompted import PromptModel
from gallop.runtime import machine
from tests import reference, tiny
from tests.reference import relative_error
from tests.tiny import new_vit, picture, there, vit

CONFIG: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
}
ARCH = "gallop-test-tiny"
PIXELS = torch.linspace(-2, 2, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32).sin()


@pytest.fixture(scope="module", autouse=True)
def tiny_architecture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A pair small enough to write to disk, known to open_clip by name."""
    folder = tmp_path_factory.mktemp("architectures")
    (folder / f"{ARCH}.json").write_text(json.dumps(CONFIG))
    (folder / f"{ARCH}-quickgelu.json").write_text(json.dumps({**CONFIG, "quick_gelu": True}))
    (folder / f"{ARCH}-odd.json").write_text(
        json.dumps({**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "no_causal_mask": True}, "custom_text": True})
    )
    known = open_clip.factory
    with mock.patch.multiple(
        known, _MODEL_CONFIG_PATHS=[*known._MODEL_CONFIG_PATHS], _MODEL_CONFIGS={**known._MODEL_CONFIGS}
    ):
        open_clip.add_model_config(folder)
        yield


def model(quick_gelu: bool = False, seed: int = 0) -> CLIP:
    torch.manual_seed(seed)
    made = CLIP(**CONFIG, quick_gelu=quick_gelu).eval()
    for parameter in made.parameters():
        if parameter.ndim:
            nn.init.normal_(parameter, std=0.1)
    return made.requires_grad_(False)


def state() -> dict[str, Tensor]:
    return {key: value.contiguous() for key, value in model().state_dict().items()}


MARKERS = {"input_resolution": torch.tensor(32), "context_length": torch.tensor(16), "vocab_size": torch.tensor(49408)}


class Holder(nn.Module):
    """Nothing but named tensors, to be scripted into an archive as OpenAI's are."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def torchscript(tensors: dict[str, Tensor], path: Path) -> None:
    root = Holder()
    for key, value in tensors.items():
        *parents, leaf = key.split(".")
        place: nn.Module = root
        for parent in parents:
            if not hasattr(place, parent):
                place.add_module(parent, Holder())
            place = getattr(place, parent)
        place.register_buffer(leaf, value)
    torch.jit.script(root).save(str(path))


def write(kind: str, folder: Path) -> Path:
    tensors = state()
    if kind == "safetensors":
        save_file(tensors, folder / "w.safetensors")
        return folder / "w.safetensors"
    path = folder / "w.pt"
    if kind == "state dict":
        torch.save(tensors, path)
    elif kind == "training checkpoint":
        torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in tensors.items()}}, path)
    elif kind == "with a causal mask":
        torch.save({**tensors, "attn_mask": torch.zeros(16, 16)}, path)
    elif kind == "openai":
        torchscript({**tensors, **MARKERS}, path)
    return path


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("kind", ["safetensors", "state dict", "training checkpoint", "with a causal mask", "openai"])
def test_a_local_file_gives_open_clips_own_features(tmp_path: Path, kind: str) -> None:
    name = f"{ARCH}/{write(kind, tmp_path)}"
    ours = load_backbone(name, device="cpu")
    assert ours.name == name
    theirs = model(quick_gelu=kind == "openai")
    whole, regions = ours.encode_image(PIXELS)
    assert relative_error(whole, theirs.encode_image(PIXELS)) < 1e-5
    assert not any(part.requires_grad for part in (whole, regions, ours.text.embed("a cat")))
    texts = ["a photo of a cat", "dog"]
    wanted = theirs.encode_text(open_clip.get_tokenizer(ARCH)(texts))
    assert relative_error(ours.text.encode_texts(texts), wanted) < 1e-5
    assert (regions.shape, ours.vision.grid) == ((2, 4, 64), (2, 2))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_quick_gelu_follows_the_weights_and_matters(tmp_path: Path) -> None:
    """The same tensors with and without OpenAI's marks are two different models."""
    torch.save(state(), tmp_path / "laion.pt")
    torch.save({**state(), **MARKERS}, tmp_path / "openai.pt")
    exact, _ = load_backbone(f"{ARCH}/{tmp_path / 'laion.pt'}", device="cpu").encode_image(PIXELS)
    quick, _ = load_backbone(f"{ARCH}/{tmp_path / 'openai.pt'}", device="cpu").encode_image(PIXELS)
    named, _ = load_backbone(f"{ARCH}-quickgelu/{tmp_path / 'laion.pt'}", device="cpu").encode_image(PIXELS)
    assert relative_error(quick, exact) > 1e-3
    assert torch.equal(quick, named)
    assert relative_error(quick, model(quick_gelu=True).encode_image(PIXELS)) < 1e-5


def test_half_precision_weights_are_computed_in_fp32(tmp_path: Path) -> None:
    torch.save({key: value.half() for key, value in state().items()}, tmp_path / "half.pt")
    ours = load_backbone(f"{ARCH}/{tmp_path / 'half.pt'}", device="cpu")
    assert ours.encode_image(PIXELS)[1].dtype == torch.float32
    assert relative_error(ours.encode_image(PIXELS)[0], model().encode_image(PIXELS)) < 1e-2


def test_fingerprints_depend_on_the_weights_and_not_on_the_file(tmp_path: Path) -> None:
    first = load_backbone(f"{ARCH}/{write('safetensors', tmp_path)}", device="cpu")
    second = load_backbone(f"{ARCH}/{write('training checkpoint', tmp_path)}", device="cpu")
    assert first.fingerprint == second.fingerprint
    changed = state()
    changed["logit_scale"] = changed["logit_scale"] + 1
    torch.save(changed, tmp_path / "changed.pt")
    third = load_backbone(f"{ARCH}/{tmp_path / 'changed.pt'}", device="cpu")
    assert third.fingerprint != first.fingerprint
    assert third.vision_fingerprint == first.vision_fingerprint


# --- Names -------------------------------------------------------------------------------------------------------


UNKNOWN = r"no backbone '{name}'.*'mini'.*ViT-B-16/openai.*folder"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        *((name, UNKNOWN) for name in ("minni", "ViT-B-16", "no such folder", "ViT-B-16/", Path("nowhere"))),
        ("ViT-Q-99/openai", "does not know the architecture"),
        ("./weights.pt", "does not know the architecture|no backbone"),
        ("vit-b-16 /openai", "does not know the architecture"),
        ("ViT-B-32/openia", "'openia'.*ViT-B-32.*openai.*laion2b_s34b_b79k"),
        ("ViT-B-32/no/gone.pt", r"gone\.pt' is neither a file nor a weights tag of ViT-B-32"),
        (f"{ARCH}/openai", "whose tags are: none"),
    ],
)
def test_a_name_of_nothing_says_what_can_be_named(name: str | Path, sentence: str) -> None:
    with pytest.raises(BackboneError, match=sentence.format(name=name)):
        load_backbone(name)


def test_a_bidirectional_text_encoder_is_read_at_its_whole_length(tmp_path: Path) -> None:
    odd = open_clip.create_model(f"{ARCH}-odd", pretrained=None)
    torch.save(odd.state_dict(), tmp_path / "odd.pt")
    ours = load_backbone(f"{ARCH}-odd/{tmp_path / 'odd.pt'}", device="cpu")
    with torch.no_grad():
        wanted = odd.eval().encode_text(open_clip.get_tokenizer(f"{ARCH}-odd")(["a cat", "a red fox"]))
    assert relative_error(ours.text.encode_texts(["a cat", "a red fox"]), wanted) < 1e-5


# --- Files that do not fit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"visual.proj": None}, r"1 missing \(visual\.proj\)"),
        ({"visual.extra": torch.zeros(1)}, r"1 unexpected \(visual\.extra\)"),
        ({"text_projection": torch.zeros(64, 8)}, r"1 of a different shape \(text_projection\)"),
        (
            dict.fromkeys(model().state_dict()) | {"model.weight": torch.zeros(2)},
            r"missing \(.* and \d+ more\); 1 unexpected \(model\.weight\)",
        ),
    ],
    ids=["missing", "unexpected", "wrong shape", "another model"],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Tensor | None], sentence: str) -> None:
    torch.save({key: value for key, value in {**state(), **changes}.items() if value is not None}, tmp_path / "w.pt")
    with pytest.raises(BackboneError, match=sentence):
        load_backbone(f"{ARCH}/{tmp_path / 'w.pt'}")


class Bomb:
    """Unpickling it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.path,)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    torch.save({"state_dict": Bomb(tmp_path / "ran")}, tmp_path / "bomb.pt")
    with pytest.raises(BackboneError, match=r"bomb\.pt"):
        load_backbone(f"{ARCH}/{tmp_path / 'bomb.pt'}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x00" * 64, "half of it", "a list"])
def test_a_file_without_weights_is_named(tmp_path: Path, suffix: str, content: bytes | str) -> None:
    path = write("safetensors" if suffix == "safetensors" else "state dict", tmp_path)
    if content == "a list":
        torch.save([1, 2, 3], path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BackboneError, match=rf"w\.{suffix}"):
        load_backbone(f"{ARCH}/{path}")


# --- Without a network -----------------------------------------------------------------------------------------------


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home, and nobody at the hub's address."""
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["ViT-B-16/openai", "ViT-B-16/laion2b_s34b_b88k"])
def test_without_a_network_the_sentence_says_what_is_missing_and_what_works(offline: Path, name: str) -> None:
    with pytest.raises(BackboneError) as refused:
        load_backbone(name)
    sentence = str(refused.value)
    assert f"weights of {name} are not on this machine and could not be downloaded (ConnectError)" in sentence
    assert f"into {offline / 'hub'}" in sentence
    assert "'mini' works without a network" in sentence


TAG = {
    "url": "https://example.invalid/weights/gallop-test-tiny-weights.pt",
    "hf_hub": "nobody/gallop-test-tiny/",
    "mean": (0.1, 0.2, 0.3),
    "std": (0.4, 0.5, 0.6),
    "interpolation": "bilinear",
    "resize_mode": "shortest",
    "quick_gelu": True,
}


def test_weights_work_from_the_place_that_the_sentence_names(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, ARCH, {"openai": TAG})
    folder = "models--nobody--gallop-test-tiny"
    with pytest.raises(BackboneError, match=f"copy {folder} from its Hugging Face cache into {offline / 'hub'}"):
        load_backbone(f"{ARCH}/openai")
    snapshot = offline / "hub" / folder / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0123")
    torch.save(state(), snapshot / "open_clip_pytorch_model.bin")
    ours = load_backbone(f"{ARCH}/openai")
    assert relative_error(ours.encode_image(PIXELS)[0], model(quick_gelu=True).encode_image(PIXELS)) < 1e-5


def test_a_published_file_passed_by_path_keeps_its_settings(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence proposes ARCH/FILE: QuickGELU and the normalisation of that file must not be lost on the way."""
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, ARCH, {"laion400m": TAG})
    path = offline / "gallop-test-tiny-weights.pt"
    torch.save(state(), path)
    ours = load_backbone(f"{ARCH}/{path}")
    assert relative_error(ours.encode_image(PIXELS)[0], model(quick_gelu=True).encode_image(PIXELS)) < 1e-5
    assert (ours.preprocess.mean, ours.preprocess.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert ours.preprocess.interpolation == "bilinear"


def test_a_tag_brings_its_preprocessing(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (offline / ".cache" / "clip").mkdir(parents=True)
    torch.save(state(), offline / ".cache" / "clip" / "gallop-test-tiny-weights.pt")
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, ARCH, {"own": TAG})
    ours = load_backbone(f"{ARCH}/own", device="cpu")
    assert ours.preprocess == loading.Preprocess(32, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bilinear")
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, ARCH, {"own": {**TAG, "resize_mode": "longest"}})
    with pytest.raises(BackboneError, match="square inputs"):
        load_backbone(f"{ARCH}/own")


# --- Folders such as checkpoints/mini ----------------------------------------------------------------------------


SETTINGS: dict[str, Any] = {
    "format": 1,
    "name": "tiny",
    "model_cfg": CONFIG,
    "preprocess": {"mean": [0.5, 0.4, 0.3], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"},
}


def folder_of(root: Path, settings: Any = SETTINGS) -> Path:
    root.mkdir(exist_ok=True)
    save_file(state(), root / "weights.safetensors")
    (root / "config.json").write_text(settings if isinstance(settings, str) else json.dumps(settings))
    return root


def test_a_folder_like_minis_is_loaded(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "own")
    ours = load_backbone(str(folder), device="cpu")
    assert relative_error(ours.encode_image(PIXELS)[0], model().encode_image(PIXELS)) < 1e-5
    assert (ours.name, ours.preprocess.mean, ours.preprocess.size) == (str(folder), (0.5, 0.4, 0.3), 32)
    assert ours.text.context_length == 16


def test_the_kind_of_regions_goes_into_features_and_fingerprints_and_not_into_the_whole_image(tmp_path: Path) -> None:
    name = str(folder_of(tmp_path / "own"))
    made = {kind: load_backbone(name, device="cpu", regions=kind) for kind in REGION_KINDS}
    assert [ours.region_kind for ours in made.values()] == list(REGION_KINDS)
    wholes, regions = zip(*(ours.encode_image(PIXELS) for ours in made.values()), strict=True)
    assert all(torch.equal(whole, wholes[0]) for whole in wholes)
    assert all(relative_error(a, b) > 5e-5 for a, b in combinations(regions, 2))
    for prints in ({ours.fingerprint for ours in made.values()}, {ours.vision_fingerprint for ours in made.values()}):
        assert len(prints) == len(REGION_KINDS)
    plain = load_backbone(name, device="cpu")
    assert (plain.region_kind, plain.fingerprint) == ("value", made["value"].fingerprint)
    # Of the same encoders, before and after the fingerprint was asked for.
    assert plain.with_regions("tokens").fingerprint == made["tokens"].fingerprint
    assert made["tokens"].with_regions("value").vision_fingerprint == plain.vision_fingerprint


def test_fingerprints_of_the_papers_regions_are_those_from_before_there_were_other_kinds() -> None:
    """Checkpoints hold the first, and the names of cached features the second."""
    ours = reference.backbone("vit")
    assert ours.fingerprint == "8b9d20c00f63496da84145e737fa8826cb38827e53a4fb0579f4628d9689d2bf"
    assert ours.vision_fingerprint == "f0b23475f160ffd44492c44c0053d201c4c017f54bef04eae1ab71a590b58108"


@pytest.mark.parametrize("kind", ["values", "", None, 3])
def test_an_unknown_kind_of_regions_is_named_before_anything_is_loaded(kind: Any) -> None:
    with pytest.raises(
        BackboneError, match=f"region features {kind!r}; choose one of 'value', 'tokens', 'value-value', "
    ):
        load_backbone("no such backbone", device="cpu", regions=kind)


def test_a_folder_says_whether_settings_were_measured_on_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "own")
    assert load_backbone(str(folder), device="cpu").preset == "paper"
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"preset": "default"}))
    assert load_backbone(str(folder), device="cpu").preset == "default"
    (folder / "config.json").write_text(json.dumps(settings | {"preset": "best"}))
    with pytest.raises(BackboneError, match="no preset 'best'"):
        load_backbone(str(folder), device="cpu")
    assert json.loads((available_models()["mini"] / "config.json").read_text())["preset"] == "default"


def test_a_folders_damping_goes_into_cosines_and_fingerprint_and_not_into_features(tmp_path: Path) -> None:
    plain = load_backbone(str(folder_of(tmp_path / "own")), device="cpu")
    damped = load_backbone(
        str(folder_of(tmp_path / "own", {**SETTINGS, "damping": {"image": 2, "region": 3.5}})), device="cpu"
    )
    assert (plain.damping, damped.damping) == (loading.Damping(), loading.Damping(2, 3.5))
    assert damped.fingerprint != plain.fingerprint
    assert damped.vision_fingerprint == plain.vision_fingerprint
    assert torch.equal(damped.encode_image(PIXELS)[1], plain.encode_image(PIXELS)[1])


@pytest.mark.parametrize(
    "settings",
    [
        "",
        "{",
        "[]",
        "null",
        {key: value for key, value in SETTINGS.items() if key != "model_cfg"},
        {key: value for key, value in SETTINGS.items() if key != "preprocess"},
        {**SETTINGS, "model_cfg": []},
        {**SETTINGS, "model_cfg": {k: v for k, v in CONFIG.items() if k != "text_cfg"}},
        {**SETTINGS, "model_cfg": {**CONFIG, "what": 1}},
        {**SETTINGS, "model_cfg": {**CONFIG, "vision_cfg": {**CONFIG["vision_cfg"], "timm_model_name": "no_such"}}},
        {**SETTINGS, "damping": {"region": -1}},
        {**SETTINGS, "damping": {"region": "much"}},
        {**SETTINGS, "damping": {"other": 1}},
        {**SETTINGS, "damping": 3},
        {**SETTINGS, "preprocess": {**SETTINGS["preprocess"], "mean": 3}},
        {**SETTINGS, "preprocess": {**SETTINGS["preprocess"], "mean": [0.5]}},
        {**SETTINGS, "preprocess": {**SETTINGS["preprocess"], "interpolation": "magic"}},
    ],
)
def test_a_folder_with_senseless_settings_is_refused_by_name(tmp_path: Path, settings: Any) -> None:
    folder = folder_of(tmp_path / "own", settings)
    with pytest.raises(BackboneError, match="own"):
        load_backbone(str(folder))


def test_a_folder_needs_settings_and_exactly_one_weights_file(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "own")
    save_file(state(), folder / "second.safetensors")
    for rest, sentence in ((1, "it contains 2"), (None, "it contains 0")):
        with pytest.raises(BackboneError, match=f"exactly one .*{sentence}"):
            load_backbone(str(folder))
        for file in list(folder.glob("*.safetensors")) if rest else []:
            file.unlink()
    with pytest.raises(BackboneError, match=r"config\.json is missing"):
        load_backbone(str(tmp_path))


# --- mini and devices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["gpu", "", "cuda:x", "meta", None])
def test_an_unknown_device_is_named(device: Any) -> None:
    with pytest.raises(BackboneError, match=r"'meta' is not supported" if device == "meta" else "Unknown device"):
        load_backbone(device=device)


def test_a_gpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackboneError, match="torch finds none"):
        load_backbone("mini", device="cuda")
    assert pick_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for count, beyond, seen in ((2, 7, "cuda:7 is not available: torch finds 2"), (1, 1, "finds 1")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert pick_device(f"cuda:{count - 1}") == torch.device("cuda", count - 1)
        with pytest.raises(BackboneError, match=seen):
            pick_device(f"cuda:{beyond}")


def test_a_device_that_is_seen_and_cannot_be_used_is_told() -> None:
    with pytest.raises(BackboneError, match=r"device meta cannot be used \(.+\)\. Use device='cpu'\."):
        moved(vit(), torch.device("meta"))
    full = mock.Mock(**{"to.side_effect": torch.cuda.OutOfMemoryError("CUDA out of memory.\nMore about it.")})
    with pytest.raises(BackboneError, match=r"cpu cannot be used \(CUDA out of memory\)\."):
        moved(full, torch.device("cpu"))


def test_a_copy_on_a_device_answers_the_same_and_shares_nothing() -> None:
    own = vit().with_regions("tokens")
    copied = own.copy_on("cpu")
    pixels = torch.randn(2, 3, 32, 32)
    assert all(torch.equal(a, b) for a, b in zip(own.encode_image(pixels), copied.encode_image(pixels), strict=True))
    assert (copied.fingerprint, copied.region_kind, copied.damping) == (own.fingerprint, "tokens", own.damping)
    assert not {p.data_ptr() for p in own._model.parameters()} & {p.data_ptr() for p in copied._model.parameters()}


# --- Precision ---------------------------------------------------------------------------------------------------


def test_the_backbones_of_a_cpu_take_fp32_unless_asked() -> None:
    assert load_backbone("mini", device="cpu").precision == "fp32"
    assert pick_precision("auto") in ("fp32", "bf16")
    with pytest.raises(BackboneError, match="'fp16'; use 'fp32', 'bf16' or 'auto'"):
        load_backbone("mini", device="cpu", precision="fp16")


@pytest.mark.parametrize(
    ("flags", "wanted"), [("fpu amx_bf16 amx_tile", "bf16"), ("avx512_bf16", "bf16"), ("avx2", "fp32")]
)
def test_auto_is_bf16_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, flags: str, wanted: str
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: f"flags\t\t: {flags}\n")
    assert pick_precision("auto") == wanted


def test_in_bf16_backbones_round_and_all_else_is_fp32() -> None:
    exact, rounded = vit(), new_vit()
    rounded.precision = "bf16"
    photo = load_image(picture(0))
    pixels = exact.preprocess.centre(photo.image)[0][None]
    for found, wanted in zip(rounded.encode_image(pixels), exact.encode_image(pixels), strict=True):
        assert found.dtype == torch.float32
        assert not torch.equal(found, wanted)
        assert relative_error(found, wanted) < 0.03
    config = MethodConfig(2, (2,))
    models = [PromptModel(backbone, ["red", "green"], config) for backbone in (rounded, exact)]
    text = [model.text_features() for model in models]
    assert text[0].local.dtype == torch.float32
    assert relative_error(text[0].local.detach(), text[1].local.detach()) < 0.03
    text[0].local.sum().backward()  # type: ignore[no-untyped-call]
    assert there(models[0].prompts.local_contexts.grad).dtype == torch.float32
    assert feature_key(rounded, photo.sha256, "centre") != feature_key(exact, photo.sha256, "centre")


ANSWERS: dict[str, Callable[[Backbone], Tensor]] = {
    "prompts": lambda backbone: PromptModel(backbone, ["red", "green"], MethodConfig(2, (2,))).text_features().local,
    "a class added": lambda backbone: (
        PromptModel(backbone, ["red"], MethodConfig(2, (2,))).text_features(["fire truck"]).global_
    ),
    "templates": lambda backbone: (
        PromptModel(backbone, ["red", "green"], MethodConfig(2, (2,)), templates=["a {}", "my {}"])
        .text_features()
        .global_
    ),
    "an ensemble": lambda backbone: template_features(backbone, ["red", "green"], ["a {}", "my {}"]),
}


@pytest.mark.parametrize("way", ANSWERS)
@pytest.mark.parametrize("outside", [False, True], ids=["the backbone's own bf16", "and the caller's"])
def test_text_for_answers_is_fp32_in_any_precision(way: str, outside: bool) -> None:
    """As on a GPU: steps take bf16, but what is encoded once a class list loses nothing."""
    exact, rounded = vit(), new_vit()
    rounded.precision = "bf16"
    with torch.no_grad():
        wanted = ANSWERS[way](exact)
        with torch.autocast("cpu", torch.bfloat16, enabled=outside):
            found = ANSWERS[way](rounded)
    assert found.dtype == torch.float32
    assert relative_error(found, wanted) < 1e-6


def test_weights_that_were_let_go_come_back_to_all_who_hold_the_backbone() -> None:
    backbone, again = tiny.new_vit(), tiny.new_vit()
    classifier = tiny.classifier(backbone=backbone).zero_shot(["red", "green"])
    photo = tiny.picture(1)
    before, known, size = classifier.explain(photo).probabilities, backbone.fingerprint, backbone.bytes
    weights = weakref.ref(next(backbone._model.parameters()))
    backbone.let_go()
    backbone.let_go()  # once more changes nothing
    gc.collect()
    assert weights() is None, "the classifier holds the backbone, and nothing of it holds the weights"
    assert (backbone.loaded, backbone.bytes, backbone.fingerprint) == (False, 0, known)
    with pytest.raises(BackboneError, match="are not loaded"):
        classifier.explain(photo)
    with pytest.raises(AttributeError):
        backbone.nonsense  # noqa: B018
    with pytest.raises(BackboneError, match="have changed"):
        backbone.take_weights(tiny.other_vit())
    backbone.take_weights(again)
    assert (backbone.loaded, again.loaded, backbone.bytes) == (True, False, size)
    assert classifier.explain(photo).probabilities == before


def test_the_machines_memory_is_told() -> None:
    assert 2**28 < memory_bytes("cpu") <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(("limit", "told"), [(str(2**28), 2**28), (str(2**60), None), ("max", None)])
def test_of_a_machine_and_its_container_the_smaller_memory_is_told(
    limit: str, told: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "limit").write_text(limit)
    monkeypatch.setattr(machine, "_CONTAINER", (str(tmp_path / "limit"), str(tmp_path / "absent")))
    assert machine.machine_memory() == (told or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
