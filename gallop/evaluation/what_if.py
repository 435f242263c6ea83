"""What if a cluster, or what repeats, were not there? Cover it in the photos that hold it, and let the backbone look
again.

Only this tells whether answers depend on it: a large share of the score may be replaced by what is left. Of a cluster
the regions that decide are covered, with its regions next to them. Covering all of a large cluster would leave little
of a photo, and so would covering as much elsewhere: benchmarks/README.md has the comparison.

Shapes: B photos, K classes, R regions, S draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.evaluation.intervals import LEVEL, Proportion
from gallop.evaluation.repeats import Repeat
from gallop.features.preparing import prepare
from gallop.model.answers import Rule
from gallop.predictions.faithfulness import DRAWS, scores_without
from gallop.runtime.progress import StageEvent
from gallop.setting import require
from gallop.wording import in_percent

MOST_PHOTOS = 100
"""Photos that are looked at again, drawn where more hold the cluster."""


@dataclass(frozen=True)
class Outcome:
    """Answers for the photos of a class: how many are right, and the mean probability and score of the class.

    The score is what clusters are parts of: what the class has above the mean of all classes.
    """

    right: Proportion
    confidence: float
    score: float


@dataclass(frozen=True)
class WhatIf:
    """The answers with and without a cluster.

    Attributes:
        cluster: its number in the class, from 0; None for what repeats.
        photos: those of the class that were looked at, by index.
        before, without: the answers as they are, and with the cluster covered where it decides.
        at_random: of each draw the answers with as many regions covered in the same shape, elsewhere in each photo.
        spread: the standard deviation of the mean score of such a draw, from how far the scores of one photo differ.
        fill: what covered regions show.
    """

    class_name: str
    cluster: int | None
    photos: tuple[int, ...]
    before: Outcome
    without: Outcome
    at_random: tuple[Outcome, ...]
    spread: float
    fill: str

    @property
    def drop(self) -> float:
        """Return by which fraction of itself the mean score of the class falls without the cluster.

        The score and not the probability: of training photos that is near 1, and hardly moves.
        """
        return self._fall(self.without)

    @property
    def interval(self) -> tuple[float, float]:
        """Return where the fall of one further random draw would lie, with 95% (Student's prediction interval).

        Places are drawn for each photo alone, so photos times draws tell how much chance does, and not draws alone.
        """
        from scipy.stats import t

        draws, one = len(self.at_random), self.spread / max(abs(self.before.score), 1e-9)
        half = t.ppf((1 + LEVEL) / 2, len(self.photos) * (draws - 1)) * one * np.sqrt(1 + 1 / draws)
        middle = float(np.mean([self._fall(each) for each in self.at_random]))
        return middle - half, middle + half

    def _fall(self, outcome: Outcome) -> float:
        return (self.before.score - outcome.score) / max(abs(self.before.score), 1e-9)

    @property
    def stands_out(self) -> bool:
        """Return whether the score falls further than with other places covered. The thing itself does so, too."""
        return self.drop > self.interval[1]

    @property
    def words(self) -> str:
        """Return a sentence without its full stop."""
        (low, high), before, without = self.interval, self.before, self.without
        were = f" instead of {before.right.right}" if before.right != without.right else ""
        return (
            f"without it {without.right.right}{were} of {before.right.of} are right, "
            f"the mean probability is {in_percent(without.confidence, 1)} instead of "
            f"{in_percent(before.confidence, 1)}, and the score falls by {in_percent(self.drop)}, with other places "
            f"covered by {in_percent(low)} to {in_percent(high)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, with ``drop``, ``interval`` and ``stands_out``."""
        return asdict(self) | {"drop": self.drop, "interval": list(self.interval), "stands_out": self.stands_out}


def what_if(
    classifier: Any,
    evidence: Any,
    class_name: str,
    cluster: int | None = None,
    *,
    fill: str = "blur",
    draws: int = DRAWS,
    most: int = MOST_PHOTOS,
    seed: int = 0,
) -> Iterator[StageEvent | WhatIf]:
    """Cover a cluster where it decides, or what repeats, in the photos of its class that hold it; the last event is the
    ``WhatIf``.

    Stop at any time.

    Args:
        classifier: the ``GalLoPClassifier`` that the ``Evidence`` is of.
        cluster: its number in ``evidence.of(class_name).clusters``; None covers what repeats.
        fill: as for ``covering.cover``.
        draws: how often as many regions are covered elsewhere, at least two.

    Raises:
        ConfigError: there is no such fill, or fewer than two draws or one photo were asked for.
        ValueError: there is no such class or cluster, nothing repeats in the class, or no photo holds it.
    """
    require(draws > 1 and most > 0, f"draws={draws} and most={most} were given: use at least two draws and one photo.")
    found, rng, model = evidence.of(class_name), np.random.default_rng(seed), classifier.model_
    if cluster is not None and not 0 <= cluster < len(found.clusters):
        raise ValueError(f"{class_name!r} has no cluster {cluster}; they are numbered from 0.")
    covers = found.repeat if cluster is None else found.clusters[cluster]
    if covers is None:
        raise ValueError(f"Nothing repeats in the photos of {class_name!r}. Pass the number of a cluster.")
    held = np.array(covers.photos, dtype=np.intp)
    if not held.size:
        raise ValueError(f"No photo of {class_name!r} holds the cluster {cluster}, so nothing can be covered.")
    photos = np.sort(rng.permutation(held)[:most]).tolist()
    k, covered = model.class_names.index(class_name), list[Tensor]()
    for i in photos:
        cells = _cells(found, i, cluster, evidence.grids)
        prepared = prepare([evidence.data.photos[i]], model.backbone.preprocess, model.sight.times)
        looks = [look[0] for look in prepared.looks]
        covered.append(
            torch.cat(list(scores_without(model, looks, _elsewhere(cells, draws, rng), model.config.topk, fill)))
        )
        yield StageEvent("covering", len(covered), len(photos))
    scores = torch.stack(covered, dim=1)  # (1 + S, B, K)
    scores = torch.cat([torch.from_numpy(evidence.scores[photos])[None], scores - scores.mean(dim=2, keepdim=True)])
    rule = model.rule(classifier.calibration_)
    before, without, *at_random = (_outcome(some, k, rule) for some in scores)
    spread = float(scores[2:, :, k].var(dim=0).mean() / len(photos)) ** 0.5
    yield WhatIf(class_name, cluster, tuple(photos), before, without, tuple(at_random), spread, fill)


def _cells(found: Any, photo: int, cluster: int | None, grids: tuple[tuple[int, int], ...]) -> Tensor:
    """(rows, columns) of the finest grid: in each look a cluster's regions that decide, and those next to them; or what
    repeats.
    """
    if cluster is None:
        repeat: Repeat = found.repeat
        return repeat.seen(photo, grids[-1]) > 0
    row = found.shown.index(photo)
    inside = found.member[row] == cluster
    looks = torch.split(
        torch.from_numpy(np.stack([inside & found.decides[row], inside])).float(),
        [rows * columns for rows, columns in grids],
        dim=1,
    )
    each = (look.reshape(2, 1, *grid) for look, grid in zip(looks, grids, strict=True))
    near = [F.max_pool2d(those, 3, stride=1, padding=1) * mine for those, mine in each]
    return torch.stack([F.interpolate(look[None], size=grids[-1])[0, 0] for look in near]).amax(dim=0).bool()


def _elsewhere(cells: Tensor, draws: int, rng: np.random.Generator) -> Tensor:
    """(1 + S, rows, columns): the cells, and the same shape at S other places, wrapped round the edges of the photo.

    Drawn from the quarter of all places that overlap the cells least: where a place overlaps them, what the cluster's
    fall is compared with holds a part of that fall.
    """
    overlaps = torch.fft.ifft2(torch.fft.fft2(cells.float()).abs() ** 2).real.round()  # of each shift, in regions
    places = torch.argwhere(overlaps <= overlaps.quantile(0.25)).tolist()
    return torch.stack([cells, *(cells.roll(place, dims=(0, 1)) for place in rng.choice(places, draws).tolist())])


def _outcome(above: Tensor, k: int, rule: Rule) -> Outcome:
    right, confidence = above.argmax(dim=1) == k, rule.probabilities(above)[:, k]
    return Outcome(Proportion(int(right.sum()), len(right)), float(confidence.mean()), float(above[:, k].mean()))
