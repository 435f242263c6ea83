"""How branches learn: each kind with its linear form, its strength, and its words.

Shapes: n shots, K classes, R regions, D joint width, E width of other features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch.nn.functional as F
from torch import Tensor

from gallop.config import HEADS, DetailUse, HeadWords, MethodConfig
from gallop.features.encoding import Extra, ImageFeatures, Sight
from gallop.model.branches.forms import LinearForm, ridge
from gallop.model.branches.mix import Mix
from gallop.model.branches.sums import ShotFeatures, ShotSums, mean_region

PENALTY = 0.1
"""Of ridge regression. Chosen by cross-validation inside train folders, on ``mini``: benchmarks/settings.md has the
figures."""
NAMES, HALVED = 4.0, 3.0
"""How long the text features are to which ridge regression draws the weights of a class without shots, and by how many
shots of a class that is halved. Chosen as the strengths were: names help where shots are few, and mislead about photos
of another domain."""


Fit: TypeAlias = Callable[[ShotSums, ShotFeatures | None, Tensor | None], LinearForm]
"""The sums of shots, their single features where they are stored, and text features of the names -> the form of the
classes that have shots."""


@dataclass(frozen=True)
class Kind:
    """A kind of branch: a linear form of photos' mean regions, or of the mean of other features of these.

    Attributes:
        name: its value of the setting ``head``.
        words: its words in sentences and titles.
        fit: how it learns.
        usual: its mix with the prompts where no shots are held out.
        names: its weights are drawn to the names of the classes.
        votes: its score is a sum over shots, as that of ridge regression is.
        extra: the features of regions that it is linear in; None for the backbone's.
    """

    name: str
    words: HeadWords
    fit: Fit
    usual: Mix
    names: bool = False
    votes: bool = False
    extra: Extra | None = None


KINDS: dict[str, Kind] = {}
"""By name. A new one is registered where it is defined, and can then be chosen wherever there is a choice of heads."""


def register(kind: Kind) -> Kind:
    """Register a kind; returns it. Raises ValueError for a name with "+", which joins those of several."""
    if "+" in kind.name:
        raise ValueError(f"{kind.name!r} cannot be the name of a head: + joins the names of several.")
    KINDS[kind.name], HEADS[kind.name] = kind, kind.words
    return kind


def usual_mixes(names: Sequence[str]) -> list[Mix]:
    """Return the mixes of several branches where no shots are held out: together they have the weight of one."""
    usual = [KINDS[name].usual for name in names]
    return [replace(mix, weight=mix.weight / len(usual)) for mix in usual]


def sight_of(config: MethodConfig, use: DetailUse) -> Sight:
    """Return what is encoded of a photo for answers or for maps."""
    extras = (KINDS[name].extra for name in config.branches)
    return Sight(config.looks(use), tuple(extra for extra in extras if extra is not None))


def drawn_to(texts: Tensor, counts: Tensor, names: float = NAMES, halved: float = HALVED) -> Tensor:
    """Return the targets (K, D) to which ridge regression draws the weights of classes: the fewer shots a class has,
    the longer its target.

    The length follows from the shots of each class alone: one that was added with a single shot, beside others with
    twelve, is then recognised in four photos of ten in place of one in four, and the others no worse.

    Args:
        texts: (K, D) of length 1.
        counts: (K,) shots of each.
    """
    return names * 2.0 ** (-counts.double() / halved)[:, None] * texts.double()


def _ridge(sums: ShotSums, shots: ShotFeatures | None, texts: Tensor | None) -> LinearForm:
    return ridge(sums, PENALTY, None if texts is None else drawn_to(texts, sums.counts)[sums.known])


# The mix was chosen by cross-validation inside train folders, on ``mini`` (benchmarks/settings.md).
register(Kind("ridge", HEADS["ridge"], _ridge, Mix(0.5, 0.08), names=True, votes=True))


def region_features(look: ImageFeatures, extra: Extra | None) -> Tensor:
    """Return features of the regions of one look: the backbone's (B, R, V), or others (B, R, E)."""
    return look.regions if extra is None else look.extras[extra.name]


def shot_features(features: ImageFeatures, looks: int, projection: Tensor | None, extra: Extra | None = None) -> Tensor:
    """Return the features of photos for a branch, (B, D) of length 1 on the CPU: linear in the regions, apart from the
    normalisation.

    Args:
        looks: how many of them answers are computed from.
        projection: the backbone's (V, D), where there is one.
        extra: other features that the branch is linear in.
    """
    regions = [region_features(look, extra) for look in features.looks[:looks]]
    if projection is not None:
        regions = [some.to(projection.device) for some in regions]
    return F.normalize(mean_region(regions, projection if extra is None else None), dim=-1).cpu()
