"""Whether more photos would help: accuracy by the number of shots, and what twice as many would probably add.

The error of a classifier falls with n shots of each class roughly as n^-b (Hestness and others, 2017, "Deep learning
scaling is predictable, empirically"). b is fitted to held-out shots at 1, 2, 4, ... of those that there are; few photos
determine it poorly, so a prior takes part, and the interval says how sure it is.

Shapes: n shots, K classes, P points of the curve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gallop.backbones import Backbone
from gallop.config import MethodConfig
from gallop.data import LabelledPhotos
from gallop.evaluation.intervals import LEVEL, Proportion
from gallop.features.encoding import BATCH, Cache, ImageFeatures, encode_centres
from gallop.features.near_duplicates import independent_groups
from gallop.model.answers import answers
from gallop.model.branches.mix import mixed
from gallop.model.branches.sums import ShotFeatures
from gallop.model.prompted import PromptModel
from gallop.runtime.progress import StageEvent
from gallop.setting import require
from gallop.training.learn import EncodeEvent
from gallop.wording import listed

DRAWS = 24
"""Of shots, at each point of the curve: heads take milliseconds."""
HELD_OUT = 8
"""Of a class one shot in so many is held out in a draw, and at least one."""
EXPONENT, EXPONENT_SD, SLOPE_SD, DRAW_SD = 0.3, 0.3, 0.2, 0.05
"""b and its standard deviation before anything was measured; how far a slope of few points is from b beyond what the
photos explain; how far the error of one draw of shots is from the mean, as a part of it. Chosen inside the train
folders of eight sets, where 8 shots were foretold from 4 and 12 from 6: benchmarks/settings.md has the figures."""
_RESAMPLED = 1000
_TELLS = 0.005  # a class's gain is told as a figure where its interval is above half a point


@dataclass(frozen=True)
class CurvePoint:
    """Accuracy with some shots of each class.

    Attributes:
        shots: of each class, on the mean.
        right: (n,) of each shot, the fraction of the draws that held it out in which it was answered right; NaN where
            none did.
    """

    shots: float
    right: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """Return the mean over the shots that were held out."""
        return float(np.nanmean(self.right))

    @property
    def interval(self) -> tuple[float, float]:
        """Return Wilson's 95% interval of the accuracy for as many photos."""
        held = int((~np.isnan(self.right)).sum())
        return Proportion(round(self.accuracy * held), held).interval


@dataclass(frozen=True)
class Forecast:
    """What more shots would probably give, from 0 to 1, each with its 95% interval.

    Attributes:
        shots: of each class.
        accuracy, gain: with them, and over what there is now.
    """

    shots: float
    accuracy: float
    accuracy_interval: tuple[float, float]
    gain: float
    gain_interval: tuple[float, float]

    @property
    def words(self) -> str:
        """Return the gain as a phrase, such as "+2 to +5 points"."""
        low, high = (f"{100 * bound:+.0f}".replace("+0", "0") for bound in self.gain_interval)
        return f"{low} points" if low == high else f"{low} to {high} points"


@dataclass(frozen=True)
class Curve:
    """Accuracy on held-out shots by the number of shots.

    Attributes:
        labels: (n,) class indices of the shots.
        points: by their number of shots.
        copies: shots left out because they are nearly the same picture as another of their class.
    """

    class_names: tuple[str, ...]
    labels: NDArray[np.intp]
    points: tuple[CurvePoint, ...]
    copies: int = 0

    @property
    def shots(self) -> float:
        """Return the shots that there are of each class, on the mean."""
        return len(self.labels) / len(self.class_names)

    def forecast(self, times: float = 2.0, class_name: str | None = None) -> Forecast:
        """Forecast the accuracy with ``times`` times as many shots per class, for all classes or for one.

        Raises:
            ValueError: no such class, or ``times`` is below 1.
        """
        if times < 1:
            raise ValueError(f"A forecast is of more shots than there are: times must be at least 1, not {times:g}.")
        held, exponent = ~np.isnan(self.points[0].right), EXPONENT
        if class_name is not None:
            exponent = float(self._power(held, exponent)[0][0])
            held = held & (self.labels == [*self.class_names, class_name].index(class_name))
            if not held.any():
                raise ValueError(f"No photo of {class_name!r} was held out, so nothing is known of its gain.")
        exponents, now = self._power(held, exponent)
        gain = now * (1 - times**-exponents)
        drawn = gain[1:] + DRAW_SD * now[1:] * np.random.default_rng(1).standard_normal(_RESAMPLED)
        ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
        gains, accuracies = np.quantile(drawn, ends).clip(0), np.quantile(1 - now[1:] + drawn, ends).clip(0, 1)
        return Forecast(
            self.shots * times,
            float(1 - now[0] + gain[0]),
            (float(accuracies[0]), float(accuracies[1])),
            float(gain[0]),
            (float(gains[0]), float(gains[1])),
        )

    def _power(self, held: NDArray[np.bool_], exponent: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return b, and the error with all shots: first as fitted, then with photos weighted anew many times, and with
        what the prior leaves open (Rubin, 1981, "The Bayesian bootstrap"; Jeffreys' prior is half a photo that is right
        and half a one that is wrong).
        """
        wrong = 1 - np.stack([point.right[held] for point in self.points])  # (P, photos)
        wrong = np.pad(wrong, ((0, 0), (0, 2)))
        wrong[:, -1] = 1
        rng, counts = np.random.default_rng(0), np.array([1.0] * (wrong.shape[1] - 2) + [0.5, 0.5])
        weights = np.vstack([counts, rng.gamma(counts, size=(_RESAMPLED, len(counts)))])
        errors = np.log(weights @ wrong.T / weights.sum(axis=1, keepdims=True))  # (1 + resampled, P)
        shots = np.array([point.shots for point in self.points])
        of_points, x = shots / shots.sum(), np.log(shots)
        middle = of_points @ x
        levels, slopes = errors @ of_points, -errors @ (of_points * (x - middle)) / (of_points @ (x - middle) ** 2)
        photos = slopes[1:].var()
        trust = EXPONENT_SD**2 / (EXPONENT_SD**2 + SLOPE_SD**2 + photos)  # in the slope, against the prior
        left = np.sqrt(trust * (SLOPE_SD**2 + photos) - trust**2 * photos)
        noise = np.concatenate([[0.0], left * rng.standard_normal(_RESAMPLED)])
        exponents = np.maximum(exponent + trust * (slopes - exponent) + noise, 0)
        return exponents, np.minimum(np.exp(levels - exponents * (np.log(self.shots) - middle)), 1)

    def by_class(self, times: float = 2.0) -> dict[str, Forecast]:
        """Return the forecast of each class of which shots were held out, the one that gains most first."""
        tested = [self.class_names[k] for k in np.unique(self.labels[~np.isnan(self.points[0].right)])]
        each = {name: self.forecast(times, name) for name in tested}
        return dict(sorted(each.items(), key=lambda item: -item[1].gain))

    @property
    def words(self) -> str:
        """Return in sentences what twice as many shots would add together, and which classes gain most and least."""
        twice, each = self.forecast(), self.by_class()
        told = [f"With twice as many photos of each class, {twice.words}."]
        sure = [f"{name} {one.words}" for name, one in each.items() if one.gain_interval[0] > _TELLS][:3]
        if sure:
            told.append(f"Of the classes: {listed(sure)}.")
        elif len(each) > 1 and max(one.gain for one in each.values()) > _TELLS:
            first, *_, last = each
            told.append(f"{first} gains most, {last} least; by how much, these photos cannot tell.")
        return " ".join(told)

    def to_frame(self) -> Any:
        """Return a table with the columns shots, accuracy, low and high, and a row for each point."""
        import pandas as pd

        rows = [(point.shots, point.accuracy, *point.interval) for point in self.points]
        return pd.DataFrame(rows, columns=["shots", "accuracy", "low", "high"])

    def __repr__(self) -> str:
        last = self.points[-1]
        return f"Curve({last.accuracy:.1%} with {last.shots:.3g} photos of each class; {self.words})"


def learning_curve(backbone: Backbone, shots: LabelledPhotos, method: MethodConfig, **how: Any) -> Curve:
    """Return the learning curve of labelled photos. ``curve_steps``, whose arguments it takes, tells its progress.

    >>> learning_curve(load_backbone("mini"), shots, clf.model_.config)  # doctest: +SKIP
    Curve(83.3% with 7 photos of each class; With twice as many photos of each class, +1 to +5 points. ...)
    """
    *_, curve = curve_steps(backbone, shots, method, **how)
    return cast(Curve, curve)


def curve_steps(
    backbone: Backbone,
    shots: LabelledPhotos,
    method: MethodConfig,
    *,
    seed: int = 0,
    cache: Cache | None = None,
    draws: int = DRAWS,
) -> Iterator[EncodeEvent | StageEvent | Curve]:
    """Yield progress and, at the end, the learning curve of labelled photos.

    In each draw some shots of every class are held out, and a head is trained in closed form on 1, 2, 4, ... of the
    others, beside the untrained prompts: the answers are those of ``zero_shot`` and ``add_shots``. A ridge head stands
    in where the method has no head. Photos that are nearly the same picture, or of one sitting, count once.

    Args:
        shots: what there is to learn from; every photo takes part.
        seed: of the draws.
        draws: at each point.

    Raises:
        ConfigError: no class has three different photos.
        ImageError: a photo that cannot be read.
    """
    method = method if method.branches else replace(method, head="ridge")
    model = PromptModel(backbone, shots.class_names, method)
    parts = list[ImageFeatures]()
    for part in encode_centres(backbone, shots.photos, cache, shots.hashes, model.sight):
        parts.append(part)
        yield EncodeEvent(sum(map(len, parts)), len(shots))
    centres = ImageFeatures.cat(parts)
    groups, _ = independent_groups(backbone, centres, shots.labels, shots.groups)
    kept = sorted({group: i for i, group in reversed([*enumerate(groups)])}.values())
    known = _Known(model, centres[torch.tensor(kept)], torch.tensor(shots.labels)[kept])
    drawn = list(_draws(known.labels, draws, torch.Generator().manual_seed(seed)))
    largest = max((len(order) for _, rest in drawn for order in rest), default=0)
    require(
        largest > 1,
        "A curve needs at least three different photos of a class: one to hold out, and one and two to learn from. "
        "Add photos.",
    )
    counts = [*(2**power for power in range(largest.bit_length()) if 2**power < largest), largest]
    points = list[CurvePoint]()
    for count in counts:
        points.append(known.point([(held, torch.cat([order[:count] for order in rest])) for held, rest in drawn]))
        yield StageEvent("computing the curve", len(points), len(counts))
    yield Curve(shots.class_names, known.labels.numpy(), tuple(points), len(shots) - len(kept))


def _draws(labels: Tensor, count: int, generator: torch.Generator) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Yield which shots are held out, those of each class in turn, and the others of each class in the order in which
    they are learned from. A class of one shot keeps it.
    """
    orders = [_shuffled((labels == k).nonzero()[:, 0], generator) for k in sorted(set(labels.tolist()))]
    for draw in range(count):
        held, rest = list[Tensor](), list[Tensor]()
        for order in orders:
            out = max(1, len(order) // HELD_OUT) if len(order) > 1 else 0
            turned = order.roll(-draw * out)
            held.append(turned[:out])
            rest.append(_shuffled(turned[out:], generator))
        yield torch.cat(held), rest


def _shuffled(indices: Tensor, generator: torch.Generator) -> Tensor:
    return indices[torch.randperm(len(indices), generator=generator)]


class _Known:
    """The features of all shots, in the forms that prompts and heads compare."""

    def __init__(self, model: PromptModel, centres: ImageFeatures, labels: Tensor) -> None:
        self._model, self.labels = model, labels
        self._shots = model.shot_features(centres)
        self._texts = model.name_features(model.class_names)
        parts, text = list[Tensor](), model.cached_text_features()
        with torch.no_grad():
            for part in centres.split(BATCH):  # cosines take B x R x K x N numbers
                parts.append(answers(model.similarities(part, text), model.rule()).prompts.cpu())
        self._prompts = torch.cat(parts) * model.backbone.logit_scale  # the logits, (n, K)

    def point(self, drawn: Sequence[tuple[Tensor, Tensor]]) -> CurvePoint:
        """Return accuracy on the held-out shots of draws by heads trained on the others."""
        right, times = np.zeros(len(self.labels)), np.zeros(len(self.labels))
        for held, learned in drawn:
            right[held.numpy()] += (self._answers(held, learned) == self.labels[held]).numpy()
            times[held.numpy()] += 1
        with np.errstate(invalid="ignore"):
            return CurvePoint(
                shots=float(np.mean([len(learned) for _, learned in drawn]) / len(self._model.class_names)),
                right=right / np.where(times, times, np.nan),
            )

    def _answers(self, held: Tensor, learned: Tensor) -> Tensor:
        model, known = self._model, self._shots
        shots = {name: ShotFeatures(some[learned][:, None], self.labels[learned]) for name, some in known.items()}
        branches, text = model.taught(shots, self._texts), model.cached_text_features().global_
        scores = [each.complete(text)(known[each.kind][held].double()) for each in branches]
        return mixed(self._prompts[held].double(), scores, [each.mix for each in branches]).argmax(dim=1)
