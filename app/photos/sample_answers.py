"""Photos to try the app with, and the answers of the built-in backbone, so that the first picture needs no backbone.

The photos are part of the scikit-image wheel, so nothing is downloaded or copied. The answers are precomputed: a test
compares them with the backbone, and ``python -m tests.app.worked_out`` writes them again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

from app.photos.shelf import thumbnail_url
from gallop import Photo, load_image
from gallop.images import CropBox
from gallop.maps.explainer.payload import palettes
from gallop.maps.shown_photo import photo_url


@dataclass(frozen=True)
class TrialPhoto:
    """A photo to try the app with.

    Attributes:
        file: in scikit-image's folder.
        credit: as scikit-image states it.
        names: possible classes; the first one is right.
    """

    name: str
    file: str
    credit: str
    names: tuple[str, ...]


SAMPLES = (
    TrialPhoto(
        "Cat",
        "chelsea.png",
        "Chelsea the cat, by Stefan van der Walt, CC0",
        ("cat", "dog", "rabbit", "fox", "teddy bear"),
    ),
    TrialPhoto(
        "Coffee",
        "coffee.png",
        "Coffee cup, by Rachel Michetti (Pikolo Espresso Bar), CC0",
        ("cup of coffee", "bowl of soup", "spoon", "cake", "book"),
    ),
    TrialPhoto(
        "Rocket",
        "rocket.jpg",
        "Falcon 9 launch, by SpaceX, public domain",
        ("rocket", "lighthouse", "fireworks", "airplane", "candle"),
    ),
    TrialPhoto(
        "Astronaut",
        "astronaut.png",
        "Eileen Collins, by NASA, public domain",
        ("astronaut", "flag", "guitar", "car", "dog"),
    ),
    TrialPhoto(
        "Galaxies",
        "hubble_deep_field.jpg",
        "Hubble eXtreme Deep Field, by NASA, public domain",
        ("night sky", "flowers", "sand", "snow", "coral reef"),
    ),
)


def available_samples() -> dict[str, Path]:
    """Return the trial photos by name; empty where scikit-image is not installed."""
    package = find_spec("skimage")
    if package is None or not package.submodule_search_locations:
        return {}
    folder = Path(package.submodule_search_locations[0], "data")
    return {sample.name: folder / sample.file for sample in SAMPLES if (folder / sample.file).is_file()}


ANSWERS = Path(__file__).with_suffix(".json")
# Parts of an explainer's data that are not stored: the photo is in scikit-image, the rest is equal for all photos.
MADE_HERE = ("photo", "state", *palettes())


@dataclass(frozen=True)
class SampleAnswer:
    """A sample, and the zero-shot answer to it for its names.

    Attributes:
        sha256: of its content, as ``Photo`` has it.
        crop: the part that the model saw, in the photo's pixels.
        label, probability: the most probable class and its probability.
        cosines: the data of an explainer, without the photo and the parts that are equal for all photos.
    """

    sample: TrialPhoto
    sha256: str
    topk: tuple[int, ...]
    grid: tuple[int, int]
    crop: CropBox
    label: str
    probability: float
    cosines: Mapping[str, Any]

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.sample.names

    @property
    def branches(self) -> tuple[str, ...]:
        return ()

    @cached_property
    def photo(self) -> Photo:
        return load_image(available_samples()[self.sample.name], name=self.sample.name)

    @property
    def image(self) -> Image.Image:
        return self.photo.image

    @cached_property
    def thumbnail(self) -> str:
        return thumbnail_url(self.photo.image)

    @cached_property
    def shown(self) -> dict[str, Any]:
        """The data of an explainer, without its settings."""
        return {"photo": photo_url(self.image, self.crop), **self.cosines, **palettes()}


@cache
def sample_answers() -> dict[str, SampleAnswer]:
    """Return the available samples, each with its answer, by content hash."""
    by_name = {held["name"]: held for held in json.loads(ANSWERS.read_text(encoding="utf-8"))}
    here = available_samples()
    return {
        held["sha256"]: SampleAnswer(
            sample,
            held["sha256"],
            tuple(held["topk"]),
            (held["grid"][0], held["grid"][1]),
            CropBox(*held["crop"]),
            held["label"],
            held["share"],
            held["cosines"],
        )
        for sample in SAMPLES
        if sample.name in here and (held := by_name[sample.name])
    }
