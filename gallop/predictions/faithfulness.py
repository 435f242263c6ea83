"""Whether a map is faithful: does the class's score fall faster when regions go in the map's order than at random?

The deletion game of Petsiuk et al. (RISE, BMVC 2018, section 3.3), played with regions instead of pixels: a region that
is taken away is blurred beyond recognition, and the photo is encoded again. Blurred and not painted over, because the
edges of many small patches are themselves something to see, and random orders make most of them. The score and not the
probability, because a map explains the score, and a probability near 1 hardly moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gallop.features.encoding import encode_looks
from gallop.model.answers import answers, prompts_weight
from gallop.model.prompted import PromptModel
from gallop.predictions.covering import cover, looks_at
from gallop.predictions.explanation import Explanation
from gallop.predictions.predict import to_array
from gallop.runtime.progress import StageEvent

DELETION_BATCH = 8
"""Pictures that pass the backbone together: a stop or another visitor waits no longer than for these."""
DELETION_STEPS = 10
"""Points of a curve after the first one. They lie closer together at the start, where the best regions go."""
DRAWS = 5
"""Random orders, for the spread of their curves."""


@dataclass(frozen=True)
class Deletion:
    """The class's score, a cosine of the ensemble, as regions are taken away.

    Attributes:
        removed: fraction of the regions that are gone at each of the S points, from 0 to 1.
        by_map: (S,) score with the map's best regions gone first.
        at_random: (draws, S) score, one row for each random order.
    """

    removed: NDArray[np.float32]
    by_map: NDArray[np.float32]
    at_random: NDArray[np.float32]

    @property
    def area_by_map(self) -> float:
        """Return the area under the map's curve; smaller than at random = the map shows what the score depends on."""
        return _area(self.by_map, self.removed)

    @property
    def areas_at_random(self) -> tuple[float, ...]:
        """Return the area under the curve of each random order."""
        return tuple(_area(row, self.removed) for row in self.at_random)


def deletion(
    model: PromptModel, explanation: Explanation, class_name: str, *, draws: int = DRAWS, seed: int = 0
) -> Iterator[StageEvent | Deletion]:
    """Delete regions step by step for one photo and class; the last event is the ``Deletion``. Stop at any time.

    The order is that of the class's map averaged over local prompts, and with those of the branches by their
    weights. Photo and k are the explanation's.

    Args:
        model: what made the explanation, such as ``classifier.model_``.

    Raises:
        ValueError: the explanation is of another class list, has no such class, or neither local prompts nor
            branches and so no map.
    """
    region_scores = _map(explanation, class_name)
    rng = np.random.default_rng(seed)
    orders = [np.argsort(-region_scores, kind="stable"), *(rng.permutation(region_scores.size) for _ in range(draws))]
    counts = np.unique(np.rint(region_scores.size * np.linspace(0, 1, DELETION_STEPS + 1) ** 2).astype(int))
    ranks = np.argsort(orders, axis=1)  # where in its order each region comes, (1 + draws, R)
    gone = ranks[:, None] < counts[:, None]  # (1 + draws, S, R)
    # All orders begin with the full photo and end without any region: these two are encoded once.
    masks = np.concatenate([gone[0, :1], gone[0, -1:], gone[:, 1:-1].reshape(-1, orders[0].size)])
    parts: list[NDArray[np.float32]] = []
    looks, row = looks_at(model, explanation, model.sight.times), explanation.class_index(class_name)
    cells = torch.from_numpy(masks.reshape(-1, *explanation.grid))
    for scores in scores_without(model, looks, cells, explanation.topk):
        parts.append(to_array(scores[:, row]))
        yield StageEvent("covering regions", sum(map(len, parts)), len(masks))
    first, last, *between = np.concatenate(parts)
    curves = np.full((len(orders), len(counts)), first)
    curves[:, -1] = last
    curves[:, 1:-1] = np.reshape(between, (len(orders), len(counts) - 2))
    yield Deletion((counts / orders[0].size).astype(np.float32), curves[0], curves[1:])


def _map(explanation: Explanation, class_name: str) -> NDArray[np.float32]:
    """(R,) what orders the regions."""
    maps = [explanation.region_scores(class_name, prompt).ravel() for prompt in range(len(explanation.topk))]
    if not maps and not explanation.branches:
        raise ValueError(
            "The model has neither local prompts nor branches, so it has no map that ranks the regions for removal."
        )
    mean_map, weights = np.mean(maps, axis=0) if maps else 0.0, explanation.similarities.branch_weights
    branch_maps = [weight * explanation.branch_map(name, class_name).ravel() for name, weight in weights.items()]
    return np.asarray(sum(branch_maps, prompts_weight(weights) * mean_map), dtype=np.float32)


def scores_without(
    model: PromptModel, looks: Sequence[Tensor], masks: Tensor, topk: Sequence[int], fill: str = "blur"
) -> Iterator[Tensor]:
    """Yield scores (B, K) of a photo without the regions of each mask, a batch at a time.

    Args:
        looks: its pixels (3, H, W) in each look that the model answers from.
        masks: (masks, rows, columns), True where a region is covered.
        topk: one k a local prompt.
        fill: as for ``covering.cover``.
    """
    for start in range(0, len(masks), DELETION_BATCH):
        seen = [cover(pixels, masks[start : start + DELETION_BATCH], fill) for pixels in looks]
        with torch.no_grad():
            features = encode_looks(model.backbone, seen, model.sight)
            similar = model.similarities(features, model.cached_text_features())
            yield answers(similar, model.rule(topk=topk)).scores.cpu()


def _area(curve: NDArray[np.float32], removed: NDArray[np.float32]) -> float:
    """By the trapezoidal rule."""
    return float(np.sum((curve[1:] + curve[:-1]) / 2 * np.diff(removed)))
