"""The encoders that are built here give open_clip's and timm's features bit by bit, and need neither."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torchvision import transforms

from gallop.backbones import Backbone, Preprocess, available_models, load_backbone
from gallop.backbones.built_in import built_in_model
from gallop.backbones.loading import load_strictly
from gallop.backbones.text.tokenizers import clip_tokenizer, token_rule
from gallop.images import load_image
from tests import tiny

FOLDER = available_models()["mini"]
SETTINGS: Any = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
SIZES = [(300, 200), (200, 301), (224, 224), (31, 500), (1, 1), (225, 224), (2000, 30), (640, 427)]


@cache
def ours() -> Backbone:
    return load_backbone("mini")


@cache
def theirs() -> Backbone:
    """``mini`` as open_clip and timm build it, for a setting of its trunk that is unknown here and changes nothing."""
    with TemporaryDirectory() as folder:
        (file,) = FOLDER.glob("*.safetensors")
        shutil.copy(file, folder)
        settings = SETTINGS | {"trunk": SETTINGS["trunk"] | {"drop_rate": 0.0}}
        Path(folder, "config.json").write_text(json.dumps(settings), encoding="utf-8")
        return load_backbone(folder)


# The encoders --------------------------------------------------------------------------------------------------------


def test_images_have_the_same_features_bit_by_bit() -> None:
    photos = [tiny.picture(seed, size=size) for seed, size in enumerate(SIZES[:4])]
    pixels = torch.stack([ours().preprocess.centre(photo)[0] for photo in photos])
    assert all(map(torch.equal, ours().encode_image(pixels), theirs().encode_image(pixels)))
    mine, other = ((backbone.fingerprint, backbone.vision_fingerprint) for backbone in (ours(), theirs()))
    assert mine == other


@pytest.mark.slow
@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("size", [224, 97, 256])
@torch.no_grad()
def test_a_trunk_of_any_stride_is_timms(stride: int, size: int) -> None:
    """The plain trunk, batch norms and all, on random weights: what ``mini``'s own are does not matter."""
    model = tiny.there(built_in_model(SETTINGS["model_cfg"], {"output_stride": stride}))
    other, name = open_clip.CLIP(**SETTINGS["model_cfg"]), SETTINGS["model_cfg"]["vision_cfg"]["timm_model_name"]
    other.visual.trunk = timm.create_model(name, num_classes=0, output_stride=stride)
    noise = torch.Generator().manual_seed(0)
    state = {
        key: torch.rand(value.shape, generator=noise) + 0.5 if key.endswith("running_var") else value
        for key, value in other.state_dict().items()
    }
    other.load_state_dict(state)
    load_strictly(model, state, "ours")
    pixels = torch.randn(2, 3, size, size, generator=noise)
    mine, wanted = (m.eval().visual.trunk.forward_features(pixels) for m in (model, other))  # type: ignore[union-attr]
    assert mine.shape[2] == -(-size // stride)
    assert torch.equal(mine, wanted)
    assert torch.equal(model.visual(pixels), other.visual(pixels))  # type: ignore[operator]


def test_texts_have_the_same_features_and_gradients_bit_by_bit() -> None:
    names = ["cat", "tabby cat", "cup of coffee", "rocket", "a name of rather many words"]
    found = []
    for backbone in (ours(), theirs()):
        start = backbone.text.embed("A photo of a").expand(3, -1, -1)
        contexts = (start + 0.01 * torch.arange(3)[:, None, None]).requires_grad_()
        features = backbone.text.encode(contexts, backbone.text.tokenize(names, context_tokens=4))
        features.square().sum().backward()  # type: ignore[no-untyped-call]
        found.append((features.detach(), contexts.grad))
    assert all(map(torch.equal, *found))


def test_they_can_be_copied_and_pickled() -> None:
    """As scikit-learn sends a classifier to other processes."""
    pixels = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    copied = pickle.loads(pickle.dumps(ours()))
    assert torch.equal(copied.encode_image(pixels)[1], ours().encode_image(pixels)[1])
    assert copied.text.tokenize(["cat"], context_tokens=4).ids.equal(
        ours().text.tokenize(["cat"], context_tokens=4).ids
    )
    assert torch.equal(ours().copy_on("cpu").encode_image(pixels)[0], ours().encode_image(pixels)[0])


def test_only_what_is_known_whole_is_built_here() -> None:
    """A setting that is not understood is open_clip's to read, or to refuse."""
    known, trunk = SETTINGS["model_cfg"], SETTINGS["trunk"]
    assert isinstance(built_in_model(known, trunk), nn.Module)
    for path, value in {
        ("quick_gelu",): True,
        ("embed_dim",): "512",
        ("more",): 1,
        ("vision_cfg", "timm_model_name"): "tf_efficientnet_lite1",
        ("vision_cfg", "timm_pool"): "avg",
        ("vision_cfg", "timm_drop"): 0.1,
        ("text_cfg", "hf_model_name"): "some/model",
        ("text_cfg", "heads"): 3,
        ("text_cfg",): None,
    }.items():
        other = deepcopy(known)
        (other if len(path) == 1 else other[path[0]])[path[-1]] = value
        assert built_in_model(other, trunk) is None, path
    for other_trunk in ({}, {"output_stride": 12}, {"output_stride": 16, "drop_rate": 0.1}):
        assert built_in_model(known, other_trunk) is None


@pytest.mark.slow
def test_one_photo_is_answered_without_open_clip_timm_and_torchvision(tmp_path: Path) -> None:
    tiny.picture(3, size=(60, 40)).save(tmp_path / "photo.png")
    program = f"""
import sys
from gallop.cli import main
assert main(["predict", {str(tmp_path / "photo.png")!r}, "--classes", "a,b"]) == 0
print(sorted({{"open_clip", "timm", "torchvision", "transformers", "matplotlib"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# Tokens --------------------------------------------------------------------------------------------------------------


@cache
def tokenizers() -> tuple[Any, Any]:
    return clip_tokenizer(), open_clip.SimpleTokenizer()


@given(st.text(max_size=40))
def test_any_text_has_open_clips_tokens(text: str) -> None:
    mine, other = tokenizers()
    assert mine.encode(text) == other.encode(text)


def test_names_and_odd_texts_have_open_clips_tokens() -> None:
    mine, other = tokenizers()
    odd = [
        "",
        " ",
        "&amp;amp; lt",
        "<start_of_text> a <END_OF_TEXT>",
        "don't WE'LL",
        "aaaaaa",
        "İstanbul",
        "naÃ¯ve",
        "a" * 500,
    ]
    for text in [*open_clip.IMAGENET_CLASSNAMES, *odd]:
        assert mine.encode(text) == other.encode(text), text
    assert (mine.sot_token_id, mine.eot_token_id) == (other.sot_token_id, other.eot_token_id)
    assert token_rule(mine).special == frozenset(other.all_special_ids)


def test_every_token_is_the_same_text() -> None:
    mine, other = tokenizers()
    assert [mine.decode([i]) for i in range(49408)] == [other.decode([i]) for i in range(49408)]


# Pixels --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pixels_are_torchvisions(size: tuple[int, int], interpolation: str) -> None:
    mean, std = (0.48, 0.45, 0.4), (0.26, 0.26, 0.27)
    image = load_image(tiny.picture(1, size=size)).image
    mode, TF = transforms.InterpolationMode(interpolation), transforms.functional

    def wanted(resized: Image.Image) -> torch.Tensor:
        pixels = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255
        return TF.normalize(pixels, list(mean), list(std))

    squashed, _ = Preprocess(224, mean, std, interpolation, squash=True).centre(image)
    assert torch.equal(squashed, wanted(TF.resize(image, [224, 224], mode, antialias=True)))
    if max(size) <= 8 * min(size):
        pixels, _ = Preprocess(224, mean, std, interpolation).centre(image)
        assert torch.equal(pixels, wanted(TF.center_crop(TF.resize(image, [224], mode, antialias=True), [224, 224])))
    preprocess = Preprocess(96, mean, std, interpolation)
    views = {preprocess.augment(image, np.random.default_rng(seed))[0].numpy().tobytes() for seed in range(4)}
    assert len(views) > 1 or size == (1, 1)


def test_an_unknown_interpolation_is_told() -> None:
    with pytest.raises(ValueError, match="Unknown interpolation 'cubic'; choose one of bicubic, bilinear"):
        Preprocess(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "cubic")
