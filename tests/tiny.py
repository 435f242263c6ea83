"""Tiny pictures and a tiny real CLIP, for tests that need the whole path but not a model that knows anything."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from open_clip.model import CLIP
from PIL import Image
from safetensors.torch import save_file

from gallop import Explanation, GalLoPClassifier, ImageFeatures
from gallop.backbones import Backbone
from gallop.checkpoints.folder import SETTINGS
from gallop.model.branches.branch import Branch, ShotVotes
from tests.nasty_images import encode
from tests.reference import backbone, clip

T = TypeVar("T")
COLOURS = {"red": (200, 40, 30), "green": (40, 180, 60), "blue": (30, 50, 210), "yellow": (220, 210, 40)}


def new_clip() -> CLIP:
    """The reference's ViT, with embeddings for the words that the reference had no use for and left at zero."""
    made = clip("vit")
    weight = made.token_embedding.weight
    unused = weight.abs().sum(dim=1) == 0
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        weight[unused] = weight[~unused].std() * torch.randn(int(unused.sum()), weight.shape[1], generator=generator)
    return made


def new_vit() -> Backbone:
    return backbone("vit", new_clip())


@cache
def vit() -> Backbone:
    """A frozen ViT CLIP that encodes 32 px images (grid 4 x 4) in milliseconds. Shared: never change it."""
    return new_vit()


def other_vit() -> Backbone:
    """The same backbones with one weight of the image encoder moved: other weights, other fingerprint."""
    changed = new_clip()
    with torch.no_grad():
        next(changed.visual.parameters()).add_(0.01)
    return backbone("vit", changed)


def picture(seed: int, colour: str = "red", size: tuple[int, int] = (40, 32)) -> Image.Image:
    """A coloured picture with noise of its own, so that no two seeds or colours give equal pixels."""
    noise = np.random.default_rng([seed, *COLOURS[colour]]).integers(-40, 41, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8))


def png(seed: int, colour: str = "red", size: tuple[int, int] = (40, 32)) -> bytes:
    return encode(picture(seed, colour, size), "PNG")


def pictures(counts: Mapping[str, int], first_seed: int = 0) -> tuple[list[Image.Image], list[str]]:
    """Pictures and their labels, ``counts[colour]`` of each colour."""
    pairs = [(picture(first_seed + i, colour), colour) for colour, count in counts.items() for i in range(count)]
    return [image for image, _ in pairs], [label for _, label in pairs]


def write_folder(root: Path, counts: Mapping[str, int], *, first_seed: int = 0) -> Path:
    """A folder of class folders: ``counts[colour]`` different PNG files in each."""
    for colour, count in counts.items():
        write_images(root / colour, [picture(first_seed + i, colour) for i in range(count)])
    return root


def write_images(folder: Path, images: Sequence[Image.Image]) -> list[Path]:
    """PNG files ``0.png``, ``1.png``, ... in a folder that is made."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        image.save(path)
    return paths


def backbone_folder(folder: Path, *, image_size: int = 32, patch_size: int = 8) -> Path:
    """A small random CLIP in a folder, as --backbone takes it: it knows nothing, and encodes in milliseconds."""
    folder.mkdir(parents=True, exist_ok=True)
    vision = {"image_size": image_size, "patch_size": patch_size, "width": 64, "layers": 2, "head_width": 32}
    text = {"context_length": 32, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    config = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}
    torch.manual_seed(0)
    save_file({k: v.contiguous() for k, v in CLIP(**config).state_dict().items()}, folder / "weights.safetensors")
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    (folder / "config.json").write_text(json.dumps({"model_cfg": config, "preprocess": preprocess}))
    return folder


def classifier(**changes: Any) -> GalLoPClassifier:
    """A classifier on ``vit()`` that trains in a second: small scales, few epochs, nothing kept on disk."""
    settings: dict[str, Any] = {
        "backbone": vit(),
        "global_prompts": 2,
        "topk": (2, 4),
        "epochs": 2,
        "lr": 0.05,
        "batch_size": 4,
        "views": 2,
        "calibration_folds": 0,
        "cache": False,
        "device": "cpu",
    }
    return GalLoPClassifier(**{**settings, **changes})


def learned(model: GalLoPClassifier) -> dict[str, torch.Tensor]:
    """A copy of the learned tensors."""
    return {key: value.detach().clone() for key, value in model.model_.prompts.state_dict().items()}


def members_of(data: bytes) -> dict[str, bytes]:
    """The files of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zip_of(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def there(value: T | None) -> T:
    """What may be missing elsewhere and must not be here."""
    assert value is not None
    return value


def head_of(model: GalLoPClassifier) -> Branch:
    """The head that shots have taught."""
    (head,) = model.model_.branches
    return head


def head_scores(why: Explanation) -> Any:
    """Its scores (K,)."""
    (scores,) = why.branch_scores.values()
    return scores


def head_map(why: Explanation, class_name: str) -> Any:
    """Its map (rows, columns) of a class."""
    (branch,) = why.branches
    return why.branch_map(branch, class_name)


def votes_of(why: Explanation) -> ShotVotes:
    """The votes of its shots."""
    (votes,) = why.votes.values()
    return votes


def edit_settings(folder: Path, how: Callable[[dict[str, Any]], object]) -> None:
    """Change the settings of a checkpoint by hand."""
    path = folder / SETTINGS
    settings = json.loads(path.read_text(encoding="utf-8"))
    how(settings)
    path.write_text(json.dumps(settings), encoding="utf-8")


def same_features(first: ImageFeatures, second: ImageFeatures) -> bool:
    """Bit by bit, of every look."""
    return all(equal(a.tensors, b.tensors) for a, b in zip(first.looks, second.looks, strict=True))


def equal(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    """Bit-equal tensors under equal names."""
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
