"""The photos of a folder, by their names; nothing is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from gallop.images.file_types import printable_name
from gallop.images.photo import is_photo_name


@dataclass(frozen=True)
class FolderEntry:
    """What a folder holds.

    Attributes:
        error: why its kind or its content is unknown.
        linked: whether a link is on the way to it.
        parents: device and inode of each folder on the way to it.
    """

    name: str
    place: str
    is_folder: bool = False
    error: OSError | None = None
    linked: bool = False
    parents: tuple[tuple[int, int], ...] = ()


def list_images(folder: str | os.PathLike[str], recursive: bool = False) -> list[Path]:
    """Return the image files of a folder, by their suffix, in natural order (``2.jpg`` before ``10.jpg``).

    HEIC and the like are among them, though ``load_image`` refuses them: they are photos, and must be reported.

    Hidden files and folders, ``__MACOSX`` and all that is not a regular file are skipped; nothing is opened. A link to
    nothing is listed too: it is a photo that was not fetched, and must be reported. So is a folder that cannot be read.
    Links to folders are followed as ``walk_photos`` does.

    Raises:
        NotADirectoryError: ``folder`` is not a folder.
    """
    if not os.path.isdir(folder):
        raise NotADirectoryError(
            f"{printable_name(str(folder))} is not a folder: choose a folder that contains images."
        )
    images: list[Path] = []
    for _, entry in walk_photos(os.fspath(folder), recursive=recursive):
        path = Path(entry.place)
        if entry.is_folder or (is_photo_name(entry.name) and (path.is_file() or not path.exists())):
            images.append(path)
    return sorted(images, key=_natural)


def walk_photos(start: str, *, recursive: bool = True) -> Iterator[tuple[str, FolderEntry]]:
    """Yield a folder's entries with a photo's name, and those that cannot be read; by name, and the photos of a folder
    before those of the folders in it.

    Only one folder's names are in memory at a time, and those of the folders on the way to it, which may be nested to
    any depth. Hidden files and folders are left out. Links to folders are followed, but not back up, and all
    links together lead to a folder once: they cannot multiply the photos.

    Args:
        recursive: whether the folders in it are walked, too.

    Yields:
        the path below the folder, with ``/``, and the entry. Of a folder that cannot be listed its path ends in ``/``.
    """
    entered = set[tuple[int, int]]()
    left = [("", FolderEntry("", start, is_folder=True))]
    while left:
        above, folder = left.pop()
        try:
            listed = sorted(
                (e for e in _entries_on_disk(entered, folder) if not _HIDDEN.match(e.name)), key=attrgetter("name")
            )
        except OSError as error:
            yield above or ".", FolderEntry(folder.name, folder.place, is_folder=True, error=error)
            continue
        for entry in listed:
            if entry.error or (not entry.is_folder and is_photo_name(entry.name)):
                yield f"{above}{entry.name}", entry
        if recursive:
            left += [(f"{above}{entry.name}/", entry) for entry in reversed(listed) if entry.is_folder]


_HIDDEN = re.compile(r"\.|__MACOSX$")


def _entries_on_disk(entered: set[tuple[int, int]], folder: FolderEntry) -> list[FolderEntry]:
    """List a folder; nothing where a link leads back up, or to what links have led to before."""
    status = os.stat(folder.place)
    identity = status.st_dev, status.st_ino
    if identity in folder.parents or (folder.linked and identity in entered):
        return []
    if folder.linked:
        entered.add(identity)
    with os.scandir(folder.place) as entries:
        return [_entry_on_disk(entry, folder.linked, (*folder.parents, identity)) for entry in entries]


def _entry_on_disk(entry: os.DirEntry[str], linked: bool, parents: tuple[tuple[int, int], ...]) -> FolderEntry:
    linked = linked or entry.is_symlink() or getattr(entry, "is_junction", bool)()
    try:
        return FolderEntry(entry.name, entry.path, entry.is_dir(), None, linked, parents)
    except OSError as error:  # a link to itself, or into a folder that may not be entered
        return FolderEntry(entry.name, entry.path, error=error)


def _natural(path: Path) -> tuple[list[list[str | int]], str]:
    """Text and numbers in turn, so that like always meets like; the plain path settles ties."""
    split = [re.split("([0-9]+)", part) for part in path.parts]
    return [[int(piece) if piece.isdecimal() else piece.casefold() for piece in part] for part in split], str(path)
