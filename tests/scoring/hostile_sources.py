"""Sources made to lose rows, to take memory or to end a call."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from tests import tiny
from tests.tiny import png


@dataclass(frozen=True)
class Hostile:
    """A source.

    Attributes:
        what: what is wrong with it.
        rows: photos that it gives, and rows that say why there is none; the sentence of a source that ends counts.
        says: what these say.
    """

    what: str
    build: Callable[[Path], Path]
    rows: tuple[int, int]
    says: str = ""


HOSTILE: dict[str, Hostile] = {}


def hostile(what: str, *rows: int, says: str = "") -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
    """Register a function that builds a source in an empty folder and returns its path."""

    def register(build: Callable[[Path], Path]) -> Callable[[Path], Path]:
        HOSTILE[build.__name__] = Hostile(what, build, (rows[0], rows[1]), says)
        return build

    return register


@hostile("nothing is wrong: a folder of five photos", 5, 0)
def plain_folder(at: Path) -> Path:
    return tiny.write_folder(at / "photos", {"red": 5})


# Archives -----------------------------------------------------------------------------------------------------------


def member(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return the header of a member of an archive."""
    made = tarfile.TarInfo(name)
    made.size, made.type = size, kind
    return made.tobuf(tarfile.GNU_FORMAT)


def photos_in_tar(count: int = 5) -> list[bytes]:
    """Return the members of an archive, each a whole number of blocks."""
    found = []
    for seed in range(count):
        data = png(seed)
        found.append(member(f"{seed}.png", len(data)) + data + bytes(-len(data) % 512))
    return found


END = bytes(1024)


def tar(at: Path, *parts: bytes) -> Path:
    (at / "photos.tar").write_bytes(b"".join(parts))
    return at / "photos.tar"


@hostile("a tar with two blocks of zeros before the third of five members", 2, 1, says="there is data after its end")
def tar_zeros(at: Path) -> Path:
    members = photos_in_tar()
    return tar(at, *members[:2], END, *members[2:], END)


@hostile("a tar with one block of zeros before the third of five members", 2, 1, says="damaged or truncated")
def tar_one_zero_block(at: Path) -> Path:
    members = photos_in_tar()
    return tar(at, *members[:2], bytes(512), *members[2:], END)


@hostile("a tar.gz cut in the middle", 20, 1, says="ended before the end")
def gzip_cut(at: Path) -> Path:
    whole = gzipped(at, [*photos_in_tar(40), END]).read_bytes()
    (at / "photos.tar.gz").write_bytes(whole[: len(whole) // 2])
    return at / "photos.tar.gz"


@hostile("a tar.gz whose check sum is wrong", 5, 1, says="CRC check failed")
def gzip_check_sum(at: Path) -> Path:
    (at / "photos.tar.gz").write_bytes(gzipped(at, [*photos_in_tar(), END]).read_bytes()[:-8] + bytes(8))
    return at / "photos.tar.gz"


@hostile("a tar in which a photo is a link to another", 1, 1, says="is a link or another special entry")
def tar_links(at: Path) -> Path:
    return tar(at, photos_in_tar()[0], member("again.png", 0, tarfile.LNKTYPE), END)


ZEROS = bytes(2**24)


def gzipped(at: Path, parts: Iterable[bytes]) -> Path:
    """Write parts into photos.tar.gz; ``ZEROS`` are compressed once however often they come."""
    squeeze, check, size, zeros = zlib.compressobj(6, wbits=-15), 0, 0, b""
    with (at / "photos.tar.gz").open("wb") as file:
        file.write(b"\x1f\x8b\x08" + bytes(6) + b"\xff")
        for part in parts:
            check, size = zlib.crc32(part, check), size + len(part)
            if part is ZEROS and zeros:
                file.write(zeros)
                continue
            data = squeeze.flush(zlib.Z_FULL_FLUSH) + squeeze.compress(part) + squeeze.flush(zlib.Z_FULL_FLUSH)
            zeros = data if part is ZEROS else zeros
            file.write(data)
        file.write(squeeze.flush() + check.to_bytes(4, "little") + (size % 2**32).to_bytes(4, "little"))
    return at / "photos.tar.gz"


def zeros(mega: int) -> list[bytes]:
    return [ZEROS] * (mega // 16)


@hostile("a tar.gz with a GNU long name of 2 GB", 1, 1, says="one of its headers is larger than 1 MB")
def tar_long_name(at: Path) -> Path:
    header = member("header", 2**31, tarfile.GNUTYPE_LONGNAME)
    return gzipped(at, [photos_in_tar()[0], header, *zeros(2048), photos_in_tar()[1], END])


@hostile("a tar.gz with 30 photos of 19 MB, all zeros", 30, 0)
def tar_large_photos(at: Path) -> Path:
    size = 19 * 2**20
    data = ZEROS[: size - 2**24]
    return gzipped(at, [part for i in range(30) for part in (member(f"{i}.jpg", size), ZEROS, data)] + [END])


# Folders ------------------------------------------------------------------------------------------------------------


# Tables -------------------------------------------------------------------------------------------------------------


PLAIN: dict[str, Any] = {"use_dictionary": False, "write_statistics": False}


def table(at: Path, columns: dict[str, Any], **how: Any) -> Path:
    parquet.write_table(pa.table(columns), at / "t.parquet", compression="zstd", **how)
    return at / "t.parquet"


@hostile("a Parquet table with three cells of 128 MB in a page", 0, 1, says="a page larger than 256 MB")
def parquet_page(at: Path) -> Path:
    return table(at, {"image": [bytes(2**27)] * 3}, **PLAIN)


@hostile("a Parquet table with a cell of 200 MB and a footer that says 1 kB", 1, 0)
def parquet_lying_footer(at: Path) -> Path:
    path = table(at, {"image": [bytes(200 * 2**20)]}, **PLAIN)
    groups = parquet.read_metadata(path).row_group(0)
    content = path.read_bytes()
    for true in (groups.column(0).total_uncompressed_size, groups.total_byte_size):
        content = content.replace(_number(true), _number(1024, len(_number(true))))
    path.write_bytes(content)
    assert parquet.read_metadata(path).row_group(0).column(0).total_uncompressed_size == 1024
    return path


def _number(value: int, width: int = 1) -> bytes:
    """A number as Thrift writes it into a footer, in at least so many bytes."""
    value, found = value * 2, bytearray()
    while value or len(found) < width:
        found.append(value & 127 | 128)
        value >>= 7
    found[-1] &= 127
    return bytes(found)


@hostile("a Parquet table with a key of 16 MB for 300 photos", 300, 0)
def parquet_keys(at: Path) -> Path:
    keys = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), pa.array(["k" * 2**24]))
    return table(at, {"image": pa.array([png(0)] * 300), "key": keys}, write_statistics=False)


def csv(at: Path, text: str) -> Path:
    (at / "a.png").write_bytes(png(0))
    (at / "t.csv").write_text(text)
    return at / "t.csv"


@hostile("a CSV table with a line of 100 MB", 0, 1, says="more than 1,048,576 characters")
def csv_long_line(at: Path) -> Path:
    return csv(at, "path\na.png\n" + "x" * 100 * 2**20 + "\na.png\n")


@hostile("a CSV table with 100 MB in quotation marks that never close", 0, 1, says="field")
def csv_open_quote(at: Path) -> Path:
    return csv(at, 'path\na.png\n"' + "x\n" * 50 * 2**20)


@hostile("a CSV table with a million columns", 0, 1, says="more than 1,048,576 characters")
def csv_wide(at: Path) -> Path:
    return csv(at, "path" + ",c" * 10**6 + "\na.png" + "," * 10**6 + "\n")


@hostile("a list with a line of 100 MB between two photos", 2, 1, says="more than 65,536 characters")
def list_long_line(at: Path) -> Path:
    (at / "a.png").write_bytes(png(0))
    (at / "list.txt").write_text("a.png\n" + "x" * 100 * 2**20 + "\na.png\n")
    return at / "list.txt"
