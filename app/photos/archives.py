"""Zip archives and folders of photos: where each file goes, and what is refused. Nothing is ever written to disk.

An archive from a stranger may lie about everything: members are read as streams, and counts, sizes and ratios are
checked as declared and again as they come out. Knows no Streamlit.
"""

from __future__ import annotations

import io
import struct
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from gallop.errors import ClassNameError, GallopError
from gallop.images import DEFAULT_LIMITS, IMAGE_SUFFIXES
from gallop.images.formats import printable_name
from gallop.names.class_names import MAX_NAME_LENGTH, folder_to_name

MAX_ARCHIVE_BYTES = 200 * 2**20
MAX_MEMBERS = 2000
# Of all members together, unpacked.
MAX_TOTAL_BYTES = 400 * 2**20
# Photos hardly shrink in an archive; what grows a hundredfold is a bomb.
MAX_RATIO = 100
# The list of members is read at once, so its size is checked before.
MAX_DIRECTORY_BYTES = 2**20
_DEEPEST = 4
PIECE = 2**16

TEST_FOLDERS = ("test", "testing", "val", "valid", "validation")
CLUTTER = ("__macosx", ".ds_store", "thumbs.db", "desktop.ini")


class ArchiveError(GallopError, ValueError):
    """An archive that is not read, or not to its end; the message is a sentence."""


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


def member_bytes(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, archive_name: str, most: int, too_large: ArchiveError
) -> bytes:
    """Read a member as a stream, at most one piece beyond ``most`` bytes, whatever size the archive declares.

    Raises:
        ArchiveError: encrypted, damaged, or ``too_large``.
    """
    shown = printable_name(member.filename)
    if member.flag_bits & 0x1:
        raise ArchiveError(f"{shown} is encrypted. Create {archive_name} again, without a password.")
    if member.file_size > most:
        raise too_large
    data = io.BytesIO()
    try:
        with archive.open(member) as stream:
            while piece := stream.read(PIECE):
                data.write(piece)
                if data.tell() > most:
                    raise too_large
    except ArchiveError:
        raise
    except Exception as error:  # a wrong checksum, a broken stream, an unknown method: various types
        raise ArchiveError(
            f"{shown} cannot be unpacked: it is damaged, or its compression method is not supported."
        ) from error
    return data.getvalue()


def _too_large(shown: str, member: zipfile.ZipInfo) -> ArchiveError:
    megabytes = DEFAULT_LIMITS.max_bytes // 2**20
    if member.file_size > DEFAULT_LIMITS.max_bytes:
        return ArchiveError(f"{shown} is larger than {megabytes} MB, the limit for a photo. Make it smaller first.")
    return ArchiveError(f"{shown} unpacks to more than {MAX_RATIO} times its size, which no photo does.")


def _too_much(shown: str) -> ArchiveError:
    return ArchiveError(
        f"{shown} unpacks to more than {MAX_TOTAL_BYTES // 2**20} MB, the limit for a zip file. Split it into several."
    )


def check_zip(archive: BinaryIO, shown: str) -> None:
    """Check the size, and the declared size of the list of members.

    Raises:
        ArchiveError: too large, no zip, or too long a list.
    """
    size = archive.seek(0, io.SEEK_END)
    if size > MAX_ARCHIVE_BYTES:
        raise ArchiveError(
            f"{shown} is larger than {MAX_ARCHIVE_BYTES // 2**20} MB, the limit for a zip file. Split it into several."
        )
    archive.seek(max(size - 2**16 - 22, 0))
    tail = archive.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise ArchiveError(f"{shown} is not a zip file, or it is incomplete.")
    (directory,) = struct.unpack("<I", tail[at + 12 : at + 16])
    if tail[max(at - 20, 0) : at].startswith(b"PK\x06\x07") or directory > MAX_DIRECTORY_BYTES:
        raise ArchiveError(
            f"{shown} lists too many files, or it is in the Zip64 format. Create it again with at most {MAX_MEMBERS} "
            "files."
        )
    archive.seek(0)
