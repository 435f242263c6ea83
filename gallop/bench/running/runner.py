"""One run after the other: shots, features, learning, answers, figures, a record. Yields everything that happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch

from gallop.backbones import Backbone
from gallop.bench.running.backbones import Backbones
from gallop.bench.running.photo_answers import Asker, PhotoGroup, PhotosEncoding
from gallop.bench.running.photo_sets import Photos, class_numbers
from gallop.bench.running.records import Figure, Record, RecordStore
from gallop.bench.running.runs import BenchRun, BenchTower
from gallop.data import PhotoSet
from gallop.errors import TrainingDiverged
from gallop.evaluation.kept_answers import KeptAnswers
from gallop.evaluation.measure import Evaluation
from gallop.features.encoding import ONCE, Cache
from gallop.methods import Setup
from gallop.runtime.machine import devices, peak_bytes, processor, versions


@dataclass(frozen=True)
class Ahead:
    """A run comes next, ``number`` of ``total``; whoever stops listening now has not begun it."""

    number: int
    total: int
    run: BenchRun


@dataclass(frozen=True)
class Finished:
    """A run is done and its record kept."""

    number: int
    total: int
    record: Record


class Runner:
    """Executes runs.

    Args:
        store: where records go; what it has is not run again.
        cache: of features; None encodes training views anew for every run.
        told: hears of photos that are encoded while a run learns or is answered: views to learn from, and test photos
            of sets whose features are not kept.
    """

    def __init__(
        self,
        photos: Photos,
        backbones: Backbones,
        store: RecordStore,
        cache: Cache | None,
        told: Callable[[PhotosEncoding], object] = lambda event: None,
    ) -> None:
        self._photos, self._backbones, self._store, self._cache = photos, backbones, store, cache
        self._asker, self._told = Asker(cache, told), told
        self._current: BenchTower = ("", "", ONCE)

    def execute(self, runs: Sequence[BenchRun]) -> Iterator[Ahead | PhotosEncoding | Finished]:
        """Do every run that has no record yet, in order. One that diverges is recorded as failed, and others go on."""
        left = [run for run in runs if not self._store.has(run.key)]
        for number, run in enumerate(left, 1):
            if self._store.has(run.key):  # another process that shares the folder was faster
                continue
            yield Ahead(number, len(left), run)
            backbone = self._backbone(run)
            yield from self._asker.prepare(backbone, run.tower[2], places(run, self._photos))
            record = self._run(run, backbone)
            del backbone
            self._store.write(record)
            yield Finished(number, len(left), record)

    def _backbone(self, run: BenchRun) -> Backbone:
        if self._current != run.tower:
            self._asker.forget()
            self._current = run.tower
        return self._backbones.get(*run.tower[:2])

    def _run(self, run: BenchRun, backbone: Backbone) -> Record:
        figures: list[Figure] = []
        seconds = {"encode": 0.0, "fit": 0.0, "predict": 0.0}
        failed = ""

        def work() -> None:
            nonlocal failed
            try:
                self._learn_and_ask(run, backbone, figures, seconds)
            except TrainingDiverged as error:
                figures.clear()
                failed = str(error)

        peak = peak_bytes(work, backbone.device)
        return Record(
            **run.asked,
            figures=tuple(figures),
            failed=failed,
            seconds=seconds,
            peak_bytes=peak,
            backbone=_backbone_facts(backbone),
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
        shots, encoding = run.train, _Encoding(run.set, self._told)
        setup = Setup(backbone, run.seed, self._cache, encoded=encoding.heard)
        started = time.perf_counter()
        try:
            fitted = run.made.fit(shots, setup)
        finally:
            seconds["encode"] = encoding.seconds
            seconds["fit"] = time.perf_counter() - started - encoding.seconds
        own, asked, unknown = run.source, self._photos.asked, self._photos.unknown
        started = time.perf_counter()
        answers = self._asker.ask(fitted, ("set", run.set), own.test.paths)
        seconds["predict"] = time.perf_counter() - started
        known = _evaluation(answers, own, own)
        figures += accuracy_figures(known, run.set)
        for name in run.transfer:
            target = asked[name]
            found = self._asker.ask(fitted, ("set", name), target.test.paths, classes_of(own, target))
            figures += accuracy_figures(_evaluation(found, own, target), target.name)
        for group in run.unknown:
            found = self._asker.ask(fitted, ("unknown", group), unknown[group].paths)
            figures += separation_figures(known, found, run.set, group)


_UNSEEN = 1.0
"""Seconds of encoding of which nothing is told."""


class _Encoding:
    """Listens to the encoding of views to learn from: passes it on, and counts the seconds.

    The first method that learns from a set encodes its views, and all others find them in the cache: seconds that say
    nothing of a method. Those that come from the cache are there before it is worth a word.
    """

    def __init__(self, name: str, told: Callable[[PhotosEncoding], object]) -> None:
        self.seconds = 0.0
        self._name, self._told, self._last = f"views of {name} to learn from", told, 0.0

    def heard(self, done: int, total: int) -> None:
        """Count the time since the last views, if these are not the first."""
        now = time.perf_counter()
        self.seconds += now - self._last if done else 0.0
        self._last = now
        if self.seconds > _UNSEEN:
            self._told(PhotosEncoding(self._name, done, total))


def _backbone_facts(backbone: Backbone) -> dict[str, str]:
    kind = {} if backbone.region_kind == "value" else {"regions": backbone.region_kind}
    return {"name": backbone.name, "fingerprint": backbone.fingerprint, **kind}


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


def _evaluation(found: KeptAnswers, source: PhotoSet, target: PhotoSet) -> Evaluation:
    truth = np.asarray(class_numbers(source, target))[list(target.test.labels)]
    return Evaluation(source.class_names, truth, found)


def accuracy_figures(found: Evaluation, name: str) -> list[Figure]:
    """Return the accuracy on a set of the ensemble and, where there are local prompts, of each branch alone."""
    return [Figure(name, metric, share.value, share.of) for metric, share in found.accuracies.items()]


def separation_figures(found: Evaluation, unknown: KeptAnswers, name: str, group: str) -> list[Figure]:
    """Return FPR95 and AUROC of every score that the method has, a set's photos against a group of unknown ones."""
    figures, n = [], len(found.answers) + len(unknown)
    for score, each in found.against(unknown).items():
        figures.append(Figure(name, f"fpr95/{score}", each.fpr95, n, group))
        figures.append(Figure(name, f"auroc/{score}", each.auroc, n, group))
    return figures
