"""Zip archives and folders of photos: where each file goes, and what is refused. Nothing is ever written to disk.

An archive from a stranger may lie about everything: members are read as streams, and counts, sizes and ratios are
checked as declared and again as they come out. Knows no Streamlit.
"""

from __future__ import annotations

import struct
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from gallop.data.zip_files import (
    MAX_MEMBERS,
    MAX_RATIO,
    MAX_TOTAL_BYTES,
    PIECE,
    ArchiveError,
    check_zip,
    member_bytes,
)
from gallop.errors import ClassNameError
from gallop.images import DEFAULT_LIMITS, IMAGE_SUFFIXES
from gallop.images.formats import printable_name
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
                continue
            # A folder gives paths; a single file's name is only a name.
            place = place_of(file.name) if class_name is None else CardPlace(class_name, False, file.name)
        except ArchiveError as error:
            yield str(error)
            continue
        if place is not None:
            yield Member(place, file)


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
    shown = printable_name(name)
    check_zip(archive, shown)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            if len(members) > MAX_MEMBERS:
                raise ArchiveError(
                    f"{shown} contains {len(members)} files, but a zip file may contain at most {MAX_MEMBERS}. Split "
                    "it into several zip files."
                )
            if sum(member.file_size for member in members) > MAX_TOTAL_BYTES:
                raise _too_much(shown)
            left = MAX_TOTAL_BYTES
            for member in members:
                try:
                    place = place_of(member.filename, class_name)
                    if place is None:
                        continue
                    data = _unpacked(opened, member, shown)
                except ArchiveError as error:
                    yield str(error)
                    continue
                left -= len(data)
                if left < 0:
                    raise _too_much(shown)
                yield Member(place, data)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, struct.error) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(
            f"{shown} cannot be read as a zip file: it is damaged or incomplete. Create it again."
        ) from error


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, archive_name: str) -> bytes:
    """Return a photo's bytes, at most one piece beyond the limit."""
    return member_bytes(
        archive,
        member,
        archive_name,
        min(DEFAULT_LIMITS.max_bytes, MAX_RATIO * max(member.compress_size, PIECE)),
        _too_large(printable_name(member.filename), member),
    )


def _too_large(shown: str, member: zipfile.ZipInfo) -> ArchiveError:
    if member.file_size > DEFAULT_LIMITS.max_bytes:
        return ArchiveError(
            f"{shown} is larger than {DEFAULT_LIMITS.max_bytes // 2**20} MB, the limit for a photo. Make it smaller "
            "first."
        )
    return ArchiveError(f"{shown} unpacks to more than {MAX_RATIO} times its size, which no photo does.")


def _too_much(shown: str) -> ArchiveError:
    return ArchiveError(
        f"{shown} unpacks to more than {MAX_TOTAL_BYTES // 2**20} MB, the limit for a zip file. Split it into several."
    )
