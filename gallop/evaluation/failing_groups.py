"""Groups of photos that fail more often than the others: photos that look alike, dark ones, small things, and so on.

Groups are made without regard to the answers, so that a test may be made of each; it is corrected for how many there
are. Shapes: n photos, K classes, D joint width, W words, F facts of a photo.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gallop.evaluation.intervals import LEVEL, Proportion

LEAST = 8
"""Photos of a group: of fewer nothing is claimed."""
FACTS = (
    ("dark photos", "bright photos"),
    ("pale photos", "colourful photos"),
    ("blurred photos", "sharp or grainy photos"),
    ("few regions decide", "many regions decide"),
    ("what decides is in the middle", "what decides is off the middle"),
)
"""What a low and a high value of each fact is called: light, colour, sharpness, size and place of what decides."""
Words: TypeAlias = tuple[list[str], NDArray[np.float32]]
"""W words and their text features (W, D) of length 1."""
_NEAR = 0.1  # a right answer is a near mistake where it is less than this more probable than the next class
_FIFTH = 0.2  # the fraction of the photos that counts as dark, or as having any other such property
_ALIKE = (3, 6, 10)  # into so many groups photos that look alike are put, each time all: how large one is, nobody knows
_APART = 0.5  # standard deviations by which a group differs from the rest where that is worth a word
_NEARER = 0.03  # in cosines, the same of a word
_SAME = 3 / 4  # the part of a group's photos that are in one surer group where it says the same once more


@dataclass(frozen=True)
class FailingGroup:
    """A group of photos with more mistakes and near mistakes than the others.

    Attributes:
        name: how it was found.
        photos: by index, the mistakes first.
        accuracy, rest: how many are right in the group, and of the others.
        p: how often chance alone would make as large a difference, corrected for the number of groups.
        common: what its photos have in common, the clearest first.
    """

    name: str
    photos: tuple[int, ...]
    accuracy: Proportion
    rest: Proportion
    p: float
    common: tuple[str, ...]


@dataclass(frozen=True)
class FailingGroups:
    """The groups that fail, the surest first.

    Attributes:
        found: those whose difference is unlikely to be chance, less those of which three quarters are in a surer one.
        looked_at: how many groups were looked at.
    """

    found: tuple[FailingGroup, ...]
    looked_at: int


def failing_groups(
    features: NDArray[np.float32],
    truth: NDArray[np.intp],
    probabilities: NDArray[np.float32],
    facts: NDArray[np.float64],
    held: Mapping[str, tuple[Sequence[int], Sequence[int]]],
    words: Words,
) -> FailingGroups:
    """Return the groups in which mistakes and near mistakes are more frequent than among the other photos.

    Groups of photos that look alike are those of k-means of the features less the mean of each class. Fisher's exact
    test, one-sided, and Benjamini and Hochberg's correction: at most one in twenty of the groups that pass is chance.
    Of those that say the same the surest is kept.

    Args:
        features, truth, probabilities: (n, D) of length 1, (n,) and (n, K).
        facts: (n, F), in the order of ``FACTS``.
        held: by name the photos of a group, and those among which it is one.
        words: W, and their text features (W, D).
    """
    from scipy.stats import false_discovery_control, fisher_exact

    rows = np.arange(len(truth))
    right = probabilities.argmax(axis=1) == truth
    others = probabilities.copy()
    others[rows, truth] = 0
    hard = probabilities[rows, truth] - others.max(axis=1) < _NEAR
    groups = [
        (name, inside, among & ~inside)
        for name, inside, among in _candidates(features, truth, facts, held)
        if inside.sum() >= LEAST and (among & ~inside).sum() >= LEAST
    ]
    if not groups:
        return FailingGroups((), 0)
    counts = [[[hard[g].sum(), (~hard[g]).sum()] for g in (inside, rest)] for _, inside, rest in groups]
    corrected = false_discovery_control([fisher_exact(each, "greater").pvalue for each in counts])
    found = [
        FailingGroup(
            name,
            tuple(sorted(np.flatnonzero(inside).tolist(), key=lambda i: (right[i], not hard[i]))),
            Proportion(int(right[inside].sum()), int(inside.sum())),
            Proportion(int(right[rest].sum()), int(rest.sum())),
            float(p),
            tuple(_in_common(name, inside, rest, features, facts, words)),
        )
        for (name, inside, rest), p in zip(groups, corrected, strict=True)
        if p < 1 - LEVEL
    ]
    return FailingGroups(tuple(_surest(found)), len(groups))


def _surest(found: list[FailingGroup]) -> list[FailingGroup]:
    """The groups, the surest first, without those most of whose photos are in one that is surer."""
    kept: list[FailingGroup] = []
    for group in sorted(found, key=lambda group: group.p):
        if all(len({*group.photos} & {*surer.photos}) < _SAME * len(group.photos) for surer in kept):
            kept.append(group)
    return kept


def _candidates(
    features: NDArray[np.float32],
    truth: NDArray[np.intp],
    facts: NDArray[np.float64],
    held: Mapping[str, tuple[Sequence[int], Sequence[int]]],
) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Name, photos and those among which they are a group, each (n,)."""
    from sklearn.cluster import KMeans

    every = np.ones(len(truth), dtype=bool)
    for (low, high), values in zip(FACTS, facts.T, strict=True):
        yield low, values < np.quantile(values, _FIFTH), every
        yield high, values > np.quantile(values, 1 - _FIFTH), every
    means = np.stack([features[truth == k].mean(axis=0) for k in truth])
    for count in [count for count in _ALIKE if count * LEAST <= len(truth)]:
        alike = KMeans(count, n_init=3, random_state=0).fit_predict(features - means)
        for number in range(count):
            yield f"photos alike, group {number + 1} of {count}", alike == number, every
    for name, (photos, among) in held.items():
        yield name, np.isin(np.arange(len(truth)), photos), np.isin(np.arange(len(truth)), among)


def _in_common(
    name: str,
    inside: NDArray[np.bool_],
    rest: NDArray[np.bool_],
    features: NDArray[np.float32],
    facts: NDArray[np.float64],
    words: Words,
) -> Iterator[str]:
    for names, values in zip(FACTS, facts.T, strict=True):
        apart = (values[inside].mean() - values[rest].mean()) / max(values.std(), 1e-9)
        if abs(apart) > _APART and (called := names[int(apart > 0)]) != name:
            yield called
    nearer = words[1] @ (features[inside].mean(axis=0) - features[rest].mean(axis=0))
    best = int(nearer.argmax())
    if nearer[best] > _NEARER:
        yield f"nearer to the word {words[0][best]}"
