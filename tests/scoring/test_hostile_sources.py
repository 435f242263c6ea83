"""Sources that were made to lose rows, to take memory or to end a call: each says what is wrong, and stays small."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from gallop.answers.sources import SourceItem, open_source
from gallop.answers.sources.item import BATCH_BYTES, LONGEST_KEY, bounded_batches
from gallop.errors import DataError
from gallop.runtime.ahead import ahead
from tests import tiny
from tests.memory import peak_bytes
from tests.tiny import png

MOST = 3 * 2**28
"""Bytes that any of them may take: three times the largest page of a Parquet table."""
PLAIN: dict[str, Any] = {"use_dictionary": False, "write_statistics": False}


# What is wrong with them ---------------------------------------------------------------------------------------------


def written(path: Path, data: bytes | str) -> Path:
    """Return where it lies, beside a photo that it may name."""
    (path.parent / "a.png").write_bytes(png(0))
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


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
        for batch in ahead(list[SourceItem], bounded_batches(open_source(str(source)), 16), 1):
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


def test_a_key_of_any_length_takes_little_memory() -> None:
    assert SourceItem("k" * 2 * LONGEST_KEY).key == "k" * LONGEST_KEY


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
