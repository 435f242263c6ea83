"""The deletion and insertion games: what becomes of a name's score as a map's best regions go first, or come first.

Petsiuk et al. (RISE, BMVC 2018, section 3.3), with regions in place of pixels. What is taken away is blurred beyond
recognition, as in ``gallop.predictions.faithfulness``: edges of painted patches would be something to see.

Shapes: R regions of the backbone's grid, S points of a curve.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.maps.figures import CHANCE, pooled
from benchmarks.maps.pictures import Picture
from benchmarks.maps.ways import blind_maps, looks_at, maps_of
from gallop import GalLoPClassifier
from gallop.features.encoding import ImageFeatures
from gallop.model.answers import Rule, answers

POINTS = 10
"""Of a curve after the first one; they lie closer together at its start, where the best regions go."""


@dataclass(frozen=True)
class Games:
    """Fractions of the name's score that are there on average while regions go (``deletion``, less is better) or come
    (``insertion``, more is better): 0 with nothing of the picture, 1 with all of it.
    """

    deletion: float
    insertion: float


@dataclass(frozen=True)
class Board:
    """A picture of which some regions are blurred, and the score of its name: a cosine of the ensemble."""

    classifier: GalLoPClassifier
    picture: Picture

    def scores(self, there: Tensor) -> NDArray[np.float64]:
        """Return the score with the regions alone that are 1 in each row of (rows, R)."""
        model, grid = self.classifier.model_, self.classifier.model_.backbone.vision.grid
        pixels, _ = model.backbone.preprocess.centre(self.picture.image)
        blurred = blur(pixels, grid)
        wide = F.interpolate(there.reshape(-1, 1, *grid).float(), size=pixels.shape[-2:], mode="nearest")
        with torch.no_grad():
            features = ImageFeatures(*model.backbone.encode_image(blurred + wide * (pixels - blurred)))
            logits = answers(model.similarities(features, model.cached_text_features()), Rule(model.config.topk)).scores
        return np.asarray(logits[:, model.class_names.index(self.picture.name)].double().cpu())


def games(
    classifier: GalLoPClassifier, pictures: Iterable[Picture], details: Sequence[float] = (1,)
) -> dict[str, Games]:
    """Play both with every way's order of the backbone's regions, and a random one; maps with more cells are pooled.

    Areas are averaged over pictures before they are put between nothing and all.
    """
    grid, draw = classifier.model_.backbone.vision.grid, np.random.default_rng(0)
    count = grid[0] * grid[1]
    ends, areas = list[NDArray[np.float64]](), dict[str, list[tuple[float, float]]]()
    for picture in pictures:
        board = Board(classifier, picture)
        end = board.scores(torch.stack([torch.zeros(count), torch.ones(count)]))
        ends.append(end)
        looks = looks_at(classifier.model_.backbone, picture, details)
        orders = {CHANCE: draw.permutation(count)}
        for way, scores in (*maps_of(classifier, picture, looks), *blind_maps(picture, grid)):
            name = way if scores.shape == grid else f"{way}, pooled"
            orders[name] = np.argsort(-pooled(scores, grid).ravel(), kind="stable")
        known: dict[bytes, tuple[float, float]] = {}  # ways that agree are played once
        for way, order in orders.items():
            key = order.tobytes()
            known[key] = known.get(key) or played(board, order, *end.tolist())
            areas.setdefault(way, []).append(known[key])
    nothing, complete = np.mean(ends, axis=0)
    means = {way: (np.mean(each, axis=0) - nothing) / (complete - nothing) for way, each in areas.items()}
    return {way: Games(float(deletion), float(insertion)) for way, (deletion, insertion) in means.items()}


def played(board: Board, order: NDArray[np.intp], nothing: float, complete: float) -> tuple[float, float]:
    """Return the areas under both curves of an order (R,), whose ends are known."""
    steps = points(len(order))
    left = torch.ones(len(steps) - 2, len(order))
    for row, gone in enumerate(steps[1:-1]):
        left[row, torch.from_numpy(order[:gone].copy())] = 0
    between = board.scores(torch.cat([left, 1 - left])).tolist()
    at = steps / len(order)
    return area([complete, *between[: len(left)], nothing], at), area([nothing, *between[len(left) :], complete], at)


def points(count: int) -> NDArray[np.int_]:
    """Return how many of so many regions are gone at each of the S points, from none to all."""
    return np.unique(np.rint(count * np.linspace(0, 1, POINTS + 1) ** 2).astype(int))


def area(curve: Sequence[float], at: NDArray[np.float64]) -> float:
    """Return the area under a curve over places from 0 to 1, by the trapezoidal rule."""
    values = np.asarray(curve)
    return float(np.sum((values[1:] + values[:-1]) / 2 * np.diff(at)))


def blur(pixels: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return pixels (3, H, W) with nothing left that is smaller than a region."""
    from torchvision.transforms import functional as TF

    side = pixels.shape[-1] // min(grid)
    radius = min(2 * side, pixels.shape[-1] - 1)
    blurred: Tensor = TF.gaussian_blur(pixels, [2 * radius + 1] * 2, [float(side)] * 2)
    return blurred
