"""Files and checkpoints under kills and rivals: whole at every moment, and nothing is left behind."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

import pytest

from gallop import GalLoPClassifier
from gallop.checkpoints.folder import NEXT, SETTINGS, TENSORS
from gallop.errors import CheckpointError
from gallop.runtime.writing import DRAFT, clear_drafts, locked, open_draft, write_file, write_quickly
from tests.tiny import classifier, equal, learned, pictures, vit

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="knows neither fork nor these locks"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

TOUCHES = ("open", "os.", "shutil.", "tempfile.", "fcntl.")
"""Of Python's audit events, those of everything that touches the disk."""


def killed_at(moment: int, act: Callable[[], object]) -> bool:
    """Whether a process that is killed at the ``moment``-th touch of the disk gets so far; else it has done the act."""
    child, touches = os.fork(), itertools.count(1)
    if child == 0:

        def hook(event: str, _: object) -> None:
            if event.startswith(TOUCHES) and next(touches) == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            act()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def kills(act: Callable[[], object]) -> Iterator[int]:
    """Every moment at which the act can be killed, after that has happened; at last 0, when it was done."""
    yield from itertools.takewhile(lambda moment: killed_at(moment, act), itertools.count(1))
    yield 0


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------ files


def test_a_file_is_the_old_or_the_new_whenever_its_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(path, b"old")
    found = []
    for _ in kills(lambda: write_file(path, b"new" * 1000)):
        found.append((path.read_bytes(), any(name.endswith(DRAFT) for name in names(tmp_path))))
        write_file(tmp_path / "other", b"of another name, in the same folder")
        assert names(tmp_path) == ["file", "other"]
        write_file(path, b"old")
    assert {content for content, _ in found} == {b"old", b"new" * 1000}
    assert sum(draft for _, draft in found) > 2, "killed while there was a draft"


@pytest.mark.parametrize("make", [open_draft, locked])
def test_new_folders_may_be_many_but_take_the_place_of_no_file(
    tmp_path: Path, make: Callable[[Path], AbstractContextManager[object]]
) -> None:
    with make(tmp_path.joinpath(*"d" * 150, "file")):
        (tmp_path / "taken").write_bytes(b"theirs")
    with pytest.raises(OSError, match="taken"), make(tmp_path / "taken" / "new" / "file"):
        pass
    assert (tmp_path / "taken").read_bytes() == b"theirs"


def test_the_draft_of_one_who_still_writes_is_left_alone(tmp_path: Path) -> None:
    slow, go_on = threading.Event(), threading.Event()

    def waits(handle: int) -> None:
        slow.set()
        assert go_on.wait(30)

    with mock.patch.object(os, "fsync", waits), ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write_file, tmp_path / "file", b"slow")
        assert slow.wait(30)
        clear_drafts(tmp_path)
        write_quickly(tmp_path / "file", b"fast")
        assert len(names(tmp_path)) == 2
        go_on.set()
        writer.result(30)
    assert (names(tmp_path), (tmp_path / "file").read_bytes()) == (["file"], b"slow")


def test_many_writers_of_a_folder_do_not_harm_each_other(tmp_path: Path) -> None:
    contents = {f"{number}": b"%d" % number * 1000 for number in range(5)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: write_file(tmp_path / name, contents[name]), [*contents] * 80))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == contents


def test_a_lock_is_held_by_one_and_freed_by_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def hold() -> None:
        with locked(path):
            os.kill(os.getpid(), signal.SIGKILL)

    assert killed_at(0, hold)
    assert path.exists()
    with locked(path, wait=False), pytest.raises(BlockingIOError), locked(path, wait=False):
        pass
    assert not path.exists()
    inside = itertools.count()

    def once(_: int) -> None:
        with locked(path):
            assert next(inside) % 2 == 0, "alone"
            assert next(inside) % 2 == 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(once, range(300)))
    assert names(tmp_path) == []


def test_where_nothing_can_be_locked_files_are_written_and_drafts_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", mock.Mock(side_effect=OSError(95, "Operation not supported")))
    (tmp_path / f".a.{DRAFT}").touch()
    with locked(tmp_path / "lock", wait=False):
        write_file(tmp_path / "file", b"1")
    assert names(tmp_path) == [f".a.{DRAFT}", "file"]


# ------------------------------------------------------------------ checkpoints


@pytest.fixture(scope="module")
def old() -> GalLoPClassifier:
    return classifier(seed=1).fit(*pictures({"red": 2, "green": 2}))


@pytest.fixture(scope="module")
def new() -> GalLoPClassifier:
    return classifier(seed=2, topk=(2,)).fit(*pictures({"blue": 2, "green": 2}))


def load(folder: Path) -> GalLoPClassifier:
    return GalLoPClassifier.load(folder, backbone=vit())


def same(one: GalLoPClassifier, other: GalLoPClassifier) -> bool:
    return one.classes_.tolist() == other.classes_.tolist() and equal(learned(one), learned(other))


@pytest.fixture
def folder(tmp_path: Path, old: GalLoPClassifier) -> Path:
    """One with the old model."""
    old.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.slow
def test_a_save_that_is_killed_at_any_moment_leaves_the_old_model_or_the_new_one(
    folder: Path, tmp_path: Path, old: GalLoPClassifier, new: GalLoPClassifier
) -> None:
    found = []
    for _ in kills(lambda: new.save(folder)):
        loaded = load(folder)
        assert same(loaded, old) or same(loaded, new)
        found.append(same(loaded, new))
        old.save(folder)
        assert same(load(folder), old)
        assert (names(folder), names(tmp_path)) == ([SETTINGS, TENSORS], ["model"])
    assert found == sorted(found), "first the old one, then the new one"
    assert min(found.count(False), found.count(True)) > 5


@pytest.mark.slow
def test_what_a_save_that_was_killed_left_is_put_in_order_before_anything_is_written_over_it(
    folder: Path, old: GalLoPClassifier, new: GalLoPClassifier
) -> None:
    """Settings that cannot be read now are not thrown away: they may be the only ones that fit the prompts."""
    assert any(same(load(folder), new) for _ in kills(lambda: new.save(folder)) if (folder / NEXT).exists())
    error = OSError(24, "Too many open files")
    with mock.patch("gallop.checkpoints.folder.read_text", side_effect=error):
        with pytest.raises(OSError, match="Too many open files"):
            old.save(folder)
        with pytest.raises(CheckpointError, match="Too many open files"):
            load(folder)
    assert (same(load(folder), new), (folder / NEXT).exists()) == (True, True)
    for _ in kills(lambda: old.save(folder)):
        assert same(load(folder), old) or same(load(folder), new)


@pytest.mark.slow
def test_a_first_save_that_is_killed_leaves_no_model_or_the_new_one(tmp_path: Path, new: GalLoPClassifier) -> None:
    found = []
    for _ in kills(lambda: new.save(tmp_path / "model")):
        found.append((tmp_path / "model" / TENSORS).exists())
        if found[-1]:
            assert same(load(tmp_path / "model"), new)
        else:
            with pytest.raises(CheckpointError, match=f"is not a checkpoint: it does not contain {SETTINGS}"):
                load(tmp_path / "model")
        shutil.rmtree(tmp_path / "model", ignore_errors=True)
    assert set(found) == {False, True}


def test_two_who_save_at_once_leave_one_whole_model_and_readers_always_find_one(
    folder: Path, old: GalLoPClassifier, new: GalLoPClassifier
) -> None:

    def save(model: GalLoPClassifier) -> None:
        for _ in range(15):
            model.save(folder)

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(save, model) for model in (old, new)]
        while not all(writer.done() for writer in writers):
            loaded = load(folder)
            assert same(loaded, old) or same(loaded, new)
        assert [writer.result() for writer in writers] == [None, None]
    assert names(folder) == [SETTINGS, TENSORS]


# ------------------------------------------------------------------ the training that is kept until then


def test_a_training_is_kept_until_its_model_was_saved_and_read_back(tmp_path: Path) -> None:
    shots, work, folder = pictures({"red": 2, "green": 2}), tmp_path / "work", tmp_path / "model"
    made = classifier(seed=3)
    list(made.fit_steps(*shots, work=work))
    cut = mock.patch("gallop.checkpoints.folder.write_file", lambda path, data: write_file(path, data[:-1]))
    with cut, pytest.raises(CheckpointError):
        made.save(folder)
    assert len(names(work)) == 1
    again, anew = classifier(seed=3), classifier(seed=3)
    events = list(again.fit_steps(*shots, work=work))
    assert len(events) < len(list(anew.fit_steps(*shots))), "the first epoch was there"
    again.save(folder)
    assert names(work) == []
    assert same(load(folder), anew)


def test_a_model_whose_training_was_stopped_is_saved_without_dropping_it(tmp_path: Path) -> None:
    made = classifier(epochs=3)
    for event in made.fit_steps(*pictures({"red": 2, "green": 2}), work=tmp_path / "work"):
        if getattr(event, "end_of_epoch", False) and event.step > 1:
            break
    made.save(tmp_path / "model")
    assert len(names(tmp_path / "work")) == 1


def test_who_trains_the_same_classifier_anew_begins_anew(tmp_path: Path) -> None:
    made = classifier(warm_start=True)
    counts = [len(list(made.fit_steps(*pictures({"red": 2, "green": 2}), work=tmp_path))) for _ in range(2)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("write", [write_file, write_quickly])
def test_what_is_no_plain_file_is_not_replaced(tmp_path: Path, write: Callable[[Path, bytes], None]) -> None:
    """A pipe stands for a device here: renamed over by an administrator, that would be gone for the whole machine."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(OSError, match="it is not a regular file, so it is not replaced"):
            write(path, b"text")
    assert (pipe.is_fifo(), names(tmp_path)) == (True, ["link", "pipe"])
