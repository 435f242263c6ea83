"""What is fitted on held-out shots: the temperature of probabilities, and the threshold for "none of these".

Torch and SciPy are loaded when a temperature is fitted: pages that move a limit need neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gallop.errors import ConfigError, warn_caller
from gallop.setting import integer_between, number_between, require
from gallop.wording import in_percent, listed, quoted

if TYPE_CHECKING:
    from torch import Tensor
else:
    Tensor = Any  # hints are worked out (typing.get_type_hints) without loading torch

PROMISED = 0.95
"""Fraction of the known photos that a threshold is to accept, unless another is given."""
NOT_HELD_OUT = "none: no photos were held out to find it"
ONE_CLASS = "none: with one class every photo has the same score; add the other classes that photos may show"
YES_OR_NO = "none: a model of one class answers yes, no or unsure instead"
UNRELIABLE = "unreliable: "
"""How the note of a threshold begins that was computed from too few photos."""
UNLIKE = 0.01
"""Photos look unlike the shots where chance alone would give scores so high less often than this."""
FEWEST_ALIKE = 8
"""Photos on either side without which nothing is said of that."""
MOST_UNKNOWN = 0.4
"""Fraction of photos asked about together that may be of other things before that is said of all of them."""
_NOT_TO_BE_TRUSTED = "neither the threshold nor the probabilities are to be trusted here."
_UNLIKE = f"look unlike the shots: {_NOT_TO_BE_TRUSTED}"
_UNLIKE_OR_OTHER = f"look unlike the shots, or most show other things: {_NOT_TO_BE_TRUSTED}"
MOST_SCORES = 10_000
"""Of held-out shots that a calibration stores; of more, as many quantiles."""


@dataclass(frozen=True)
class Calibration:
    """What was fitted on held-out shots.

    Attributes:
        temperature: divides the logits in probabilities; 1 is the paper's.
        threshold: GL-MCM above it means "none of these"; None when it could not be computed or is void.
        note: why there is no threshold, why it is unreliable, or where else it came from; empty when it is sound.
        photos: how many held-out photos the threshold was computed from, those that are nearly the same counted once;
            0 where it was not computed so, or their number is unknown.
        tpr: fraction of the held-out photos that the threshold accepts.
        held_out: GL-MCM of the held-out photos, ascending, from which a threshold for another fraction follows; empty
            where nothing was held out, or the class list has changed since.
        sure: of a model of one class and ``SOMETHING_ELSE``, which has no threshold: the probabilities of the class
            below which a photo is none of it, and from which on it is one. Between them the answer is unsure.
        right, asked: how many held-out photos were answered with their class, and of how many; 0 of 0 where that is
            not known. Those that are nearly the same, or of one sitting, are counted once.
        alike: classes whose photos are alike, as if of few sittings.
    """

    temperature: float = 1.0
    threshold: float | None = None
    note: str = ""
    photos: int = 0
    tpr: float = PROMISED
    held_out: tuple[float, ...] = field(default=(), repr=False)
    sure: tuple[float, float] | None = None
    right: int = 0
    asked: int = 0
    alike: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        number_between("temperature", self.temperature, 1e-9, 1e9)
        if self.threshold is not None:
            number_between("threshold", self.threshold)
        integer_between("photos", self.photos, 0, 2**53)
        integer_between("right", self.right, 0, integer_between("asked", self.asked, 0, 2**53))
        checked_tpr(self.tpr)
        given: Any = self.held_out  # JSON has lists, or anything
        held_out = tuple(given) if isinstance(given, Iterable) else (None,)
        if not all(isinstance(score, int | float) and math.isfinite(score) for score in held_out):
            raise ValueError("a score of a held-out photo is not a finite number")
        object.__setattr__(self, "held_out", held_out)
        object.__setattr__(self, "alike", tuple(map(str, self.alike)))
        sure: Any = self.sure
        if sure is not None:
            pair = isinstance(sure, tuple | list) and len(sure) == 2
            require(pair, f"sure is {quoted(sure)}; it must be two probabilities.")
            low, high = (number_between("sure", limit) for limit in sure)
            require(0 <= low <= high <= 1, f"sure is {low:g} and {high:g}; they must be from 0 to 1, in this order.")
            object.__setattr__(self, "sure", (low, high))

    @staticmethod
    def on(
        scores: ArrayLike, photos: int, *, temperature: float = 1.0, note: str = "", tpr: float = PROMISED
    ) -> Calibration:
        """Return the calibration that follows from the scores of known photos that were not trained on.

        Args:
            photos: how many they are, those that are nearly the same counted once.
        """
        ordered = np.sort(finite_scores(scores, "inlier"))
        stored = ordered if len(ordered) <= MOST_SCORES else np.quantile(ordered, np.linspace(0, 1, MOST_SCORES))
        return Calibration(temperature, threshold_at_tpr(ordered, tpr), note, photos, tpr, tuple(stored.tolist()))

    @staticmethod
    def of_one(own: ArrayLike, other: ArrayLike, photos: int, tpr: float = PROMISED) -> Calibration:
        """Return the calibration of a model of one class and ``SOMETHING_ELSE``.

        The answer is no below one half and below the probability that the fraction ``tpr`` of the class's held-out
        photos reaches. It is yes from both on, and from that which as many of the others do not exceed. In between
        photos are like both, or like neither.

        Args:
            own, other: the probabilities of the class for held-out photos of it, and of something else.
            photos: how many of the class they are, those that are nearly the same counted once.
        """
        reached = 1 - threshold_at_tpr(1 - np.asarray(own, np.float64), tpr)
        return Calibration(
            note=YES_OR_NO,
            photos=photos,
            tpr=tpr,
            sure=(min(reached, 0.5), max(reached, threshold_at_tpr(other, tpr), 0.5)),
        )

    def on_photos(self, scores: ArrayLike, tpr: float) -> Calibration:
        """Return it with the threshold that accepts a fraction of the known photos with these scores."""
        photos = np.size(scores)
        note = f"computed from {photos} known photos given to set_threshold"
        return replace(
            Calibration.on(scores, photos, temperature=self.temperature, note=note, tpr=tpr),
            right=self.right,
            asked=self.asked,
            alike=self.alike,
        )

    def at(self, tpr: float) -> Calibration:
        """Return it with the threshold that accepts another fraction of the held-out photos.

        Raises:
            ConfigError: a fraction that is not above 0 and at most 1, or no held-out photos are known.
        """
        fraction = checked_tpr(tpr)
        require(
            bool(self.held_out),
            f"A threshold that accepts {in_percent(fraction)} of the known photos needs held-out shots, but this model "
            f"has none{f' (the threshold is {self.note})' if self.note else ''}. Train with calibration_folds of 2 or "
            "more and at least two photos per class, or compute the threshold from your known photos: "
            "set_threshold(tpr, photos).",
        )
        return replace(self, threshold=threshold_at_tpr(self.held_out, fraction), tpr=fraction)

    def unlike(self, scores: ArrayLike, *, known: bool = False) -> str:
        """Return that photos asked about together look unlike the shots, as a sentence; empty where nothing shows it.

        Their scores against those of the held-out shots, by the one-sided test of Mann and Whitney (1947). Unknown
        photos among them would raise it, too, so that only photos which the threshold accepts are compared. It is also
        said where so few pass that the others are not ``MOST_UNKNOWN`` photos of other things (binomial test against
        the lower end of ``expected``): the less alike photos are, the fewer are left to be compared.

        Args:
            scores: GL-MCM (B,).
            known: all of them show the classes, and all are compared.
        """
        shots, asked = np.array(self.held_out), np.asarray(scores, dtype=np.float64).ravel()
        asked = asked[np.isfinite(asked)]
        if min(shots.size, asked.size) < FEWEST_ALIKE:
            return ""
        from scipy.stats import binom, mannwhitneyu  # half a second, and a single photo does not need it

        if not known and self.threshold is not None:
            shots, passing = shots[shots <= self.threshold], asked[asked <= self.threshold]
            least = (1 - MOST_UNKNOWN) * accepted_range(self.photos or shots.size, self.tpr)[0]
            if binom.cdf(passing.size, asked.size, least) < UNLIKE:
                return f"Only {passing.size} of {asked.size} photos pass the threshold: these photos {_UNLIKE_OR_OTHER}"
            asked = passing
            if min(shots.size, asked.size) < FEWEST_ALIKE:
                return ""
        chance = float(mannwhitneyu(asked, shots, alternative="greater").pvalue)
        return f"These photos {_UNLIKE}" if chance < UNLIKE else ""

    def after_change(self, before: Sequence[str], now: Sequence[str]) -> Calibration:
        """Return what remains when a class was added or removed, and no held-out shots are in memory.

        Args:
            before, now: the class lists.
        """
        if self.threshold is None and self.sure is None and 1 not in (len(before), len(now)):
            return self
        (name,) = set(before) ^ set(now)
        why = f"the class {name!r} was {'added' if name in now else 'removed'} after the threshold was computed"
        left = self.void(why) if self.threshold is not None else Calibration(self.temperature, note=NOT_HELD_OUT)
        return left.for_classes(len(now))

    def void(self, why: str) -> Calibration:
        """Return what remains where the threshold, if there is one, no longer holds; the note says why."""
        void = Calibration(self.temperature, None, f"void: {why}; train again for a new one")
        return self if self.threshold is None else void

    def replaced_by(self, other: Calibration) -> Calibration:
        """Return the other one, with a warning where the threshold is lost."""
        if self.threshold is not None and other.threshold is None:
            advice = ", or call set_threshold with known photos" if other.note.startswith("void") else ""
            warn_caller(f"The threshold is {other.note}{advice}.")
        return other

    def for_classes(self, count: int) -> Calibration:
        """Return the calibration for so many classes: for one alone no threshold, since scores compare classes."""
        return Calibration(note=ONE_CLASS, tpr=self.tpr) if count == 1 else self

    @property
    def doubt(self) -> str:
        """Return why the threshold is unreliable, as a sentence; empty where it is sound or there is none."""
        if self.threshold is None or not self.note.startswith(UNRELIABLE):
            return ""
        return unreliable(self.note.removeprefix(UNRELIABLE))

    @property
    def caution(self) -> str:
        """Return that photos of some classes are alike, as a sentence; empty where they are not."""
        return photos_alike(self.alike)

    @property
    def expected(self) -> tuple[float, float] | None:
        """Return the range of the fraction of new known photos that the threshold accepts: ``accepted_range``."""
        none = self.threshold is None and self.sure is None
        return None if none or not self.photos else accepted_range(self.photos, self.tpr)

    @property
    def promise(self) -> str:
        """Return the same in words, such as "of new photos of the classes, 79 to 98 % are expected to pass (95 %
        interval, from 32 held-out photos)"; empty where nothing is known.
        """
        if self.expected is None:
            return ""
        low, high = (round(100 * fraction) for fraction in self.expected)
        basis = f"95 % interval, from {self.photos} held-out photos"
        if self.sure is not None:
            return f"of new photos of the class, {low} to {high} % or more are expected not to be answered no ({basis})"
        return f"of new photos of the classes, {low} to {high} % are expected to pass ({basis})"


def counted_once(right: Sequence[bool], groups: Sequence[int]) -> tuple[int, int]:
    """Return how many are right, and of how many, where photos of one group, such as copies, count as one together.

    Args:
        right: (B,), whether the answer to each photo is right.
        groups: (B,), the number of its group.
    """
    of_group: dict[int, list[bool]] = {}
    for answer, group in zip(right, groups, strict=True):
        of_group.setdefault(group, []).append(answer)
    return round(sum(sum(some) / len(some) for some in of_group.values())), len(of_group)


def require_several(class_names: Sequence[str]) -> None:
    """Raise ConfigError for one class alone, whose photos no threshold can tell from others."""
    require(
        len(class_names) > 1,
        f"{class_names[0]!r} is the only class. With one class every photo has the same score, so no threshold can "
        "separate photos of other things. Add the other classes that photos may show (add_class).",
    )


def photos_alike(names: Sequence[str]) -> str:
    """Return that the photos of these classes are alike, as a sentence; empty without any."""
    if not names:
        return ""
    return (
        f"The photos of {listed(names)} are alike, as if from few sittings: figures for other photos of "
        f"{'it' if len(names) == 1 else 'them'} will be lower. Add photos of other things, places and days."
    )


def unreliable(why: str) -> str:
    """Return the sentence that precedes an answer whose threshold is unreliable."""
    return f"This threshold is unreliable here: {why}."


def checked_tpr(tpr: object) -> float:
    """Return a fraction of known photos that a limit is to accept. Raises ConfigError unless it is in (0, 1]."""
    if isinstance(tpr, bool) or not isinstance(tpr, int | float | np.floating) or not 0 < tpr <= 1:
        raise ConfigError(
            f"tpr is {quoted(tpr)}; as the fraction of known photos to accept, it must be above 0 and at most 1."
        )
    return float(tpr)


def accepted_range(photos: int, tpr: float = PROMISED) -> tuple[float, float]:
    """Return the 95% interval of the fraction of new known photos that a threshold accepts, computed from so many
    photos.

    The threshold is the m-th smallest of n scores. Where known photos' scores are drawn independently, from any
    continuous distribution, the fraction of them below it is Beta(m, n + 1 - m) (order statistics; Wilks 1941): its
    mean is m / (n + 1). New photos that are unlike the shots have another distribution, which this does not cover.
    """
    from scipy.stats import beta

    place = _place(photos, tpr)
    low, high = beta.ppf([0.025, 0.975], place, photos + 1 - place)
    return float(low), float(high)


def finite_scores(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return scores as one flat array. Raises ValueError where there are none, or one is not finite."""
    array = np.asarray(values, dtype=np.float64).ravel()
    if array.size == 0:
        raise ValueError(f"No {what} scores were given. Pass at least one.")
    if not np.isfinite(array).all():
        raise ValueError(f"Some {what} scores are not finite.")
    return array


def threshold_at_tpr(inlier_scores: ArrayLike, tpr: float = PROMISED) -> float:
    """Return the smallest threshold at which at least ``tpr`` of the inliers are not above it."""
    ordered = np.sort(finite_scores(inlier_scores, "inlier"))
    return float(ordered[_place(ordered.size, tpr) - 1])


def _place(scores: int, tpr: float) -> int:
    """Which of so many scores, from the smallest on and counted from 1, is the threshold."""
    # Rounded before the ceiling: 0.95 * 20 is 19.000000000000004 in floating point.
    return max(math.ceil(round(tpr * scores, 9)), 1)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature T in [0.05, 20] under which softmax(logits / T) makes the labels most probable (Guo et al.
    2017).

    A prior, log T ~ N(0, 1), pulls it towards the paper's 1 where there are few images: when all of them are right, the
    likelihood alone has no maximum, and every answer would be given at 100%.

    Args:
        logits: scale x cosines (B, K) of images that were not trained on.
        labels: class indices (B,).
    """
    import torch.nn.functional as F
    from scipy.optimize import minimize_scalar

    logits = logits.double()

    def loss(log_t: float) -> float:
        return float(F.cross_entropy(logits / math.exp(log_t), labels, reduction="sum")) + log_t**2 / 2

    return math.exp(float(minimize_scalar(loss, bounds=(math.log(0.05), math.log(20.0)), method="bounded").x))
