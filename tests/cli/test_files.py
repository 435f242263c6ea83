"""Pipes, devices, folders and floods at every door of the command line: a sentence, and nothing is waited for."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from gallop.checkpoints.folder import SETTINGS, TENSORS
from gallop.training.loop import TRAINING
from gallop.wording import LONGEST_SENTENCE
from tests import data_trees
from tests.cli.test_cli import QUICK, cache_folder, call, done, filled, model, photos  # noqa: F401
from tests.tiny import edit_settings

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")

PATIENCE = 60
"""Seconds after which a call counts as hung, on the busiest machine."""


@pytest.fixture(autouse=True)
def rescue() -> Iterator[None]:
    """What waits for a pipe is woken, so that it fails instead of standing still."""

    def wake(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"the command has waited for {PATIENCE} seconds")

    before = signal.signal(signal.SIGALRM, wake)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a folder": os.mkdir,
}


PLANES = "{name: planes, sets: fgvc_aircraft, shots: 1, seeds: 0, methods: {zero-shot: {method: zero-shot}}}"


@pytest.fixture
def place(photos: Path, backbone: Path, model: Path, tmp_path: Path) -> dict[str, str]:  # noqa: F811
    """Copies that may be spoilt."""
    shutil.copytree(model, tmp_path / "model")
    shutil.copytree(backbone, tmp_path / "backbone")
    shutil.copytree(photos, tmp_path / "photos")
    data_trees.aircraft("fgvc_aircraft")(tmp_path)
    (tmp_path / "planes.yaml").write_text(PLANES)
    return {
        "ROOT": str(tmp_path),
        "PICTURE": str(tmp_path / "photos" / "test" / "red_disc" / "0.png"),
        "BACKBONE": str(backbone),
    }


DOORS = {
    "predict PICTURE --model ROOT/model": [f"model/{SETTINGS}", f"model/{TENSORS}"],
    "evaluate ROOT/model ROOT/photos": [f"model/{SETTINGS}", f"model/{TENSORS}"],
    "export ROOT/model --onnx ROOT/m.onnx": [f"model/{SETTINGS}", f"model/{TENSORS}"],
    "explain PICTURE --model ROOT/model --out ROOT/why.png": [f"model/{SETTINGS}", f"model/{TENSORS}"],
    "predict PICTURE --classes a,b --backbone ROOT/backbone": ["backbone/config.json", "backbone/weights.safetensors"],
    "predict PICTURE --classes a,b --backbone ViT-B-32/ROOT/x.pt": ["x.pt"],
    "predict ROOT/x.png --classes a,b --backbone BACKBONE": ["x.png"],
    "explain ROOT/x.png --classes a,b --backbone BACKBONE --out ROOT/why.png": ["x.png"],
    "train ROOT/x.csv --out ROOT/out --backbone BACKBONE": ["x.csv"],
    "evaluate zero-shot ROOT/x.csv --backbone BACKBONE": ["x.csv"],
    "bench ROOT/x.yaml ROOT --out ROOT/out --dry-run": ["x.yaml"],
    "bench ROOT/planes.yaml ROOT --out ROOT/out --dry-run": ["fgvc_aircraft/variants.txt"],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("words", "name"), [(words, name) for words, names in DOORS.items() for name in names])
def test_no_door_waits_for_what_is_no_file(place: dict[str, str], words: str, name: str, kind: str) -> None:
    victim = Path(place["ROOT"], name)
    victim.unlink(missing_ok=True)
    KINDS[kind](victim)
    outcome = call(*filled(words, place).split())
    told = outcome.err + outcome.out  # the check of a data set tells its problem as its result
    assert (outcome.code, victim.name in told, "Traceback" in told) == (2, True, False), told
    assert max(map(len, told.splitlines())) < LONGEST_SENTENCE + 100


@pytest.mark.parametrize("kind", ["a pipe", "a device without end"])
def test_photos_that_are_no_files_are_no_photos(place: dict[str, str], kind: str) -> None:
    root = Path(place["ROOT"])
    for folder in ("train/red_disc", "test/red_disc", "unknown"):
        KINDS[kind](root / "photos" / folder / "x.png")
    told = done("evaluate", root / "model", root / "photos", "--ood", f"unknown={root}/photos/unknown", "--json").json
    assert (told["n"], told["n_ood"]) == (12, {"unknown": 5})


def test_a_pipe_in_place_of_a_kept_training_is_neither_waited_for_nor_replaced(place: dict[str, str]) -> None:
    """A pipe in a folder of this test's own alone: what is written over as root is gone."""
    root = Path(place["ROOT"])
    (root / "out" / "training").mkdir(parents=True)
    pipe = root / "out" / "training" / TRAINING
    os.mkfifo(pipe)
    words = ("train", root / "photos", "--out", root / "out", "--backbone", place["BACKBONE"], *QUICK, "--resume")
    outcome = call(*words)
    assert f"{pipe}: it is not a regular file, so it is not replaced" in outcome.err
    assert (outcome.code, pipe.is_fifo()) == (2, True)


# ------------------------------------------------------------------ floods


def flood_of_tensors(folder: Path) -> None:
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"{'name' * 20} {i}": empty for i in range(100_000)}).encode()
    (folder / TENSORS).write_bytes(len(header).to_bytes(8, "little") + header)


def settings_with(more: dict[str, object]) -> Callable[[Path], None]:
    return lambda folder: edit_settings(folder, lambda settings: settings.update(more))


FLOODS = {
    "tensors": flood_of_tensors,
    "keys": settings_with({f"\x1b[2J{i}": i for i in range(100_000)}),
    "a long key": settings_with({"x" * 2_000_000: 1}),
    "a long value": settings_with({"regions": "x" * 2_000_000}),
    "many numbers": settings_with({"calibration": {"temperature": [0.5] * 1_000_000}}),
}


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.slow
def test_a_flood_in_a_model_is_told_in_one_short_line(place: dict[str, str], flood: str) -> None:
    FLOODS[flood](Path(place["ROOT"], "model"))
    outcome = call("predict", place["PICTURE"], "--model", f"{place['ROOT']}/model")
    assert outcome.code == 2
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("gallop: error")]
    assert (len(line) < LONGEST_SENTENCE + 20, "\x1b" in line) == (True, False), line
    assert line.endswith((".", ").")), "the way out stands at its end"
