"""Photos to try the app with. They ship inside the scikit-image wheel, so nothing is fetched and nothing is copied."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

_FILES = {
    # name shown: (file, credit as scikit-image states it)
    "Cat": ("chelsea.png", "Chelsea the cat, by Stefan van der Walt, CC0"),
    "Coffee": ("coffee.png", "Coffee cup, by Rachel Michetti (Pikolo Espresso Bar), CC0"),
    "Rocket": ("rocket.jpg", "Falcon 9 launch, by SpaceX, public domain"),
    "Astronaut": ("astronaut.png", "Eileen Collins, by NASA, public domain"),
    "Galaxies": ("hubble_deep_field.jpg", "Hubble eXtreme Deep Field, by NASA, public domain"),
}


def available_samples() -> dict[str, Path]:
    """Sample photos by name; empty where scikit-image is not installed."""
    found = find_spec("skimage")
    if found is None or not found.submodule_search_locations:
        return {}
    folder = Path(found.submodule_search_locations[0], "data")
    return {name: folder / file for name, (file, _) in _FILES.items() if (folder / file).is_file()}


def credit(name: str) -> str:
    return _FILES[name][1]
