"""Zip archives and folders of photos: where each file goes, and what is refused. Nothing is ever written to disk.

An archive from a stranger may lie about everything: members are read as streams, and counts, sizes and ratios are
checked as declared and again as they come out. Knows no Streamlit.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from gallop.data.zip_files import ArchiveError, opened_zip
from gallop.errors import ClassNameError
from gallop.images import DEFAULT_LIMITS, IMAGE_SUFFIXES
from gallop.images.file_types import printable_name
from gallop.names.class_names import MAX_NAME_LENGTH, folder_to_name

_DEEPEST = 4

TEST_FOLDERS = ("test", "testing", "val", "valid", "validation")
CLUTTER = ("__macosx", ".ds_store", "thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class CardPlace:
    """Where a photo belongs: the class that its folder names, and whether it is for testing."""

    class_name: str
    test: bool
    name: str


@dataclass(frozen=True)
class Member:
    place: CardPlace
    source: Any = field(repr=False)


def sorted_out(files: Iterable[Any], class_name: str | None = None) -> Iterator[Member | str]:
    """Yield photos by class from uploads (photos, zips or a folder's files with paths) and a sentence for each refusal.

    Args:
        class_name: of all of them; None asks the folder each lies in.
    """
    for file in files:
        try:
            if is_zip(file):
                yield from read_zip(file, file.name, class_name)
            elif class_name is not None:  # its name is only a name
                yield Member(CardPlace(class_name, False, file.name), file)
            elif (place := place_of(file.name)) is not None:  # of a folder: a path
                yield Member(place, file)
        except ArchiveError as error:
            yield str(error)


def is_zip(file: BinaryIO) -> bool:
    """Return whether a file is a zip, by its first bytes."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    return head in (b"PK\x03\x04", b"PK\x05\x06")


def place_of(path: str, class_name: str | None = None) -> CardPlace | None:
    """Return the place for a path such as ``ant/1.jpg`` or ``photos/test/ant/1.jpg``; None for clutter.

    Args:
        class_name: its class, whatever its folder is called.

    Raises:
        ArchiveError: the path names no class, or is unsafe.
    """
    shown = printable_name(path)
    parts = unicodedata.normalize("NFC", path).replace("\\", "/").split("/")
    if any(part.lower() in CLUTTER or part.startswith("._") for part in parts):
        return None
    if parts[0].endswith(":") or any(part in ("", ".", "..") for part in parts):
        raise ArchiveError(f"{shown} is not a safe path: it is absolute or has '.', '..' or an empty part.")
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in path):
        raise ArchiveError(f"{shown} has invisible characters in its path. Remove them.")
    if len(parts) > _DEEPEST:
        raise ArchiveError(
            f"{shown} is nested too deeply. Put photos directly in one folder per class, as in class/photo.jpg."
        )
    test = any(part.lower() in TEST_FOLDERS for part in parts[:-1])
    if class_name is not None:
        return CardPlace(class_name, test, parts[-1])
    if not parts[-1].lower().endswith(IMAGE_SUFFIXES):
        raise ArchiveError(f"{shown} does not have an image file extension ({', '.join(IMAGE_SUFFIXES)}).")
    if len(parts) < 2:
        raise ArchiveError(f"{shown} is not in a folder. Put it in a folder named after its class.")
    folder = parts[-2]
    if len(folder) > MAX_NAME_LENGTH:
        raise ArchiveError(f"{shown}: the folder's name is too long for a class name. Shorten it.")
    try:
        return CardPlace(folder_to_name(folder), test, parts[-1])
    except ClassNameError as error:
        raise ArchiveError(f"{shown}: {error}") from error


def read_zip(archive: BinaryIO, name: str, class_name: str | None = None) -> Iterator[Member | str]:
    """Yield the photos of a zip, and a sentence for each member that is refused.

    Raises:
        ArchiveError: no zip, one that cannot be read, or one that unpacks to too much; what came before is good.
    """
    with opened_zip(archive, printable_name(name)) as opened:
        for member in opened.files:
            try:
                place = place_of(member.filename, class_name)
                if place is not None:
                    yield Member(place, opened.read(member, DEFAULT_LIMITS.max_bytes))
            except ArchiveError as error:
                if opened.left < 0:
                    raise
                yield str(error)
