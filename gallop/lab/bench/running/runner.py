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
import torch

from gallop.backbones import Backbone
from gallop.data import PhotoSet
from gallop.errors import TrainingDiverged
from gallop.evaluation.measure import Evaluation
from gallop.evaluation.scored_answers import ScoredAnswers
from gallop.features.cache import STORED_DTYPE
from gallop.features.encoding import ONCE, Cache, ImageFeatures, encode_centres
from gallop.lab.bench.running.backbones import Backbones
from gallop.lab.bench.running.photos import Photos, class_numbers
from gallop.lab.bench.running.plan import BenchRun, FeatureKind
from gallop.lab.bench.running.records import PARTS, Figure, Record, RecordStore
from gallop.lab.methods import Fitted, Setup
from gallop.predictions.predict import Predictions
from gallop.runtime.machine import devices, peak_bytes, processor, versions
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


class Asker:
    """The backbone of a run, and the features of its test photos as far as they fit into memory.

    Args:
        report: called for photos that are encoded while a run is answered, because their features are not in memory.
    """

    def __init__(self, backbones: Backbones, cache: Cache | None, report: Callable[[StageEvent], object]) -> None:
        self._backbones, self._cache, self._report = backbones, cache, report
        self._kind: FeatureKind = ("", "", ONCE)
        self._features: dict[PhotoGroup, ImageFeatures] = {}
        self._passed: set[PhotoGroup] = set()  # those that do not fit, once they are in the cache
        self.backbone: Backbone | None = None

    def prepare(self, kind: FeatureKind, sources: dict[PhotoGroup, Sequence[Path]]) -> Iterator[StageEvent]:
        """Load the backbone and the features of these photos, as far as they fit, and drop those of other sets.

        What does not fit goes through the backbone once, into the cache: a photo that cannot be read is reported
        before a long training, not after it.
        """
        if kind != self._kind:
            self._features.clear()
            self._passed.clear()
            self._kind, self.backbone = kind, None  # the last one leaves the memory before the next one is loaded
        backbone = self.backbone = self._backbones.get(*kind[:2])
        self._features = {
            place: features for place, features in self._features.items() if place[0] != "set" or place in sources
        }
        for place, paths in sources.items():
            if place in self._features or place in self._passed:
                continue
            photo_bytes = kind[2].regions(backbone) * backbone.vision.region_width * STORED_DTYPE.itemsize
            fits = sum(each.bytes for each in self._features.values()) + len(paths) * photo_bytes <= MEMORY_BYTES
            parts, done = list[ImageFeatures](), 0
            for part in encode_centres(backbone, paths, self._cache, sight=kind[2]):
                parts += [part] if fits else []
                done += len(part)
                yield StageEvent(f"encoding {place[1]}", done, len(paths))
            if fits:
                self._features[place] = ImageFeatures.cat(parts)
            else:
                self._passed.add(place)

    def ask(
        self, fitted: Fitted, place: PhotoGroup, paths: Sequence[Path], classes: Sequence[int] | None = None
    ) -> ScoredAnswers:
        """Return answers for all photos of a place that was prepared, all at once or a batch at a time.

        Args:
            classes: numbers of those that are asked about, ascending; None for all.
        """
        assert self.backbone is not None
        if place in self._features:
            return among(fitted.predict(self._features[place]), classes)
        parts, done = [], 0
        for features in encode_centres(self.backbone, paths, self._cache, sight=self._kind[2]):
            parts.append(among(fitted.predict(features), classes))
            done += len(features)
            self._report(StageEvent(f"encoding {place[1]}", done, len(paths)))
        return ScoredAnswers.cat(parts)


class Runner:
    """Executes runs.

    Args:
        store: where records go; what it has is not run again.
        cache: of features; None encodes training views again for every run.
        report: called for photos that are encoded while a run learns or answers: views to learn from, and test photos
            of sets whose features are not in memory.
    """

    def __init__(
        self,
        photos: Photos,
        backbones: Backbones,
        store: RecordStore,
        cache: Cache | None,
        report: Callable[[StageEvent], object],
    ) -> None:
        self._photos, self._store, self._cache, self._report = photos, store, cache, report
        self._asker = Asker(backbones, cache, report)

    def execute(self, runs: Sequence[BenchRun]) -> Iterator[RunEvent | StageEvent]:
        """Do every run that has no record yet, in order. One that diverges is recorded as failed, without stopping."""
        left = [run for run in runs if not self._store.has(run.key)]
        for number, run in enumerate(left, 1):
            if self._store.has(run.key):  # another process that shares the folder was faster
                continue
            yield RunEvent(number, len(left), run)
            yield from self._asker.prepare(run.feature_kind, places(run, self._photos))
            record = self._run(run)
            self._store.write(record)
            yield RunEvent(number, len(left), run, record)

    def _run(self, run: BenchRun) -> Record:
        backbone = self._asker.backbone
        assert backbone is not None
        figures, failures = list[Figure](), list[str]()
        seconds = dict.fromkeys(PARTS, 0.0)

        def work() -> None:
            try:
                self._learn_and_ask(run, backbone, figures, seconds)
            except TrainingDiverged as error:
                figures.clear()
                failures.append(str(error))

        peak = peak_bytes(work, backbone.device)
        regions = {} if backbone.region_kind == "value" else {"regions": backbone.region_kind}
        return Record(
            key=run.key,
            method=run.method,
            settings=dict(run.settings),
            set=run.set,
            shots=run.shots,
            seed=run.seed,
            photos=run.photos,
            data=dict(run.data),
            figures=tuple(figures),
            failed="".join(failures),
            seconds=seconds,
            peak_bytes=peak,
            backbone={"name": backbone.name, "fingerprint": backbone.fingerprint, **regions},
            machine={
                "processor": processor(),
                "threads": torch.get_num_threads(),
                "device": str(backbone.device),
                "devices": devices(),
            },
            versions=dict(versions()),
            date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )

    def _learn_and_ask(
        self, run: BenchRun, backbone: Backbone, figures: list[Figure], seconds: dict[str, float]
    ) -> None:
        last = 0.0

        def encoded(done: int, total: int) -> None:
            # The first method that learns from a set encodes its views, and all others find them in the cache: seconds
            # that say nothing of a method. Where they come from the cache, there is nothing to report.
            nonlocal last
            now = time.perf_counter()
            seconds["encode"] += now - last if done else 0.0
            last = now
            if seconds["encode"] > 1.0:
                self._report(StageEvent(f"encoding views of {run.set} to learn from", done, total))

        shots, setup = run.train, Setup(backbone, run.seed, self._cache, encoded=encoded)
        started = time.perf_counter()
        try:
            fitted = run.made.fit(shots, setup)
        finally:
            seconds["fit"] = time.perf_counter() - started - seconds["encode"]
        source, asked, unknown = run.source, self._photos.asked, self._photos.unknown
        started = time.perf_counter()
        answers = self._asker.ask(fitted, ("set", run.set), source.test.paths)
        seconds["predict"] = time.perf_counter() - started
        known = _evaluation(answers, source, source)
        figures += accuracy_figures(known, run.set)
        for name in run.transfer:
            target = asked[name]
            answers = self._asker.ask(fitted, ("set", name), target.test.paths, classes_of(source, target))
            figures += accuracy_figures(_evaluation(answers, source, target), target.name)
        for group in run.unknown:
            answers = self._asker.ask(fitted, ("unknown", group), unknown[group].paths)
            figures += separation_figures(known, answers, run.set, group)


def places(run: BenchRun, photos: Photos) -> dict[PhotoGroup, Sequence[Path]]:
    """Return the photos that a run is asked about."""
    return {
        **{("set", name): photos.asked[name].test.paths for name in (run.set, *run.transfer)},
        **{("unknown", name): photos.unknown[name].paths for name in run.unknown},
    }


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
