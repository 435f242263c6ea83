"""How well a map hits: the pointing game, and the fraction of its first regions.

Shapes: T things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from benchmarks.maps.pictures import Picture
from benchmarks.maps.ways import Map, blind_maps, cells, looks_at, maps_of
from gallop import GalLoPClassifier

TOP = 10
"""Regions of a map of which those on the thing are counted."""
CHANCE = "chance"


@dataclass(frozen=True)
class Hit:
    """Of one map of one picture.

    Attributes:
        best: whether the best region lies on the thing, with half of its area or more (pointing game).
        top: fraction of the first ``TOP`` regions that do.
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
class Figure:
    """A mean over things, and its standard error."""

    mean: float
    error: float

    @staticmethod
    def of(each: NDArray[np.float64]) -> Figure:
        """Return that of values (T,)."""
        error = each.std(ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.nan
        return Figure(float(each.mean()), float(error))


@dataclass(frozen=True)
class Hits:
    """Of one way: of every thing (T, 3) the means of best, top and other over its scenes, since these are not
    independent.
    """

    each: NDArray[np.float64]

    @property
    def figures(self) -> tuple[Figure, Figure, Figure]:
        """Of best, top and other."""
        best, top, other = (Figure.of(column) for column in self.each.T)
        return best, top, other


def hits(
    asked: Mapping[str, GalLoPClassifier], pictures: Iterable[Picture], details: Sequence[float] = (1,)
) -> dict[str, dict[str, Hits]]:
    """Return of each classifier for each way, and for chance, how well it hits.

    A map with more cells than the backbone's grid is counted twice: in its resolution, and pooled to the grid.

    Args:
        asked: of one backbone, which sees each picture once for all of them.
    """
    by_name: dict[str, dict[str, list[Hit]]] = {name: {} for name in asked}
    things: list[str] = []
    backbone = next(iter(asked.values())).model_.backbone
    grid = backbone.vision.grid
    for picture in pictures:
        things.append(str(picture.cut_from))
        looks = looks_at(backbone, picture, details)
        blind = dict(blind_maps(picture, grid))
        on = float((cells(picture.cover, grid) >= 0.5).mean())
        beside = 0.0 if picture.other is None else float((cells(picture.other, grid) >= 0.5).mean())
        without = {CHANCE: Hit(on, on, beside), **{way: hit_of(scores, picture) for way, scores in blind.items()}}
        for name, classifier in asked.items():
            for way, scores in maps_of(classifier, picture, looks):
                by_name[name].setdefault(way, []).append(hit_of(scores, picture))
                if scores.shape != grid:
                    by_name[name].setdefault(f"{way}, pooled", []).append(hit_of(pooled(scores, grid), picture))
            for way, hit in without.items():
                by_name[name].setdefault(way, []).append(hit)
    return {name: {way: _by_thing(each, things) for way, each in ways.items()} for name, ways in by_name.items()}


def _by_thing(each: Sequence[Hit], things: Sequence[str]) -> Hits:
    rows = np.array([(hit.best, hit.top, hit.other) for hit in each])
    which = np.array(things)
    return Hits(np.stack([rows[which == thing].mean(axis=0) for thing in dict.fromkeys(things)]))


def pooled(scores: Map, grid: tuple[int, int]) -> Map:
    """Return means of a map with more cells over the cells of a grid."""
    values = torch.from_numpy(np.ascontiguousarray(scores, dtype=np.float64))
    return np.asarray(F.adaptive_avg_pool2d(values[None], grid)[0])
