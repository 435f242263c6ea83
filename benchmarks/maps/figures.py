"""How well a map hits: the pointing game, and the share of its first regions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.maps.pictures import Picture
from benchmarks.maps.ways import Map, cells, maps_of
from gallop import GalLoPClassifier

TOP = 10
"""Regions of a map whose share on the thing is counted."""
CHANCE = "chance"


@dataclass(frozen=True)
class Hit:
    """Of one map of one picture.

    Attributes:
        best: whether the best region lies on the thing, with half of its area or more (pointing game).
        top: share of the first ``TOP`` regions that do.
        other: whether the best region lies on the second thing.
    """

    best: float
    top: float
    other: float


def hit_of(scores: Map, picture: Picture) -> Hit:
    """Return where the best regions of a map lie. Regions of equal scores count in the order of the grid."""
    grid = scores.shape[0], scores.shape[1]
    on = (cells(picture.cover, grid) >= 0.5).ravel()
    beside = np.zeros_like(on) if picture.other is None else (cells(picture.other, grid) >= 0.5).ravel()
    order = np.argsort(-scores.ravel(), kind="stable")
    return Hit(float(on[order[0]]), float(on[order[:TOP]].mean()), float(beside[order[0]]))


@dataclass(frozen=True)
class Hits:
    """Means over pictures, and the standard error of ``best`` and ``top`` over things: the scenes of one are averaged
    first.
    """

    best: float
    top: float
    other: float
    best_error: float
    top_error: float
    pictures: int
    things: int


def hits(classifier: GalLoPClassifier, pictures: Iterable[Picture]) -> dict[str, Hits]:
    """Return for each way, and for chance, how well it hits.

    A map that is finer than the tower's grid is counted twice: as it is, and pooled to the grid.
    """
    found: dict[str, list[Hit]] = {}
    things: list[str] = []
    grid = classifier.model_.backbone.vision.grid
    for picture in pictures:
        things.append(str(picture.cut_from))
        for way, scores in maps_of(classifier, picture):
            found.setdefault(way, []).append(hit_of(scores, picture))
            if scores.shape != grid:
                found.setdefault(f"{way}, pooled", []).append(hit_of(pooled(scores, grid), picture))
        on = float((cells(picture.cover, grid) >= 0.5).mean())
        beside = 0.0 if picture.other is None else float((cells(picture.other, grid) >= 0.5).mean())
        found.setdefault(CHANCE, []).append(Hit(on, on, beside))
    return {way: _mean(each, things) for way, each in found.items()}


def _mean(found: Sequence[Hit], things: Sequence[str]) -> Hits:
    rows = np.array([(hit.best, hit.top, hit.other) for hit in found])
    which = np.array(things)
    each = np.stack([rows[which == thing].mean(axis=0) for thing in dict.fromkeys(things)])
    errors = each.std(axis=0, ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.full(3, np.nan)
    best, top, other = each.mean(axis=0).tolist()
    return Hits(best, top, other, float(errors[0]), float(errors[1]), len(rows), len(each))


def pooled(scores: Map, grid: tuple[int, int]) -> Map:
    """Return means of a finer map over the cells of a grid."""
    found = torch.from_numpy(np.ascontiguousarray(scores, dtype=np.float64))
    return np.asarray(F.adaptive_avg_pool2d(found[None], grid)[0])
