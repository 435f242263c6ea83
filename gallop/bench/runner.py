"""One run after the other: shots, features, learning, answers, figures, a record. Yields everything that happens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch

from gallop.backbones import Backbone
from gallop.bench.photos import Photos
from gallop.bench.plan import Run
from gallop.bench.records import Figure, Record, Store
from gallop.data import Dataset
from gallop.features import Cache, ImageFeatures, encode_centres
from gallop.machine import devices, peak_bytes, processor, versions
from gallop.methods import FewShots
from gallop.metrics import accuracy, auroc, fpr_at_tpr
from gallop.predictions import Predictions
from gallop.trainer import TrainingDiverged


@dataclass(frozen=True)
class Ahead:
    """A run comes next, ``number`` of ``total``; whoever stops listening now has not begun it."""

    number: int
    total: int
    run: Run


@dataclass(frozen=True)
class Encoding:
    """Photos to be asked about are being encoded: ``done`` of ``total`` of a set or group."""

    name: str
    done: int
    total: int


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
    """

    def __init__(self, photos: Photos, backbone: Backbone, store: Store, cache: Cache | None) -> None:
        self._photos, self._backbone, self._store, self._cache = photos, backbone, store, cache
        self._features: dict[tuple[str, str], ImageFeatures] = {}

    def execute(self, runs: Sequence[Run]) -> Iterator[Ahead | Encoding | Finished]:
        """Every run that has no record yet, in order. One that diverges is recorded as failed, and others go on."""
        left = [run for run in runs if not self._store.has(run.key)]
        for number, run in enumerate(left, 1):
            if self._store.has(run.key):  # another process that shares the folder was faster
                continue
            yield Ahead(number, len(left), run)
            yield from self._encode(run)
            record = self._run(run)
            self._store.write(record)
            yield Finished(number, len(left), record)

    def _encode(self, run: Run) -> Iterator[Encoding]:
        """Have in memory what the run is asked about, and no other set."""
        sources: dict[tuple[str, str], Sequence[Path]] = {
            **{("set", name): self._photos.sets[name].test.paths for name in (run.set, *run.transfer)},
            **{("unknown", name): self._photos.unknown[name].paths for name in run.unknown},
        }
        for place in [place for place in self._features if place[0] == "set" and place not in sources]:
            del self._features[place]
        for (kind, name), paths in sources.items():
            if (kind, name) not in self._features:
                parts: list[ImageFeatures] = []
                for part in encode_centres(self._backbone, paths, self._cache):
                    parts.append(part)
                    yield Encoding(name, sum(map(len, parts)), len(paths))
                self._features[kind, name] = ImageFeatures.cat(parts)

    def _run(self, run: Run) -> Record:
        figures: list[Figure] = []
        seconds = {"fit": 0.0, "predict": 0.0}
        failed = ""

        def work() -> None:
            nonlocal failed
            try:
                self._learn_and_ask(run, figures, seconds)
            except TrainingDiverged as error:
                figures.clear()
                failed = str(error)

        peak = peak_bytes(work)
        return Record(
            key=run.key,
            method=run.method,
            settings=dict(run.settings),
            set=run.set,
            shots=run.shots,
            seed=run.seed,
            photos=len(run.train),
            data=dict(run.data),
            figures=tuple(figures),
            failed=failed,
            seconds=seconds,
            peak_bytes=peak,
            backbone={"name": self._backbone.name, "fingerprint": self._backbone.fingerprint},
            machine={
                "processor": processor(),
                "threads": torch.get_num_threads(),
                "device": str(self._backbone.device),
                "devices": devices(),
            },
            versions=dict(versions()),
            date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )

    def _learn_and_ask(self, run: Run, figures: list[Figure], seconds: dict[str, float]) -> None:
        shots = FewShots(
            backbone=self._backbone,
            photos=run.train.paths,
            labels=torch.tensor(run.train.labels, dtype=torch.long),
            class_names=run.train.class_names,
            seed=run.seed,
            cache=self._cache,
        )
        started = time.perf_counter()
        try:
            fitted = run.made.fit(shots)
        finally:
            seconds["fit"] = time.perf_counter() - started
        started = time.perf_counter()
        known = fitted.predict(self._features["set", run.set])
        seconds["predict"] = time.perf_counter() - started
        names = run.train.class_names
        figures += accuracies(known, self._photos.sets[run.set].test, names, run.set)
        for target in run.transfer:
            found = fitted.predict(self._features["set", target])
            figures += accuracies(found, self._photos.sets[target].test, names, target)
        for group in run.unknown:
            figures += separation(known, fitted.predict(self._features["unknown", group]), run.set, group)


def accuracies(found: Predictions, test: Dataset, class_names: Sequence[str], name: str) -> list[Figure]:
    """Accuracy of the ensemble and, where there are local prompts, of each branch alone.

    Args:
        class_names: K names, in the order of the probabilities.
        name: of the set.

    Raises:
        TrainingDiverged: probabilities that are not numbers.
    """
    if not np.isfinite(found.probabilities).all():
        raise TrainingDiverged("The answers are not numbers; try a smaller learning rate.")
    names, truth = np.array(class_names), np.array(test.names)
    figures = [Figure(name, "accuracy", accuracy(found.labels, truth), len(truth))]
    if found.probabilities_local is not None:
        branches = {"accuracy_global": found.probabilities_global, "accuracy_local": found.probabilities_local}
        figures += [
            Figure(name, metric, accuracy(names[p.argmax(axis=1)], truth), len(truth)) for metric, p in branches.items()
        ]
    return figures


def separation(known: Predictions, unknown: Predictions, name: str, group: str) -> list[Figure]:
    """FPR95 and AUROC of every score that the method has, known photos of a set against a group of unknown ones."""
    figures = []
    for score in known.ood:
        inliers, outliers = known.ood[score], unknown.ood[score]
        n = len(inliers) + len(outliers)
        figures.append(Figure(name, f"fpr95/{score}", fpr_at_tpr(inliers, outliers), n, group))
        figures.append(Figure(name, f"auroc/{score}", auroc(inliers, outliers), n, group))
    return figures
