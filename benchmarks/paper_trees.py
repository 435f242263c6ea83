"""The paper's data sets as shells of the true sizes: true layouts and numbers of photos, in links to few pictures.

What takes time in a benchmark (drawing, reading, encoding) takes what it would on the sets themselves.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from benchmarks.images import pictures
from benchmarks.text import imagenet_names as words
from gallop.backbones.imagenet import imagenet_names
from gallop.data.paper.opening import find_set
from gallop.data.paper.places import CatalogueEntry

SHOTS = 16
"""Photos a class to draw from: more are never drawn."""

TESTS = {
    "caltech101": 2465,
    "oxford_pets": 3669,
    "stanford_cars": 8041,
    "flowers102": 2463,
    "food101": 30300,
    "sun397": 19850,
    "dtd": 1692,
    "eurosat": 8100,
    "ucf101": 3783,
}
"""Test photos of the sets that CoOp's split files divide; all else that is known of them is ``gallop.data``'."""

UNKNOWN = {"iNaturalist/images": 10000, "SUN/images": 10000, "Places/images": 10000, "Texture/banded": 5640}
"""Photos of nothing in ImageNet, by folder."""


class _Folder:
    """Files in a folder, each a hard link: to learn from, pictures that all differ in a set, as draws want them."""

    def __init__(self, root: Path, different: int) -> None:
        self.root = root
        self._pictures = list(_write_pictures(root / "pictures", different))
        self._next = itertools.cycle(self._pictures)

    def begin(self) -> None:
        """A set of its own: pictures of the sets before it may come again."""
        self._next = itertools.cycle(self._pictures)

    def put(self, folder: Path, names: Iterable[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            os.link(next(self._next), folder / name)


def _write_pictures(folder: Path, count: int) -> Iterator[Path]:
    """Eight pictures again and again, each time with its number in black and white blocks on it."""
    folder.mkdir(parents=True)
    plain = [np.array(picture) for picture in pictures(8, (500, 375))]
    for number in range(count):
        pixels = plain[number % 8].copy()
        for bit in range(16):
            pixels[:8, 8 * bit : 8 * bit + 8] = 255 * (number >> bit & 1)
        path = folder / f"{number}.jpg"
        Image.fromarray(pixels).save(path, quality=90)
        yield path


def write_trees(root: Path) -> None:
    """All nineteen sets, 300,000 files, into a folder that is made.

    Raises:
        FileExistsError: it is there already.
    """
    folder = _Folder(root, different=1000 * SHOTS)
    _imagenet(folder)
    for name, tests in TESTS.items():
        folder.begin()
        _split(folder, find_set(name), tests)
    (root / "oxford_pets/annotations").mkdir()
    folder.begin()
    _aircraft(folder, root / "fgvc_aircraft")
    for place, count in UNKNOWN.items():
        folder.put(root / place, (f"{i}.jpg" for i in range(count)))


def _imagenet(folder: _Folder) -> None:
    root, synsets = folder.root, sorted(imagenet_names())
    images = root / "imagenet/images"
    for synset in synsets:
        folder.put(images / "train" / synset, (f"{synset}_{i}.JPEG" for i in range(SHOTS)))
    for number, synset in enumerate(synsets):
        folder.put(images / "val" / synset, (f"ILSVRC2012_val_{synset}{i}.JPEG" for i in range(50)))
        v2 = root / "imagenetv2/imagenetv2-matched-frequency-format-val"
        folder.put(v2 / str(number), (f"{i}.jpeg" for i in range(10)))
        folder.put(root / "imagenet-sketch/images" / synset, (f"{i}.jpg" for i in range(51)))
    for synset in synsets[::5]:  # 200 classes: about 7,500 and 30,000 photos
        folder.put(root / "imagenet-adversarial/imagenet-a" / synset, (f"{i}.jpg" for i in range(37)))
        folder.put(root / "imagenet-rendition/imagenet-r" / synset, (f"{i}.jpg" for i in range(150)))


def _split(folder: _Folder, known: CatalogueEntry, tests: int) -> None:
    home, rows = folder.root / known.homes[0], dict[str, list[tuple[str, int, str]]](train=[], val=[], test=[])
    above = known.inside.split("|")[0]  # of StanfordCars, whose photos lie in a folder of this name
    for part in rows:
        for number, word in enumerate(words(known.classes)):
            names = [f"{part}{i}.jpg" for i in range(_count(part, tests, number, known.classes))]
            inside = PurePosixPath(above, f"{number:03d}")
            folder.put(home / known.photos[0] / inside, names)
            rows[part].extend((str(inside / file), number, word) for file in names)
    (home / known.needs[0]).write_text(json.dumps(rows), encoding="utf-8")


def _aircraft(folder: _Folder, home: Path, classes: int = 100, tests: int = 3333) -> None:
    numbers = itertools.count(1_000_000)
    lines: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for part in lines:
        for number, word in enumerate(words(classes)):
            own = [str(next(numbers)) for _ in range(_count(part, tests, number, classes))]
            folder.put(home / "images", (f"{name}.jpg" for name in own))
            lines[part].extend(f"{name} {word}\n" for name in own)
    for part, rows in lines.items():
        (home / f"images_variant_{part}.txt").write_text("".join(rows), encoding="utf-8")
    (home / "variants.txt").write_text("".join(f"{word}\n" for word in words(classes)), encoding="utf-8")


def _count(part: str, tests: int, number: int, classes: int) -> int:
    """Photos of a class in a part of a set; test photos are dealt out to the classes."""
    if part == "test":
        return tests // classes + (number < tests % classes)
    return SHOTS if part == "train" else 1
