"""Photos of several sources as one set, and a word about those that could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from gallop.data.given import distinct_photos
from gallop.data.labelled import LabelledPhotos
from gallop.errors import warn_caller


def photos_together(parts: Sequence[LabelledPhotos], class_names: Sequence[str]) -> LabelledPhotos:
    """Return the photos of all parts, each picture once, with the indices of ``class_names``, which hold all of theirs.

    Raises:
        DataError: one picture with two class names.
    """
    photos, names, hashes = distinct_photos(
        [photo for part in parts for photo in part.photos],
        [name for part in parts for name in part.names],
        [digest for part in parts for digest in part.hashes],
    )
    number = {name: k for k, name in enumerate(class_names)}
    return LabelledPhotos(
        tuple(photos),
        tuple(hashes),
        tuple(number[name] for name in names),
        tuple(class_names),
        tuple(chain.from_iterable(part.skipped for part in parts)),
    )


def warn_of_skipped(data: LabelledPhotos) -> None:
    """Warn of files that could not be read, if there are any."""
    if data.skipped:
        (where, reason), count = data.skipped[0], len(data.skipped)
        place = f"row {where}" if isinstance(where, int) else str(where)
        more = f", and {count - 1} more (skipped_ has all)" if count > 1 else ""
        warn_caller(f"{place} is left out{more}: {reason}")
