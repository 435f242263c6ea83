"""What every few-shot method has in common: it learns from the same shots and answers with the same ``Predictions``.

A method is a frozen dataclass of its settings. ``fit`` turns it and some shots into something that answers for
features, so that methods are compared on equal shots and equal features of one frozen backbone.

Shapes: B images, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from gallop.backbones import Backbone
from gallop.data import LabelledPhotos
from gallop.features.encoding import ONCE, Cache, ImageFeatures, Sight, encode_centres
from gallop.model.scores import scores_of_probabilities
from gallop.predictions.predict import Predictions


@dataclass(frozen=True)
class Setup:
    """What a method learns with, beside the shots.

    Attributes:
        backbone: frozen.
        seed: of everything that is drawn.
        cache: of features; None stores nothing beyond the training.
        encoded: called with the number of encoded views and of all, (0, n) before the first, so that it can be shown,
            and timed apart from learning. Fresh views, which each step encodes for itself, are part of the step.
    """

    backbone: Backbone
    seed: int = 0
    cache: Cache | None = None
    encoded: Callable[[int, int], object] = lambda done, total: None


class Fitted(Protocol):
    """What has been learned."""

    def predict(self, features: ImageFeatures) -> Predictions:
        """Return answers for B images. ``probabilities_local`` is None where a method has no local prompts.

        ``ood`` holds the scores that the method has, larger = more outlier: those of cosines where classes are texts
        alone, those of probabilities where images have a say too (``gallop.model.scores.SCORES``).
        """


class Method(Protocol):
    """A way of learning from a few images a class; its settings are its fields."""

    learns: ClassVar[bool]
    """Whether the shots matter; zero-shot is the same for any."""

    def fit(self, shots: LabelledPhotos, setup: Setup) -> Fitted:
        """Learn from a few shots. Raises TrainingDiverged when a loss stops being a number."""


def centres(shots: LabelledPhotos, setup: Setup, sight: Sight = ONCE) -> ImageFeatures:
    """Return features of the shots' centre crops, and report each batch to ``setup.encoded``."""
    parts = list[ImageFeatures]()
    setup.encoded(0, len(shots))
    for part in encode_centres(setup.backbone, shots.photos, setup.cache, shots.hashes, sight):
        parts.append(part)
        setup.encoded(sum(map(len, parts)), len(shots))
    return ImageFeatures.cat(parts)


def method_sight(method: Method) -> Sight:
    """Return what a method answers from: one look, unless it has a ``sight``."""
    return getattr(method, "sight", ONCE)


def from_probabilities(class_names: tuple[str, ...], probabilities: NDArray[np.float32]) -> Predictions:
    """Return answers of a method that has no regions and nothing but probabilities (B, K).

    Its outlier scores are those of probabilities, such as MSP.
    """
    return Predictions(
        labels=np.array(class_names)[probabilities.argmax(axis=1)],
        probabilities=probabilities,
        probabilities_global=probabilities,
        probabilities_local=None,
        ood=scores_of_probabilities(probabilities),
        is_ood=None,
        class_names=class_names,
    )
