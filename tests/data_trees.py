"""Small trees in the true layouts of the nineteen sets, as CoOp's guide and torchvision leave them on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tests.tiny import picture

Write = Callable[[Path], None]
_made = 0


def photos(root: Path, files: Iterable[str]) -> None:
    """Tiny pictures, all different."""
    global _made
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        _made += 1
        picture(_made, size=(12, 10)).save(path, format="PNG" if path.suffix == ".png" else "JPEG")


def text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def as_json(path: Path, data: Any) -> None:
    text(path, json.dumps(data))


def zhou(
    path: Path, classes: Mapping[str, str], stem: str = "{folder}/{i}.jpg", each: Sequence[int] = (3, 1, 2)
) -> Any:
    """CoOp's split of a few classes {folder: name}; returns the files that it names."""
    split: dict[str, list[Any]] = {"train": [], "val": [], "test": []}
    for label, (folder, name) in enumerate(classes.items()):
        parts = [part for part, number in zip(split, each, strict=True) for _ in range(number)]
        for i, part in enumerate(parts, 1):
            split[part].append([stem.format(folder=folder, i=i, n=10 * label + i), label, name])
    as_json(path, split)
    return [file for rows in split.values() for file, _, _ in rows]


def coop(home: str, photo_folder: str, split: str, classes: Mapping[str, str], stem: str = "{folder}/{i}.jpg") -> Write:
    def write(root: Path) -> None:
        photos(root / home / photo_folder, zhou(root / home / split, classes, stem))

    return write


def aircraft(home: str) -> Write:
    def write(root: Path) -> None:
        folder = root / home
        text(folder / "variants.txt", "707-320", "Boeing 717", "F/A-18")
        numbers = count(1_000_001)
        for part, each in (("train", 3), ("val", 1), ("test", 2)):
            names = [name for name in ("707-320", "Boeing 717", "F/A-18") for _ in range(each)]
            lines = [f"{next(numbers)} {name}" for name in names]
            text(folder / f"images_variant_{part}.txt", *lines)
            photos(folder / "images", (f"{line.split()[0]}.jpg" for line in lines))

    return write


SYNSETS = ("n01440764", "n01443537", "n02012849", "n03126707")
"""Tench, goldfish, and the two cranes."""


def imagenet(home: str) -> Write:
    def write(root: Path) -> None:
        photos(root / home / "train", (f"{synset}/{synset}_{i}.JPEG" for synset in SYNSETS for i in range(3)))
        photos(root / home / "val", (f"{s}/ILSVRC2012_val_{i:08d}.JPEG" for s in SYNSETS for i in range(2)))

    return write


def by_synset(home: str, *synsets: str) -> Write:
    return lambda root: photos(root / home, (f"{synset}/{i}.jpg" for synset in synsets for i in range(2)))


def by_number(home: str) -> Write:
    return lambda root: photos(root / home, (f"{number}/{i}.jpeg" for number in (0, 2, 10, 517) for i in range(2)))


def flat(*files: str) -> Write:
    return lambda root: photos(root, files)


EUROSAT = {
    "AnnualCrop": "Annual Crop Land",
    "Forest": "Forest",
    "HerbaceousVegetation": "Herbaceous Vegetation Land",
    "Highway": "Highway or Road",
    "Industrial": "Industrial Buildings",
    "Pasture": "Pasture Land",
    "PermanentCrop": "Permanent Crop Land",
    "Residential": "Residential Buildings",
    "River": "River",
    "SeaLake": "Sea or Lake",
}
eurosat = coop("eurosat", "2750", "split_zhou_EuroSAT.json", EUROSAT)


def then(*writes: Write) -> Write:
    def write(root: Path) -> None:
        for one in writes:
            one(root)

    return write


_flower_names = {"1": "pink primrose", "3": "canterbury bells"}
_caltech = {"accordion": "accordion", "airplanes": "airplane"}

LABELLED: list[tuple[str, str, Write, tuple[str, ...], tuple[int, int, int]]] = [
    # name, layout, tree, class names, train / val / test of each class
    (
        "imagenet",
        "CoOp",
        imagenet("imagenet/images"),
        ("tench", "goldfish", "crane bird", "construction crane"),
        (3, 0, 2),
    ),
    ("imagenet", "torchvision", imagenet(""), ("tench", "goldfish", "crane bird", "construction crane"), (3, 0, 2)),
    (
        "caltech101",
        "CoOp",
        coop("caltech-101", "101_ObjectCategories", "split_zhou_Caltech101.json", _caltech),
        ("accordion", "airplane"),
        (3, 1, 2),
    ),
    (
        "caltech101",
        "torchvision",
        coop("caltech101", "101_ObjectCategories", "split_zhou_Caltech101.json", _caltech),
        ("accordion", "airplane"),
        (3, 1, 2),
    ),
    (
        "oxford_pets",
        "CoOp",
        then(
            coop(
                "oxford_pets",
                "images",
                "split_zhou_OxfordPets.json",
                {"Abyssinian": "abyssinian", "american_bulldog": "american_bulldog"},
                "{folder}_{i}.jpg",
            ),
            lambda root: (root / "oxford_pets" / "annotations").mkdir(),
        ),
        ("abyssinian", "american bulldog"),
        (3, 1, 2),
    ),
    (
        "stanford_cars",
        "CoOp",
        coop(
            "stanford_cars",
            "",
            "split_zhou_StanfordCars.json",
            {"cars_train": "2012 Audi TT RS Coupe", "cars_test": "2012 Ram C/V Cargo Van Minivan"},
        ),
        ("2012 Audi TT RS Coupe", "2012 Ram C/V Cargo Van Minivan"),
        (3, 1, 2),
    ),
    (
        "flowers102",
        "CoOp",
        coop("oxford_flowers", "jpg", "split_zhou_OxfordFlowers.json", _flower_names, "image_{n:05d}.jpg"),
        ("pink primrose", "canterbury bells"),
        (3, 1, 2),
    ),
    (
        "food101",
        "CoOp",
        coop("food-101", "images", "split_zhou_Food101.json", {"apple_pie": "apple_pie", "ramen": "ramen"}),
        ("apple pie", "ramen"),
        (3, 1, 2),
    ),
    ("fgvc_aircraft", "CoOp", aircraft("fgvc_aircraft"), ("707-320", "Boeing 717", "F/A-18"), (3, 1, 2)),
    (
        "fgvc_aircraft",
        "torchvision",
        aircraft("fgvc-aircraft-2013b/data"),
        ("707-320", "Boeing 717", "F/A-18"),
        (3, 1, 2),
    ),
    (
        "sun397",
        "CoOp",
        coop("sun397", "SUN397", "split_zhou_SUN397.json", {"a/abbey": "abbey", "c/casino/indoor": "indoor casino"}),
        ("abbey", "indoor casino"),
        (3, 1, 2),
    ),
    (
        "dtd",
        "CoOp",
        coop("dtd", "images", "split_zhou_DescribableTextures.json", {"banded": "banded", "dotted": "dotted"}),
        ("banded", "dotted"),
        (3, 1, 2),
    ),
    ("eurosat", "CoOp and torchvision", eurosat, tuple(EUROSAT.values()), (3, 1, 2)),
    (
        "ucf101",
        "CoOp",
        coop(
            "ucf101",
            "UCF-101-midframes",
            "split_zhou_UCF101.json",
            {"Apply_Eye_Makeup": "Apply_Eye_Makeup", "Archery": "Archery"},
        ),
        ("Apply Eye Makeup", "Archery"),
        (3, 1, 2),
    ),
    (
        "imagenet_v2",
        "CoOp",
        by_number("imagenetv2/imagenetv2-matched-frequency-format-val"),
        ("tench", "great white shark", "brambling", "construction crane"),
        (0, 0, 2),
    ),
    (
        "imagenet_sketch",
        "CoOp",
        by_synset("imagenet-sketch/images", *SYNSETS),
        ("tench", "goldfish", "crane bird", "construction crane"),
        (0, 0, 2),
    ),
    (
        "imagenet_a",
        "CoOp",
        by_synset("imagenet-adversarial/imagenet-a", SYNSETS[3]),
        ("construction crane",),
        (0, 0, 2),
    ),
    (
        "imagenet_r",
        "CoOp",
        by_synset("imagenet-rendition/imagenet-r", SYNSETS[3], SYNSETS[0]),
        ("tench", "construction crane"),
        (0, 0, 2),
    ),
]

UNLABELLED: list[tuple[str, str, Write, int]] = [
    ("inaturalist", "MOS", flat("iNaturalist/images/a.jpg", "iNaturalist/images/b.jpg"), 2),
    ("sun", "MOS", flat("SUN/images/sun_a.jpg", "SUN/images/sun_b.jpg"), 2),
    ("places", "MOS", flat("Places/images/b_barn_1.jpg"), 1),
    ("textures", "MOS", flat("dtd/images/banded/a.jpg", "dtd/images/dotted/b.jpg"), 2),
    ("textures", "torchvision", flat("dtd/dtd/images/banded/a.jpg"), 1),
    ("textures", "OpenOOD", flat("Texture/banded/a.jpg", "Texture/dotted/b.jpg"), 2),
]
