"""Photos to try the app with. They ship inside the scikit-image wheel, so nothing is fetched and nothing is copied."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class TrialPhoto:
    """A photo to begin with.

    Attributes:
        file: in scikit-image's folder.
        credit: as scikit-image states it.
        names: what it might be; the first is what it is.
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
    """TrialPhoto photos by name; empty where scikit-image is not installed."""
    found = find_spec("skimage")
    if found is None or not found.submodule_search_locations:
        return {}
    folder = Path(found.submodule_search_locations[0], "data")
    return {sample.name: folder / sample.file for sample in SAMPLES if (folder / sample.file).is_file()}


def credit(name: str) -> str:
    return next(sample.credit for sample in SAMPLES if sample.name == name)
