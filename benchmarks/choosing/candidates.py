"""Configurations, and what each would have answered: computed from saved trainings, nothing is trained here.

A weight, a temperature and the sharpness of a head come from held-out shots, as in the library (``choose_mixes``): in a
fold of a train folder, those of the three other folds take their place, which other prompts and heads answered.

Shapes: m photos, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.choosing.runs import PhotoScores, Run
from gallop.model.branches.forms import LinearForm, ridge
from gallop.model.branches.kinds import HALVED, KINDS, NAMES, PENALTY, drawn_to
from gallop.model.branches.mix import ENOUGH_SHOTS, Mix, choose_mixes, mixed
from gallop.model.branches.sums import ShotFeatures, ShotSums
from gallop.model.calibration import fit_temperature


@dataclass(frozen=True)
class Candidate:
    """A configuration.

    Attributes:
        name: for people.
        variant: what is trained, by its name in ``VARIANTS``.
        looks: at each photo, when prompts answer.
        head: kind of the branch that is mixed with the prompts: "ridge" or "none".
        head_looks: whose mean features it learns from and is asked with.
        strength: of the head.
        names, halved: of ``drawn_to``.
        mix: with the prompts wherever none is chosen on held-out shots; None takes the library's.
        chosen: whether it is chosen on held-out shots, where there are enough.
    """

    name: str
    variant: str = "usual"
    looks: int = 1
    head: str = "none"
    head_looks: int = 1
    strength: float = PENALTY
    names: float = NAMES
    halved: float = HALVED
    mix: Mix | None = None
    chosen: bool = True

    @property
    def usual(self) -> Mix:
        """The mix where none is chosen."""
        return self.mix or KINDS[self.head].usual


@dataclass(frozen=True)
class Answers:
    """Logits (m, K) that are probabilities after a softmax, and what is true (m,)."""

    logits: Tensor
    labels: Tensor

    @cached_property
    def right(self) -> Tensor:
        """(m,), 1 or 0."""
        return (self.logits.argmax(dim=-1) == self.labels).double()


def prompts(candidate: Candidate, photos: PhotoScores, scale: float) -> Tensor:
    """Return the prompts' logits (m, K), the mean over the looks."""
    cosines = (photos.global_ + photos.local) / 2
    return cosines[: candidate.looks].mean(dim=0).double() * scale


def features(looks: int, each: Tensor) -> Tensor:
    """Return what a head knows of photos (m, D), of what it knows of each look at them (L, m, D)."""
    return F.normalize(each[:looks].double().mean(dim=0), dim=-1)


def head_scores(candidate: Candidate, run: Run, asked: str) -> Tensor:
    """Return the scores that the head of a training gives photos (m, K)."""
    form = _form(candidate.head_looks, candidate.strength, candidate.names, candidate.halved, run)
    return form(features(candidate.head_looks, run.asked[asked].features))


@cache
def _form(looks: int, strength: float, names: float, halved: float, run: Run) -> LinearForm:
    known = ShotFeatures(features(looks, run.features)[:, None], run.labels)
    towards = drawn_to(run.texts, run.labels.bincount(minlength=len(run.texts)), names, halved)
    return ridge(ShotSums.of(known, len(towards)), strength, towards)


def answers(candidate: Candidate, run: Run, others: Sequence[Run], asked: str) -> Answers:
    """Return what a training answers, calibrated on what others of about its size held out.

    Args:
        others: none, where nothing is held out: then the temperature is 1.
    """
    mine = run.asked[asked]
    logits = prompts(candidate, mine, run.scale)
    scores = None if candidate.head == "none" else head_scores(candidate, run, asked)
    if not others:
        return Answers(logits if scores is None else mixed(logits, [scores], [candidate.usual]), mine.labels)
    held = [other.asked["held out"] for other in others]
    truth = torch.cat([photos.labels for photos in held])
    before = torch.cat([prompts(candidate, photos, run.scale) for photos in held])
    if scores is None:
        return Answers(logits / fit_temperature(before, truth), mine.labels)
    mixes, heads = [candidate.usual], torch.cat([head_scores(candidate, other, "held out") for other in others])
    if candidate.chosen and int(run.labels.bincount().min()) >= ENOUGH_SHOTS:
        mixes, temperature = choose_mixes(before, [heads], truth, mixes)
    else:
        temperature = fit_temperature(mixed(before, [heads], mixes), truth)
    return Answers(mixed(logits, [scores], mixes) / temperature, mine.labels)


def outlier(looks: int, photos: PhotoScores) -> dict[str, Tensor]:
    """Return the outlier scores of photos (m,) by name, the mean over the looks."""
    mcm, l_mcm = (each[:looks].mean(dim=0) for each in (photos.mcm, photos.l_mcm))
    return {"MCM": mcm, "L-MCM": l_mcm, "GL-MCM": mcm + l_mcm}


CANDIDATES = (
    Candidate("GalLoP"),
    Candidate("second look in answers", looks=2),
    Candidate("ridge", head="ridge", chosen=False),
    Candidate("global projection, ridge", "projected", head="ridge", chosen=False),
    Candidate("global projection, ridge towards zero", "projected", head="ridge", names=0.0, chosen=False),
    Candidate("global projection, wide k", "projected wide"),
    Candidate("global projection, wide k, ridge", "projected wide", head="ridge", chosen=False),
)
"""Among which the rule chooses; the first is what others are compared with."""
