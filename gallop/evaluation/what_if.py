"""What if a cluster of regions were not there? Cover them in all photos that hold it, and let the backbone look again.

Only this tells whether answers depend on a cluster: a large share of the score may be replaced by what is left.

Shapes: B photos, K classes, R regions, S draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gallop.core.scores import class_probabilities
from gallop.evaluation.evidence import Evidence, EvidenceEvent
from gallop.evaluation.intervals import LEVEL, Proportion
from gallop.images import load_image
from gallop.model.calibration import Calibration
from gallop.model.prompted import PromptModel
from gallop.predictions.faithfulness import DRAWS, scores_without
from gallop.predictions.predict import to_array

MOST_PHOTOS = 100
"""Photos that are looked at again, drawn where more hold the cluster."""
FILL = "neighbours"
"""What covered regions show unless something else is asked for, a name of ``gallop.predictions.covering.FILLS``."""


@dataclass(frozen=True)
class Outcome:
    """Answers for the photos of a class: how many are right, and the mean probability of the class."""

    right: Proportion
    confidence: float


@dataclass(frozen=True)
class WhatIf:
    """The answers with and without a cluster.

    Attributes:
        cluster: its number in the class, from 0.
        photos: those of the class that were looked at, by index.
        before, without: the answers as they are, and with the cluster covered.
        at_random: of each draw the answers with as many regions covered in the same shape, elsewhere in each photo.
        fill: what covered regions show.
    """

    class_name: str
    cluster: int
    photos: tuple[int, ...]
    before: Outcome
    without: Outcome
    at_random: tuple[Outcome, ...]
    fill: str

    @property
    def drop(self) -> float:
        """Return by how much the mean probability of the class falls without the cluster."""
        return self.before.confidence - self.without.confidence

    @property
    def interval(self) -> tuple[float, float]:
        """Return where the fall of one further random draw would lie, with 95% (Student's prediction interval)."""
        from scipy.stats import t

        falls = np.array([self.before.confidence - each.confidence for each in self.at_random])
        half = t.ppf((1 + LEVEL) / 2, len(falls) - 1) * falls.std(ddof=1) * np.sqrt(1 + 1 / len(falls))
        return float(falls.mean() - half), float(falls.mean() + half)

    @property
    def stands_out(self) -> bool:
        """Return whether the answers depend on the cluster more than on any other place: an alarm where it is not the
        thing itself.
        """
        return self.drop > self.interval[1]

    @property
    def words(self) -> str:
        """Return a sentence without its full stop."""
        low, high = self.interval
        verdict = "the answers depend on it" if self.stands_out else "no more than any other place"
        return (
            f"without it {self.without.right.right} instead of {self.before.right.right} of {self.before.right.of} "
            f"are right, and the class is {100 * self.drop:.1f} points less probable; at random {100 * low:.1f} to "
            f"{100 * high:.1f}: {verdict}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, with ``drop``, ``interval`` and ``stands_out``."""
        return asdict(self) | {"drop": self.drop, "interval": list(self.interval), "stands_out": self.stands_out}


def what_if(
    model: PromptModel,
    calibration: Calibration,
    evidence: Evidence,
    class_name: str,
    cluster: int,
    *,
    fill: str = FILL,
    draws: int = DRAWS,
    most: int = MOST_PHOTOS,
    seed: int = 0,
) -> Iterator[EvidenceEvent | WhatIf]:
    """Cover a cluster in the photos of its class that hold it; the last event is the ``WhatIf``. Stop at any time.

    Args:
        model, calibration: what the evidence is of.
        cluster: its number in ``evidence.of(class_name).clusters``.
        fill: as for ``covering.cover``.
        draws: how often as many regions are covered at random, at least two.

    Raises:
        ConfigError: there is no such fill.
        ValueError: there is no such class or cluster, or no photo holds it.
    """
    found, rng = evidence.of(class_name), np.random.default_rng(seed)
    if not 0 <= cluster < len(found.clusters):
        raise ValueError(f"{class_name!r} has no cluster {cluster}; they are numbered from 0.")
    held = np.array(found.clusters[cluster].photos, dtype=np.intp)
    if not held.size:
        raise ValueError(f"No photo of {class_name!r} holds the cluster {cluster}, so nothing can be covered.")
    photos = np.sort(rng.permutation(held)[:most]).tolist()
    k, answers = model.class_names.index(class_name), list[NDArray[np.float32]]()
    for i in photos:
        cells = _cells(found.member[found.shown.index(i)] == cluster, evidence.grids)
        shifts = [rng.integers(0, cells.shape) for _ in range(draws)]
        masks = torch.stack([cells, *(cells.roll(tuple(shift), dims=(0, 1)) for shift in shifts)])
        image = load_image(evidence.data.photos[i]).image
        looks = [model.backbone.preprocess.centre(image, times)[0] for times in model.sight.times]
        logits = torch.cat(list(scores_without(model, looks, masks, evidence.topk, fill)))
        answers.append(to_array(class_probabilities(logits, model.backbone.logit_scale, calibration.temperature)))
        yield EvidenceEvent("covering", len(answers), len(photos))
    covered = np.stack(answers, axis=1)  # (1 + S, B, K)
    outcomes = [_outcome(some, k) for some in (evidence.probabilities[photos], *covered)]
    yield WhatIf(class_name, cluster, tuple(photos), outcomes[0], outcomes[1], tuple(outcomes[2:]), fill)


def _cells(inside: NDArray[np.bool_], grids: tuple[tuple[int, int], ...]) -> Tensor:
    """The regions of all looks as cells of the finest, (rows, columns)."""
    parts = np.split(inside, np.cumsum([rows * columns for rows, columns in grids])[:-1])
    each = [torch.from_numpy(part.reshape(1, 1, *grid)).float() for part, grid in zip(parts, grids, strict=True)]
    return torch.stack([F.interpolate(some, size=grids[-1], mode="nearest")[0, 0] for some in each]).amax(dim=0).bool()


def _outcome(probabilities: NDArray[np.float32], k: int) -> Outcome:
    right = probabilities.argmax(axis=1) == k
    return Outcome(Proportion(int(right.sum()), right.size), float(probabilities[:, k].mean()))
