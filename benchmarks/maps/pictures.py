"""Pictures whose truth is known: things cut out and pasted on scenes, alone or beside a thing of another name.

Things come from the sample project, whose masks give their places, or from photos with an even background.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from gallop import load_image, read_folder
from gallop.data import LabelledPhotos, resolve_split
from gallop.images import list_images
from gallop.sample import sample_mask, sample_photos

SIDE = 448
_PLACES = 40
"""Tries to find the second thing a place beside the first."""
_SCENES = (
    "skimage/data/astronaut.png",
    "skimage/data/chelsea.png",
    "skimage/data/rocket.jpg",
    "skimage/data/motorcycle_left.png",
    "skimage/data/hubble_deep_field.jpg",
    "skimage/data/grass.png",
    "skimage/data/gravel.png",
    "skimage/data/brick.png",
    "sklearn/datasets/images/china.jpg",
    "sklearn/datasets/images/flower.jpg",
)
"""Inside the wheels of scikit-image and scikit-learn; none of them shows what the sample does, as its coffee would."""


_Layer = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Pixels (SIDE, SIDE, 3), and the fraction (SIDE, SIDE) of each that is covered."""


@dataclass(frozen=True)
class CutOut:
    """A thing's pixels (height, width, 3) within its bounding box, where it is (height, width), its name and photo."""

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    name: str
    cut_from: Path


@dataclass(frozen=True)
class Picture:
    """A thing on a scene.

    Attributes:
        image: SIDE x SIDE.
        cover: fraction (SIDE, SIDE) of each pixel that the named thing covers.
        other: the same of the second thing; None where there is none.
        name: of the first.
        cut_from: the photo it comes from.
    """

    image: Image.Image
    cover: NDArray[np.float64]
    other: NDArray[np.float64] | None
    name: str
    cut_from: Path


@dataclass(frozen=True)
class Corpus:
    """Things of a few names, and photos to learn these names from, on which none of the things is.

    Attributes:
        train: None where there are none: then nothing is taught.
    """

    title: str
    things: tuple[CutOut, ...]
    train: LabelledPhotos | None

    @property
    def names(self) -> tuple[str, ...]:
        """Of all things, and of all classes."""
        return self.train.class_names if self.train else tuple(sorted({thing.name for thing in self.things}))


def sample_corpus() -> Corpus:
    """Return the things of the sample's test photos, cut out by their masks, and its photos to learn from."""
    known = [(photo, photo.class_name) for photo in sample_photos() if photo.class_name is not None]
    things = tuple(
        boxed(np.asarray(load_image(photo.path).image), sample_mask(photo), name, photo.path)
        for photo, name in known
        if photo.part == "test"
    )
    folder = known[0][0].path.parents[1]
    return Corpus("the sample project", things, read_folder(folder.parent / "train"))


def folder_corpus(root: Path) -> Corpus:
    """Return the things of a folder of class folders that could be cut out; of its test/, where it has one."""
    shown = read_folder(root, split="test")
    cut_outs = (cut_out(path, name) for path, name in zip(shown.paths, shown.names, strict=True))
    has_train = resolve_split(root, "test") != root
    things = tuple(thing for thing in cut_outs if thing is not None)
    return Corpus(root.name, things, read_folder(root, split="train") if has_train else None)


def scenes(folder: Path | None) -> list[Path]:
    """Return photos to paste things on: those of a folder, or a few that come with Python packages."""
    if folder is not None:
        return list_images(folder, recursive=True)
    return [path for file in _SCENES if (path := _inside(*file.split("/", 1))) is not None]


def _inside(package: str, file: str) -> Path | None:
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    path = Path(places[0], file) if places else None
    return path if path is not None and path.is_file() else None


def cut_out(path: Path, name: str, tolerance: int = 24) -> CutOut | None:
    """Return the thing of a photo whose border has one colour; None where it has not, or nothing clear is left."""
    pixels = np.asarray(load_image(path).image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(int)
    colour = np.median(border, axis=0)
    if (np.abs(border - colour).max(axis=1) > tolerance).mean() > 0.05:
        return None
    even = np.abs(pixels.astype(int) - colour).max(axis=2) <= tolerance
    # Background is what is even and reaches the border; the thing is the largest piece of the rest, with its holes.
    pieces, _ = ndimage.label(even)
    edge = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
    rest = ndimage.binary_opening(~np.isin(pieces, edge[edge > 0]), iterations=2)
    pieces, count = ndimage.label(rest)
    if count == 0:
        return None
    mask = ndimage.binary_fill_holes(pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]))
    return boxed(pixels, mask, name, path) if 0.1 < mask.mean() < 0.75 else None


def boxed(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], name: str, cut_from: Path) -> CutOut:
    """Return the thing that a mask (height, width) marks in a photo (height, width, 3)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return CutOut(pixels[box], mask[box], name, cut_from)


def pictures(
    corpus: Corpus, backgrounds: Sequence[Path], cover: float, *, second: bool, draws: int
) -> Iterator[Picture]:
    """Yield every thing on as many scenes as there are draws: the same ones at every call, and at the same places,
    whether or not there is a second thing.

    Args:
        cover: fraction of the picture that each thing covers.
        second: whether a thing of another name is beside it.
    """
    for number, thing in enumerate(corpus.things):
        for again in range(draws):
            draw = np.random.default_rng([number, again])
            scene = _scene(backgrounds[draw.integers(len(backgrounds))])
            first = _placed(thing, cover, draw)
            others = [other for other in corpus.things if other.name != thing.name]
            other = others[draw.integers(len(others))] if second else None
            yield _composed(scene, thing, first, other, cover, draw)


def _composed(
    canvas: NDArray[np.float64],
    thing: CutOut,
    first: _Layer,
    other: CutOut | None,
    cover: float,
    draw: np.random.Generator,
) -> Picture:
    beside = None
    if other is not None:
        beside = _beside(other, first, cover, draw)
        canvas = _pasted(canvas, beside)
        beside = beside[0], beside[1] * (1 - first[1])
    image = Image.fromarray(_pasted(canvas, first).round().astype(np.uint8))
    return Picture(image, first[1], None if beside is None else beside[1], thing.name, thing.cut_from)


def _beside(other: CutOut, first: _Layer, cover: float, draw: np.random.Generator) -> _Layer:
    """The second thing where it is free; where no place is, it lies behind the first, as far as it has to."""
    layer, least = _placed(other, cover, draw), np.inf
    for _ in range(_PLACES):
        covered = float((layer[1] * first[1]).sum())
        if covered < least:
            best, least = layer, covered
        if covered == 0:
            break
        layer = _placed(other, cover, draw)
    return best


def _placed(thing: CutOut, fraction: float, draw: np.random.Generator) -> _Layer:
    """A thing of a size, somewhere; one that is too long for its size covers less."""
    height, width = thing.mask.shape
    scale = min(SIDE * np.sqrt(fraction / thing.mask.sum()), SIDE / height, SIDE / width)
    size = max(int(width * scale), 1), max(int(height * scale), 1)
    pixels = np.asarray(Image.fromarray(thing.pixels).resize(size, Image.Resampling.BICUBIC), dtype=np.float64)
    alpha = np.asarray(Image.fromarray(thing.mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR))
    top, left = draw.integers(SIDE - size[1] + 1), draw.integers(SIDE - size[0] + 1)
    layer, cover = np.zeros((SIDE, SIDE, 3)), np.zeros((SIDE, SIDE))
    layer[top : top + size[1], left : left + size[0]] = pixels
    cover[top : top + size[1], left : left + size[0]] = alpha / 255
    return layer, cover


def _pasted(canvas: NDArray[np.float64], layer: _Layer) -> NDArray[np.float64]:
    pixels, cover = layer
    return canvas * (1 - cover[..., None]) + pixels * cover[..., None]


@lru_cache
def _scene(file: Path) -> NDArray[np.float64]:
    """Pixels of the middle of a photo, which nothing may be written into."""
    photo = load_image(file).image
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    square = photo.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(square, dtype=np.float64)
