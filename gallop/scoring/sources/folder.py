"""The photos of a folder and of all folders below it, on disk or in a bucket, listed as they are needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import starmap
from typing import Any

from gallop.errors import DataError
from gallop.images.folders import FolderEntry, walk_photos
from gallop.images.formats import printable_name
from gallop.scoring.sources.item import Source, SourceItem
from gallop.scoring.sources.opening import local_path, service_of
from gallop.scoring.sources.outages import patiently, reason


class FolderSource(Source):
    """Files whose names say that they are photos, as ``walk_photos`` finds them. A key is the path below the folder."""

    def __iter__(self) -> Iterator[SourceItem]:
        path = local_path(self.name)
        if path is not None and not os.path.isdir(path):
            raise DataError(
                f"{printable_name(path)} is no folder: give one, or a .txt list, a .csv or .parquet table or .tar "
                "archives."
            )
        return starmap(_item, self._walk_bucket() if path is None else walk_photos(path))

    def _walk_bucket(self) -> Iterator[tuple[str, FolderEntry]]:
        system, root = self.opener.system(self.name)
        root, found = root.rstrip("/"), []
        try:
            found = self._listed(system, root)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except PermissionError as error:
            raise self._not_listed(error) from error
        if not any(entry["type"] == "directory" or entry["name"].rstrip("/") != root for entry in found):
            raise DataError(f"{printable_name(self.name)} is no folder, or is empty: check the address.")
        start = self.name.rstrip("/")

        def entries(folder: FolderEntry) -> list[FolderEntry]:
            path = root + folder.place[len(start) :]
            there = found if path == root else self._listed(system, path)
            kinds = {entry["name"].rstrip("/"): entry["type"] == "directory" for entry in there}
            kinds.pop(path, None)
            names = {inner.rpartition("/")[2]: is_folder for inner, is_folder in kinds.items()}
            return [FolderEntry(name, f"{folder.place}/{name}", is_folder) for name, is_folder in names.items()]

        return walk_photos(start, entries)

    def _listed(self, system: Any, folder: str) -> list[dict[str, Any]]:
        try:
            return list(patiently(lambda: system.ls(folder, detail=True), service_of(self.name)))
        except (DataError, FileNotFoundError, NotADirectoryError, PermissionError):
            raise
        except Exception as error:  # every service has errors of its own
            raise self._not_listed(error) from error

    def _not_listed(self, error: Exception) -> DataError:
        return DataError(f"{printable_name(self.name)} cannot be listed ({reason(error)}).")


def _item(key: str, entry: FolderEntry) -> SourceItem:
    if entry.error is None:
        return SourceItem(key, place=entry.place)
    kind, done = ("folder", "read") if entry.is_folder else ("link", "followed")
    place, why = printable_name(entry.place), reason(entry.error)
    return SourceItem(key, problem=f"The {kind} {place} cannot be {done}: {why}.")
