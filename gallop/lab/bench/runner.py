"""One run after the other: shots, features, learning, answers, figures, a record.

Records are one JSON file each, ``OUT/runs/KEY.json``, complete or not there at all. Features of test photos are in
memory where they fit, and of every answer there is only what figures are made of: ImageNet's 50,000 photos would take
15 GB as features.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from gallop.backbones import Backbone, load_backbone, pick_regions
from gallop.data import PhotoSet
from gallop.errors import TrainingDiverged
from gallop.evaluation.measure import Evaluation
from gallop.evaluation.scored_answers import ScoredAnswers
from gallop.features.encoding import Cache, ImageFeatures, encode_centres
from gallop.lab.bench.photos import Photos, class_numbers
from gallop.lab.bench.plan import BenchRun, FeatureKind
from gallop.lab.methods import Fitted, Setup
from gallop.predictions.predict import Predictions
from gallop.runtime.machine import processor, versions
from gallop.runtime.progress import StageEvent
from gallop.runtime.reading import read_text
from gallop.runtime.writing import write_file

MEMORY_BYTES = 2 * 2**30
"""Of test features, those of all sets and groups together; what does not fit is encoded, or read, for every run."""
RUNS = "runs"  # folder in OUT
LARGEST_RECORD = 16 * 2**20  # bytes
PhotoGroup = tuple[str, str]
"""("set" or "unknown", name)"""


@dataclass(frozen=True)
class Figure:
    """One number of a run.

    Attributes:
        test: the set whose test photos it is about.
        metric: "accuracy", "accuracy_global", "accuracy_local", "accuracy_head", "fpr95/SCORE" or "auroc/SCORE".
        value: a fraction.
        n: how many photos it is about, known and unknown ones together.
        unknown: the group of unknown photos; empty for accuracies.
    """

    test: str
    metric: str
    value: float
    n: int
    unknown: str = ""


@dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes:
        failed: why it has no figures; empty for one that went well.
        seconds: of learning and of the answers for its own test photos.
        machine: what it was computed with and on: backbone, device, processor, versions.
        date: when it ended, ISO 8601.
    """

    key: str
    method: str
    settings: dict[str, Any]
    set: str
    shots: int
    seed: int
    data: dict[str, Any]
    figures: tuple[Figure, ...]
    failed: str
    seconds: float
    machine: dict[str, Any]
    date: str

    def value(self, test: str, metric: str, unknown: str = "") -> float | None:
        """Return a figure; where it is about unknown photos and no group is named, the mean over the groups."""
        values = [f.value for f in self.figures if (f.test, f.metric) == (test, metric) and unknown in ("", f.unknown)]
        return math.fsum(values) / len(values) if values else None


class RecordStore:
    """The records of a folder.

    Args:
        out: OUT; made when the first record is written.
    """

    def __init__(self, out: Path) -> None:
        self.folder = out / RUNS

    def read(self, key: str) -> Record | None:
        """Return the record of a run, or None. A damaged one counts as none, with a warning: the run is done again."""
        path = self.folder / f"{key}.json"
        try:
            return _record(read_text(path, LARGEST_RECORD), key)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            warnings.warn(f"{path} is damaged ({error!r:.200}), so the run counts as not done.", stacklevel=2)
        return None

    def read_all(self, keys: Collection[str]) -> dict[str, Record]:
        return {key: record for key in keys if (record := self.read(key)) is not None}

    def write(self, record: Record) -> None:
        text = json.dumps(asdict(record), indent=1, ensure_ascii=True, allow_nan=False)
        write_file(self.folder / f"{record.key}.json", f"{text}\n".encode())


def _record(text: str, key: str) -> Record:
    content = json.loads(text)
    record = Record(**content | {"figures": tuple(Figure(**figure) for figure in content["figures"])})
    sound = all(0 <= figure.value <= 1 <= figure.n for figure in record.figures) and record.seconds >= 0
    if record.key != key or not sound or not (record.figures or record.failed):
        raise ValueError("it is not the record of this run")
    return record


class Backbones:
    """Backbones by name and kind of region features.

    Args:
        device: as ``load_backbone`` takes it.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._loaded: dict[str, Backbone] = {}
        self._fingerprints: dict[tuple[str, str], str] = {}

    def get(self, name: str, regions: str) -> Backbone:
        """Return a backbone, loaded if it is not the last one. That one is freed unless something still refers to it.

        Raises:
            BackboneError, UnsupportedBackbone: as ``load_backbone``.
        """
        if name not in self._loaded:
            self._loaded.clear()  # the last one leaves the memory before the next one is loaded
            self._loaded[name] = load_backbone(name, device=self._device)
        return self._loaded[name].with_regions(pick_regions(regions))

    def fingerprint(self, name: str, regions: str) -> str:
        """Return the fingerprint of everything that figures depend on; computed once, with the backbone loaded for it.

        A GPU computes in half precision, text for answers aside, so its figures differ and get another fingerprint.
        """
        if (name, regions) not in self._fingerprints:
            backbone = self.get(name, regions)
            self._fingerprints[name, regions] = f"{backbone.fingerprint}|{backbone.feature_format}"
        return self._fingerprints[name, regions]


def among(predictions: Predictions, classes: Sequence[int] | None) -> ScoredAnswers:
    """Return the part of the answers that figures are computed from (``ScoredAnswers.of``).

    Raises:
        TrainingDiverged: probabilities that are not numbers.
    """
    if not np.isfinite(predictions.probabilities).all():
        raise TrainingDiverged("Some predicted probabilities are not finite numbers. Try a smaller learning rate.")
    return ScoredAnswers.of(predictions, classes)


class Runner:
    """Executes runs.

    Args:
        store: where records go; what it has is not run again.
        cache: of features; None encodes training views again for every run.
        report: called for photos that are encoded, to learn from or to be asked about.
    """

    def __init__(
        self,
        photos: Photos,
        backbones: Backbones,
        store: RecordStore,
        cache: Cache | None,
        report: Callable[[StageEvent], object],
    ) -> None:
        self._photos, self._backbones, self._store, self._cache = photos, backbones, store, cache
        self._report = report
        self._kept: dict[tuple[FeatureKind, PhotoGroup], list[ImageFeatures] | None] = {}  # None: it does not fit

    def execute(self, runs: Sequence[BenchRun]) -> Iterator[tuple[int, BenchRun, Record | None]]:
        """Do every run that has no record yet, in order. One that diverges is recorded as failed, without stopping.

        Yields:
            number and run before it begins, which is when the next is asked for, and again with its record.
        """
        for number, run in enumerate(runs, 1):
            if self._store.read(run.key):  # or another process that shares the folder was faster
                continue
            yield number, run, None
            backbone = self._backbones.get(run.backbone, run.regions)
            self._prepare(run, backbone)
            record = self._run(run, backbone)
            self._store.write(record)
            yield number, run, record

    def _paths(self, place: PhotoGroup) -> Sequence[Path]:
        kind, name = place
        return self._photos.asked[name].test.paths if kind == "set" else self._photos.unknown[name].paths

    def _prepare(self, run: BenchRun, backbone: Backbone) -> None:
        """Keep the features of the run's test photos, as far as they fit, and drop those of other sets.

        What does not fit goes through the backbone once, into the cache: a photo that cannot be read is reported
        before a long training, not after it.
        """
        kind = run.feature_kind
        places = [("set", name) for name in (run.set, *run.transfer)] + [("unknown", name) for name in run.unknown]
        self._kept = {each: parts for each, parts in self._kept.items() if each in {(kind, place) for place in places}}
        for place in places:
            if (kind, place) in self._kept:
                continue
            parts: list[ImageFeatures] | None = []
            done, room = 0, MEMORY_BYTES - sum(part.bytes for kept in self._kept.values() for part in kept or ())
            for part in encode_centres(backbone, self._paths(place), self._cache, sight=kind[2]):
                done, room = done + len(part), room - part.bytes
                parts = None if parts is None or room < 0 else [*parts, part]
                self._report(StageEvent(f"encoding {place[1]}", done, len(self._paths(place))))
            self._kept[kind, place] = parts

    def _ask(
        self, run: BenchRun, fitted: Fitted, place: PhotoGroup, classes: Sequence[int] | None = None
    ) -> ScoredAnswers:
        """Answers for all photos of a place, batch by batch; ``classes`` as for ``among``."""
        parts: Iterable[ImageFeatures] | None = self._kept[run.feature_kind, place]
        if parts is None:
            backbone = self._backbones.get(run.backbone, run.regions)
            parts = encode_centres(backbone, self._paths(place), self._cache, sight=run.feature_kind[2])
        return ScoredAnswers.cat([among(fitted.predict(part), classes) for part in parts])

    def _run(self, run: BenchRun, backbone: Backbone) -> Record:
        figures, failed, started = list[Figure](), "", time.perf_counter()
        try:
            figures = self._learn_and_ask(run, backbone)
        except TrainingDiverged as error:
            failed = str(error)
        return Record(
            key=run.key,
            method=run.method,
            settings=dict(run.settings),
            set=run.set,
            shots=run.shots,
            seed=run.seed,
            data=dict(run.data),
            figures=tuple(figures),
            failed=failed,
            seconds=time.perf_counter() - started,
            machine={
                "backbone": backbone.name,
                "regions": backbone.region_kind,
                "fingerprint": backbone.fingerprint,
                "device": str(backbone.device),
                "processor": processor(),
                **versions(),
            },
            date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )

    def _learn_and_ask(self, run: BenchRun, backbone: Backbone) -> list[Figure]:
        def encoded(done: int, total: int) -> None:
            self._report(StageEvent(f"encoding views of {run.set} to learn from", done, total))

        fitted = run.made.fit(run.train, Setup(backbone, run.seed, self._cache, encoded=encoded))
        source, figures = run.source, list[Figure]()
        known = _evaluation(self._ask(run, fitted, ("set", run.set)), source, source)
        figures += accuracy_figures(known, run.set)
        for name in run.transfer:
            target = self._photos.asked[name]
            answers = self._ask(run, fitted, ("set", name), classes_of(source, target))
            figures += accuracy_figures(_evaluation(answers, source, target), name)
        for group in run.unknown:
            figures += separation_figures(known, self._ask(run, fitted, ("unknown", group)), run.set, group)
        return figures


def classes_of(source: PhotoSet, target: PhotoSet) -> tuple[int, ...] | None:
    """Return numbers of the classes that answers for the target are among, ascending; None where they are
    all classes.
    """
    numbers = sorted(class_numbers(source, target))
    return None if len(numbers) == len(source.class_names) else tuple(numbers)


def _evaluation(answers: ScoredAnswers, source: PhotoSet, target: PhotoSet) -> Evaluation:
    truth = np.asarray(class_numbers(source, target))[list(target.test.labels)]
    return Evaluation(source.class_names, truth, answers)


def accuracy_figures(evaluation: Evaluation, name: str) -> list[Figure]:
    """Return the accuracy of the ensemble on a set and, where there are local prompts, of each branch alone."""
    return [Figure(name, metric, accuracy.value, accuracy.of) for metric, accuracy in evaluation.accuracies.items()]


def separation_figures(evaluation: Evaluation, unknown: ScoredAnswers, name: str, group: str) -> list[Figure]:
    """Return FPR95 and AUROC of every score that the method has, a set's photos against a group of unknown ones."""
    figures, n = [], len(evaluation.answers) + len(unknown)
    for score, each in evaluation.against(unknown).items():
        figures.append(Figure(name, f"fpr95/{score}", each.fpr95, n, group))
        figures.append(Figure(name, f"auroc/{score}", each.auroc, n, group))
    return figures
