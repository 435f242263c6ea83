"""``gallop bench``: what it runs, keeps, writes and says; cut off by time, by Ctrl-C and by kill -9."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gallop.data import LabelledPhotos
from gallop.lab.bench.running import runner
from gallop.lab.bench.running.records import RecordStore
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
    assert [claim["claim"] for claim in found.json["claims"]] == ["Ours is above theirs."]
    names = {Path(file).name for file in found.json["files"] if Path(file).stat().st_size}
    assert {"results.csv", "tables.md", "costs.md", "accuracy-over-shots.svg", "robustness.svg", "ood.svg"} < names
    assert (len(place.records()), len(Fake.fitted)) == (RUNS, RUNS - 2)
    before = (place.out / "tables.md").read_bytes()
    again = place.bench()
    assert again.code == 0
    assert f"{RUNS} of {RUNS} runs are done" in again.out
    assert (len(Fake.fitted), (place.out / "tables.md").read_bytes()) == (RUNS - 2, before), "nothing is run twice"


def test_encoding_is_told_and_timed_apart_from_learning(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first method of a set encodes for all: its seconds would tell of its place in the file."""
    clock = [0.0]
    monkeypatch.setattr(runner, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    @dataclass(frozen=True)
    class Encoding(Fake):
        def fit(self, shots: LabelledPhotos, setup: Setup) -> FakeAnswers:
            clock[0] += 1  # texts
            for done in (0, 2, 4):
                clock[0] += 60 if done else 0
                setup.encoded(done, 4)
            clock[0] += 5
            return super().fit(shots, setup)

    monkeypatch.setitem(METHODS, "fake", Encoding)
    found = place.bench("--only", "ours", "--sets", "first", "--shots", "2", "--seeds", "1")
    assert "encoding views of first to learn from 4/4" in found.err
    (key,) = place.records()
    assert there(RecordStore(place.out).read(key)).seconds == {"encode": 120.0, "fit": 6.0, "predict": 0.0}
    assert "| ours | 1 | 120.00 s | 6.00 s | 6.00 s |" in (place.out / "costs.md").read_text()


def test_a_record_holds_what_is_needed_to_trust_it(place: Place) -> None:
    place.bench("--only", "ours", "--sets", "first", "--shots", "2", "--seeds", "1")
    (key,) = place.records()
    record = there(RecordStore(place.out).read(key))
    # A later setting at its default leaves no trace.
    assert (record.method, record.settings) == ("fake", {"skill": 0.9})
    assert (record.set, record.shots, record.seed, record.photos, record.date[:2]) == ("first", 2, 1, 4, "20")
    assert record.machine["threads"] >= 1
    assert all((record.machine["processor"], record.versions["torch"], record.backbone["fingerprint"]))
    assert min(record.seconds.values()) >= 0
    counts = {(f.test, f.metric, f.unknown): f.n for f in record.figures}
    accuracies = [f"accuracy{branch}" for branch in ("", "_global", "_local")]
    apart = [f"{metric}/{score}" for metric in ("fpr95", "auroc") for score in ("MCM", "GL-MCM")]
    assert counts == {
        **{(test, metric, ""): 4 for test in ("first", "second") for metric in accuracies},
        **{("first", metric, "dots"): 4 + 2 for metric in apart},
        **{("first", metric, "lines"): 4 + 3 for metric in apart},
    }


def test_tables_are_written_from_all_records_however_narrow_the_call(place: Place) -> None:
    place.bench("--only", "ours")
    place.bench("--only", "guess")
    assert len(place.records()) == 8 + 2
    rows = figures(place.out)
    assert {row["method"] for row in rows} == {"guess", "ours", "as ours"}
    assert {(row["shots"], row["seed"]) for row in rows if row["method"] == "guess"} == {("0", "0")}


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


def test_no_time_runs_nothing_and_says_what_is_left(place: Place) -> None:
    found = place.bench("--time", "0s", "--json")
    assert (found.code, found.json["left"], Fake.fitted, place.records()) == (0, RUNS, [], [])
    assert "The time limit was reached, so no more runs are started." in found.err
    assert f"{RUNS} runs are left. Run the same command again to continue." in found.err


def test_time_ends_between_two_runs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    minutes = count(0, 60)
    # Not time.monotonic itself, which threads of other tests ask too.
    monkeypatch.setattr("gallop.cli.commands.bench.time", SimpleNamespace(monotonic=lambda: next(minutes)))
    found = place.bench("--time", "5m", "--json")
    assert found.code == 0
    assert 0 < found.json["done"] < RUNS


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
        f"gallop: Stopped. {RUNS - 5} runs are left. Run the same command again to continue. "
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
claims:
  - {claim: GalLoP is above CoOp., better: GalLoP, than: CoOp, shots: 2}
"""


def figures(out: Path) -> list[dict[str, str]]:
    rows = csv.DictReader((out / "results.csv").open(encoding="utf-8"))
    return [{key: value for key, value in row.items() if key not in ("seconds", "memory")} for row in rows]


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
    for file in (whole / "tables.md", *whole.glob("*.svg")):
        assert (place.out / file.name).read_bytes() == file.read_bytes(), file.name


# ------------------------------------------------------------------ dry run, list, refusals


def test_a_dry_run_checks_counts_and_changes_nothing(place: Place) -> None:
    before = sorted(place.root.rglob("*"))
    found = place.call("--dry-run", "--json")
    assert found.code == 0, found.err
    methods = {"fake-untaught": {"runs": 2, "done": 0}, "fake": {"runs": 18, "done": 0}}
    assert {"runs": RUNS, "done": 0, "seconds": None, "methods": methods}.items() <= found.json.items()
    assert (sorted(place.root.rglob("*")), Fake.fitted) == (before, [])
    place.bench("--only", "ours")
    files = {path: path.stat().st_mtime_ns for path in place.root.rglob("*")}
    found = place.call("--dry-run", "--out", place.out)
    assert "How long" not in found.out
    told = ("The rest takes about", "plus 2 runs of methods that have not run yet")
    assert [words for words in told if words in found.out] == [*told]
    assert [line.split() for line in found.out.splitlines() if line.startswith("fake ")] == [["fake", "18", "8"]]
    assert {path: path.stat().st_mtime_ns for path in place.root.rglob("*")} == files
    place.bench()
    assert "There is nothing left to do." in place.call("--dry-run", "--out", place.out).out


REFUSED = [
    ("bench", "bench needs BENCHMARK and DATA. `gallop bench --list` shows"),
    ("bench photos-mini", "bench needs BENCHMARK and DATA"),
    ("bench SPEC DATA", "bench needs --out DIR"),
    ("bench SPEC DATA --out SPEC", "is a file: choose a folder"),
    ("bench photos-maxi DATA --out OUT", "There is no benchmark 'photos-maxi'. Choose one of paper-ablation"),
    ("bench SPEC SPEC --out OUT --backbone BACKBONE", "is not a folder. Pass the folder that contains the data sets"),
    ("bench SPEC BACKBONE --out OUT --backbone BACKBONE", "does not contain train/ and test/"),
    ("bench SPEC DATA --out OUT --backbone maxi", "There is no backbone 'maxi'"),
    ("bench SPEC DATA --out OUT --time soon", "'soon' is not a duration such as 90s, 30m or 2h"),
    ("bench SPEC DATA --out OUT --time -5m", "expected one argument"),
    ("bench SPEC DATA --out OUT --part 3/2", "'3/2' is not a part I/N with I from 1 to N"),
    ("bench SPEC DATA --out OUT --part 0/2", "'0/2' is not a part I/N with I from 1 to N"),
    ("bench SPEC DATA --out OUT --shots two", "invalid int value: 'two'"),
    (
        "bench SPEC DATA --out OUT --backbone BACKBONE --shots 7",
        "7 is not a number of shots of this benchmark; choose one of 1, 2",
    ),
    (
        "bench SPEC DATA --out OUT --backbone BACKBONE --seeds 9",
        "9 is not a seed of this benchmark; choose one of 0, 1",
    ),
    ("bench SPEC DATA --out OUT --backbone BACKBONE --sets third", "has no set 'third'; its sets are first, second"),
    ("bench SPEC DATA --out OUT --backbone BACKBONE --only nobody", "'nobody' is not a method, group or variant of"),
    (
        "bench SPEC DATA --backbone BACKBONE --dry-run --only skill --shots 1",
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
