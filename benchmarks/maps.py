"""Do maps hit the object? Objects cut out of plain photos are pasted on scenes, so that their place is known.

    python -m benchmarks.maps SCENES PHOTOS [PHOTOS ...] [--backbone mini] [--draws 4]

PHOTOS are folders of class folders; those of their photos that stand on an even background are cut out. SCENES is a
folder of photos to paste them on, each object on as many as there are draws. For the true name ("A photo of a NAME", no
training) the same regions are ranked by the model's own damped cosine, by the plain cosine, and by the projection
without unit norm, the class activation map. A figure is the mean share of the first k regions that lie on the object;
chance is the share of the grid that it covers. The last row is the model's way less the class activation map, picture
by picture, with its standard error over the objects (the scenes of one object are averaged first).
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from gallop import load_backbone, load_image, read_folder
from gallop.backbones import Backbone
from gallop.images import list_images

COVER = 0.16
"""Share of the photo that the object covers."""
TOPS = (1, 5, 10, 20)
SIDE = 224
MODEL, CAM = "damped cosine", "class activation map"


@dataclass(frozen=True)
class CutOut:
    """An object's pixels (height, width, 3) within its bounding box, where it is (height, width), and its name."""

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    name: str


def cut_out(pixels: NDArray[np.uint8], name: str, tolerance: int = 24) -> CutOut | None:
    """The object of a photo whose border has one colour; None where it has not, or where nothing clear is left."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(int)
    colour = np.median(border, axis=0)
    if (np.abs(border - colour).max(axis=1) > tolerance).mean() > 0.05:
        return None
    even = np.abs(pixels.astype(int) - colour).max(axis=2) <= tolerance
    # Background is what is even and reaches the border; the object is the largest piece of the rest, with its holes.
    pieces, _ = ndimage.label(even)
    edge = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
    rest = ndimage.binary_opening(~np.isin(pieces, edge[edge > 0]), iterations=2)
    pieces, count = ndimage.label(rest)
    if count == 0:
        return None
    mask = ndimage.binary_fill_holes(pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]))
    if not 0.1 < mask.mean() < 0.75:
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return CutOut(pixels[box], mask[box], name)


def paste(object_: CutOut, scene: Image.Image, draw: np.random.Generator) -> tuple[Image.Image, NDArray[np.float64]]:
    """The object somewhere on the scene's central square, and the share (SIDE, SIDE) of each pixel it covers."""
    canvas = np.asarray(_square(scene), dtype=np.float64)
    height, width = object_.mask.shape
    scale = min(SIDE * np.sqrt(COVER / object_.mask.sum()), SIDE / height, SIDE / width)
    size = max(int(width * scale), 1), max(int(height * scale), 1)
    pixels = np.asarray(Image.fromarray(object_.pixels).resize(size, Image.Resampling.BICUBIC), dtype=np.float64)
    alpha = np.asarray(Image.fromarray(object_.mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR))
    top, left = draw.integers(SIDE - size[1] + 1), draw.integers(SIDE - size[0] + 1)
    cover = np.zeros((SIDE, SIDE))
    cover[top : top + size[1], left : left + size[0]] = alpha / 255
    layer = np.zeros_like(canvas)
    layer[top : top + size[1], left : left + size[0]] = pixels
    mixed = canvas * (1 - cover[..., None]) + layer * cover[..., None]
    return Image.fromarray(mixed.round().astype(np.uint8)), cover


def _square(photo: Image.Image) -> Image.Image:
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    return photo.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


@dataclass(frozen=True)
class Picture:
    """An object on a scene: the share of each pixel (SIDE, SIDE) it covers, its name, the photo it was cut from."""

    image: Image.Image
    cover: NDArray[np.float64]
    name: str
    cut_from: Path


def scenes_with_objects(photos: Path, scenes: Path, seed: int) -> Iterator[Picture]:
    """Every object that could be cut out, on a scene of its own."""
    draw = np.random.default_rng(seed)
    backgrounds = list_images(scenes, recursive=True)
    data = read_folder(photos)
    for path, name in zip(data.paths, data.names, strict=True):
        found = cut_out(np.asarray(load_image(path).image), name)
        if found is not None:
            scene = load_image(backgrounds[draw.integers(len(backgrounds))]).image
            yield Picture(*paste(found, scene, draw), name, path)


def on_object(scores: Tensor, cover: Tensor) -> list[float]:
    """Share of the first 1, 5, 10, 20 regions by scores (R,) that the object covers by half or more (R,)."""
    hits = (cover >= 0.5).float()[scores.argsort(descending=True)]
    return [float(hits[:k].mean()) for k in TOPS]


Shares = dict[str, NDArray[np.float64]]


@torch.no_grad()
def measure(backbone: Backbone, pictures: Iterable[Picture]) -> tuple[Shares, list[Path]]:
    """For each way of ranking the same regions, and for chance, a row a picture (pictures, TOPS); what it shows."""
    rows, columns = backbone.vision.grid
    figures: dict[str, list[list[float]]] = {}
    objects = []
    for picture in pictures:
        pixels, _ = backbone.preprocess.centre(picture.image)
        regions = backbone.encode_image(pixels[None])[1][0]
        products = regions @ F.normalize(backbone.text.encode_texts([f"A photo of a {picture.name}"])[0], dim=0)
        cells = torch.from_numpy(
            picture.cover.reshape(rows, SIDE // rows, columns, SIDE // columns).mean(axis=(1, 3))
        ).flatten()
        norms = regions.norm(dim=1)
        ways = {
            MODEL: products / norms.clamp_min(backbone.damping.region),
            "plain cosine": products / norms,
            CAM: products,
        }
        for way, scores in ways.items():
            figures.setdefault(way, []).append(on_object(scores, cells))
        figures.setdefault("chance", []).append([float((cells >= 0.5).float().mean())] * len(TOPS))
        objects.append(picture.cut_from)
    return {way: np.array(shares) for way, shares in figures.items()}, objects


def difference(
    first: NDArray[np.float64], second: NDArray[np.float64], objects: list[Path]
) -> list[tuple[float, float]]:
    """Mean of first - second, both (pictures, TOPS), and its standard error over the objects."""
    number = {name: row for row, name in enumerate(dict.fromkeys(objects))}
    which = np.array([number[name] for name in objects])
    each = np.stack([(first - second)[which == row].mean(axis=0) for row in range(len(number))])
    errors = each.std(axis=0, ddof=1) / np.sqrt(len(each))
    return list(zip(each.mean(axis=0).tolist(), errors.tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--backbone", default="mini")
    parser.add_argument("--draws", type=int, default=4)
    options = parser.parse_args()
    draws = ((folder, seed) for seed in range(options.draws) for folder in options.photos)
    pictures = (found for folder, seed in draws for found in scenes_with_objects(folder, options.scenes, seed))
    figures, objects = measure(load_backbone(options.backbone), pictures)
    print(f"{len(objects)} pictures of {len(set(objects))} objects\n")
    print("| regions ranked by | " + " | ".join(f"top {k}" for k in TOPS) + " |\n|---|" + "---|" * len(TOPS))
    for way, shares in figures.items():
        print(f"| {way} | " + " | ".join(f"{share:.1%}" for share in shares.mean(axis=0)) + " |")
    gaps = difference(figures[MODEL], figures[CAM], objects)
    print(f"| {MODEL} - {CAM} | " + " | ".join(f"{100 * gap:+.1f} ± {100 * error:.1f}" for gap, error in gaps) + " |")


if __name__ == "__main__":
    main()
