"""The rules by which maps are drawn: their subject, colours, scale and opacity, and what lies around and under them.

``gallop.maps.pictures`` draws with them for files, reports and matplotlib's plots. A browser draws the explainer by the
same rules: ``tests/maps/test_look.py`` and ``tests/browser/test_explainer.py`` check that both agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

from gallop.predictions.heatmaps import FloatMap

if TYPE_CHECKING:
    from gallop.predictions.explanation import Explanation
else:
    Explanation = Any  # hints can be worked out (typing.get_type_hints) without loading it

COLOURS = ("viridis", "cividis", "inferno", "gray")
"""Colour maps of matplotlib that can be read with every common kind of colour blindness, and in grey."""
SIGNED_COLOURS = "PuOr_r"
"""From violet over white at zero to orange: distinguishable with any colour vision."""
DRAWN = ("Smooth", "Cells")
"""How a map is drawn: colours pass over from region to region, or each region is one block."""
GREYED, DARKENED = 0.85, 0.94
"""Under a map a photo loses this fraction of its colour, and retains this fraction of its brightness, so that the map's
colours are those of its scale."""
DIMMED = 0.35
"""Opacity of the black over what the model did not see."""


@dataclass(frozen=True)
class Scale:
    """Which score has which colour, the same for all maps that are looked at together.

    Attributes:
        low, high: scores of the first and the last colour.
        signed: zero is in the middle, and the distance of a score from it counts.
    """

    low: float
    high: float
    signed: bool = False

    def places(self, scores: FloatMap) -> FloatMap:
        """Return where scores lie between the first colour, 0, and the last, 1."""
        return np.asarray(np.clip((scores - self.low) / (self.high - self.low), 0, 1), dtype=np.float32)

    def strengths(self, scores: FloatMap) -> FloatMap:
        """Return how strong scores are, from 0 to 1: what a threshold is compared with."""
        places = self.places(scores)
        return np.abs(2 * places - 1).astype(np.float32) if self.signed else places


@dataclass(frozen=True)
class Style:
    """How a map is drawn.

    Attributes:
        colours: one of ``COLOURS``; signed maps have ``SIGNED_COLOURS``.
        opacity: of the map over the photo where it is strongest, 0 to 1; weak regions fade (``veil``).
        threshold: regions less strong than this, 0 to 1 of the scale, stay uncoloured.
        drawn: one of ``DRAWN``.
    """

    colours: str = COLOURS[0]
    opacity: float = 0.8
    threshold: float = 0.0
    drawn: str = DRAWN[0]

    def __post_init__(self) -> None:
        for name, known in (("colours", COLOURS), ("drawn", DRAWN)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(known)}.")
        for name in ("opacity", "threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be between 0 and 1.")

    def palette(self, *, signed: bool) -> str:
        """Return the name of the colour map."""
        return SIGNED_COLOURS if signed else self.colours


@dataclass(frozen=True)
class Subject:
    """What a map is about: a class, as one explanation sees it; ``when`` distinguishes two explanations of a class.

    Where the photo was looked at twice, maps are of the last look; ``Explanation.looks`` has an explanation of
    either.
    """

    explanation: Explanation
    class_name: str
    when: str = ""

    @property
    def words(self) -> str:
        """Such as "cat" or "cat before teaching"."""
        return f"{self.class_name} {self.when}".strip()

    def scores(self, prompt: int, minus: Subject | None = None) -> FloatMap:
        """Return cosines (rows, columns) of a local prompt; with ``minus`` how much higher they are than that
        subject's.

        "Why A, not B" is A minus B; what teaching changed is the taught explanation minus the untaught one.
        """
        mine = self._map(prompt)
        return mine if minus is None else np.subtract(mine, minus.scores(prompt))

    def _map(self, prompt: int) -> FloatMap:
        return self.explanation.region_scores(self.class_name, prompt)

    def top_regions(self, prompt: int) -> list[int]:
        """Return the k regions that entered the local score, best first; none where all do, by another pooling."""
        look = self.explanation.looks[-1]
        return [box.region for box in look.regions(self.class_name, prompt)] if look.rule.pooling is None else []


@dataclass(frozen=True)
class BranchSubject(Subject):
    """The same as a branch beside the prompts sees it, which has one map for a class, whatever the prompt; every region
    counts in it.

    What a map shows is less its mean over the classes: above zero a region speaks for the class.
    """

    branch: str = ""

    def _map(self, prompt: int) -> FloatMap:
        return self.explanation.branch_map(self.branch, self.class_name)

    def top_regions(self, prompt: int) -> list[int]:
        """Return none: there is nothing to outline where all count."""
        return []


def scale_of(maps: Iterable[FloatMap], *, signed: bool = False) -> Scale:
    """Return one scale for several maps: from the lowest to the highest score, or as far on both sides of zero.

    What is not a number, outside of what the model saw, does not count.
    """
    every = np.stack(list(maps))
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    if signed:
        reach = max(-low, high, 1e-6)
        return Scale(-reach, reach, signed=True)
    return Scale(low, max(high, low + 1e-6))


def shared_scale(explanation: Explanation) -> Scale:
    """Return one scale for every class of a photo: from the score that regions have on average to the best of any.

    The same colour means the same score whatever class is shown, and a class that nothing in the photo is like has a
    map that stays pale.
    """
    similarities = explanation.similarities.looks[-1]
    scores = similarities.region_cosines[0] if explanation.topk else similarities.region_scores[0]
    low, high = float(scores.mean()), float(scores.max())
    return Scale(low, max(high, low + 1e-6))


def branch_scale(explanation: Explanation, branch: str) -> Scale:
    """Return one scale for a branch's maps of every class of a photo, zero in its middle.

    Raises:
        ValueError: there is no such branch.
    """
    return scale_of([explanation.branch_map(branch, name) for name in explanation.class_names], signed=True)


def veil(strengths: FloatMap) -> FloatMap:
    """Return the fraction of a map's opacity at each strength: three quarters half way to the strongest."""
    return strengths * (2 - strengths)


def painted(scores: FloatMap, scale: Scale, style: Style) -> NDArray[np.uint8]:
    """Return colour and opacity (..., 4) of scores (...): weak ones show little, those below the threshold nothing."""
    table = colour_table(style.palette(signed=scale.signed))
    strengths = scale.strengths(scores)
    opacity = np.where(strengths < style.threshold, 0, 255 * style.opacity * veil(strengths))
    colours = table[np.rint(255 * scale.places(scores)).astype(np.uint8)]
    return np.concatenate([colours, np.rint(opacity)[..., None].astype(np.uint8)], axis=-1)


def colour_table(name: str) -> NDArray[np.uint8]:
    """Return the 256 colours (256, 3) of a colour map of matplotlib."""
    return np.asarray(matplotlib.colormaps[name](np.arange(256), bytes=True))[:, :3]
