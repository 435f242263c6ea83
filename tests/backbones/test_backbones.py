"""``load_backbone``: every way to name weights, and a sentence for everything that can be wrong with them."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import weakref
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest import mock

import open_clip
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import Tensor, nn

from gallop.backbones import Backbone, Preprocess, load_backbone, pick_device, pick_precision
from gallop.backbones.device import memory_bytes
from gallop.backbones.loading import Damping, moved
from gallop.config import REGION_KINDS, MethodConfig
from gallop.errors import BackboneError, UnsupportedBackbone
from gallop.features.cache import feature_key
from gallop.images import load_image
from gallop.lab.methods.zero_shot import template_features
from gallop.model.prompted import PromptModel
from gallop.runtime import machine
from tests.backbones.conftest import Bomb, refused
from tests.backbones.test_weights import snapshot
from tests.reference import backbone as reference_backbone
from tests.reference import relative_error
from tests.tiny import classifier, new_clip, new_vit, other_vit, picture, there, vit

CONFIG: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
}
ARCH = "gallop-test-tiny"
ARCHITECTURES = {
    ARCH: CONFIG,
    f"{ARCH}-quickgelu": {**CONFIG, "quick_gelu": True},
    f"{ARCH}-odd": {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "no_causal_mask": True}, "custom_text": True},
}
"""Small enough to write to disk."""
PIXELS = torch.linspace(-2, 2, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32).sin()
pytestmark = pytest.mark.usefixtures("architectures")


def model(quick_gelu: bool = False, arch: str = ARCH) -> Any:
    torch.manual_seed(0)
    made = open_clip.create_model(arch, pretrained=None, force_quick_gelu=quick_gelu).eval().requires_grad_(False)
    for parameter in made.parameters():
        if parameter.ndim:
            nn.init.normal_(parameter, std=0.1)
    return made


def state(arch: str = ARCH) -> dict[str, Tensor]:
    return {key: value.contiguous() for key, value in model(arch=arch).state_dict().items()}


MARKERS = {"input_resolution": torch.tensor(32), "context_length": torch.tensor(16), "vocab_size": torch.tensor(49408)}


def torchscript(path: Path) -> None:
    """An archive as OpenAI's are."""
    made = model()
    for mark, value in MARKERS.items():
        vars(made).pop(mark, None)
        made.register_buffer(mark, value)
    torch.jit.trace_module(made, {"encode_image": PIXELS}).save(str(path))


def publish(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Have open_clip list a file among those that OpenAI has published, by its digest."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    tag = {"url": f"https://openaipublic.azureedge.net/clip/models/{digest}/ViT.pt"}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "RN50", {"openai": tag})


SAVED: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "state dict": lambda tensors: tensors,
    "training checkpoint": lambda tensors: {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in tensors.items()}},
    "with a causal mask": lambda tensors: {**tensors, "attn_mask": torch.zeros(16, 16)},
    "with OpenAI's marks": lambda tensors: {**tensors, **MARKERS},
    "in half precision": lambda tensors: {key: value.half() for key, value in tensors.items()},
}


def write(kind: str, folder: Path, arch: str = ARCH) -> Path:
    path = folder / f"w.{'safetensors' if kind == 'safetensors' else 'pt'}"
    if kind == "safetensors":
        save_file(state(arch), path)
    elif kind == "OpenAI's":
        torchscript(path)
    else:
        torch.save(SAVED[kind](state(arch)), path)
    return path


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    ("arch", "kind"),
    [
        *((ARCH, kind) for kind in ("safetensors", "OpenAI's", *SAVED)),
        (f"{ARCH}-quickgelu", "state dict"),
        (f"{ARCH}-odd", "state dict"),  # reads texts in both directions, at their whole length
    ],
)
def test_a_local_file_gives_open_clips_own_features(
    tmp_path: Path, arch: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In fp32, and with QuickGELU where the file has OpenAI's marks: without them, its tensors are another model."""
    path = write(kind, tmp_path, arch)
    name = f"{arch}/{path}"
    if kind == "OpenAI's":
        publish(monkeypatch, path)
    ours, theirs = load_backbone(name, device="cpu"), model("OpenAI" in kind, arch)
    if kind == "in half precision":
        theirs = theirs.half().float()
    whole, regions = ours.encode_image(PIXELS)
    assert relative_error(whole, theirs.encode_image(PIXELS)) < 1e-5
    assert not any(part.requires_grad for part in (whole, regions, ours.text.embed("a cat")))
    texts = ["a photo of a cat", "dog"]
    wanted = theirs.encode_text(open_clip.get_tokenizer(arch)(texts))
    assert relative_error(ours.text.encode_texts(texts), wanted) < 1e-5
    assert (ours.name, regions.shape, regions.dtype, ours.vision.grid) == (name, (2, 4, 64), torch.float32, (2, 2))


def test_quick_gelu_matters() -> None:
    assert relative_error(model(quick_gelu=True).encode_image(PIXELS), model().encode_image(PIXELS)) > 1e-3


def test_fingerprints_depend_on_the_weights_and_not_on_the_file(tmp_path: Path) -> None:
    torch.save(state() | {"logit_scale": torch.tensor(3.0)}, tmp_path / "changed.pt")
    files = write("safetensors", tmp_path), write("training checkpoint", tmp_path), tmp_path / "changed.pt"
    first, second, third = (load_backbone(f"{ARCH}/{file}", device="cpu") for file in files)
    assert first.fingerprint == second.fingerprint != third.fingerprint
    assert third.vision_fingerprint == first.vision_fingerprint


# --- Names -------------------------------------------------------------------------------------------------------


UNKNOWN = r"no backbone '{name}'.*'mini'.*ViT-B-16/openai.*folder"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        *((name, UNKNOWN) for name in ("minni", "ViT-B-16", "no such folder", "ViT-B-16/", Path("nowhere"))),
        ("ViT-Q-99/openai", "does not know the architecture"),
        *((name, f"There is no folder '{name}'") for name in ("./weights.pt", "../no/folder", "/no/folder", "~/no")),
        ("no/folder", "There is no folder 'no/folder', and open_clip does not know the architecture 'no'"),
        ("local-dir:local-dir:no/folder", "does not know the architecture 'local-dir:no'"),
        ("hf-hub:../x", "is not hf-hub:OWNER/NAME"),
        ("x" * 5000, "There is no backbone"),
        ("vit-b-16 /openai", "does not know the architecture"),
        ("ViT-B-32/openia", "'openia'.*ViT-B-32.*openai.*laion2b_s34b_b79k"),
        ("ViT-B-32/no/gone.pt", r"gone\.pt' is neither a file nor a weights tag of ViT-B-32"),
        (f"{ARCH}/openai", "whose tags are: none"),
    ],
)
def test_a_name_of_nothing_says_what_can_be_named(name: str | Path, sentence: str) -> None:
    refused(sentence.format(name=name), name)


# --- Files that do not fit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"visual.proj": None}, r"1 missing \(visual\.proj\)"),
        ({"visual.extra": torch.zeros(1)}, r"1 unexpected \(visual\.extra\)"),
        ({"text_projection": torch.zeros(64, 8)}, r"1 of a different shape \(text_projection\)"),
        (
            dict.fromkeys(open_clip.CLIP(**CONFIG).state_dict()) | {"model.weight": torch.zeros(4_000_000)},
            r"missing \(.* and \d+ more\); 1 unexpected \(model\.weight\)",
        ),
        (
            dict.fromkeys(open_clip.CLIP(**CONFIG).state_dict()) | {"model.weight": torch.zeros(2)},
            r"describe 3,415,041 weights, more than .*w\.pt holds",
        ),
        ({"ln_final.bias": torch.zeros(64).to_sparse()}, "does not contain the weights of gallop-test-tiny"),
        ({"ln_final.bias": torch.zeros(64, device="meta")}, "does not contain the weights of gallop-test-tiny"),
    ],
    ids=["missing", "unexpected", "wrong shape", "another model", "a smaller one", "sparse", "no numbers"],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Tensor | None], sentence: str) -> None:
    torch.save({key: value for key, value in {**state(), **changes}.items() if value is not None}, tmp_path / "w.pt")
    refused(sentence, f"{ARCH}/{tmp_path / 'w.pt'}")


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x00" * 64, "half of it", "a list", "a pickle"])
def test_a_file_without_weights_is_named_and_a_pickle_never_run(tmp_path: Path, suffix: str, content: Any) -> None:
    path = write("safetensors" if suffix == "safetensors" else "state dict", tmp_path)
    if content in ("a list", "a pickle"):
        torch.save([1, 2, 3] if content == "a list" else {"state_dict": Bomb(tmp_path / "ran")}, path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else path.read_bytes()[: path.stat().st_size // 2])
    refused(rf"w\.{suffix}", f"{ARCH}/{path}")
    assert not (tmp_path / "ran").exists()


class Trap(nn.Module):
    """A TorchScript as large as the weights, which writes a file when it is opened."""

    def __init__(self, trace: str) -> None:
        super().__init__()
        self.trace, self.weights = trace, torch.zeros(4_000_000)

    def forward(self, x: Tensor) -> Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[str, Tensor, bool]:
        return self.trace, self.weights, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, Tensor, bool]) -> None:
        self.trace = state[0]
        self.weights = state[1]
        self.training = state[2]
        torch.save("ran", self.trace)


UNREADABLE = r"does not contain weights that can be read safely \(RuntimeError\): .* nor a file of OpenAI's"


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_a_torchscript_that_openai_has_not_published_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, folder = write("OpenAI's", tmp_path), folder_of(tmp_path / "own")
    refused(UNREADABLE, f"{ARCH}/{path}")
    publish(monkeypatch, path)
    with path.open("ab") as file:
        file.write(b"another byte")
    refused(UNREADABLE, f"{ARCH}/{path}")
    torch.jit.script(Trap(str(tmp_path / "ran"))).save(str(path))
    refused(UNREADABLE, f"{ARCH}/{path}")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    path.replace(folder / "open_clip_pytorch_model.bin")
    refused(UNREADABLE, folder)
    assert not (tmp_path / "ran").exists()


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
    with pytest.raises(BackboneError) as caught:
        load_backbone(name)
    sentence = str(caught.value)
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
    says = f"copy models--nobody--gallop-test-tiny from its Hugging Face cache into {offline / 'hub'}"
    refused(says, f"{ARCH}/openai")
    torch.save(state(), snapshot(offline, ARCH, "openai").with_name("open_clip_pytorch_model.bin"))
    ours = load_backbone(f"{ARCH}/openai")
    assert relative_error(ours.encode_image(PIXELS)[0], model(quick_gelu=True).encode_image(PIXELS)) < 1e-5


@pytest.mark.parametrize("by", ["tag", "path"])
def test_published_weights_have_the_settings_of_their_tag(
    offline: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """The sentence proposes ARCH/FILE: QuickGELU and the normalisation of that file must not be lost on the way."""
    path = offline / ".cache" / "clip" / "gallop-test-tiny-weights.pt"
    path.parent.mkdir(parents=True)
    torch.save(state(), path)
    name = f"{ARCH}/{'own' if by == 'tag' else path}"
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, ARCH, {"own": TAG})
    ours = load_backbone(name)
    assert relative_error(ours.encode_image(PIXELS)[0], model(quick_gelu=True).encode_image(PIXELS)) < 1e-5
    assert ours.preprocess == Preprocess(32, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bilinear")
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, ARCH, {"own": {**TAG, "resize_mode": "longest"}})
    refused("square inputs", name)


# --- Folders such as checkpoints/mini ----------------------------------------------------------------------------


SETTINGS: dict[str, Any] = {
    "format": 1,
    "name": "tiny",
    "model_cfg": CONFIG,
    "preprocess": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "interpolation": "bilinear"},
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
    assert (ours.name, ours.preprocess) == (str(folder), Preprocess(32, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), "bilinear"))
    assert ours.text.context_length == 16


def test_the_kind_of_regions_goes_into_features_and_fingerprints_and_not_into_the_whole_image(tmp_path: Path) -> None:
    name = str(folder_of(tmp_path / "own"))
    made = {kind: load_backbone(name, device="cpu", regions=kind) for kind in REGION_KINDS}
    assert [ours.region_kind for ours in made.values()] == list(REGION_KINDS)
    wholes, regions = zip(*(ours.encode_image(PIXELS) for ours in made.values()), strict=True)
    assert all(torch.equal(whole, wholes[0]) for whole in wholes)
    assert all(relative_error(a, b) > 5e-5 for a, b in combinations(regions, 2))
    assert len({ours.fingerprint for ours in made.values()}) == len(REGION_KINDS)
    assert len({ours.vision_fingerprint for ours in made.values()}) == len(REGION_KINDS)
    plain = load_backbone(name, device="cpu")
    assert (plain.region_kind, plain.fingerprint) == ("value", made["value"].fingerprint)
    # Of the same encoders, before and after the fingerprint was asked for.
    assert plain.with_regions("query-query").fingerprint == made["query-query"].fingerprint
    assert made["query-query"].with_regions("value").vision_fingerprint == plain.vision_fingerprint


def test_fingerprints_of_the_papers_regions_are_those_from_before_there_were_other_kinds() -> None:
    """Checkpoints hold the first, and the names of cached features the second."""
    ours = reference_backbone("vit")
    assert (ours.fingerprint, ours.vision_fingerprint) == (
        "8b9d20c00f63496da84145e737fa8826cb38827e53a4fb0579f4628d9689d2bf",
        "f0b23475f160ffd44492c44c0053d201c4c017f54bef04eae1ab71a590b58108",
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        *(
            ({"regions": kind}, rf"region features {kind!r}; choose one of 'value', 'query-query'\.$")
            for kind in ("values", "", None, 3)
        ),
        *(({"regions": kind}, "removed: train again with regions='value'") for kind in ("tokens", "value-value")),
        *(({"device": device}, "Unknown device") for device in ("gpu", "", "cuda:x", None)),
        ({"device": "meta"}, "'meta' is not supported"),
        ({"precision": "fp16"}, "'fp16'; use 'fp32', 'bf16' or 'auto'"),
    ],
)
def test_an_unknown_option_is_named_before_anything_is_loaded(options: dict[str, Any], says: str) -> None:
    refused(says, "no such backbone", **options)


def test_a_folder_says_whether_settings_were_measured_on_it(tmp_path: Path) -> None:
    rows = (SETTINGS, "paper"), (SETTINGS | {"preset": "default"}, "default")
    for settings, preset in rows:
        assert load_backbone(folder_of(tmp_path / "own", settings)).preset == preset
    refused("preset of the file is 'best'", folder_of(tmp_path / "own", SETTINGS | {"preset": "best"}))
    assert load_backbone("mini").preset == "default"


def test_a_folders_damping_goes_into_cosines_and_fingerprint_and_not_into_features(tmp_path: Path) -> None:
    plain, damped = (
        load_backbone(folder_of(tmp_path / "own", settings))
        for settings in (SETTINGS, SETTINGS | {"damping": {"image": 2, "region": 3.5}})
    )
    assert (plain.damping, damped.damping) == (Damping(), Damping(2, 3.5))
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
    with pytest.raises((BackboneError, UnsupportedBackbone), match="own"):
        load_backbone(folder_of(tmp_path / "own", settings))


def test_a_folder_needs_settings_and_exactly_one_weights_file(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "own")
    save_file(state(), folder / "second.safetensors")
    refused("contains 2 .safetensors files, but must contain exactly one", folder)
    (folder / "weights.safetensors").unlink()
    (folder / "second.safetensors").unlink()
    refused("contains 0 .safetensors files", folder)
    refused(r"config\.json is missing", tmp_path)


# --- mini and devices ----------------------------------------------------------------------------------------------


def test_a_gpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused("torch finds none", "mini", device="cuda")
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
    model = new_clip()
    own = reference_backbone("vit", model).with_regions("query-query")
    copied = own.copy_on("cpu")
    pixels = torch.randn(2, 3, 32, 32)
    assert all(torch.equal(a, b) for a, b in zip(own.encode_image(pixels), copied.encode_image(pixels), strict=True))
    assert (copied.fingerprint, copied.region_kind, copied.damping) == (own.fingerprint, "query-query", own.damping)
    with torch.no_grad():
        before = *copied.encode_image(pixels), copied.text.encode_texts(["a cat"])
        for weight in model.parameters():
            weight.zero_()
        after = *copied.encode_image(pixels), copied.text.encode_texts(["a cat"])
    assert all(map(torch.equal, after, before))
    assert not own.encode_image(pixels)[0].equal(before[0])


# --- Precision ---------------------------------------------------------------------------------------------------


def test_the_backbones_of_a_cpu_take_fp32_unless_asked() -> None:
    assert load_backbone("mini", device="cpu").precision == "fp32"


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
    clip, again, photo = new_clip(), new_vit(), picture(1)
    weights, backbone = weakref.ref(next(clip.parameters())), reference_backbone("vit", clip)
    del clip
    model = classifier(backbone=backbone).zero_shot(["red", "green"])
    before, known, size = model.explain(photo).probabilities, backbone.fingerprint, backbone.bytes
    assert weights() is not None
    backbone.let_go()
    backbone.let_go()  # once more changes nothing
    gc.collect()
    assert weights() is None, "the classifier holds the backbone, and nothing of it holds the weights"
    assert (backbone.loaded, backbone.bytes, backbone.fingerprint) == (False, 0, known)
    with pytest.raises(BackboneError, match="are not loaded"):
        model.explain(photo)
    with pytest.raises(AttributeError):
        backbone.nonsense  # noqa: B018
    with pytest.raises(BackboneError, match="have changed"):
        backbone.take_weights(other_vit())
    backbone.take_weights(again)
    assert (backbone.loaded, again.loaded, backbone.bytes) == (True, False, size)
    assert model.explain(photo).probabilities == before


@pytest.mark.parametrize(("limit", "told"), [(str(2**28), 2**28), (str(2**60), None), ("max", None)])
def test_of_a_machine_and_its_container_the_smaller_memory_is_told(
    limit: str, told: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "limit").write_text(limit)
    monkeypatch.setattr(machine, "CONTAINER", (str(tmp_path / "limit"), str(tmp_path / "absent")))
    assert memory_bytes("cpu") == (told or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
