"""The photos in tar archives, such as webdataset's, read from their start to their end."""

from __future__ import annotations

import glob
import gzip
import io
import tarfile
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, cast

from gallop.answers.sources.item import SourceItem
from gallop.answers.sources.opening import Opener, asked, local_path, protocol_of
from gallop.answers.sources.outages import reason
from gallop.errors import DataError
from gallop.images.formats import ImageLimits, printable_name, too_large
from gallop.images.photo import is_photo_name

MOST_HEADER = 2**20
"""Bytes that name and attributes of a member may take, before they are read."""
_SKIPPED = 2**16
"""Bytes that are read at once where they are only skipped."""


def archive_photos(name: str, opener: Opener) -> Iterator[SourceItem]:
    """Yield files in archives whose names say that they are photos, archive after archive in the order of their names.

    A key is the archive's name, ``/`` and the name in it. An archive that is damaged, truncated or not an archive
    leaves a row that says so after the rows of what comes before, and the next one is read. This does not hold for a
    bucket that stops answering in the middle of one.
    """
    archives = _archives(name, opener)
    if not archives:
        raise DataError(f"No archive matches {printable_name(name)}: check the path.")
    for archive in archives:
        yield from _photos_of(archive, opener)


def _archives(name: str, opener: Opener) -> list[str]:
    path = local_path(name)
    if "*" not in name:
        return [name]
    if path is not None:
        return sorted(glob.glob(path))
    system, pattern = opener.system(name)
    return sorted(f"{protocol_of(name)}://{archive}" for archive in asked(lambda: system.glob(pattern), name, "listed"))


def _photos_of(archive: str, opener: Opener) -> Iterator[SourceItem]:
    short = archive.rpartition("/")[2]
    try:
        with opener.open(archive) as file:
            stream = _Forward(_unpacked(file))
            members: Any = tarfile.TarFile(mode="r", fileobj=cast("IO[bytes]", stream))
            while (member := members.next()) is not None:
                if is_photo_name(member.name.rpartition("/")[2]) and not member.isdir():
                    yield _photo(stream, member, f"{short}/{member.name}", opener.limits)
                members.members, members.pax_headers = [], {}  # tarfile would keep them until the end
                stream.left = MOST_HEADER
            stream.check_end()
    except DataError:
        raise
    except Exception as error:  # tarfile, zlib and every service raise different exceptions
        yield SourceItem(
            short, problem=f"The archive {printable_name(short)} cannot be read to its end: {reason(error)}."
        )


def _photo(stream: _Forward, member: tarfile.TarInfo, key: str, limits: ImageLimits) -> SourceItem:
    if not member.isreg() or member.issparse():
        return SourceItem(
            key,
            problem=f"{printable_name(key)} is a link or another special entry: put the photo itself into the archive.",
        )
    if member.size > limits.max_bytes:
        return SourceItem(key, problem=str(too_large(printable_name(key), limits)))
    stream.left = member.size
    data = stream.read(member.size)
    if len(data) < member.size:
        raise tarfile.ReadError("it ends in the middle of a photo")
    return SourceItem(key, data=data)


def _unpacked(file: BinaryIO) -> Any:
    buffered = io.BufferedReader(cast(io.RawIOBase, file), _SKIPPED)
    return gzip.GzipFile(fileobj=buffered) if buffered.peek(2).startswith(b"\x1f\x8b") else buffered


class _Forward:
    """The bytes of an archive from its start to its end, as ``tarfile`` reads them.

    It reads a header of any size into memory, and takes a damaged header for the end. So reads are limited here, and
    the end is checked here.

    Attributes:
        left: bytes that may be read before this is set again.
    """

    def __init__(self, file: Any) -> None:
        self._file, self._at, self._last = file, 0, b""
        self.left = MOST_HEADER

    def tell(self) -> int:
        return self._at

    def seek(self, to: int) -> int:
        """Skip bytes. Raises ReadError where ``to`` has passed already."""
        if to < self._at:
            raise tarfile.ReadError("one of its headers gives a wrong size")
        while self._at < to and (skipped := self._file.read(min(to - self._at, _SKIPPED))):
            self._at += len(skipped)
        return self._at

    def read(self, size: int) -> bytes:
        """Return the next bytes. Raises ReadError where these are more than are left."""
        if not 0 <= size <= self.left:
            raise tarfile.ReadError(f"one of its headers is larger than {MOST_HEADER // 2**20} MB")
        self._last = self._file.read(size)
        self._at += len(self._last)
        self.left -= size
        return self._last

    def check_end(self) -> None:
        """Check that the last block read is the first of the two empty blocks that end an archive.

        Raises:
            ReadError: it is not, or data follows these blocks.
        """
        if self._last + self._file.read(tarfile.BLOCKSIZE) != bytes(2 * tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"it is damaged or truncated at byte {self._at}")
        while following := self._file.read(_SKIPPED):
            if following.count(0) < len(following):
                raise tarfile.ReadError(
                    "there is data after its end, so the archive is damaged or consists of several joined archives. "
                    "Put each archive into a separate file"
                )
