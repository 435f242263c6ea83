"""One run after the other: shots, features, learning, answers, figures, a record.

Features of test photos are in memory where they fit, and of every answer there is only what figures are made of:
ImageNet's 50,000 photos would take 15 GB as features.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from gallop.backbones import Backbone
from gallop.data import PhotoSet
from gallop.errors import TrainingDiverged
from gallop.evaluation.measure import Evaluation
from gallop.evaluation.scored_answers import ScoredAnswers
from gallop.features.encoding import Cache, ImageFeatures, encode_centres
from gallop.lab.bench.running.backbones import Backbones
from gallop.lab.bench.running.photos import Photos, class_numbers
from gallop.lab.bench.running.plan import BenchRun, FeatureKind
from gallop.lab.bench.running.records import Figure, Record, RecordStore
from gallop.lab.methods import Fitted, Setup
from gallop.predictions.predict import Predictions
from gallop.runtime.machine import processor, versions
from gallop.runtime.progress import StageEvent

MEMORY_BYTES = 2 * 2**30
"""Of test features, those of all sets and groups together; what does not fit is encoded, or read, for every run."""

PhotoGroup = tuple[str, str]
"""("set" or "unknown", name)"""


def among(predictions: Predictions, classes: Sequence[int] | None) -> ScoredAnswers:
    """Return the part of the answers that figures are computed from (``ScoredAnswers.of``).

    Raises:
        TrainingDiverged: probabilities that are not numbers.
    """
    if not np.isfinite(predictions.probabilities).all():
        raise TrainingDiverged("Some predicted probabilities are not finite numbers. Try a smaller learning rate.")
    return ScoredAnswers.of(predictions, classes)


@dataclass(frozen=True)
class RunEvent:
    """Run ``number`` of ``total`` begins, or is finished where it has a record, which is written by then.

    The run itself starts only when the next event is asked for.
    """

    number: int
    total: int
    run: BenchRun
    record: Record | None = None


class Runner:
    """Executes runs.

    Args:
        store: where records go; what it has is not run again.
        cache: of features; None encodes training views again for every run.
        report: called for photos that are encoded while a run learns: views to learn from.
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

    def execute(self, runs: Sequence[BenchRun]) -> Iterator[RunEvent | StageEvent]:
        """Do every run that has no record yet, in order. One that diverges is recorded as failed, without stopping."""
        for number, run in enumerate(runs, 1):
            if self._store.read(run.key):  # or another process that shares the folder was faster
                continue
            yield RunEvent(number, len(runs), run)
            backbone = self._backbones.get(run.backbone, run.regions)
            yield from self._prepare(run, backbone)
            record = self._run(run, backbone)
            self._store.write(record)
            yield RunEvent(number, len(runs), run, record)

    def _paths(self, place: PhotoGroup) -> Sequence[Path]:
        kind, name = place
        return self._photos.asked[name].test.paths if kind == "set" else self._photos.unknown[name].paths

    def _encode(self, kind: FeatureKind, place: PhotoGroup, backbone: Backbone) -> Iterator[ImageFeatures]:
        return encode_centres(backbone, self._paths(place), self._cache, sight=kind[2])

    def _prepare(self, run: BenchRun, backbone: Backbone) -> Iterator[StageEvent]:
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
            for part in self._encode(kind, place, backbone):
                done, room = done + len(part), room - part.bytes
                parts = None if parts is None or room < 0 else [*parts, part]
                yield StageEvent(f"encoding {place[1]}", done, len(self._paths(place)))
            self._kept[kind, place] = parts

    def _ask(
        self, run: BenchRun, fitted: Fitted, place: PhotoGroup, classes: Sequence[int] | None = None
    ) -> ScoredAnswers:
        """Answers for all photos of a place, batch by batch; ``classes`` as for ``among``."""
        parts = self._kept[run.feature_kind, place]
        if parts is None:
            backbone = self._backbones.get(run.backbone, run.regions)
            return ScoredAnswers.cat(
                [among(fitted.predict(part), classes) for part in self._encode(run.feature_kind, place, backbone)]
            )
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
    """Return the accuracy on a set of the ensemble and, where there are local prompts, of each branch alone."""
    return [Figure(name, metric, accuracy.value, accuracy.of) for metric, accuracy in evaluation.accuracies.items()]


def separation_figures(evaluation: Evaluation, unknown: ScoredAnswers, name: str, group: str) -> list[Figure]:
    """Return FPR95 and AUROC of every score that the method has, a set's photos against a group of unknown ones."""
    figures, n = [], len(evaluation.answers) + len(unknown)
    for score, each in evaluation.against(unknown).items():
        figures.append(Figure(name, f"fpr95/{score}", each.fpr95, n, group))
        figures.append(Figure(name, f"auroc/{score}", each.auroc, n, group))
    return figures
