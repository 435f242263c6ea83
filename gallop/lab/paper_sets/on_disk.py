"""Where a set lies on disk, what it needs there, and the files of facts beside the photos: text and JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gallop.data.photo_set import PhotoSet
from gallop.errors import DataError, first_line
from gallop.images import IMAGE_SUFFIXES
from gallop.runtime.reading import read_text

LARGEST_FACTS = 256 * 2**20
"""Bytes of a file of facts: those of the sets named here have some megabytes."""

Kind = Literal["few-shot", "variant", "ood"]


@dataclass(frozen=True)
class SetLocation:
    """Where a set is on disk.

    Attributes:
        given: the folder that was given.
        home: the folder of the set.
        photos: that of its photos.
        files: those that say how it is divided, in the order of ``CatalogueEntry.needs``.
    """

    name: str
    given: Path
    home: Path
    photos: Path
    files: tuple[Path, ...] = ()

    def find(self, path: str) -> Path | None:
        """Return a file or folder of the set: beside the photos, in the set's folder, or in one above up to the given
        one.
        """
        above = [self.home, *self.home.parents]
        above = above[: above.index(self.given) + 1] if self.given in above else above[:1]
        for folder in (self.photos, *above):
            if (folder / path).exists():
                return folder / path
        return None


@dataclass(frozen=True)
class CatalogueEntry:
    """What is known of a set by its name, before anything is read: it holds no photos.

    Attributes:
        name: ``oxford_pets``.
        title: its name in CoOp's tables.
        classes: how many it has; 0 for one without classes.
        template: CoOp's sentence for it, of hand.
        homes: where its folder may be, below the folder that is given; empty for that folder itself.
        photos: where the folder of photos may be, below its folder.
        address: where the photos are to be had.
        read: gives the set from its location.
        split: who divided it, such as "CoOp's split".
        needs: files that say how it is divided, to be had where ``guide`` says.
        inside: pattern of a name that must be in the folder of photos; empty for any.
        torchvision: the class of torchvision that downloads the photos.
    """

    name: str
    title: str
    kind: Kind
    classes: int
    template: str
    homes: tuple[str, ...]
    photos: tuple[str, ...]
    address: str
    read: Callable[[SetLocation], PhotoSet]
    split: str
    needs: tuple[str, ...] = ()
    guide: str = ""
    inside: str = ""
    torchvision: str | None = None

    def locate(self, root: Path) -> SetLocation | None:
        """Return where the set is below ``root``; None when it is not there."""
        for home in (*self.homes, ""):
            for photos in self.photos:
                folder = root / home / photos
                # The given folder itself is taken for the photos only where a look inside agrees.
                inside = self.inside or ("" if home or photos else rf".*({'|'.join(map(re.escape, IMAGE_SUFFIXES))})")
                matches = re.compile(inside, re.IGNORECASE).fullmatch
                if folder.is_dir() and (not inside or any(map(matches, os.listdir(folder)))):
                    return SetLocation(self.name, root, root / home, folder)
        return None


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file that hold something.

    Raises:
        DataError: it cannot be read, or is no text.
    """
    text: str = _read(path, "text", lambda: read_text(path, LARGEST_FACTS))
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        DataError: it cannot be read, or is no JSON.
    """
    return _read(path, "JSON", lambda: json.loads(read_text(path, LARGEST_FACTS)))


def _read(path: Path, kind: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or first_line(error)
        raise DataError(f"{path} cannot be read as {kind} ({why[:120]}). Download the file again.") from error


def damaged(path: Path, line: object) -> DataError:
    """Return the error for a line or an entry that is not as it has to be."""
    return DataError(
        f"{path} contains {str(line)[:80]!r}, which does not belong in this file. Download the file again."
    )


def subfolders(folder: Path, pattern: str) -> Sequence[str]:
    """Return the names of the folders inside, sorted, that match."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if re.fullmatch(pattern, entry.name) and entry.is_dir())
