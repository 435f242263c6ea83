"""Zip archives from strangers: what is checked before one is opened, and how a member is read. Nothing is ever written.

An archive may lie about everything: members are read as streams, and sizes and ratios are checked as declared and again
as they come out.
"""

from __future__ import annotations

import io
import struct
import zipfile
from typing import BinaryIO

from gallop.errors import DataError
from gallop.images.formats import printable_name

MAX_ARCHIVE_BYTES = 200 * 2**20
MAX_MEMBERS = 2000
MAX_TOTAL_BYTES = 400 * 2**20
"""Of all members together, unpacked."""
MAX_RATIO = 100
"""Photos hardly shrink in an archive; what grows a hundredfold is a bomb."""
MAX_DIRECTORY_BYTES = 2**20
"""The list of members is read at once, so its size is checked before."""
PIECE = 2**16


class ArchiveError(DataError):
    """An archive that is not read, or not to its end; the message is a sentence."""


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
