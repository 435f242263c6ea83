"""What a page begins with: names, and photos of the sample that show them. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_SHOWN = {"teapot": "teapot-12", "mug": "mug-12", "vase": "vase-10", "candle": "candle-13"}
"""Of the sample's photos to test with, one a class."""
FIRST_NAMES = tuple(_SHOWN)
"""Those of a page without a model."""


def photos_to_begin_with(class_names: Sequence[str]) -> list[Path]:
    """Return sample photos of classes that a classifier knows."""
    from gallop.sample import sample_photos

    there = {photo.path.stem: photo.path for photo in sample_photos() if photo.part == "test"}
    return [there[stem] for name, stem in _SHOWN.items() if name in class_names]
