"""The photos of the notebooks: those inside the wheels of scikit-image and scikit-learn, your own, or a public set.
(Notebooks 09 and 10 take things from the sample project, ``gallop.sample``.)

Nothing is fetched unless you ask for it. One environment variable chooses, before Jupyter starts:

* ``GALLOP_PHOTOS=my/photos``: your own photos, one folder a class, best with ``train/`` and ``test/`` above them.
* ``GALLOP_PHOTOS=EuroSAT`` (or DTD, Flowers102, OxfordIIITPet): a public set, downloaded once by torchvision.
* ``FAST=1``: short trainings, as in the tests.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from gallop import Photo, draw_shots, load_image, read_folder

FAST = os.environ.get("FAST") == "1"

_FILES = {
    # name: (package, file); who took them, and that they may be used, is said in skimage.data and in sklearn's README
    "cat": ("skimage", "chelsea.png"),
    "coffee": ("skimage", "coffee.png"),
    "rocket": ("skimage", "rocket.jpg"),
    "motorcycle": ("skimage", "motorcycle_left.png"),
    "astronaut": ("skimage", "astronaut.png"),
    "temple": ("sklearn", "china.jpg"),
    "flower": ("sklearn", "flower.jpg"),
    "brick": ("skimage", "brick.png"),
    "grass": ("skimage", "grass.png"),
    "gravel": ("skimage", "gravel.png"),
    "galaxies": ("skimage", "hubble_deep_field.jpg"),
    "moon": ("skimage", "moon.png"),
    "coins": ("skimage", "coins.png"),
    "retina": ("skimage", "retina.jpg"),
}
_FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}

THINGS = ("cat", "coffee", "rocket", "motorcycle", "astronaut", "temple", "flower")
"""One photo each."""
TEXTURES = ("brick", "grass", "gravel")
"""One large photo each, in grey, from which crops are cut."""
DOMAINS = ("blur", "sketch", "dark")
PUBLIC_SETS = ("DTD", "EuroSAT", "Flowers102", "OxfordIIITPet")


def names() -> list[str]:
    """What ``sample`` knows."""
    return list(_FILES)


def sample(name: str) -> Photo:
    """A photo by name, such as "cat"."""
    if name not in _FILES:
        raise ValueError(f"There is no photo {name!r}; there are {', '.join(_FILES)}.")
    package, file = _FILES[name]
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"The photo {name!r} lies inside {package}: pip install 'gallop-explorer[notebooks]'.")
    return load_image(Path(found.submodule_search_locations[0], _FOLDERS[package], file), name=name)


def textures(
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
        raise ValueError(f"Crops of {size} pixels were asked for; the most is {min(image.size)}.")
    for i in range(count):
        x, y = (int(rng.integers(0, side - size + 1)) for side in image.size)
        yield load_image(image.crop((x, y, x + size, y + size)), name=f"{name} {i + 1}")


def domain(photo: Photo, kind: str) -> Photo:
    """The same photo as another domain: out of focus ("blur"), as a pencil drawing ("sketch"), or at dusk ("dark")."""
    image = photo.image
    if kind == "blur":
        image = image.filter(ImageFilter.GaussianBlur(min(image.size) / 50))
    elif kind == "sketch":
        # A pencil: grey, divided by its own blurred light, so that only edges stay dark.
        grey = ImageOps.grayscale(image)
        soft = ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(min(image.size) / 50))
        image = Image.merge("RGB", [_dodge(grey, soft)] * 3)
    elif kind == "dark":
        image = ImageChops.multiply(
            ImageEnhance.Brightness(image).enhance(0.35), Image.new("RGB", image.size, "#ccd4ff")
        )
    else:
        raise ValueError(f"There is no domain {kind!r}; there are {', '.join(DOMAINS)}.")
    return load_image(image, name=f"{photo.name}, {kind}")


def _dodge(grey: Image.Image, soft: Image.Image) -> Image.Image:
    light = np.asarray(grey, np.float32) * 255 / np.maximum(255 - np.asarray(soft, np.float32), 1)
    return Image.fromarray(np.minimum(light, 255).astype(np.uint8))


def own_folder() -> Path | None:
    """The folder that GALLOP_PHOTOS names, or that of the public set it names; None where it is not set."""
    chosen = os.environ.get("GALLOP_PHOTOS")
    if not chosen:
        return None
    if chosen in PUBLIC_SETS:
        return public_set(chosen)
    if not Path(chosen).is_dir():
        raise NotADirectoryError(
            f"GALLOP_PHOTOS is {chosen!r}, which is no folder from here. Give the whole path of a folder that holds "
            f"one folder of photos for each class, or one of {', '.join(PUBLIC_SETS)}; or unset it to use the sample "
            "photos."
        )
    return Path(chosen)


def classes(most: int = 5) -> dict[str, list[Photo]]:
    """Photos by class name: up to so many of each class of your own folder (test photos, where they are apart), or
    the sample photos of things, one each.
    """
    folder = own_folder()
    if folder is None:
        return {name: [sample(name)] for name in THINGS}
    return _by_class(draw_shots(read_folder(folder, split="test"), most, allow_fewer=True))


def few_shots(
    shots: int, seed: int = 0, size: int = 128, tests: int = 20
) -> tuple[dict[str, list[Photo]], dict[str, list[Photo]]]:
    """(train, test) by class name, from your own folder where there is one, otherwise ``textures``.

    A folder without ``train/`` and ``test/`` is split: test photos are those that the draw of shots left over.
    """
    folder = own_folder()
    if folder is None:
        return textures(shots, seed, size, tests)
    train = draw_shots(read_folder(folder, split="train"), shots, seed=seed, allow_fewer=True)
    test = read_folder(folder, split="test").left_over(train)
    return _by_class(train), _by_class(draw_shots(test, tests, allow_fewer=True))


def labelled(by_class: dict[str, list[Photo]]) -> tuple[list[Photo], list[str]]:
    """Photos and their class names, as ``fit`` and ``score`` take them."""
    return [p for some in by_class.values() for p in some], [n for n, some in by_class.items() for _ in some]


def _by_class(dataset: Any) -> dict[str, list[Photo]]:
    found: dict[str, list[Photo]] = {name: [] for name in dataset.class_names}
    for path, name in zip(dataset.paths, dataset.names, strict=True):
        found[name].append(load_image(path))
    return found


def public_set(name: str, shots: int = 16, tests: int = 20) -> Path:
    """A folder with ``train/`` and ``test/`` of a public set: up to ``shots`` and ``tests`` photos of each class.

    torchvision downloads the set once, some hundred megabytes, into the user's cache folder.

    Raises:
        ConnectionError: it is not on this machine yet and cannot be downloaded.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "gallop", "photos", name)
    done, part = cache / f"{shots}-{tests}", cache / "unfinished"
    if not done.is_dir():
        shutil.rmtree(part, ignore_errors=True)
        if name == "EuroSAT":  # it comes in one piece
            _deal(_torchvision(name, cache), part, {"train": shots, "test": tests})
        else:
            first = "trainval" if name == "OxfordIIITPet" else "train"
            _deal(_torchvision(name, cache, split=first), part, {"train": shots})
            _deal(_torchvision(name, cache, split="test"), part, {"test": tests})
        part.rename(done)
    return done


def _torchvision(name: str, cache: Path, **split: str) -> Any:
    from torchvision import datasets

    try:
        cache.mkdir(parents=True, exist_ok=True)
        return getattr(datasets, name)(cache, download=True, **split)
    except (OSError, RuntimeError) as error:
        raise ConnectionError(
            f"{name} is not on this machine and could not be downloaded ({type(error).__name__}). Connect to a network "
            "and try again, set GALLOP_PHOTOS to a folder of your own photos, or unset it to use the sample photos."
        ) from error


def in_two_rows(figure: Any) -> Any:
    """The library's picture of an explanation, which is one wide row, arranged for the page of a notebook."""
    *panels, _ = figure.axes  # the last one holds the colours of all maps
    columns = -(-len(panels) // 2)
    grid = figure.add_gridspec(2, columns)
    for i, panel in enumerate(panels):
        panel.set_subplotspec(grid[i // columns, i % columns])
    figure.set_size_inches(10, 6)
    return figure


def _deal(dataset: Any, folder: Path, counts: dict[str, int]) -> None:
    """Photos of a torchvision set, drawn at random, into ``folder/split/class``, up to so many of a class and split."""
    room = [[split for split, count in counts.items() for _ in range(count)] for _ in dataset.classes]
    for i in np.random.default_rng(0).permutation(len(dataset)).tolist():
        if not any(room):
            return
        image, label = dataset[i]
        if room[label]:
            words = re.sub(r"(?<=[a-z])(?=[A-Z])|[-_]", " ", dataset.classes[label]).lower()
            target = folder / room[label].pop(0) / words
            target.mkdir(parents=True, exist_ok=True)
            image.convert("RGB").save(target / f"{i}.png")
