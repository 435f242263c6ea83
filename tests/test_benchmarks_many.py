"""The benchmark of many photos: what it makes and compares is what it says."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from benchmarks.many.__main__ import Report, Size, table
from benchmarks.many.draft import Moved
from benchmarks.many.files import commented, distinct_photos, make_names, make_source
from benchmarks.many.processes import Answered, Job, Survived, environment, survive
from gallop import load_image
from gallop.scoring.sources import Opener, open_source
from tests import tiny


def jpeg(seed: int) -> bytes:
    stream = io.BytesIO()
    tiny.picture(seed).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    for i in range(3):
        (tmp_path / "in" / "a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "a" / f"{i}.jpg").write_bytes(jpeg(i))
    tiny.picture(9).save(tmp_path / "in" / "no.png")
    return distinct_photos(tmp_path / "in")


def test_no_two_files_have_the_same_bytes_and_pixels_are_those_of_the_photos(
    photos: list[Path], tmp_path: Path
) -> None:
    source = make_source(tmp_path / "source", photos, 7)
    items = list(open_source(str(source), Opener()))
    data = [Path(item.place).read_bytes() for item in items]
    assert len(photos) == 3
    assert len(set(data)) == len(items) == 7
    found = [load_image(some).sha256 for some in data]
    assert found == [load_image(photos[i % 3]).sha256 for i in range(7)]
    with Image.open(io.BytesIO(commented(jpeg(0), "file 12"))) as opened:
        assert opened.info["comment"] == b"file 12"


def test_names_to_list_are_there(tmp_path: Path) -> None:
    assert len(list(open_source(str(make_names(tmp_path / "names", 1001)), Opener()))) == 1001


def test_the_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(6), raising=False)
    assert [environment(workers)["OMP_NUM_THREADS"] for workers in (1, 2, 4, 8)] == ["6", "3", "1", "1"]


def test_rows_that_are_lost_doubled_or_changed_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = pa.table({"key": list("abcd"), "probability": [0.1, 0.2, 0.3, 0.4]})
    mine = pa.table({"key": list("aabc"), "probability": [0.1, 0.1, 0.2, 0.9]})
    job = Job(tmp_path, tmp_path, tmp_path, 2, 10)
    monkeypatch.setattr(Job, "killed", lambda *_: None)
    monkeypatch.setattr(Job, "finish", lambda _: None)
    monkeypatch.setattr(Job, "rows", lambda _: mine)
    assert survive(job, whole, 3, 1.0) == Survived(kills=3, rows=4, twice=1, missing=1, different=2)
    monkeypatch.setattr(Job, "rows", lambda _: whole)
    assert survive(job, whole, 3, 1.0) == Survived(kills=3, rows=4, twice=0, missing=0, different=0)


def test_the_table_says_what_was_found() -> None:
    size = Size(Answered(1000, 25.0, 700_000_000), 50.0)
    listing = {"names": 1e6, "seconds": 3.25, "megabytes": 12.0}
    text = table(Report(2, [size], Survived(5, 1000, 0, 0, 0), listing, Moved(500, 0.02, 0.2, 0.05, 2.5)))
    assert "| 1,000 | 40.0 | 50.0 | 0.80 | 700 MB |" in text
    assert "Killed (-9) 5 times" in text
    assert "0 twice, 0 missing, 0 different" in text
    assert "Listing 1,000,000 names: 3.2 s, 12 MB." in text
    assert "0.020 in the mean and 0.200 at most, and 5.0% of the labels are others." in text
