"""Sources that were made to lose rows, to take memory or to end a call: each says what is wrong, and stays small."""

from __future__ import annotations

import random
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from gallop.answers.sources import Opener, SourceItem, open_source
from gallop.answers.sources.item import BATCH_BYTES, LONGEST_KEY, bounded_batches
from gallop.errors import DataError
from gallop.runtime.ahead import ahead
from gallop.runtime.machine import peak_bytes
from gallop.service.tables import on_ray
from gallop.service.tables.run import ShardPhotos
from tests import tiny
from tests.tiny import png

MOST = 3 * 2**28
"""Bytes that any of them may take: three times the largest page of a Parquet table."""
END, ZEROS = bytes(1024), bytes(2**24)
PLAIN: dict[str, Any] = {"use_dictionary": False, "write_statistics": False}


# What is wrong with them ---------------------------------------------------------------------------------------------


def member(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return the header of a member of an archive."""
    made = tarfile.TarInfo(name)
    made.size, made.type = size, kind
    return made.tobuf(tarfile.GNU_FORMAT)


def photos_in_tar(count: int = 5) -> list[bytes]:
    """Return the members of an archive, each a whole number of blocks."""
    found = [png(seed) for seed in range(count)]
    return [member(f"{i}.png", len(data)) + data + bytes(-len(data) % 512) for i, data in enumerate(found)]


def written(path: Path, data: bytes | str) -> Path:
    """Return where it lies, beside a photo that it may name."""
    (path.parent / "a.png").write_bytes(png(0))
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def tar(at: Path, *parts: bytes) -> Path:
    return written(at / "photos.tar", b"".join(parts))


def tar_with(between: bytes) -> Callable[[Path], Path]:
    """Something before the third of five members."""
    members = photos_in_tar()
    return lambda at: tar(at, *members[:2], between, *members[2:], END)


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


def gzip_cut(at: Path) -> Path:
    whole = gzipped(at, [*photos_in_tar(40), END]).read_bytes()
    return written(at / "photos.tar.gz", whole[: len(whole) // 2])


def tar_long_name(at: Path) -> Path:
    header = member("header", 2**31, tarfile.GNUTYPE_LONGNAME)
    return gzipped(at, [photos_in_tar()[0], header, *[ZEROS] * 128, photos_in_tar()[1], END])


def tar_large_photos(at: Path) -> Path:
    size, data = 19 * 2**20, ZEROS[: 3 * 2**20]
    return gzipped(at, [part for i in range(30) for part in (member(f"{i}.jpg", size), ZEROS, data)] + [END])


def table(at: Path, columns: dict[str, Any], **how: Any) -> Path:
    parquet.write_table(pa.table(columns), at / "t.parquet", compression="zstd", **how)
    return at / "t.parquet"


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


def parquet_keys(at: Path) -> Path:
    keys = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), pa.array(["k" * 2**24]))
    return table(at, {"image": pa.array([png(0)] * 300), "key": keys}, write_statistics=False)


HOSTILE: list[tuple[str, Callable[[Path], Path], tuple[int, int], str]] = [
    ("nothing is wrong: a folder of five photos", lambda at: tiny.write_folder(at / "photos", {"red": 5}), (5, 0), ""),
    ("a tar with two blocks of zeros in it", tar_with(END), (2, 1), "there is data after its end"),
    ("a tar with one block of zeros in it", tar_with(bytes(512)), (2, 1), "damaged or truncated"),
    ("a tar.gz cut in the middle", gzip_cut, (20, 1), "ended before the end"),
    (
        "a tar.gz whose check sum is wrong",
        lambda at: written(gzipped(at, [*photos_in_tar(), END]), (at / "photos.tar.gz").read_bytes()[:-8] + bytes(8)),
        (5, 1),
        "CRC check failed",
    ),
    (
        "a tar in which a photo is a link to another",
        lambda at: tar(at, photos_in_tar()[0], member("again.png", 0, tarfile.LNKTYPE), END),
        (1, 1),
        "is a link or another special entry",
    ),
    ("a tar.gz with a GNU long name of 2 GB", tar_long_name, (1, 1), "one of its headers is larger than 1 MB"),
    ("a tar.gz with 30 photos of 19 MB, all zeros", tar_large_photos, (30, 0), ""),
    (
        "a Parquet table with three cells of 128 MB in a page",
        lambda at: table(at, {"image": [bytes(2**27)] * 3}, **PLAIN),
        (0, 1),
        "a page larger than 256 MB",
    ),
    ("a Parquet table with a cell of 200 MB and a footer that says 1 kB", parquet_lying_footer, (1, 0), ""),
    ("a Parquet table with a key of 16 MB for 300 photos", parquet_keys, (300, 0), ""),
    (
        "a CSV table with a line of 100 MB",
        lambda at: written(at / "t.csv", "path\na.png\n" + "x" * 100 * 2**20 + "\na.png\n"),
        (0, 1),
        "more than 1,048,576 characters",
    ),
    (
        "a CSV table with 100 MB in quotation marks that never close",
        lambda at: written(at / "t.csv", 'path\na.png\n"' + "x\n" * 50 * 2**20),
        (0, 1),
        "field",
    ),
    (
        "a CSV table with a million columns",
        lambda at: written(at / "t.csv", "path" + ",c" * 10**6 + "\na.png" + "," * 10**6 + "\n"),
        (0, 1),
        "more than 1,048,576 characters",
    ),
    (
        "a list with a line of 100 MB between two photos",
        lambda at: written(at / "list.txt", "a.png\n" + "x" * 100 * 2**20 + "\na.png\n"),
        (2, 1),
        "more than 65,536 characters",
    ),
]
"""What is wrong; how it is made in a folder; photos that it gives, and rows that say why there is none, of which the
sentence of a source that ends is one; what these say."""


# What is done about it -----------------------------------------------------------------------------------------------


@contextmanager
def bounded() -> Iterator[None]:
    """Memory ends with a MemoryError some gigabytes further on, so that a test that fails takes no more."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    limits = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + 4 * 2**30, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def problems(source: Path) -> list[str]:
    """Those of its rows, or of the source, if that is none; an empty one for each photo."""
    found = []
    try:
        for batch in ahead(list[SourceItem], bounded_batches(open_source(str(source), Opener()), 16), 1):
            found += [item.problem for item in batch]
    except DataError as error:
        found.append(str(error))
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize(("build", "rows", "says"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_whatever_is_wrong_is_said_behind_the_photos_before_it(
    build: Callable[[Path], Path], rows: tuple[int, int], says: str, tmp_path: Path
) -> None:
    found: list[str] = []
    source = build(tmp_path)
    with bounded():
        peak = peak_bytes(lambda: found.extend(problems(source)))
    said = [problem for problem in found if problem]
    assert (len(found) - len(said), len(said), says in " ".join(said)) == (*rows, True), said
    assert peak < MOST


def photos(*sizes: int) -> Iterator[SourceItem]:
    for i, size in enumerate(sizes):
        yield SourceItem(str(i), data=bytes(size))


def test_photos_that_are_large_are_held_in_smaller_batches() -> None:
    large = BATCH_BYTES // 4
    assert [len(batch) for batch in bounded_batches(photos(*[large] * 10, *[1] * 20), 16)] == [4, 4, 16, 6]
    pieces = [len(piece) for piece in on_ray.in_pieces(ShardPhotos(photos(*[large] * 20, *[1] * 300)))]
    assert pieces == [8, 8, 4 + 16 * 16, 44], "whole batches: a worker makes the same ones"


def test_a_key_of_any_length_takes_little_memory() -> None:
    assert SourceItem("k" * 2 * LONGEST_KEY).key == "k" * LONGEST_KEY


def test_a_tar_cut_or_flipped_anywhere_loses_no_row_in_silence(tmp_path: Path) -> None:
    members = photos_in_tar(3)
    whole = b"".join([*members, END])
    cuts = [whole[:cut] for cut in range(0, len(whole), 256)]
    headers = [at for i in range(3) for at in range(len(b"".join(members[:i])), len(b"".join(members[:i])) + 512, 13)]
    flips = [whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :] for at in headers]
    for data in [*cuts, *flips]:
        assert problems(tar(tmp_path, data))[-1], "what is wrong is said last"


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_damaged_parquet_table_is_read_or_refused(version: Any, tmp_path: Path) -> None:
    """pyarrow ends the process when it is asked for the metadata of some of these."""
    cells = [{"bytes": png(seed), "path": None} for seed in range(20)]
    path = table(tmp_path, {"image": cells, "key": [str(i) for i in range(20)]}, data_page_version=version)
    whole, flips = path.read_bytes(), random.Random(1)
    assert problems(path) == [""] * 20
    for _ in range(300):
        data, at = bytearray(whole), flips.randrange(len(whole) - 900, len(whole))
        data[at] = flips.randrange(256)
        path.write_bytes(data)
        found = problems(path)
        assert found == [""] * 20 or found[-1]
