"""``gallop bench``: what it runs, keeps, writes and says; cut off by time, by Ctrl-C and by kill -9."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gallop.data import LabelledPhotos
from gallop.lab.bench.runner import RecordStore
from gallop.lab.bench.spec import shipped_specs
from gallop.lab.methods import METHODS, Setup
from tests import warm
from tests.bench_things import SPEC, Fake, FakeAnswers, write_sets
from tests.cli.test_cli import Outcome, call
from tests.conftest import ROOT
from tests.tiny import backbone_folder, there
from tests.until import until

RUNS = 20
"""Of SPEC: two without shots, 16 of two methods, two of the variant that is no method."""


@dataclass(frozen=True)
class Place:
    """A benchmark on tiny photos."""

    root: Path
    data: Path
    spec: Path
    backbone: Path

    @property
    def out(self) -> Path:
        return self.root / "out"

    def words(self, *more: object) -> list[str]:
        return [str(w) for w in ("bench", self.spec, self.data, "--backbone", self.backbone, "--device", "cpu", *more)]

    def call(self, *more: object) -> Outcome:
        """With the fake methods, in this process."""
        return call(*self.words(*more))

    def bench(self, *more: object) -> Outcome:
        return self.call("--out", self.out, *more)

    def records(self) -> list[str]:
        return sorted(path.stem for path in (self.out / "runs").glob("*.json"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_sets(tmp_path_factory.mktemp("sets")), backbone_folder(tmp_path_factory.mktemp("backbone"))


@pytest.fixture
def place(shared: tuple[Path, Path], tmp_path: Path) -> Place:

    (tmp_path / "tiny.yaml").write_text(SPEC)
    Fake.fitted.clear()
    return Place(tmp_path, shared[0], tmp_path / "tiny.yaml", shared[1])


# ------------------------------------------------------------------ all of it


def test_everything_is_run_once_and_told(place: Place) -> None:
    found = place.bench("--json")
    assert found.code == 0, found.err
    assert [found.json[key] for key in ("runs", "done", "left", "failed")] == [RUNS, RUNS, 0, 0]
    names = {Path(file).name for file in found.json["files"] if Path(file).stat().st_size}
    assert names == {"results.csv", "tables.md"}
    assert (len(place.records()), len(Fake.fitted)) == (RUNS, RUNS - 2)
    before = (place.out / "tables.md").read_bytes()
    again = place.bench()
    assert again.code == 0
    assert f"{RUNS} of {RUNS} runs done. Tables: {place.out} (tables.md)." in again.out
    assert f"{RUNS} of {RUNS} runs are done" in before.decode()
    assert (len(Fake.fitted), (place.out / "tables.md").read_bytes()) == (RUNS - 2, before), "nothing is run twice"


def test_encoding_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Encoding(Fake):
        def fit(self, shots: LabelledPhotos, setup: Setup) -> FakeAnswers:
            for done in (0, 2, 4):
                setup.encoded(done, 4)
            return super().fit(shots, setup)

    monkeypatch.setitem(METHODS, "fake", Encoding)
    found = place.bench("--only", "ours", "--sets", "first", "--shots", "2", "--seeds", "1")
    assert "encoding views of first to learn from 4/4" in found.err


def test_a_record_holds_what_is_needed_to_trust_it(place: Place) -> None:
    place.bench("--only", "ours", "--sets", "first", "--shots", "2", "--seeds", "1")
    (key,) = place.records()
    record = there(RecordStore(place.out).read(key))
    # A later setting at its default leaves no trace.
    assert (record.method, record.settings) == ("fake", {"skill": 0.9})
    assert (record.set, record.shots, record.seed, record.date[:2]) == ("first", 2, 1, "20")
    assert all(record.machine[key] for key in ("backbone", "fingerprint", "device", "processor", "torch"))
    assert record.seconds >= 0
    counts = {(f.test, f.metric, f.unknown): f.n for f in record.figures}
    accuracies = [f"accuracy{branch}" for branch in ("", "_global", "_local")]
    apart = [f"{metric}/{score}" for metric in ("fpr95", "auroc") for score in ("MCM", "GL-MCM")]
    assert counts == {
        **{(test, metric, ""): 4 for test in ("first", "second") for metric in accuracies},
        **{("first", metric, "dots"): 4 + 2 for metric in apart},
        **{("first", metric, "lines"): 4 + 3 for metric in apart},
    }


def test_parts_that_are_run_apart_are_in_the_tables_of_the_whole(place: Place) -> None:
    place.bench("--seeds", "0")
    place.bench("--seeds", "1")
    assert {row["seed"] for row in figures(place.out)} == {"0", "1"}, "what learns nothing has no seed but 0"
    fits = len(Fake.fitted)
    found = place.bench("--json")
    assert (found.json["done"], found.json["left"], len(Fake.fitted)) == (RUNS, 0, fits)
    assert {row["method"] for row in figures(place.out)} == {"guess", "ours", "theirs", "low", "as ours"}


def test_a_run_that_diverges_is_noted_and_others_go_on(place: Place) -> None:
    place.spec.write_text(SPEC.replace("theirs: {method: fake, skill: 0.5}", "theirs: {method: fake, diverges: true}"))
    found = place.bench("--json")
    assert (found.code, found.json["failed"], found.json["left"]) == (0, 8, 0)
    assert "fake on first, 2 shots, seed 0 has no results: The loss is nan." in found.err
    assert "| theirs | – | – | – |" in (place.out / "tables.md").read_text()
    fits = len(Fake.fitted)
    place.bench()
    assert len(Fake.fitted) == fits, "it would diverge again"


# ------------------------------------------------------------------ cut off


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = Fake.fit

    def interrupted(self: Fake, shots: Any, setup: Any) -> Any:
        if len(Fake.fitted) == 3:
            raise KeyboardInterrupt
        return fit(self, shots, setup)

    with monkeypatch.context() as patch:
        patch.setattr(Fake, "fit", interrupted)
        found = place.bench()
    assert (found.code, found.out, found.err.splitlines()[-1]) == (
        130,
        "",
        f"gallop: Stopped, with {RUNS - 5} runs left. Run the same command again to continue. "
        f"The results so far are in {place.out}.",
    )
    assert f"5 of {RUNS} runs are done" in (place.out / "tables.md").read_text()
    assert place.bench("--json").json["left"] == 0


REAL = """
name: real
sets: [first]
shots: [2]
seeds: [0, 1, 2]
unknown: {folder: odd}
methods:
  zero-shot: {method: zero-shot}
  GalLoP: {method: GalLoP, epochs: 8, views: 2, lr: 0.05, global_prompts: 2, topk: [2, 4]}
  CoOp: {method: CoOp, epochs: 8, views: 2}
"""


def figures(out: Path) -> list[dict[str, str]]:
    rows = csv.DictReader((out / "results.csv").open(encoding="utf-8"))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.slow
def test_after_kill_9_the_resumed_benchmark_equals_an_uninterrupted_one(place: Place) -> None:
    place.spec.write_text(REAL)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [*warm.python(), "-m", "gallop", *place.words("--out", place.out)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: place.records() or process.poll() is not None, 120)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert 1 <= len(place.records()) < 7, "it was killed in the middle"
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    whole = place.root / "whole"
    assert (place.call("--out", whole).code, len(place.records())) == (0, 7)
    assert figures(place.out) == figures(whole)
    assert (place.out / "tables.md").read_bytes() == (whole / "tables.md").read_bytes()


# ------------------------------------------------------------------ dry run, list, refusals


def test_a_dry_run_checks_counts_and_changes_nothing(place: Place) -> None:
    before = sorted(place.root.rglob("*"))
    found = place.bench("--dry-run", "--json")
    assert found.code == 0, found.err
    told = {"out": str(place.out), "sets": ["first", "second"], "unknown": ["dots", "lines"]}
    assert found.json == told | {"runs": RUNS, "done": 0, "left": RUNS, "failed": 0, "files": []}
    assert (sorted(place.root.rglob("*")), Fake.fitted) == (before, [])
    absent = call("bench", place.spec, place.root / "no-photos", "--out", place.out, "--dry-run")
    assert f"0 of {RUNS} runs done." in absent.out, "as many as with the photos"
    assert re.search(r"^ours +2 +1, 2 +8$", absent.out, re.M)
    assert (absent.code, "does not contain any photos yet" in absent.err) == (0, True)
    place.bench("--only", "ours")
    files = {path: path.stat().st_mtime_ns for path in place.root.rglob("*")}
    found = place.bench("--dry-run")
    assert f"8 of {RUNS} runs done." in found.out
    assert {path: path.stat().st_mtime_ns for path in place.root.rglob("*")} == files


def test_the_help_names_the_benchmarks_that_come_with_gallop(capsys: pytest.CaptureFixture[str]) -> None:
    told = call("bench", "--help").out
    assert [name for name in shipped_specs() if name not in told] == []


REFUSED = [
    ("bench", "the following arguments are required: BENCHMARK, DATA, --out"),
    ("bench SPEC DATA --out SPEC", "is a file: choose a folder"),
    ("bench photos-maxi DATA --out OUT", "There is no benchmark 'photos-maxi'. Choose one of paper-ablation"),
    ("bench SPEC SPEC --out OUT --backbone BACKBONE", "is not a folder. Pass the folder that contains the data sets"),
    ("bench SPEC BACKBONE --out OUT --backbone BACKBONE", "does not contain train/ and test/"),
    ("bench SPEC DATA --out OUT --backbone maxi", "There is no backbone 'maxi'"),
    ("bench SPEC DATA --out OUT --shots two", "invalid int value: 'two'"),
    (
        "bench SPEC DATA --out OUT --backbone BACKBONE --shots 7",
        "7 is not a number of shots of this benchmark; choose one of 1, 2",
    ),
    (
        "bench SPEC DATA --out OUT --backbone BACKBONE --seeds 9",
        "9 is not a seed of this benchmark; choose one of 0, 1",
    ),
    (
        "bench SPEC DATA --out OUT --backbone BACKBONE --sets third",
        "'third' is not a set of this benchmark; choose one of",
    ),
    ("bench SPEC DATA --out OUT --backbone BACKBONE --only nobody", "'nobody' is not a method, group or variant of"),
    (
        "bench SPEC DATA --out OUT --backbone BACKBONE --dry-run --only skill --shots 1",
        "No run of the benchmark matches all of these options",
    ),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[words for words, _ in REFUSED])
def test_mistakes_are_one_sentence(place: Place, words: str, said: str) -> None:
    places = {"SPEC": place.spec, "DATA": place.data, "OUT": place.out, "BACKBONE": place.backbone}
    found = call(*(places.get(word, word) for word in words.split()))
    assert (found.code, found.out) == (2, "")
    assert re.fullmatch(rf"gallop: error: .*{re.escape(said)}.*\n", found.err), "one line"
    assert not place.out.exists()
