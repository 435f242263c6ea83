"""The photos of a folder and of all folders below it, on disk or in a bucket, listed as they are needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import starmap
from typing import Any

from gallop.answers.sources.item import SourceItem
from gallop.answers.sources.opening import Opener, asked, local_path
from gallop.answers.sources.outages import reason
from gallop.errors import DataError
from gallop.images.folders import FolderEntry, walk_photos
from gallop.images.formats import printable_name


def folder_photos(name: str, opener: Opener) -> Iterator[SourceItem]:
    """Return files whose names say that they are photos, as ``walk_photos`` finds them. A key is the path below it."""
    path = local_path(name)
    if path is not None and not os.path.isdir(path):
        raise DataError(
            f"{printable_name(path)} is not a folder: use a folder, a photo, a .txt list, a .csv or .parquet table, or "
            ".tar archives."
        )
    return starmap(_item, _walk_bucket(name, opener) if path is None else walk_photos(path))


def _walk_bucket(name: str, opener: Opener) -> Iterator[tuple[str, FolderEntry]]:
    system, root = opener.system(name)
    root, start, missing = root.rstrip("/"), name.rstrip("/"), (FileNotFoundError, NotADirectoryError)

    def listed(folder: str, *passed: type[Exception]) -> list[dict[str, Any]]:
        return list(asked(lambda: system.ls(folder, detail=True), name, "listed", *passed))

    in_root: list[dict[str, Any]] = []
    with suppress(*missing):
        in_root = listed(root, *missing)
    if not any(entry["type"] == "directory" or entry["name"].rstrip("/") != root for entry in in_root):
        raise DataError(f"{printable_name(name)} is not a folder, or it is empty: check the URL.")

    def entries(folder: FolderEntry) -> list[FolderEntry]:
        path = root + folder.place[len(start) :]
        there = in_root if path == root else listed(path, *missing, PermissionError)
        kinds = {entry["name"].rstrip("/"): entry["type"] == "directory" for entry in there}
        kinds.pop(path, None)
        names = {inner.rpartition("/")[2]: is_folder for inner, is_folder in kinds.items()}
        return [FolderEntry(name, f"{folder.place}/{name}", is_folder) for name, is_folder in names.items()]

    return walk_photos(start, entries)


def _item(key: str, entry: FolderEntry) -> SourceItem:
    if entry.error is None:
        return SourceItem(key, place=entry.place)
    kind, done = ("folder", "read") if entry.is_folder else ("link", "followed")
    return SourceItem(key, problem=f"The {kind} {printable_name(entry.place)} cannot be {done}: {reason(entry.error)}.")
