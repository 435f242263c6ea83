"""Sources that were made to lose rows or to take memory: each says what is wrong, and stays small."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gallop.answers.sources import Opener, SourceItem, open_source
from gallop.answers.sources.item import BATCH_BYTES, LONGEST_KEY, bounded_batches
from gallop.errors import DataError
from gallop.runtime.ahead import ahead
from gallop.runtime.machine import peak_bytes
from gallop.service.tables import on_ray
from gallop.service.tables.run import ShardPhotos
from tests.scoring.hostile_sources import END, HOSTILE, photos_in_tar, table, tar
from tests.tiny import png

MOST = 3 * 2**28
"""Bytes that any of them may take: three times the largest page of a Parquet table."""


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
@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_is_wrong_is_said_behind_the_photos_before_it(name: str, tmp_path: Path) -> None:
    found: list[list[str]] = []
    source = HOSTILE[name].build(tmp_path)
    with bounded():
        peak = peak_bytes(lambda: found.append(problems(source)))
    said = [problem for problem in found[0] if problem]
    assert (len(found[0]) - len(said), len(said)) == HOSTILE[name].rows, HOSTILE[name].what
    assert HOSTILE[name].says in " ".join(said)
    assert peak < MOST


def photos(*sizes: int) -> Iterator[SourceItem]:
    for i, size in enumerate(sizes):
        yield SourceItem(str(i), data=bytes(size))


def test_photos_that_are_large_are_held_in_smaller_batches() -> None:
    large = BATCH_BYTES // 4
    assert [len(batch) for batch in bounded_batches(photos(*[large] * 10, *[1] * 20), 16)] == [4, 4, 16, 6]
    pieces = [len(piece) for piece in on_ray._pieces(ShardPhotos(photos(*[large] * 20, *[1] * 300)))]
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
