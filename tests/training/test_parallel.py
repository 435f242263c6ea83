"""Trainings in two real processes on this machine (gloo): the prompts of one process, and no hang when one goes."""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from gallop.checkpoints.folder import TENSORS
from gallop.cli.commands.train import WORK
from gallop.config import MethodConfig, method_preset
from gallop.errors import BackboneError, ConfigError, DataError, ParallelError, ProcessLeft, TrainingDiverged
from gallop.features.encoding import TrainingViews
from gallop.model import prompted
from gallop.model.branches.branch import Branch
from gallop.model.prompted import initial_prompts
from gallop.training import launch as launching
from gallop.training.launch import Processes, launch
from gallop.training.learn import CalibrationEvent, EncodeEvent
from gallop.training.loop import ALONE, TRAINING, Parallel, StepEvent
from tests import warm
from tests.cli.test_cli import Outcome, call
from tests.conftest import listen_to_interrupts
from tests.tiny import backbone_folder, classifier, learned, pictures, vit, write_folder
from tests.until import until

pytest.importorskip("lightning_fabric", reason="needs the extra 'distributed'")

SHOTS = {"red": 4, "green": 3, "blue": 2}
SCENARIOS: dict[str, dict[str, Any]] = {
    "a last batch of one image, fewer than processes": {},  # 9 images in batches of 4
    "an uneven last batch": {"batch_size": 6},
    "one batch of all, an odd number": {"batch_size": 32},
    "batches of one image": {"batch_size": 1, "epochs": 1},
    "fresh views": {"views": 0, "epochs": 3},
    "fresh views, batches of one image": {"views": 0, "batch_size": 1, "epochs": 1},
    "several prompts kept": {"global_prompts": 4, "dropout": 0.5, "topk": (1, 3, 8)},
    "CoOp": {"global_prompts": 1, "topk": (), "dropout": 0.0},
    "calibration folds": {"calibration_folds": 3},
    "calibration folds, fresh views": {"calibration_folds": 2, "views": 0},
    "ten epochs": {"epochs": 10, "lr": 0.2, "seed": 3},
    "another seed": {"seed": 7},
    "a global branch that learns": {"method": MethodConfig(global_projection=True)},
    "a head": {"method": MethodConfig(head="ridge"), "calibration_folds": 2, "epochs": 1},
    "a head that looks twice, fresh views": {
        "method": MethodConfig(head="discriminant", detail=2),
        **{"views": 0, "epochs": 1, "calibration_folds": 2},
    },
}
MANY: dict[str, dict[str, Any]] = {
    "many names": {},
    "many names in folds": {"calibration_folds": 2, "epochs": 1},
    "many names, small batches": {"batch_size": 1, "epochs": 1},
    "many names for CoOp": {"global_prompts": 1, "topk": (), "dropout": 0.0},
}
"""With a photo or two of each of 25 classes: enough for processes to share the text encoder's work."""
SCENARIOS |= MANY


BY_THREE = [
    "an uneven last batch",
    "batches of one image",
    "fresh views",
    "calibration folds",
    "many names, small batches",
    "a head",
]
LEAVING = [(0, "encode 1"), (0, "step 3"), (1, "step 3"), (0, "last step"), (0, "calibrate 2")]


@dataclass(frozen=True)
class Trained:
    """One training as a process saw it."""

    prompts: dict[str, Tensor]
    steps: list[StepEvent]
    calibration_steps: list[tuple[int, int]]
    encoded: int
    calibration: Any
    cross_fitted: bool
    branches: tuple[Branch, ...]


def photos(many: bool) -> tuple[list[Any], list[str]]:
    if not many:
        return pictures(SHOTS)
    images, _ = pictures({"red": 15, "green": 15})
    return images, [f"thing {i % 25}" for i in range(30)]


def train(parallel: Parallel, settings: dict[str, Any], many: bool = False, **more: Any) -> Trained:
    made = classifier(**settings)
    events = list(made.fit_steps(*photos(many), parallel=parallel, **more))
    return Trained(
        prompts=learned(made),
        steps=[event for event in events if isinstance(event, StepEvent)],
        calibration_steps=[(event.step, event.steps) for event in events if isinstance(event, CalibrationEvent)],
        encoded=max((event.done for event in events if isinstance(event, EncodeEvent)), default=0),
        calibration=made.calibration_,
        cross_fitted=made.cross_fit_ is not None,
        branches=made.model_.branches,
    )


def trained(parallel: Processes, names: list[str]) -> dict[str, tuple[Trained, Tensor]]:
    """Scenarios, one after the other: starting processes is what takes time. With every process' prompts."""
    found = {}
    for name in names:
        this = train(parallel, SCENARIOS[name], name in MANY)
        flat = torch.cat([value.flatten() for value in this.prompts.values()])
        for head in this.branches:
            flat = torch.cat([flat, head.form.weights.flatten(), head.form.bias])
        rows = torch.zeros(parallel.processes, len(flat))
        rows[parallel.rank] = flat
        found[name] = this, parallel._sum(rows)
    assert parallel.device == "cpu"
    return found


def everything(parallel: Processes, work: Path) -> dict[str, Any]:
    """All that two processes are asked, so that they are started once."""
    found: dict[str, Any] = dict(trained(parallel, list(SCENARIOS)))
    found["resumed"] = resumed(parallel, work)
    for rank, at in LEAVING:
        found[f"{rank} {at}"] = leaving(parallel, rank, at)
    found["left"] = left(parallel)  # at the end: here the second process goes
    return found


@pytest.fixture(scope="module", autouse=True)
def spawned() -> Iterator[None]:
    """Processes of a training that begin with their imports done, but for those of a command that starts cold."""
    with warm.spawning():
        yield


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    work = tmp_path_factory.mktemp("two") / "work"
    found = launch(everything, work, processes=2, device="cpu")
    return found | {"still there": multiprocessing.active_children()}


@pytest.fixture(scope="module")
def by_three() -> dict[str, Any]:
    return launch(trained, BY_THREE, processes=3, device="cpu")


def start(settings: dict[str, Any]) -> dict[str, Tensor]:
    made = classifier(**settings)
    config = method_preset(made.method or MethodConfig(), global_prompts=made.global_prompts, topk=made.topk)
    return {key: value.detach() for key, value in initial_prompts(vit(), config).state_dict().items()}


def check_equal(found: Trained, wanted: Trained, settings: dict[str, Any]) -> None:
    for key, before in start(settings).items():
        assert torch.allclose(found.prompts[key], wanted.prompts[key], atol=1e-5)
        change, theirs = found.prompts[key] - before, wanted.prompts[key] - before
        assert float((change - theirs).norm()) <= 1e-3 * float(theirs.norm()), key
    assert len(found.steps) == len(wanted.steps)
    for mine, theirs in zip(found.steps, wanted.steps, strict=True):
        for field in fields(StepEvent):
            one, other = getattr(mine, field.name), getattr(theirs, field.name)
            if isinstance(one, Tensor):
                assert torch.equal(one, other), field.name
            elif other is None:
                assert one is None, field.name
            else:
                assert one == pytest.approx(other, rel=1e-4), field.name
    assert found.calibration_steps == wanted.calibration_steps
    for mine, theirs in zip(found.branches, wanted.branches, strict=True):
        check_heads_equal(mine, theirs)


def check_heads_equal(found: Branch, wanted: Branch) -> None:
    """Of the same shots in the same order, whichever process encoded them."""
    assert found.shots is not None
    assert wanted.shots is not None
    assert torch.equal(found.shots.labels, wanted.shots.labels)
    assert torch.allclose(found.shots.features, wanted.shots.features, atol=1e-5)
    most = float(wanted.form.weights.abs().max())
    assert torch.allclose(found.form.weights, wanted.form.weights, atol=1e-4 * most)
    assert (found.mix.weight, found.mix.temperature) == pytest.approx((wanted.mix.weight, wanted.mix.temperature), 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"), [*((name, "two") for name in SCENARIOS), *((name, "three") for name in BY_THREE)]
)
def test_several_processes_learn_what_one_learns(name: str, count: str, request: pytest.FixtureRequest) -> None:
    """Prompts, their change, and every event of rank 0: losses, accuracies, draws, order."""
    found, of_all = request.getfixturevalue(f"by_{count}")[name]
    wanted = train(ALONE, SCENARIOS[name], name in MANY)
    check_equal(found, wanted, SCENARIOS[name])
    assert all(torch.equal(row, of_all[0]) for row in of_all), "the same prompts in every process"
    if "calibration_folds" in SCENARIOS[name]:
        assert found.cross_fitted
        assert found.calibration.temperature == pytest.approx(wanted.calibration.temperature, rel=1e-3)
        assert found.calibration.threshold == pytest.approx(wanted.calibration.threshold, abs=1e-5)
        assert found.calibration.note == wanted.calibration.note
    processes = {"two": 2, "three": 3}[count]
    own = -(-(30 if name in MANY else 9) // processes)
    views = SCENARIOS[name].get("views", 2) + bool(wanted.branches)  # a head learns from the photos as they are
    assert found.encoded == own * views, "its own photos alone, in two views"


def resumed(parallel: Processes, work: Path) -> Trained:
    """Cut off by rank 0's listener in the middle of an epoch, then gone on with."""
    settings = {"epochs": 5}
    try:
        for event in classifier(**settings).fit_steps(*pictures(SHOTS), parallel=parallel, work=work):
            if isinstance(event, StepEvent) and event.step == 8 and parallel.rank == 0:
                break
    except ProcessLeft:
        assert parallel.rank == 1
    return train(parallel, settings, work=work)  # kept: nobody has saved it


@pytest.mark.slow
def test_a_training_is_kept_by_one_and_resumed_by_all(by_two: dict[str, Any]) -> None:
    found, wanted = by_two["resumed"], train(ALONE, {"epochs": 5})
    assert [event.step for event in found.steps] == list(range(7, 16)), "from the end of the second epoch"
    for key, value in wanted.prompts.items():
        assert torch.allclose(found.prompts[key], value, atol=1e-5)


# ------------------------------------------------------------------ one that goes


def leaving(parallel: Processes, rank: int, at: str) -> list[tuple[int, bool]]:
    """One process stops listening. Of every process: the steps that it saw, and whether it was told to end."""
    made = classifier(epochs=5, calibration_folds=3)
    counted, told = {"encode": 0, "step": 0, "calibrate": 0}, False
    try:
        for event in made.fit_steps(*pictures(SHOTS), parallel=parallel):
            kind = {EncodeEvent: "encode", StepEvent: "step", CalibrationEvent: "calibrate"}[type(event)]
            counted[kind] += 1
            last = isinstance(event, StepEvent) and event.step == event.steps
            if parallel.rank == rank and (f"{kind} {counted[kind]}" == at or (at == "last step" and last)):
                break
    except ProcessLeft:
        told = True
    seen = torch.zeros(parallel.processes, 2)
    seen[parallel.rank] = torch.tensor([counted["step"], told])
    return [(int(steps), bool(told)) for steps, told in parallel._sum(seen).tolist()]


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "at"), LEAVING)
def test_one_that_stops_listening_takes_the_others_along(rank: int, at: str, by_two: dict[str, Any]) -> None:
    steps = {"encode 1": 0, "step 3": 3}.get(at, 15)
    assert by_two[f"{rank} {at}"] == [(steps, rank != 0), (steps, rank != 1)]


def left(parallel: Processes) -> str:
    for event in classifier().fit_steps(*pictures(SHOTS), parallel=parallel):
        if isinstance(event, StepEvent) and parallel.rank == 0:
            return "kept"
    return "not reached"


@pytest.mark.slow
def test_processes_that_were_left_end_in_peace(by_two: dict[str, Any]) -> None:
    assert by_two["left"] == "kept"
    assert not by_two["still there"]


def failing(parallel: Processes, how: str) -> None:
    made = classifier(epochs=50)
    if how == "diverges" and parallel.rank == 1:
        sound, calls = prompted.gallop_loss, itertools.count()
        prompted.gallop_loss = lambda *given: sound(*given) * (torch.nan if next(calls) == 2 else 1)
    for event in made.fit_steps(*pictures(SHOTS), parallel=parallel):
        if isinstance(event, StepEvent) and event.step == 3 and parallel.rank == 1:
            if how == "refuses":
                raise DataError("The photo cat.png has gone; put it back.")
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if how == "stopped":
                raise KeyboardInterrupt("Stopped by hand.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ("refuses", DataError, r"^The photo cat\.png has gone; put it back\.$"),
        ("killed", ParallelError, r"^Process [12] of 2 of the training ended \(.*\); it may have been killed"),
        ("stopped", KeyboardInterrupt, "Stopped by hand"),
        ("diverges", TrainingDiverged, r"^The loss is .* Lower the learning rate\.$"),
    ],
)
def test_one_that_fails_is_a_sentence_and_no_hang(how: str, error: type[BaseException], said: str) -> None:
    begun = time.monotonic()
    with pytest.raises(error, match=said):
        launch(failing, how, processes=2, device="cpu")
    assert time.monotonic() - begun < 300, "they wait half an hour for each other otherwise"
    assert not multiprocessing.active_children()
    assert "MASTER_PORT" not in os.environ


# ------------------------------------------------------------------ on the command line

QUICK = ("--shots", "3", "--epochs", "2", "--views", "1", "--batch-size", "4", "--lr", "0.5", "--device", "cpu")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A backbone in a folder, photos, and a cache that nobody else has."""
    root = tmp_path_factory.mktemp("cli")
    backbone = backbone_folder(tmp_path_factory.mktemp("backbone"))
    return {"backbone": backbone, "photos": write_folder(root / "photos", {"red": 3, "green": 3, "blue": 3})}


def words(small: dict[str, Path], out: Path, *more: str) -> list[object]:
    return ["train", small["photos"], "--out", out, "--backbone", small["backbone"], *QUICK, "--json", *more]


FORKING = "import sys; from multiprocessing import set_executable; set_executable(sys.argv.pop(1))"
FORKING += "; from gallop.cli import main; sys.exit(main())"
"""``gallop`` whose processes begin with their imports done."""


def gallop(start: list[str], small: dict[str, Path], out: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*start, *map(str, words(small, out, *more))],
        env=os.environ | {"GALLOP_CACHE": str(out.parent / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=listen_to_interrupts,
    )


@pytest.mark.slow
def test_the_command_line_trains_the_same_model(
    small: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GALLOP_CACHE", str(tmp_path / "cache"))
    running = gallop([sys.executable, "-m", "gallop"], small, tmp_path / "2", "--processes", "2")
    out, err = running.communicate(timeout=120)
    by_two = Outcome(running.returncode, out, err)
    told = {}
    for processes, found in (("1", call(*words(small, tmp_path / "1"))), ("2", by_two)):
        assert found.code == 0, found.err
        told[processes] = json.loads(found.out)
        assert sorted(path.name for path in (tmp_path / processes).iterdir()) == ["gallop.json", TENSORS]
        warned = [line for line in found.err.splitlines() if "warning" in line]
        assert len(warned) == len(set(warned)), "each is told by one process"
        assert all(line.startswith("gallop: ") for line in warned)
    one, two = (load_file(tmp_path / processes / TENSORS) for processes in told)
    for key, value in one.items():
        assert torch.allclose(value, two[key], atol=1e-5)
    assert told["1"].keys() == told["2"].keys()
    for key in ("steps", "accuracy_train", "threshold_note", "skipped"):
        assert told["1"][key] == told["2"][key]
    for key in ("loss", "threshold", "temperature"):
        assert told["1"][key] == pytest.approx(told["2"][key], rel=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps here")
@pytest.mark.parametrize("whole_group", [True, False], ids=["the terminal's", "to the first process alone"])
def test_ctrl_c_ends_all_and_keeps_the_last_epoch(whole_group: bool, small: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "model"
    running = gallop(
        [sys.executable, "-c", FORKING, warm.executable()], small, out, "--epochs", "10000", "--processes", "2"
    )
    try:
        until(lambda: (out / WORK / TRAINING).exists() or running.poll() is not None, 90)
        (os.killpg if whole_group else os.kill)(running.pid, signal.SIGINT)
        said, err = running.communicate(timeout=60)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert (running.returncode, said) == (130, "")
    assert err.splitlines()[-1].startswith(
        f"gallop: Stopped. What has been learned up to the last epoch is kept in {out}"
    )
    assert "Traceback" not in err
    until(lambda: not alive(running.pid))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps here")
def test_who_loses_the_first_process_to_a_kill_does_not_train_on(small: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "model"
    start = [sys.executable, "-c", FORKING, warm.executable()]
    running = gallop(start, small, out, "--epochs", "10000", "--processes", "2")
    try:
        until(lambda: (out / WORK / TRAINING).exists() or running.poll() is not None, 90)
        assert len(alive(running.pid)) > 2
        os.kill(running.pid, signal.SIGKILL)
        running.communicate(timeout=60)  # whoever goes on holds its ends of the pipes
        until(lambda: not alive(running.pid))
    finally:
        with contextlib.suppress(OSError):
            os.killpg(running.pid, signal.SIGKILL)


def alive(group: int) -> list[str]:
    """Processes of a group, but for those that only wait to be counted."""
    found = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in found.splitlines()]
    return [" ".join(row) for row in rows if row[0] == str(group) and not row[1].startswith("Z")]


# ------------------------------------------------------------------ without any process


def where(parallel: Any, number: int) -> tuple[int, int, str, int]:
    return parallel.rank, parallel.processes, parallel.device, number


def test_one_process_needs_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    assert launch(where, 5, processes=1, device="cpu") == (0, 1, "cpu", 5)
    assert launch(train, {"epochs": 1}, processes=1, device="cpu").steps[-1].step == 3


@pytest.mark.parametrize(
    ("processes", "device", "error", "said"),
    [
        (0, "cpu", ConfigError, "processes is 0; it must be between 1 and 64"),
        (65, "cpu", ConfigError, "processes is 65"),
        (1.5, "cpu", ConfigError, "must be a whole number"),
        (2, "toaster", BackboneError, "There is no device 'toaster'"),
        (3, "cuda", ParallelError, "3 processes were asked for, but torch sees 2 GPUs here"),
        (2, "cuda:1", ParallelError, "'cuda:1' is one GPU, but 2 processes need one each"),
        (2, "mps", ParallelError, "cannot share the device 'mps'"),
    ],
)
def test_what_cannot_be_started_is_a_sentence(
    processes: Any, device: str, error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device.startswith("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: device == "mps")
    with pytest.raises(error, match=said):
        launching.check_processes(processes, device)
    with pytest.raises(error, match=said):
        launch(where, 5, processes=processes, device=device)


def test_a_missing_extra_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(
        ParallelError, match=r"needs the extra distributed: pip install 'gallop-explorer\[distributed\]'"
    ):
        launch(where, 5, processes=2, device="cpu")


@pytest.mark.parametrize("views", [0, 2])
@pytest.mark.parametrize("processes", [1, 2, 3, 12])
def test_parts_are_every_image_once(views: int, processes: int) -> None:
    images, _ = pictures(SHOTS)
    shares = [TrainingViews(vit(), images, views=views, seed=0, share=(r, processes)) for r in range(processes)]
    whole = TrainingViews(vit(), images, views=views, seed=0)
    for views_ in (*shares, whole):
        list(views_.encode())
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 9):
        batch = torch.from_numpy(rng.permutation(9)[:size])
        parts = [share.part(batch) for share in shares]
        assert sorted(torch.cat(parts).tolist()) == list(range(size))
        for share, part in zip(shares, parts, strict=True):
            if len(part):
                mine, theirs = share.batch(batch[part], epoch=1), whole.batch(batch[part], epoch=1)
                # Encoded in other batches: the last bit of half precision may differ.
                assert torch.allclose(mine.regions.float(), theirs.regions.float(), atol=4e-3)
    assert sum(map(len, shares)) == 9
