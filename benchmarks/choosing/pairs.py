"""Whether a choice carries over: two sets are held out, the others choose, and the two are answered by what was chosen.

The rule: of ``CANDIDATES`` those count whose accuracy on held-out shots, the mean over sets and numbers of shots, is at
most ``MARGIN`` below the best; of them that one is chosen which lets the fewest unknown photos pass (FPR95 of GL-MCM),
and of equal ones, such as differ in the head alone, the most accurate. What is chosen learns from the 16 shots of all
classes of the two sets, calibrates as always, and answers their test photos.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from benchmarks.choosing.candidates import CANDIDATES, Candidate, answers
from benchmarks.choosing.tables import Judged
from benchmarks.choosing.trainings import Trainings
from gallop.evaluation.metrics import calibration_error, calibration_error_by_chance
from gallop.features.encoding import ImageFeatures, encode_centres
from gallop.lab.methods import LinearProbe, Setup

MARGIN = 0.5
"""In points: about the standard error of a difference, over the photos of all train folders."""

PROBE = LinearProbe(strength=1000)
"""As ``photos-mini`` has it."""


def chosen(judged: Judged, candidates: Sequence[Candidate], counts: Sequence[int], sets: Sequence[str]) -> Candidate:
    """Return what the rule chooses on some sets; the first of equal ones."""
    every = {one: [figures for count in counts for figures in judged.of(one, count, sets)] for one in candidates}
    accuracy = {one: statistics.mean(figures.accuracy for figures in every[one]) for one in candidates}
    near = [one for one in candidates if accuracy[one] >= max(accuracy.values()) - MARGIN]
    return min(near, key=lambda one: (statistics.mean(figures.passed for figures in every[one]), -accuracy[one]))


@dataclass(frozen=True)
class Tested:
    """Of one configuration on one set's test photos.

    Attributes:
        accuracy, gain: in %, and how much of it is above GalLoP's.
        photos: above the linear probe.
        error, chance: ECE in %, and what of it honest answers would have on so few photos.
    """

    accuracy: float
    gain: float
    photos: int
    error: float
    chance: float


def pairs(
    judged: Judged, candidates: Sequence[Candidate], counts: Sequence[int], seeds: Sequence[int]
) -> Iterator[str]:
    """Yield the lines of a table: of each set, small ones first, what the others chose without it and a second one."""
    trainings, rows = judged.trainings, list[Tested]()
    choices: dict[str, list[Candidate]] = {name: [] for name in sorted(trainings.sets, key=trainings.size)}
    for pair in combinations(choices, 2):
        choice = chosen(judged, candidates, counts, [name for name in choices if name not in pair])
        for name in pair:
            choices[name].append(choice)
    heads = ["set", "chosen without it", "in pairs", "accuracy", "over GalLoP", "photos over the linear probe", "ECE"]
    yield f"| {' | '.join(heads)} | of it chance |"
    yield "|---" * (len(heads) + 1) + "|"
    for name, chosen_for in choices.items():
        for choice, times in Counter(chosen_for).items():
            mine = [tested(trainings, choice, name, seed) for seed in seeds]
            rows += mine * times
            yield f"| {name} | {choice.name} | {times} | {_cells(mine)} |"
    yield f"| **mean of all pairs** | | {len(rows) // len(seeds)} | {_cells(rows)} |"
    yield f"\nThe least: {min(row.photos for row in rows):+d} photos over the linear probe."


def _cells(rows: Sequence[Tested]) -> str:
    accuracy, gain, photos, error, chance = (
        statistics.mean(getattr(row, what) for row in rows)
        for what in ("accuracy", "gain", "photos", "error", "chance")
    )
    return f"{accuracy:.1f} | {gain:+.1f} | {photos:+.1f} | {error:.1f} | {chance:.1f}"


def tested(trainings: Trainings, candidate: Candidate, name: str, seed: int) -> Tested:
    """Return what a configuration learns from a set's shots and answers of its test photos."""
    run, *folds = trainings.tested(name, candidate.variant, seed, looks=max(candidate.looks, candidate.head_looks))
    mine = answers(candidate, run, folds, "test")
    (alone,) = trainings.tested(name, CANDIDATES[0].variant, seed, looks=1, calibrated=False)
    plain, probe = answers(CANDIDATES[0], alone, [], "test"), _probe(trainings, name, seed)
    sure = mine.logits.softmax(dim=-1).amax(dim=-1)
    return Tested(
        100 * float(mine.right.mean()),
        100 * float((mine.right - plain.right).mean()),
        int(mine.right.sum() - probe.sum()),
        100 * calibration_error(sure, mine.right.bool()),
        100 * calibration_error_by_chance(sure),
    )


def _probe(trainings: Trainings, name: str, seed: int) -> Tensor:
    """Whether a linear probe is right, 1 or 0."""
    cache, backbone = trainings.cache, trainings.backbone
    photos = trainings.test_photos(name)
    features = ImageFeatures.cat(list(encode_centres(backbone, photos.photos, cache, photos.hashes)))
    predictions = PROBE.fit(trainings.shots(name, seed), Setup(backbone, cache=cache)).predict(features)
    return torch.tensor(
        [float(answered == true) for answered, true in zip(predictions.labels, photos.names, strict=True)]
    )
