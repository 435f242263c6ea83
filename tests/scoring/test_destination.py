"""Where tables go: on disk and in a bucket a file is there whole or not at all."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import fsspec
import pytest

from gallop.answers import PhotoScorer
from gallop.answers.sources import Opener, open_source
from gallop.errors import DataError
from gallop.service.tables.destination import Destination, open_destination
from gallop.service.tables.layout import MANIFEST, manifest_of, settle_manifest
from gallop.service.tables.run import score_source
from tests import tiny

ASKED = {"source": "a", "column": None, "shard_size": 10}


@pytest.fixture(params=["disk", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, memory: Any) -> Destination:
    return open_destination(str(tmp_path / "out") if request.param == "disk" else "memory://bucket/out/")


def files(place: Destination) -> dict[str, bytes]:
    system, folder = fsspec.core.url_to_fs(place.name)
    names = (path.rpartition("/")[2] for path in system.ls(folder, detail=False))
    return {name: place.read(name, 2**20) for name in names}


def test_a_file_is_there_when_it_is_whole(place: Destination) -> None:
    assert not place.has("in/a.txt")
    place.write("in/a.txt", b"one two")
    assert place.has("in/a.txt")
    assert place.read("in/a.txt") == place.read("in/a.txt", 7) == b"one two"
    with pytest.raises((DataError, OSError)):
        place.read("in/a.txt", 6)
    assert pickle.loads(pickle.dumps(place)).has("in/a.txt")


def test_what_broke_off_never_was_and_what_was_stays(place: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write("b.txt", b"before")
    for name in ("os.fsync", "fsspec.implementations.memory.MemoryFileSystem.pipe_file"):
        monkeypatch.setattr(name, mock.Mock(side_effect=KeyboardInterrupt))
    for name in ("a.txt", "b.txt"):
        with pytest.raises(KeyboardInterrupt):
            place.write(name, b"half")
    assert files(place) == {"b.txt": b"before"}


def test_a_bucket_holds_what_a_folder_does(tmp_path: Path, memory: Any) -> None:
    photos = tiny.write_folder(tmp_path / "photos", {"red": 15, "green": 8})
    worker = PhotoScorer(tiny.classifier().zero_shot(["red", "green"]))
    disk, bucket = open_destination(str(tmp_path / "out")), open_destination("memory://bucket/out")
    for place in (disk, bucket):
        settle_manifest(place, manifest_of(worker, **ASKED))
        done = score_source(open_source(str(photos), Opener()), worker, place, shard_size=10)
        assert (done.done, done.shards) == (23, 3)
    assert files(bucket) == files(disk)
    memory.rm_file("/bucket/out/part-000001.parquet")
    again = score_source(open_source(str(photos), Opener()), worker, bucket, shard_size=10)
    assert (again.done, again.shards, again.skipped) == (10, 1, 13)
    assert files(bucket) == files(disk)
    settle_manifest(bucket, manifest_of(worker, **ASKED))
    with pytest.raises(DataError, match="memory://bucket/out already contains results made with another source"):
        settle_manifest(bucket, manifest_of(worker, **ASKED | {"source": "b"}))


def test_of_two_that_begin_in_a_bucket_at_one_moment_the_one_that_lost_finds_out(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have found no manifest; the other's is written last."""
    place = open_destination("memory://bucket/out")
    worker = PhotoScorer(tiny.classifier().zero_shot(["red", "green"]))
    put = type(memory).pipe_file

    def the_others(self: Any, path: str, value: bytes, **named: Any) -> Any:
        return put(self, path, value.replace(b'"source": "a"', b'"source": "b"'), **named)

    monkeypatch.setattr(type(memory), "pipe_file", the_others)
    with pytest.raises(DataError, match="contains results made with another source"):
        settle_manifest(place, manifest_of(worker, **ASKED))
    assert list(files(place)) == [MANIFEST]


@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        ("written", lambda place: place.write("a.txt", b"x")),
        ("looked up", lambda place: place.has("there.txt")),
        ("read", lambda place: place.read("there.txt", 9)),
    ],
)
def test_what_a_service_refuses_is_a_sentence(
    memory: Any, monkeypatch: pytest.MonkeyPatch, kind: str, ask: Callable[[Destination], object]
) -> None:
    place = open_destination("memory://bucket/out")
    place.write("there.txt", b"x")
    for name in ("pipe_file", "info", "open"):
        monkeypatch.setattr(type(memory), name, mock.Mock(side_effect=RuntimeError("AccessDenied\nand a page of XML")))
    with pytest.raises(DataError, match=rf"cannot be {kind} \(AccessDenied\): check the URL and your permissions\.$"):
        ask(place)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ROOT/file", "is a file: choose a folder"),
        (
            "https://example.org/out",
            "https://example.org/out cannot be written to: use a path, or a URL that starts with one of s3://",
        ),
        ("hf://datasets/me/out", "hf://datasets/me/out cannot be written to"),
        ("simplecache::s3://bucket/out", "simplecache::s3://bucket/out cannot be written to"),
    ],
)
def test_where_nothing_can_be_written(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=re.escape(sentence)):
        open_destination(name.replace("ROOT", str(tmp_path)))


def test_an_address_of_the_disk_is_the_disk(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    open_destination(f"file://{tmp_path}/out").write("a.txt", b"x")
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"x"
