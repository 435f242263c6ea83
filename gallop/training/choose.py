"""A search for the settings of a training: rate and rounds, on held-out folds of the shots, within a given time.

Only a backbone that ships has settings that were measured. For any other one, trainings with several rates and numbers
of rounds are compared on the user's own shots: each is trained once for each fold without the fold's photos, which it
answers then, as for a calibration (``gallop.training.learn``). The temperature that suits it is fitted on these.
Views are encoded once, and all trainings read them from memory.

The order of what is tried follows from the answers alone, so with a seed and enough time the outcome is the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F

from gallop.backbones import Backbone
from gallop.config import STORED_ROUNDS, STORED_VIEWS, MethodConfig, TrainConfig
from gallop.data import LabelledPhotos
from gallop.errors import ConfigError, GallopError, TrainingDiverged
from gallop.features.encoding import Cache, ImageFeatures, Sight, TrainingViews
from gallop.model.calibration import PROMISED
from gallop.model.prompted import PromptModel
from gallop.training.learn import CrossFit, EncodeEvent, Shots, cross_fit, encode_shots
from gallop.training.steps import Steps

RATES = (0.02, 0.1, 0.005, 0.5, 0.05, 0.01, 0.2, 0.002)
"""The rates that are tried, the ones furthest apart first: a short time covers the range roughly."""
LEAST_ROUNDS, MOST_ROUNDS = 5, 400
"""Rounds are doubled and halved between these."""

E = TypeVar("E")
T = TypeVar("T")


@dataclass(frozen=True)
class Tried:
    """A rate and a number of rounds, and what they gave on held-out shots.

    Attributes:
        right: of each held-out shot whether it was answered right, in the order of the photos; empty where the
            training diverged.
        loss: mean of -log(probability of the right class), at the temperature.
        temperature: fitted on these shots.
        seconds: that the trainings took.
    """

    lr: float
    epochs: int
    right: tuple[bool, ...] = ()
    loss: float = float("inf")
    temperature: float = 1.0
    seconds: float = 0.0

    @property
    def accuracy(self) -> float:
        """Return the fraction of the held-out shots that was right."""
        return sum(self.right) / len(self.right) if self.right else 0.0

    def gain_over(self, other: Tried) -> tuple[float, float]:
        """Return by how much its accuracy is higher, and the standard error of that over the photos."""
        if not (self.right and other.right):
            return self.accuracy - other.accuracy, 0.0
        gains = np.subtract(self.right, other.right, dtype=float)
        return float(gains.mean()), float(gains.std() / len(gains) ** 0.5)


@dataclass(frozen=True)
class SearchEvent:
    """Settings are being tried: those finished so far, and seconds ``done`` of ``total``."""

    tried: tuple[Tried, ...]
    done: int
    total: int
    note: str = ""
    stage = "trying settings"


def start_of_search(config: TrainConfig) -> TrainConfig:
    """Return the settings with which a search begins: with folds, and with stored views, since fresh ones would be
    encoded at every step.
    """
    if not config.views:
        config = replace(config, views=STORED_VIEWS, epochs=min(config.epochs, STORED_ROUNDS))
    return replace(config, calibration_folds=config.calibration_folds or TrainConfig().calibration_folds)


def chosen_of(tried: Sequence[Tried]) -> Tried:
    """Return the one to use: the first, with which the search began, unless others are more accurate by more than two
    standard errors of the difference, since the best of many is so by luck in part. Of these it is the most accurate;
    of equal ones one that takes no more rounds than the first, then the one with the smallest loss.
    """
    better = [each for each in tried if (gain := each.gain_over(tried[0]))[0] > 2 * gain[1]]
    return _best(better, tried[0]) if better else tried[0]


def search_settings(
    backbone: Backbone,
    shots: LabelledPhotos,
    method: MethodConfig,
    config: TrainConfig,
    *,
    seconds: float,
    cache: Cache | None = None,
) -> Iterator[EncodeEvent | SearchEvent]:
    """Try settings until none is left or the time is up, yielding progress; the last event has all of them.

    Args:
        config: what ``start_of_search`` returns; its rate and rounds are tried first.
        seconds: after so many nothing more is tried; what is unfinished then does not count.

    Raises:
        ConfigError: no class has two photos, or the time did not suffice for the first setting.
    """
    began, tried = time.monotonic(), list[Tried]()
    model = PromptModel(backbone, shots.class_names, method)
    sight = Sight(method.looks("training"))
    views = TrainingViews(
        backbone, shots.photos, shots.hashes, views=config.views, seed=config.seed, cache=cache, sight=sight
    )

    def event(note: str = "") -> SearchEvent:
        return SearchEvent(tuple(tried), min(round(time.monotonic() - began), round(seconds)), round(seconds), note)

    with suppress(_TimeUp):
        features, centres = yield from _until(began + seconds, encode_shots(model, views, shots, cache, keep=True))
        assert centres is not None
        model.branches = model.taught(features)
        while (wanted := _next(tried, config, began + seconds - time.monotonic())) is not None:
            settings = replace(config, lr=wanted[0], epochs=wanted[1])
            steps = Steps(views, torch.tensor(shots.labels), settings, PromptModel.loss)
            tried.append((yield from _until(began + seconds, _held_out(model, steps, features, centres, event))))
            yield event()
    if not tried:
        raise ConfigError(
            f"{seconds:.0f} seconds did not suffice to try one setting. What was encoded is stored: search again, or "
            "for longer."
        )


class _TimeUp(GallopError):
    """The time of a search is over."""


def _until(end: float, events: Generator[E, None, T]) -> Generator[E, None, T]:
    """Pass events on, and return the result. Raises _TimeUp where one comes after the end."""
    while True:
        try:
            event = next(events)
        except StopIteration as stop:
            return cast(T, stop.value)
        if time.monotonic() > end:
            raise _TimeUp
        yield event


def _held_out(
    model: PromptModel,
    steps: Steps,
    features: Shots,
    centres: ImageFeatures,
    event: Callable[[str], SearchEvent],
) -> Generator[SearchEvent, None, Tried]:
    """Train with some settings once for each fold of the shots without it, and return the answers to those."""
    config, began, fit = steps.config, time.monotonic(), None
    try:
        for step in cross_fit(model, steps, features, centres):
            if isinstance(step, CrossFit):
                fit = step
            else:
                yield event(f"rate {config.lr:g}, {config.epochs} rounds, step {step.done} of {step.total}")
    except TrainingDiverged:
        return Tried(config.lr, config.epochs, seconds=time.monotonic() - began)
    if fit is None:
        raise ConfigError("Settings are compared on held-out photos, so at least one class needs two photos.")
    try:
        calibrated = fit.calibrate(model, PROMISED)
    except ValueError:  # after its last step no score is a number
        return Tried(config.lr, config.epochs, seconds=time.monotonic() - began)
    held_out = fit.predictions(*calibrated)
    assert held_out is not None
    index, labels, answers = held_out
    order, probabilities = index.argsort(), torch.from_numpy(answers.probabilities)
    probabilities, labels = probabilities[order], labels[order]
    return Tried(
        config.lr,
        config.epochs,
        right=tuple((probabilities.argmax(dim=1) == labels).tolist()),
        loss=float(F.nll_loss(probabilities.clamp_min(torch.finfo().tiny).log(), labels)),
        temperature=calibrated[1].temperature,
        seconds=time.monotonic() - began,
    )


def _next(tried: Sequence[Tried], config: TrainConfig, left: float) -> tuple[float, int] | None:
    """Return rate and rounds to be tried next, which take less than the time that is left; None where there are none.

    First those of the beginning, then each rate with as many rounds, then what is next to the best so far.
    """
    wanted = [(config.lr, config.epochs), *((lr, config.epochs) for lr in RATES)]
    if len(tried) >= len(set(wanted)):
        best, ladder = _best(tried, tried[0]), sorted({*RATES, config.lr})
        place = ladder.index(best.lr)
        wanted = [(best.lr, min(2 * best.epochs, MOST_ROUNDS)), (best.lr, max(best.epochs // 2, LEAST_ROUNDS))]
        wanted += [(lr, best.epochs) for lr in ladder[max(place - 1, 0) : place + 2]]
    done = {(each.lr, each.epochs) for each in tried}
    pace = tried[-1].seconds / max(tried[-1].epochs, 1) if tried else 0.0
    return next((each for each in wanted if each not in done and each[1] * pace < left), None)


def _best(tried: Sequence[Tried], first: Tried) -> Tried:
    return max(tried, key=lambda each: (each.accuracy, -max(each.epochs, first.epochs), -each.loss))
