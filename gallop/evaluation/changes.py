"""What a training changed: figures of a model beside those of a model before it, what fell first, photo by photo.

Held-out shots are each model's own, answered by prompts that never saw them. The model before is never asked about the
shots of the other: it may have learned from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gallop.evaluation.intervals import Paired, Proportion
from gallop.evaluation.scored_answers import ENSEMBLE, ScoredAnswers
from gallop.model.scores import VERDICT
from gallop.names.class_names import SOMETHING_ELSE
from gallop.wording import NONE_OF_THESE

RIGHT, NONE, NOTICED = "held-out shots right", f"held-out shots called {NONE_OF_THESE}", "unknown photos noticed"
TESTED = "test photos right"

Photos = Mapping[str, Mapping[str, bool]]
"""Which photos a model has right, or notices: by ``RIGHT`` and the like, then by a key of each, such as its hash."""


@dataclass(frozen=True)
class Flips:
    """Photos that one of two models alone has right, or notices, of those that both were asked about.

    Attributes:
        now_right, now_wrong: their keys.
    """

    now_right: tuple[str, ...]
    now_wrong: tuple[str, ...]

    @staticmethod
    def between(before: Mapping[str, bool], after: Mapping[str, bool]) -> Flips:
        differ = [key for key in after if key in before and before[key] != after[key]]
        return Flips(tuple(key for key in differ if after[key]), tuple(key for key in differ if before[key]))

    @property
    def is_fall(self) -> bool:
        """Return whether more photos became wrong than right beyond chance: ``Paired.p`` below 5 %."""
        lost, won = len(self.now_wrong), len(self.now_right)
        return lost > won and Paired(lost, won).p < 0.05


@dataclass(frozen=True)
class Changes:
    """Figures of a model after a training beside those of a model before it.

    Attributes:
        before, after: ``RIGHT``, ``NONE``, ``TESTED`` and, of each group of unknown photos, ``NOTICED`` -> how many of
            how many. What is not known of a model is left out.
        than: what the model before is called in a sentence.
        flips: the single photos behind these figures, where they are known of both models.
    """

    before: Mapping[str, Proportion]
    after: Mapping[str, Proportion]
    than: str = "the run before"
    flips: Mapping[str, Flips] = field(default_factory=dict)

    @staticmethod
    def between(
        before: Any,
        after: Any,
        unknown: Callable[[Any], Mapping[str, ScoredAnswers]],
        than: str = "the run before",
        tested: Callable[[Any], Mapping[str, bool]] = lambda _: {},
    ) -> Changes:
        """Return them of two fitted classifiers, those of held-out shots as their calibrations know them.

        Args:
            unknown: gives the answers of either to photos of none of the classes, by the name of their group, which may
                be empty.
            tested: gives which of the test photos either has right, by content hash. One that is known of one of them
                alone, since the other learned from it, counts for neither.
        """
        then, now = (_by_photo(each, tested(each), unknown(each)) for each in (before, after))
        held = [_held_out(each) for each in (before, after)]
        if all(held):
            then, now = ({RIGHT: shots} | side for shots, side in zip(held, (then, now), strict=True))
        than += ", which has other classes" * ({*before.classes_} != {*after.classes_})
        found = Changes.of(then, now, than)
        return Changes(_figures(before, found.before), _figures(after, found.after), than, found.flips)

    @staticmethod
    def of(then: Photos, now: Photos, than: str) -> Changes:
        """Return the changes that follow from which photos either model has right. A photo that one of them was not
        asked about, such as a new shot, counts for neither.
        """
        flips = {what: Flips.between(then[what], now[what]) for what in now if what in then}
        before, after = (
            {
                what: [right for key, right in photos.items() if key in other.get(what, photos)]
                for what, photos in side.items()
            }
            for side, other in ((then, now), (now, then))
        )
        return Changes(_proportions(before), _proportions(after), than, flips)

    @property
    def fell(self) -> dict[str, float]:
        """Return what is worse than before, and by how many photos of the smaller of the two sets."""
        lost = {
            what: (-1 if what == NONE else 1) * (then.right * now.of - now.right * then.of) / max(then.of, now.of)
            for what, now in self.after.items()
            if (then := self.before.get(what)) is not None
        }
        return {what: photos for what, photos in lost.items() if photos > 0}

    @property
    def is_fall(self) -> bool:
        """Return whether something fell beyond chance: as ``Flips.is_fall``, or a third of the unknown photos that were
        noticed no longer are. Where single photos are not known: by more than one.
        """
        return any(
            lost >= self.before[what].right / 3
            if what.startswith(NOTICED)
            else self.flips[what].is_fall
            if what in self.flips
            else lost > 1
            for what, lost in self.fell.items()
        )

    @property
    def words(self) -> str:
        """Return all figures in a sentence or two, which begin with what fell."""
        first, *figures = self.lines
        worse = len(self.fell)
        first += f": {'; '.join(figures[:worse])}. Otherwise" if worse else ""
        return f"{first}: {'; '.join(figures[worse:]) or 'nothing is known to compare'}."

    @property
    def lines(self) -> list[str]:
        """Return what the figures are compared with, then each figure in words; what fell is first."""
        whats = sorted({**self.after, **self.before}, key=lambda what: what not in self.fell)
        return [f"{'Worse than' if self.fell else 'Against'} {self.than}", *map(self._told, whats)]

    def _told(self, what: str) -> str:
        sides = (side.get(what) for side in (self.before, self.after))
        words = f"{what}, " + " -> ".join(f"{n.right} of {n.of}" if n else "not known" for n in sides)
        flips = self.flips.get(what, Flips((), ()))
        changed = {"now right": len(flips.now_right), "now wrong": len(flips.now_wrong)}
        if what.startswith(NOTICED) or not any(changed.values()):
            return words
        return f"{words} ({', '.join(f'{how} {count}' for how, count in changed.items())})"


def _by_photo(classifier: Any, tested: Mapping[str, bool], unknown: Mapping[str, ScoredAnswers]) -> dict[str, Any]:
    """Return test photos that it has right and unknown ones that it notices, these by their number, as ``Photos``."""
    found: dict[str, Any] = {TESTED: tested} if tested else {}
    other = classifier.classes_ == SOMETHING_ELSE
    for group, answers in unknown.items():
        noticed = other[answers.predicted[ENSEMBLE]] | (answers.ood[VERDICT] > _limit(classifier))
        found[NOTICED + f" ({group})" * bool(group)] = {str(i): bool(each) for i, each in enumerate(noticed)}
    return found


def _held_out(classifier: Any) -> dict[str, bool]:
    """Which held-out shots prompts that never saw them have right, by content hash; empty where these are not known."""
    found = classifier.evaluation
    return {} if found is None else dict(zip(found.hashes, (found.predicted == found.truth).tolist(), strict=False))


def _limit(classifier: Any) -> float:
    limit = classifier.calibration_.threshold
    return np.inf if limit is None else float(limit)


def _figures(classifier: Any, known: Mapping[str, Proportion]) -> dict[str, Proportion]:
    """Return the figures, of held-out shots those that the calibration knows where single ones are not known."""
    calibration = classifier.calibration_
    right = {RIGHT: Proportion(calibration.right, calibration.asked)} if calibration.asked else {}
    none = {NONE: (np.array(calibration.held_out) > _limit(classifier)).tolist()}
    return right | _proportions(none) | {**known}


def _proportions(photos: Mapping[str, list[bool]]) -> dict[str, Proportion]:
    return {what: Proportion(sum(right), len(right)) for what, right in photos.items() if right}
