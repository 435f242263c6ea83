"""A benchmark rehearsed: one step of every line on every set, and how long all of it may take on this machine.

A step has as many photos as in the real run, so that its time and memory are real, but they are the same few again and
again, encoded once. What is read, drawn, learned and asked is what the benchmark names; no record is written.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from gallop.backbones import Backbone
from gallop.bench.running.backbones import Backbones
from gallop.bench.running.photos import Photos
from gallop.bench.running.plan import BenchRun, FeatureKind, Plan
from gallop.bench.running.runner import PhotoGroup, among, classes_of, photo_bytes, places
from gallop.errors import TrainingDiverged, sentence_of
from gallop.features.encoding import ONCE, ImageFeatures, MemoryCache, Sight, TrainingViews, encode_centres
from gallop.methods import Fitted, Method, Setup

FEW = 4
"""Photos that a training is rehearsed with, and of each set or group that is asked about."""


@dataclass(frozen=True)
class Rehearsed:
    """A line on one set: how much there is to do in all of its runs, and the seconds that each of it takes, measured.

    Attributes:
        runs: of all shots and seeds.
        steps: of an optimizer.
        views: that are encoded to learn from.
        answers: for test photos whose features are there.
        step: seconds, without encoding.
        view: seconds to read a photo and encode it.
        answer: seconds.
        rest: seconds of a run beside its steps and views.
        failed: why there is no step; empty where it went well.
    """

    label: str
    set: str
    backbone: str
    regions: str
    runs: int
    steps: int
    views: int
    answers: int
    step: float
    view: float
    answer: float
    rest: float
    failed: str = ""

    @property
    def hours(self) -> float:
        """Of all runs, for learning and answering."""
        learning = self.steps * self.step + self.views * self.view + self.runs * self.rest
        return (learning + self.answers * self.answer) / 3600


@dataclass(frozen=True)
class Encoded:
    """The test photos of a benchmark.

    Attributes:
        photos: how often one is encoded: once for each backbone, or for every run where features do not fit the cache.
        hours: what that takes.
    """

    photos: int
    hours: float


class Rehearsal:
    """Rehearses runs.

    Args:
        cache_bytes: of the real benchmark's cache.
    """

    def __init__(self, plan: Plan, photos: Photos, backbones: Backbones, cache_bytes: int) -> None:
        self._photos, self._backbones, self._cache_bytes = photos, backbones, cache_bytes
        self._labels = {entry.key: entry.label for entry in reversed(plan.entries)}  # of several the first
        self._handful: dict[PhotoGroup, tuple[ImageFeatures, float]] = {}  # with the seconds that one of them took
        self._backbone: FeatureKind = ("", "", ONCE)
        self._views: dict[FeatureKind, list[float]] = {}
        self._photo_bytes: dict[FeatureKind, int] = {}

    def lines(self, runs: Sequence[BenchRun]) -> Iterator[tuple[int, int, Rehearsed]]:
        """Rehearse every line on every set once, backbone by backbone: (its number, from 1, of how many, figures)."""
        groups: dict[tuple[FeatureKind, str, str], list[BenchRun]] = {}
        for run in runs:
            groups.setdefault((run.feature_kind, run.set, self._labels[run.key]), []).append(run)
        order = list(dict.fromkeys(kind for kind, _, _ in groups))
        for number, key in enumerate(sorted(groups, key=lambda key: order.index(key[0])), start=1):
            yield number, len(groups), self._line(key[2], groups[key])

    def encoded(self, runs: Sequence[BenchRun]) -> Encoded:
        """Return what the encoding of all test photos takes, once every line has been rehearsed."""
        asking = Counter((run.feature_kind, place) for run in runs for place in places(run, self._photos))
        cached, photos, seconds = 0, 0, 0.0
        order = list(self._views)
        for (which, (kind, name)), times in sorted(asking.items(), key=lambda each: order.index(each[0][0])):
            count = len(self._photos.asked[name].test if kind == "set" else self._photos.unknown[name])
            cached += count * self._photo_bytes[which]
            total = count if cached <= self._cache_bytes else count * times
            photos += total
            seconds += total * fmean(self._views[which])
        return Encoded(photos, seconds / 3600)

    def _line(self, label: str, runs: Sequence[BenchRun]) -> Rehearsed:
        run = min(runs, key=lambda run: run.photos)
        backbone = self._prepare(run)
        step = rest = answer = 0.0
        failed = ""
        try:
            fitted, step, rest = _one_step(run, backbone, max(each.made.work(each.photos).batch for each in runs))
            answer = self._ask(run, fitted)
        except (TrainingDiverged, torch.cuda.OutOfMemoryError) as error:
            failed = sentence_of(error) or str(error)
        work = [each.made.work(each.photos) for each in runs]
        return Rehearsed(
            label=label,
            set=run.set,
            backbone=run.backbone,
            regions=run.regions,
            runs=len(runs),
            steps=sum(each.steps for each in work),
            views=sum(each.steps * each.fresh + each.kept for each in work),
            answers=len(runs) * sum(map(len, places(run, self._photos).values())),
            step=step,
            view=self._handful["set", run.set][1],
            answer=answer,
            rest=rest,
            failed=failed,
        )

    def _prepare(self, run: BenchRun) -> Backbone:
        """Have a handful of every set and group that the run is asked about encoded, and the time that it took."""
        which = run.feature_kind
        if which != self._backbone:
            self._handful.clear()
        backbone = self._backbones.get(*which[:2])
        backbone.fingerprint  # noqa: B018 - kept from here on; a training asks for it
        self._photo_bytes[which] = photo_bytes(backbone, which[2])
        for place, paths in places(run, self._photos).items():
            if place in self._handful:
                continue
            few = _spread(paths, FEW)
            if which != self._backbone:
                _encode(backbone, few, which[2])  # the first pass takes longer than any after it
                self._backbone = which
            started = time.perf_counter()
            features = _encode(backbone, few, which[2])
            view = (time.perf_counter() - started) / len(few)
            self._handful[place] = features, view
            self._views.setdefault(which, []).append(view)
        return backbone

    def _ask(self, run: BenchRun, fitted: Fitted) -> float:
        """Seconds a photo, after a first answer, which takes longer than any after it."""
        fitted.predict(self._handful["set", run.set][0])
        started, photos = time.perf_counter(), 0
        for kind, name in places(run, self._photos):
            classes = classes_of(run.source, self._photos.asked[name]) if kind == "set" and name != run.set else None
            features, _ = self._handful[kind, name]
            among(fitted.predict(features), classes)
            photos += len(features)
        return (time.perf_counter() - started) / photos


def _one_step(run: BenchRun, backbone: Backbone, batch: int) -> tuple[Fitted, float, float]:
    """What a training of a step or two gives, the seconds of one without encoding, and those of all the rest."""
    train = run.train
    few = train.take(_spread(range(len(train)), FEW)) if len(train) else train
    many = few.take([i % len(few) for i in range(max(batch, len(few)) if len(few) else 0)])
    cache, ticks = MemoryCache(), list[float]()
    if len(many):
        for _ in TrainingViews(backbone, few.paths, views=1, seed=run.seed, cache=cache).encode():
            pass
    setup = Setup(
        backbone,
        run.seed,
        cache,
        # On a GPU the first step ever loads kernels, and waits for none of its own.
        steps=1 if backbone.device.type == "cpu" else 2,
        ticked=lambda: ticks.append(time.perf_counter()),
    )
    made = _with_one_view(run.made)
    started = time.perf_counter()
    fitted = made.fit(many, setup)
    ended = time.perf_counter()
    if not run.made.learns or not ticks:  # a linear probe has no steps to tell of
        return fitted, 0.0, ended - started
    # Texts are encoded before the first tick; photos between that one and the last but one, where they do not count.
    first, *others = ticks
    step = others[-1] - ticks[-2] if others and run.made.work(len(many)).steps else 0.0
    return fitted, step, (first - started) + (ended - others[-1] if step else 0.0)


def _with_one_view(made: Method) -> Method:
    """The method with one kept view of each photo, so that a step finds its features ready."""
    return replace(made, views=1) if hasattr(made, "views") else made  # type: ignore[type-var]


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """So many items, as far from each other as it goes: photos of different classes."""
    return [items[i * len(items) // count] for i in range(count)] if len(items) > count else list(items)


def _encode(backbone: Backbone, paths: Sequence[Path], sight: Sight) -> ImageFeatures:
    return ImageFeatures.cat(list(encode_centres(backbone, paths, None, sight=sight)))
