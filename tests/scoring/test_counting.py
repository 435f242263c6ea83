"""How many photos there are is found out while they are answered, by a look where a look will do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from gallop.errors import DataError
from gallop.scoring.counting import Counting
from gallop.scoring.sources import Opener, Source, SourceItem, open_source
from tests import tiny
from tests.scoring.test_sources import archive, png


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Source]:
    tiny.write_folder(tmp_path / "photos", {"red": 5, "green": 3})
    (tmp_path / "list.txt").write_text("photos/red/0.png\n\nphotos/red/1.png\n")
    (tmp_path / "t.csv").write_text("path,x\na.png,1\nb.png,2\n,3\n")
    parquet.write_table(pa.table({"path": [f"{i}.png" for i in range(700)]}), tmp_path / "t.parquet")
    archive(tmp_path / "s.tar", {"0.png": png(0)})
    names = ("photos", "list.txt", "t.csv", "t.parquet", "s.tar")
    return {name: open_source(str(tmp_path / name), Opener()) for name in names}


def test_every_kind_tells_how_many_it_gives_or_that_it_cannot(sources: dict[str, Source]) -> None:
    found = {name: source.total(lambda: True) for name, source in sources.items()}
    assert found == {"photos": 8, "list.txt": 2, "t.csv": 3, "t.parquet": 700, "s.tar": None}
    for name, total in found.items():
        assert total in (None, len(list(sources[name])))


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_is_left_is_known_while_photos_are_taken(sources: dict[str, Source]) -> None:
    counting = Counting(sources["photos"])
    assert counting.seconds_left(2.0) is None
    with counting.meanwhile():
        items = iter(counting)
        for _ in range(3):
            next(items)
        wait_for(lambda: counting.total is not None)
        assert (counting.passed, counting.total) == (3, 8)
        assert counting.seconds_left(2.0) == 2.5
        assert counting.seconds_left(2.0, parts=5) == 0.5
        assert counting.seconds_left(0.0) is None
        assert [item.key for item in items] == [f"red/{i}.png" for i in range(5)]
    assert counting.seconds_left(2.0) == 0


class Endless:
    """It counts as long as it may."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def __iter__(self) -> Iterator[SourceItem]:
        while True:
            self.asked.set()
            yield SourceItem("a")

    def total(self, goes_on: Callable[[], bool]) -> int | None:
        return sum(1 for _ in iter(goes_on, False) if not self.asked.set())


def test_who_stops_early_stops_the_count_and_has_no_total() -> None:
    source = Endless()
    counting = Counting(source)
    with counting.meanwhile():
        assert source.asked.wait(30)
    wait_for(lambda: not any(thread.name == "counting" for thread in threading.enumerate()))
    assert counting.total is None


def test_a_source_that_cannot_be_counted_is_told_by_who_goes_through_it(tmp_path: Path) -> None:
    counting = Counting(open_source(str(tmp_path / "none.parquet"), Opener()))
    with counting.meanwhile(), pytest.raises(DataError, match="cannot be read after 0 rows"):
        list(counting)
    assert counting.total is None
