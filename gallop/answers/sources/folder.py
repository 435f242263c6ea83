"""The photos of a folder and of all folders below it, listed as they are needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import starmap

from gallop.answers.sources.item import SourceItem
from gallop.errors import DataError
from gallop.images.file_types import printable_name
from gallop.images.photo_files import FolderEntry, walk_photos


def folder_photos(path: str) -> Iterator[SourceItem]:
    """Return files whose names say that they are photos, as ``walk_photos`` finds them. A key is the path below it."""
    if not os.path.isdir(path):
        raise DataError(
            f"{printable_name(path)} is not a folder: use a folder, a photo, a .txt list, or a .csv or .parquet table."
        )
    return starmap(_item, walk_photos(path))


def _item(key: str, entry: FolderEntry) -> SourceItem:
    if entry.error is None:
        return SourceItem(key, place=entry.place)
    kind, done = ("folder", "read") if entry.is_folder else ("link", "followed")
    why = entry.error.strerror
    return SourceItem(key, problem=f"The {kind} {printable_name(entry.place)} cannot be {done}: {why}.")
