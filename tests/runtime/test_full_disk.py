"""Everything that writes, on a disk that is full: a sentence and exit 2, what was there is whole, and nothing is left.

The disk is a real one of 2 MB where the tests may mount it; everywhere, one that refuses what has no room.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from safetensors.torch import load_file

from gallop import GalLoPClassifier
from gallop.answers import scorer
from gallop.checkpoints.folder import LOCK, NEXT, SETTINGS, TENSORS
from gallop.cli import many
from gallop.cli.commands.train import WORK
from gallop.export.onnx import OnnxFile, Parity
from gallop.features.cache import FeatureCache, ImageFeatures
from gallop.lab.methods import METHODS
from gallop.runtime import writing
from gallop.training.learn import CalibrationEvent
from gallop.training.loop import TRAINING, StepEvent
from tests.bench_things import FAKES, SPEC, write_sets
from tests.cli.test_cli import QUICK, cache_folder, call  # noqa: F401
from tests.conftest import ROOT
from tests.tiny import equal, write_folder

NO_ROOM = "No space left on device"


@dataclass
class Disk:
    """A folder on a disk of its own."""

    root: Path
    full: bool = False

    def fill(self) -> None:
        """Take every byte that is left."""
        self.full = True
        filler = self.root / "filler"
        if os.path.ismount(self.root):
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))

    def clear(self) -> None:
        self.full = False
        (self.root / "filler").unlink(missing_ok=True)

    def files(self) -> dict[str, bytes]:
        """All but the filler."""
        found = {path.relative_to(self.root).as_posix(): path for path in self.root.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in found.items() if name != "filler"}


@pytest.fixture(params=["mounted", "fake"])
def disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    made.root.mkdir()
    if request.param == "mounted":
        words = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(made.root)]
        if not shutil.which("mount") or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("no disk can be mounted here")
        try:
            yield made
        finally:
            subprocess.run(["umount", "-l", str(made.root)], check=True)
        return
    fdopen = os.fdopen

    def refusing(handle: int, *rest: Any, **named: Any) -> Any:
        if made.full and Path(os.readlink(f"/proc/self/fd/{handle}")).is_relative_to(made.root):
            os.close(handle)
            raise OSError(errno.ENOSPC, NO_ROOM, made.root / "answers.jsonl")
        return fdopen(handle, *rest, **named)

    monkeypatch.setattr(writing.os, "fdopen", refusing)
    yield made


@dataclass(frozen=True)
class Things:
    photos: Path
    backbone: Path
    model: Path

    def train(self, out: Path, *more: object) -> tuple[object, ...]:
        return ("train", self.photos, "--out", out, "--backbone", self.backbone, *QUICK, *more)


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory, backbone: Path) -> Things:
    root = tmp_path_factory.mktemp("things")
    photos = write_folder(root / "photos", {"red": 5, "green": 5})
    found = Things(photos, backbone, root / "model")
    assert call(*found.train(found.model)).code == 0
    return found


def refused(outcome: Any, file: Path | str) -> None:
    """One sentence that names the file, exit 2, no traceback."""
    assert (outcome.code, outcome.out, "Traceback" in outcome.err) == (2, "", False)
    assert outcome.err.splitlines()[-1].startswith(f"gallop: error: {file}: {NO_ROOM}.")


# ------------------------------------------------------------------ train


def test_no_room_for_the_first_epoch(things: Things, disk: Disk) -> None:
    disk.fill()
    refused(call(*things.train(disk.root / "model")), disk.root / "model" / WORK / TRAINING)
    assert (disk.files(), (disk.root / "model").exists()) == ({}, False)


def at(kind: type, number: int, act: Callable[[], None]) -> Callable[..., Any]:
    """What stands in for ``fit_steps``, and acts at the ``number``-th event of a kind."""
    steps, seen = GalLoPClassifier.fit_steps, itertools.count(1)

    def acting(self: GalLoPClassifier, *given: Any, **named: Any) -> Iterator[Any]:
        for event in steps(self, *given, **named):
            if isinstance(event, kind) and next(seen) == number:
                act()
            yield event

    return acting


def test_no_room_for_a_later_epoch_keeps_the_one_before(
    things: Things, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = disk.root / "model"
    with monkeypatch.context() as patch:
        patch.setattr(GalLoPClassifier, "fit_steps", at(StepEvent, 3, disk.fill))
        stopped = call(*things.train(out))
    refused(stopped, out / WORK / TRAINING)
    assert stopped.err.splitlines()[-1].endswith(
        f"The training up to the last completed epoch is saved in {out}. Add --resume to the same command to continue."
    )
    assert list(disk.files()) == [f"model/{WORK}/{TRAINING}"]
    disk.clear()
    assert call(*things.train(out, "--resume")).code == 0
    assert (out / TENSORS).read_bytes() == (things.model / TENSORS).read_bytes()


@pytest.mark.parametrize("there", ["a model", "nothing"])
def test_a_finished_training_outlives_a_disk_that_is_full_when_it_is_saved(
    things: Things, disk: Disk, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    out = disk.root / "model"
    if there == "a model":
        assert call(*things.train(out, "--seed", "5")).code == 0
    before = disk.files()
    with monkeypatch.context() as patch:
        patch.setattr(GalLoPClassifier, "fit_steps", at(CalibrationEvent, 3, disk.fill))
        stopped = call(*things.train(out, *["--overwrite"] * bool(before)))
    refused(stopped, out / NEXT)
    assert {name: data for name, data in disk.files().items() if TRAINING not in name} == before
    disk.clear()
    assert call(*things.train(out, "--resume")).code == 0
    assert sorted(disk.files()) == [f"model/{SETTINGS}", f"model/{TENSORS}"]
    assert equal(load_file(out / TENSORS), load_file(things.model / TENSORS))


@pytest.mark.filterwarnings("error")
def test_a_cache_whose_disk_fills_up_keeps_what_it_has(disk: Disk) -> None:
    cache = FeatureCache(disk.root)
    one = ImageFeatures(torch.ones(1, 4), torch.ones(1, 8, 4))
    cache.put("backbone/a", one)
    disk.fill()
    with pytest.warns(UserWarning, match=NO_ROOM):
        cache.put("backbone/b", one)
    cache.put("backbone/c", one)  # a second warning would be an error
    assert list(disk.files()) == ["backbone/a.safetensors"]
    assert FeatureCache(disk.root).get("backbone/a") is not None


def test_a_cache_clears_the_drafts_of_the_dead(tmp_path: Path) -> None:
    FeatureCache(tmp_path).put("backbone/a", ImageFeatures(torch.ones(1, 4), torch.ones(1, 8, 4)))
    (tmp_path / "backbone" / f".b.12345678{writing.DRAFT}").write_bytes(b"half of it")
    FeatureCache(tmp_path)
    assert [path.name for path in (tmp_path / "backbone").iterdir()] == ["a.safetensors"]


def test_a_second_training_into_the_same_folder_is_refused_while_the_first_lives(
    things: Things, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    with writing.locked(out / WORK / LOCK):
        busy = call(*things.train(out, "--overwrite"))
    assert (busy.code, busy.out) == (2, "")
    assert busy.err.splitlines()[-1] == (
        f"gallop: error: Another training is running in {out}: wait until it ends, or choose another folder."
    )
    (out / WORK).mkdir(exist_ok=True)
    (out / WORK / LOCK).touch()  # of one that was killed
    assert call(*things.train(out, "--overwrite")).code == 0
    assert sorted(path.name for path in out.iterdir()) == [SETTINGS, TENSORS]


# ------------------------------------------------------------------ all other writers


WRITERS: dict[str, Callable[[Things, Path], tuple[object, ...]]] = {
    "answers.csv": lambda things, out: ("predict", things.photos / "red", "--model", things.model, "--csv", out),
    "why.png": lambda things, out: ("explain", things.photos / "red/0.png", "--model", things.model, "--out", out),
    "model.onnx": lambda things, out: ("export", things.model, "--onnx", out),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_cannot_be_replaced_stays(
    things: Things, disk: Disk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    made = OnnxFile(bytes(10_000), {}, Parity(4, 0.0, {"probabilities": 0.0}, 0))
    monkeypatch.setattr("gallop.export.onnx.export_onnx", lambda *_: made)
    (disk.root / name).write_text("old")
    disk.fill()
    refused(call(*WRITERS[name](things, disk.root / name)), disk.root / name)
    assert disk.files() == {name: b"old"}


def test_the_answers_to_many_photos(things: Things, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full as the second batch is written; where there is room again, the same call goes on."""
    out = disk.root / "answers.jsonl"
    words = (
        "predict",
        things.photos,
        "--model",
        things.model,
        "--out",
        out,
        "--json",
        "--with",
        "embedding",
        "regions",
    )
    append, calls = many.append_quickly, itertools.count(1)

    def fills(*given: Any) -> None:
        if next(calls) == 2:
            disk.fill()
        append(*given)

    with monkeypatch.context() as patch:
        patch.setattr(scorer, "batch_for", lambda _: 4)
        patch.setattr(scorer, "BATCH", 4)
        patch.setattr(many, "append_quickly", fills)
        refused(call(*words), out)
    assert disk.files()["answers.jsonl"].count(b"\n") >= 4
    disk.clear()
    again = call(*words)
    assert (again.code, again.json["skipped"] >= 4, again.json["skipped"] + again.json["answered"]) == (0, True, 10)
    assert len({json.loads(line)["key"] for line in out.read_text().splitlines()}) == 10


def test_a_record_of_a_benchmark(things: Things, tmp_path: Path, disk: Disk) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    words = ("bench", tmp_path / "spec.yaml", write_sets(tmp_path / "sets"), "--backbone", things.backbone)
    disk.fill()
    with mock.patch.dict(METHODS, FAKES):
        stopped = call(*words, "--out", disk.root / "out")
    assert (stopped.code, "Traceback" in stopped.err, disk.files()) == (2, False, {})
    assert f"{NO_ROOM}." in stopped.err.splitlines()[-1]


def test_a_model_on_its_way_through_the_temporary_folder(
    things: Things, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.runs.run import files_of

    monkeypatch.setattr(tempfile, "tempdir", str(disk.root))
    model = GalLoPClassifier.load(things.model, backbone=things.backbone)
    assert files_of(model)[TENSORS] == (things.model / TENSORS).read_bytes()
    disk.fill()
    with pytest.raises(OSError, match=NO_ROOM):
        files_of(model)
    assert disk.files() == {}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_result_that_cannot_be_said(things: Things, tmp_path: Path, stream: str) -> None:
    """What is said beside the result may be lost: nobody stops a training for a log that is full."""
    words = [sys.executable, "-m", "gallop", *map(str, things.train(tmp_path / "model"))]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, env=environment, text=True, check=False, **(streams | {stream: full}))
    if stream == "stdout":
        assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"gallop: error: {NO_ROOM}.")
    else:
        assert (done.returncode, "Trained on 2 classes" in done.stdout) == (0, True)
    assert (tmp_path / "model" / TENSORS).read_bytes() == (things.model / TENSORS).read_bytes()
