"""The photos of a folder and of all folders below it, on disk or in a bucket, listed as they are needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias

from gallop.errors import DataError
from gallop.images.formats import printable_name
from gallop.images.photo import is_photo_name
from gallop.scoring.sources.item import SourceItem, listed_total
from gallop.scoring.sources.opening import Opener, local_path, service_of
from gallop.scoring.sources.outages import patiently, reason

_Identity: TypeAlias = tuple[int, int]
"""Device and inode of a folder: the same by whatever path it is reached."""


@dataclass(frozen=True)
class _Entry:
    """What a folder holds.

    Attributes:
        problem: why nobody can tell what it is.
        linked: whether a link is on the way to it.
        parents: the folders on the way to it.
    """

    name: str
    place: str
    is_folder: bool = False
    problem: str = ""
    linked: bool = False
    parents: tuple[_Identity, ...] = ()


@dataclass(frozen=True)
class FolderSource:
    """Files whose names say that they are photos, by name; a folder's own before those of the folders in it.

    Only one folder's names are in memory at a time, and those of the folders on the way to it. Hidden files and
    folders are left out. A key is the path below the folder, with ``/``. Links to folders are
    followed, but not back up, and all links together lead to a folder once: they cannot multiply the photos.
    """

    name: str
    opener: Opener

    def __iter__(self) -> Iterator[SourceItem]:
        path = local_path(self.name)
        if path is None:
            return self._remote()
        if not os.path.isdir(path):
            raise DataError(
                f"{printable_name(path)} is no folder: give one, or a .txt list, a .csv or .parquet table or .tar "
                "archives."
            )
        entered: set[_Identity] = set()
        return _walk(path, lambda folder: _local(folder, entered))

    def total(self, goes_on: Callable[[], bool]) -> int | None:
        """Return how many there are, by listing them once more."""
        return listed_total(self, goes_on)

    def _remote(self) -> Iterator[SourceItem]:
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

        def entries(folder: _Entry) -> list[_Entry]:
            path = root + folder.place[len(start) :]
            there = found if path == root else self._listed(system, path)
            kinds = {entry["name"].rstrip("/"): entry["type"] == "directory" for entry in there}
            kinds.pop(path, None)
            names = {inner.rpartition("/")[2]: is_folder for inner, is_folder in kinds.items()}
            return [_Entry(name, f"{folder.place}/{name}", is_folder) for name, is_folder in names.items()]

        return _walk(start, entries)

    def _listed(self, system: Any, folder: str) -> list[dict[str, Any]]:
        try:
            return list(patiently(lambda: system.ls(folder, detail=True), service_of(self.name)))
        except (DataError, FileNotFoundError, NotADirectoryError, PermissionError):
            raise
        except Exception as error:  # every service has errors of its own
            raise self._not_listed(error) from error

    def _not_listed(self, error: Exception) -> DataError:
        return DataError(f"{printable_name(self.name)} cannot be listed ({reason(error)}).")


def _walk(start: str, entries: Callable[[_Entry], list[_Entry]]) -> Iterator[SourceItem]:
    """Yield the photos below a folder; folders may lie in each other at any depth.

    Args:
        entries: lists a folder; raises OSError where that cannot be done.
    """
    left = [("", _Entry("", start, is_folder=True))]
    while left:
        above, folder = left.pop()
        try:
            found = sorted((e for e in entries(folder) if not _hidden(e.name)), key=attrgetter("name"))
        except OSError as error:
            said = f"The folder {printable_name(folder.place)} cannot be read: {reason(error)}."
            yield SourceItem(above or ".", problem=said)
            continue
        for entry in found:
            if entry.problem:
                yield SourceItem(f"{above}{entry.name}", problem=entry.problem)
            elif not entry.is_folder and is_photo_name(entry.name):
                yield SourceItem(f"{above}{entry.name}", place=entry.place)
        left += [(f"{above}{entry.name}/", entry) for entry in reversed(found) if entry.is_folder]


def _local(folder: _Entry, entered: set[_Identity]) -> list[_Entry]:
    """List a folder on disk; nothing where a link leads back up, or to what links have led to before."""
    status = os.stat(folder.place)
    identity = status.st_dev, status.st_ino
    if identity in folder.parents or (folder.linked and identity in entered):
        return []
    if folder.linked:
        entered.add(identity)
    with os.scandir(folder.place) as found:
        return [_local_entry(entry, folder.linked, (*folder.parents, identity)) for entry in found]


def _local_entry(entry: os.DirEntry[str], linked: bool, parents: tuple[_Identity, ...]) -> _Entry:
    linked = linked or entry.is_symlink() or getattr(entry, "is_junction", bool)()
    try:
        return _Entry(entry.name, entry.path, entry.is_dir(), "", linked, parents)
    except OSError as error:  # a link to itself, or into a folder that may not be entered
        said = f"The link {printable_name(entry.path)} cannot be followed: {reason(error)}."
        return _Entry(entry.name, entry.path, problem=said)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
