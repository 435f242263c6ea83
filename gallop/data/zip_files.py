"""Zip archives from strangers: what is checked before one is opened, and how a member is read. Nothing is ever written.

An archive may lie about everything: members are read as streams, and sizes and ratios are checked as declared and again
as they come out.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from gallop.errors import DataError, GallopError
from gallop.images.file_types import printable_name

MAX_ARCHIVE_BYTES = 200 * 2**20
MAX_MEMBERS = 2000
MAX_TOTAL_BYTES = 400 * 2**20
"""Of all members together, unpacked."""
MAX_RATIO = 100
"""Photos hardly shrink in an archive; what grows a hundredfold is a bomb."""
MAX_DIRECTORY_BYTES = 2**20
"""The list of members is read at once, so its size is checked before."""
PIECE = 2**16
_PACKED = (".png", ".webp", ".safetensors", ".packed")
"""Files that would hardly shrink."""


class ArchiveError(DataError):
    """An archive that is not read, or not to its end; the message is a sentence."""


@dataclass
class OpenedZip:
    """A zip from a stranger, open.

    Attributes:
        shown: its name in a sentence.
        files: its members but for folders.
        left: bytes that may still be unpacked; below 0 once that was tried, and then nothing more is read.

    Raises:
        ArchiveError: too many files, or too large altogether.
    """

    archive: zipfile.ZipFile
    shown: str
    files: list[zipfile.ZipInfo] = field(init=False)
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.files, self.left = [each for each in self.archive.infolist() if not each.is_dir()], MAX_TOTAL_BYTES
        if len(self.files) > MAX_MEMBERS:
            raise ArchiveError(
                f"{self.shown} contains {len(self.files)} files, but a zip file may contain at most {MAX_MEMBERS}. "
                "Use several zip files."
            )
        self._check_left(MAX_TOTAL_BYTES - sum(each.file_size for each in self.files))

    def read(self, member: zipfile.ZipInfo, most: int) -> bytes:
        """Read a member as a stream, at most one piece beyond ``most`` bytes, whatever size the archive declares.

        Raises:
            ArchiveError: encrypted, damaged, or too large: above ``most``, or ``MAX_RATIO`` times its size in the zip.
        """
        shown, ratio = printable_name(member.filename), MAX_RATIO * max(member.compress_size, PIECE)
        large = ArchiveError(
            f"{shown} in {self.shown} is larger than {most // 2**20} MB, the limit for such a file. Use a smaller one."
            if member.file_size > most or most < ratio
            else f"{shown} in {self.shown} unpacks to more than {MAX_RATIO} times its size, which no such file does."
        )
        if member.flag_bits & 0x1:
            raise ArchiveError(f"{shown} is encrypted. Create {self.shown} again, without a password.")
        if member.file_size > min(most, ratio):
            raise large
        data = io.BytesIO()
        try:
            with self.archive.open(member) as stream:
                while piece := stream.read(PIECE):
                    data.write(piece)
                    if data.tell() > min(most, ratio):
                        raise large
        except ArchiveError:
            raise
        except Exception as error:  # a wrong checksum, a broken stream, an unknown method: various types
            raise ArchiveError(
                f"{shown} in {self.shown} cannot be unpacked: it is damaged, or its compression method is not "
                "supported."
            ) from error
        self.left -= data.tell()
        self._check_left(self.left)
        return data.getvalue()

    def _check_left(self, left: int) -> None:
        if left < 0:
            raise ArchiveError(
                f"{self.shown} unpacks to more than {MAX_TOTAL_BYTES // 2**20} MB, the limit for a zip file. Use "
                "several zip files."
            )


@contextmanager
def opened_zip(file: BinaryIO, shown: str) -> Iterator[OpenedZip]:
    """Open a zip.

    Raises:
        ArchiveError: as ``check_zip`` and ``OpenedZip``; or it is damaged.
    """
    check_zip(file, shown)
    try:
        with zipfile.ZipFile(file) as archive:
            yield OpenedZip(archive, shown)
    except GallopError:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, struct.error) as error:
        raise ArchiveError(
            f"{shown} cannot be read as a zip file: it is damaged or incomplete. Create it again."
        ) from error


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


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of files by their paths; the same files give the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, content in files.items():
            kind = zipfile.ZIP_STORED if path.endswith(_PACKED) else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(path), content, kind)
    return stream.getvalue()
