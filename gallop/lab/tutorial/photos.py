"""The photos of the notebooks: the sample's, those inside the wheels of scikit-image and scikit-learn, or yours;
and photos made of photos: another domain, a thing cut out by its mask, a thing in another photo.

Environment variables choose, before Jupyter starts:

* ``GALLOP_PHOTOS=my/photos``: your photos, one folder a class, best with ``train/`` and ``test/`` above them.
* ``FAST=1``: short trainings, as in the tests.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from gallop.data.class_folders import read_folder, resolve_split
from gallop.data.labelled import LabelledPhotos
from gallop.errors import DataError
from gallop.images import Photo, load_image
from gallop.sample import SamplePhoto, sample_folder, sample_mask, sample_photos

FAST = os.environ.get("FAST") == "1"

_FILES = {
    # name: (package, file); skimage.data and sklearn's README name the photographers and the licences
    "cat": ("skimage", "data/chelsea.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "astronaut": ("skimage", "data/astronaut.png"),
    "temple": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "brick": ("skimage", "data/brick.png"),
    "grass": ("skimage", "data/grass.png"),
    "gravel": ("skimage", "data/gravel.png"),
    "galaxies": ("skimage", "data/hubble_deep_field.jpg"),
    "moon": ("skimage", "data/moon.png"),
    "coins": ("skimage", "data/coins.png"),
    "retina": ("skimage", "data/retina.jpg"),
}

THINGS = ("cat", "coffee", "rocket", "motorcycle", "astronaut", "temple", "flower")
"""One photo each."""
TEXTURES = ("brick", "grass", "gravel")
"""One large photo each, in grey, from which crops are cut."""
MOST_CLASSES = 40
"""Of your folder; with more, the pictures and tables of a notebook would show nothing."""
_TESTS = 20  # of each class, in a folder that is not split
DOMAINS = ("blur", "sketch", "dark")


def sample_names() -> list[str]:
    """Return the names that ``sample`` knows."""
    return list(_FILES)


def sample(name: str) -> Photo:
    """Return a photo by name, such as "cat"."""
    if name not in _FILES:
        raise ValueError(f"There is no photo {name!r}; choose one of {', '.join(_FILES)}.")
    package, file = _FILES[name]
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            f"The photo {name!r} comes with the package {package}, which is not installed. Run pip install "
            "'gallop-explorer[notebooks]'."
        )
    return load_image(Path(spec.submodule_search_locations[0], file), name=name)


def texture_crops(
    shots: int, seed: int = 0, size: int = 128, tests: int = 20
) -> tuple[dict[str, list[Photo]], dict[str, list[Photo]]]:
    """Square crops of brick, grass and gravel, by class: (train, test).

    Train crops come from the left half of each photo and test crops from the right half, so they never share a pixel;
    crops of one half may overlap. The first shots of a seed are the same however many are drawn; test crops are always
    the same.

    Args:
        size: side of a crop in pixels, at most 256.
    """
    train, test = {}, {}
    for number, name in enumerate(TEXTURES):
        image = sample(name).image
        middle = image.width // 2
        left, right = (0, 0, middle, image.height), (middle, 0, image.width, image.height)
        train[name] = list(_crops(image.crop(left), name, shots, size, np.random.default_rng([seed, number])))
        test[name] = list(_crops(image.crop(right), name, tests, size, np.random.default_rng([number])))
    return train, test


def _crops(image: Image.Image, name: str, count: int, size: int, rng: np.random.Generator) -> Iterable[Photo]:
    if size > min(image.size):
        raise ValueError(
            f"Crops of {size} x {size} pixels do not fit: the photo's shorter side has {min(image.size)} pixels."
        )
    for i in range(count):
        x, y = (int(rng.integers(0, side - size + 1)) for side in image.size)
        yield load_image(image.crop((x, y, x + size, y + size)), name=f"{name} {i + 1}")


def custom_folder() -> Path | None:
    """Return the folder that GALLOP_PHOTOS names; None where it is not set."""
    chosen = os.environ.get("GALLOP_PHOTOS")
    if not chosen:
        return None
    if not Path(chosen).is_dir():
        raise NotADirectoryError(
            f"GALLOP_PHOTOS is {chosen!r}, which is not a folder. Set it to the full path of a folder that contains "
            "one folder of photos for each class, or unset it to use the sample photos."
        )
    return Path(chosen)


def by_class(most: int = 5) -> dict[str, list[Photo]]:
    """Return photos by class name: up to so many of each class of your folder (of those to test with), or the
    sample photos of things, one each.
    """
    folder = custom_folder()
    if folder is None:
        return {name: [sample(name)] for name in THINGS}
    return _by_class(_parts(folder)[1].draw(most, allow_fewer=True))


def few_shots(shots: int, seed: int = 0, tests: int = 20) -> tuple[dict[str, list[Photo]], dict[str, list[Photo]]]:
    """Return (train, test) by class name: what ``few_labelled`` draws, read."""
    train, test = few_labelled(shots, seed, tests)
    return _by_class(train), _by_class(test)


def few_labelled(shots: int, seed: int = 0, tests: int = 20) -> tuple[LabelledPhotos, LabelledPhotos]:
    """Return (train, test), from your folder where there is one, otherwise from the sample project: candles, mugs,
    teapots and vases, of each up to 8 photos to learn from and 6 to test with. Both have the same classes.

    A draw of few shots is part of a draw of more of the same seed, and the test photos are always the same: those in
    ``test/``; in a folder that is not split, a third of each class, at most 20 photos, which nothing is learned from.

    Raises:
        DataError: fewer than two classes, or one with a single photo.
    """
    train, test = _parts(custom_folder() or sample_folder())
    return train.draw(shots, seed=seed, allow_fewer=True), test.draw(tests, allow_fewer=True)


def same_classes(first: LabelledPhotos, second: LabelledPhotos) -> tuple[LabelledPhotos, LabelledPhotos]:
    """Return both without the classes that only one of them has, so that a label is the same class in both; of more
    than ``MOST_CLASSES`` the first ones.
    """
    names = [name for name in first.class_names if name in set(first.names) and name in set(second.names)]
    if len(names) > MOST_CLASSES:
        warnings.warn(f"There are {len(names)} classes; only the first {MOST_CLASSES} are used.", stacklevel=2)
    return _of(first, names[:MOST_CLASSES]), _of(second, names[:MOST_CLASSES])


def shows_none_of(name: str, class_names: Iterable[str]) -> bool:
    """Return whether a photo of this name is of no class, as far as names tell: "flower" is of "flowers" and "flower
    pot".
    """
    return not any(name in other or other in name for other in map(str.lower, class_names))


def with_names(by_class: dict[str, list[Photo]]) -> tuple[list[Photo], list[str]]:
    """Return photos and their class names, as ``fit`` and ``score`` take them."""
    return [p for some in by_class.values() for p in some], [n for n, some in by_class.items() for _ in some]


@cache
def _parts(folder: Path) -> tuple[LabelledPhotos, LabelledPhotos]:
    """What of a folder is there to learn from, and to test with; both have the same classes."""
    first = read_folder(folder, split="train")
    if resolve_split(folder, "train") == folder:
        parts = _split(first)
    else:
        second = read_folder(folder, split="test")
        of_test = set(second.hashes)
        parts = first.take([i for i, digest in enumerate(first.hashes) if digest not in of_test]), second
    train, test = same_classes(*parts)
    if len(train.class_names) < 2:
        raise DataError(
            f"{folder} must contain at least two classes with both training and test photos; it contains "
            f"{len(train.class_names)}."
        )
    return train, test


def _split(photos: LabelledPhotos) -> tuple[LabelledPhotos, LabelledPhotos]:
    """Photos that are not split: a third of each class to test with, whatever their files are called."""
    held = set[int]()
    for label, name in enumerate(photos.class_names):
        members = sorted((i for i, other in enumerate(photos.labels) if other == label), key=photos.hashes.__getitem__)
        if len(members) < 2:
            raise DataError(
                f"The class {name!r} needs at least two photos, one for training and one for testing; it has "
                f"{len(members)}."
            )
        held.update(members[: min(max(len(members) // 3, 1), _TESTS)])
    return photos.take([i for i in range(len(photos)) if i not in held]), photos.take(sorted(held))


def _of(photos: LabelledPhotos, names: list[str]) -> LabelledPhotos:
    """The photos of some of the classes."""
    chosen = photos.take([i for i, name in enumerate(photos.names) if name in names])
    return replace(chosen, labels=tuple(map(names.index, chosen.names)), class_names=tuple(names))


def _by_class(dataset: LabelledPhotos) -> dict[str, list[Photo]]:
    pairs = list(zip(dataset.photos, dataset.names, strict=True))
    return {name: [load_image(path) for path, other in pairs if other == name] for name in dataset.class_names}


def domain(photo: Photo, kind: str) -> Photo:
    """Return the same photo as another domain: out of focus ("blur"), as a pencil drawing ("sketch"), or at dusk
    ("dark").
    """
    image = photo.image
    if kind == "blur":
        image = image.filter(ImageFilter.GaussianBlur(min(image.size) / 50))
    elif kind == "sketch":
        # A pencil: grey, divided by its blurred light, so that only edges stay dark.
        grey = ImageOps.grayscale(image)
        soft = ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(min(image.size) / 50))
        light = np.asarray(grey, np.float32) * 255 / np.maximum(255 - np.asarray(soft, np.float32), 1)
        image = Image.merge("RGB", [Image.fromarray(np.minimum(light, 255).astype(np.uint8))] * 3)
    elif kind == "dark":
        image = ImageChops.multiply(
            ImageEnhance.Brightness(image).enhance(0.35), Image.new("RGB", image.size, "#ccd4ff")
        )
    else:
        raise ValueError(f"There is no domain {kind!r}; choose one of {', '.join(DOMAINS)}.")
    return load_image(image, name=f"{photo.name}, {kind}")


@cache
def _sample() -> dict[str, SamplePhoto]:
    """The photos of the sample by their content, so that a photo may come from anywhere."""
    return {load_image(photo.path).sha256: photo for photo in sample_photos()}


def thing_mask(photo: Photo) -> NDArray[np.bool_] | None:
    """Return where the thing is, (height, width) of the photo, or None: it is known of the sample's photos alone."""
    known = _sample().get(photo.sha256)
    return None if known is None else sample_mask(known)


def cut_out(photo: Photo) -> tuple[Image.Image, Image.Image]:
    """Return a thing and its mask, both as small as they can be; of a photo without a mask, the middle half of it."""
    mask = thing_mask(photo)
    if mask is None:
        mask = np.zeros((photo.height, photo.width), dtype=bool)
        mask[photo.height // 4 : -(photo.height // 4), photo.width // 4 : -(photo.width // 4)] = True
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return photo.image.crop(box), Image.fromarray(np.uint8(255 * mask), "L").crop(box)


def with_thing(
    background: Photo, other: Photo, fraction: float, *, right: bool = False
) -> tuple[Photo, NDArray[np.bool_]]:
    """Put the thing of another photo into a lower corner.

    Args:
        fraction: its longer side, as a fraction of the side of the square that the background becomes.
        right: the corner.

    Returns:
        the photo, square, and where the thing is on it, (side, side).
    """
    side = min(background.width, background.height)
    scene = ImageOps.fit(background.image, (side, side))
    thing, mask = cut_out(other)
    factor = fraction * side / max(thing.size)
    width, height = (max(round(length * factor), 1) for length in thing.size)
    thing, mask = thing.resize((width, height)), mask.resize((width, height))
    corner = (side - width if right else 0), side - height
    scene.paste(thing, corner, mask)
    where = Image.new("L", scene.size)
    where.paste(mask, corner)
    return load_image(scene, name=f"{background.name} with {other.name}"), np.asarray(where) > 127
