"""The sample project: nothing in; out come photos of four kinds of things, where the things are, and a model.

The photos are rendered by ``benchmarks/sample``; ``README.md`` here says how, and what they may be used for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gallop.errors import DataError
from gallop.images import list_images, load_image
from gallop.runtime.reading import read_bytes
from gallop.runtime.writing import write_file

SAMPLE_SHOTS = 8
"""Photos of each class to learn from; six others are there to test with."""

_PHOTOS = ("train", "test", "other")
_COPIED = (*_PHOTOS, "model")
# Bytes of a file of the sample.
_LARGEST = 8 * 2**20


@dataclass(frozen=True)
class SamplePhoto:
    """One photo of the sample.

    Attributes:
        path: where it lies.
        part: ``train`` to learn from, ``test`` to test with, or ``other``: none of the classes.
        class_name: what is on it; None on those of none of the classes.
    """

    path: Path
    part: str
    class_name: str | None


def sample_folder() -> Path:
    """Return the folder of the sample, inside this package: ``train`` and ``test`` with a folder a class, ``other``
    with photos of none of them, ``masks`` with the place of the thing on each, and ``model``, which learned ``train``.
    """
    return Path(__file__).parent


def sample_photos() -> tuple[SamplePhoto, ...]:
    """Return all photos, in the order of their paths."""
    folder = sample_folder()
    return tuple(
        SamplePhoto(path, part, None if part == "other" else path.parent.name)
        for part in _PHOTOS
        for path in list_images(folder / part, recursive=True)
    )


def sample_mask(photo: SamplePhoto) -> NDArray[np.bool_]:
    """Return a mask of the thing on a photo, (height, width) in the photo's pixels.

    It is stored at half the size, and drawn without the blur of the lens, so it is exact to a pixel or two.
    """
    folder = sample_folder()
    path = (folder / "masks" / photo.path.relative_to(folder)).with_suffix(".png")
    half = np.asarray(load_image(path).image.convert("L")) > 0
    return half.repeat(2, axis=0).repeat(2, axis=1)


def write_sample(folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write photos, model and README into a new or empty folder, for commands and programs that take a folder.

    Returns:
        the files that were written.

    Raises:
        DataError: there is something in the folder already, or it is a file.
        OSError: the disk refuses.
    """
    target, source = Path(folder), sample_folder()
    if target.exists() and not target.is_dir():
        raise DataError(f"{target} is a file; choose a folder for the sample.")
    if target.exists() and any(target.iterdir()):
        raise DataError(f"{target} is not empty, so the sample is not written into it; choose another folder.")
    files = sorted(path for part in _COPIED for path in (source / part).rglob("*") if path.is_file())
    written = []
    for path in (*files, source / "README.md"):
        written.append(target / path.relative_to(source))
        write_file(written[-1], read_bytes(path, _LARGEST))
    return tuple(written)
