"""What a training changed: figures of a model beside those of a model before it, what fell first.

Held-out shots are each model's own, answered by prompts that never saw them. The model before is never asked about the
shots of the other: it may have learned from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gallop.evaluation.intervals import Proportion
from gallop.evaluation.scored_answers import ENSEMBLE, ScoredAnswers
from gallop.model.scores import VERDICT
from gallop.names.class_names import SOMETHING_ELSE
from gallop.wording import NONE_OF_THESE

RIGHT, NONE, NOTICED = "held-out shots right", f"held-out shots called {NONE_OF_THESE}", "unknown photos noticed"


@dataclass(frozen=True)
class Changes:
    """Figures of a model after a training beside those of a model before it.

    Attributes:
        before, after: ``RIGHT``, ``NONE`` and, of each group of unknown photos, ``NOTICED`` -> how many of how many.
            What is not known of a model is left out.
        than: what the model before is called in a sentence.
    """

    before: Mapping[str, Proportion]
    after: Mapping[str, Proportion]
    than: str = "the run before"

    @staticmethod
    def between(
        before: Any, after: Any, unknown: Callable[[Any], Mapping[str, ScoredAnswers]], than: str = "the run before"
    ) -> Changes:
        """Return them of two fitted classifiers, those of held-out shots as their calibrations know them.

        Args:
            unknown: gives the answers of either to photos of none of the classes, by the name of their group, which may
                be empty.
        """
        return Changes(
            _figures(before, unknown(before)),
            _figures(after, unknown(after)),
            than + ", which has other classes" * ({*before.classes_} != {*after.classes_}),
        )

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
    def words(self) -> str:
        """Return all figures in a sentence or two, which begin with what fell."""
        told = {
            what: f"{what}, "
            + " -> ".join(
                f"{n.right} of {n.of}" if (n := side.get(what)) else "not known" for side in (self.before, self.after)
            )
            for what in {**self.after, **self.before}
        }
        fell, rest = ("; ".join(told[what] for what in told if (what in self.fell) is worse) for worse in (True, False))
        first = f"Worse than {self.than}: {fell}. Otherwise" if fell else f"Against {self.than}"
        return f"{first}: {rest or 'nothing is known to compare'}."


def _figures(classifier: Any, unknown: Mapping[str, ScoredAnswers]) -> dict[str, Proportion]:
    calibration, other = classifier.calibration_, classifier.classes_ == SOMETHING_ELSE
    limit = np.inf if calibration.threshold is None else calibration.threshold
    called = {NONE: np.array(calibration.held_out) > limit} | {
        NOTICED + f" ({group})" * bool(group): other[answers.predicted[ENSEMBLE]] | (answers.ood[VERDICT] > limit)
        for group, answers in unknown.items()
    }
    return ({RIGHT: Proportion(calibration.right, calibration.asked)} if calibration.asked else {}) | {
        what: Proportion(int(some.sum()), some.size) for what, some in called.items() if some.size
    }
