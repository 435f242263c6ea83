"""The photos of a folder and of all folders below it, on disk or in a bucket, listed as they are needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gallop.errors import DataError
from gallop.images.formats import printable_name
from gallop.images.photo import is_photo_name
from gallop.scoring.sources.item import SourceItem, listed_total
from gallop.scoring.sources.opening import Opener, local_path, service_of
from gallop.scoring.sources.outages import patiently, reason


@dataclass(frozen=True)
class FolderSource:
    """Files whose names say that they are photos, by name; a folder's own before those of the folders in it.

    Only one folder's names are in memory at a time, and those of the folders on the way to it. Hidden files and
    folders are left out. A key is the path below the folder, with ``/``.
    """

    name: str
    opener: Opener

    def __iter__(self) -> Iterator[SourceItem]:
        path = local_path(self.name)
        if path is not None:
            if not os.path.isdir(path):
                raise DataError(
                    f"{printable_name(path)} is no folder: give one, or a .txt list, a .csv or .parquet table or .tar "
                    "archives."
                )
            return self._local(Path(path), "", ())
        return self._remote()

    def total(self, goes_on: Callable[[], bool]) -> int | None:
        """Return how many there are, by listing them once more."""
        return listed_total(self, goes_on)

    def _local(self, folder: Path, above: str, seen: tuple[str, ...]) -> Iterator[SourceItem]:
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back would never end
            return
        try:
            with os.scandir(folder) as entries:
                found = sorted((entry.name, entry.is_dir()) for entry in entries if not _hidden(entry.name))
        except OSError as error:
            yield SourceItem(above or ".", problem=f"The folder {folder} cannot be read: {reason(error)}.")
            return
        for name, is_folder in found:
            if not is_folder and is_photo_name(name):
                yield SourceItem(f"{above}{name}", place=os.path.join(folder, name))
        for name, is_folder in found:
            if is_folder:
                yield from self._local(folder / name, f"{above}{name}/", (*seen, real))

    def _remote(self) -> Iterator[SourceItem]:
        system, root = self.opener.system(self.name)
        root, entries = root.rstrip("/"), []
        try:
            entries = self._listed(system, root)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except PermissionError as error:
            raise self._not_listed(error) from error
        if not any(entry["type"] == "directory" or entry["name"].rstrip("/") != root for entry in entries):
            raise DataError(f"{printable_name(self.name)} is no folder, or is empty: check the address.")
        yield from self._below(system, root, "", entries)

    def _below(self, system: Any, folder: str, above: str, entries: list[dict[str, Any]]) -> Iterator[SourceItem]:
        start = self.name.rstrip("/")
        paths = {path.rpartition("/")[2]: path for path in (entry["name"].rstrip("/") for entry in entries)}
        within = {entry["name"].rstrip("/") for entry in entries if entry["type"] == "directory"} - {folder}
        for name in sorted(paths):
            if paths[name] not in within and is_photo_name(name) and not _hidden(name):
                yield SourceItem(f"{above}{name}", place=f"{start}/{above}{name}")
        for name in sorted(paths):
            if paths[name] in within and not _hidden(name):
                try:
                    found = self._listed(system, paths[name])
                except (FileNotFoundError, PermissionError) as error:
                    said = f"The folder {printable_name(f'{start}/{above}{name}')} cannot be read: {reason(error)}."
                    yield SourceItem(f"{above}{name}/", problem=said)
                    continue
                yield from self._below(system, paths[name], f"{above}{name}/", found)

    def _listed(self, system: Any, folder: str) -> list[dict[str, Any]]:
        try:
            return list(patiently(lambda: system.ls(folder, detail=True), service_of(self.name)))
        except (DataError, FileNotFoundError, NotADirectoryError, PermissionError):
            raise
        except Exception as error:  # every service has errors of its own
            raise self._not_listed(error) from error

    def _not_listed(self, error: Exception) -> DataError:
        return DataError(f"{printable_name(self.name)} cannot be listed ({reason(error)}).")


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
