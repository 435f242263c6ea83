"""What every few-shot method has in common: it learns from the same shots and answers with the same ``Predictions``.

A method is a frozen dataclass of its settings. ``fit`` turns it and some shots into something that answers for
features, so that methods are compared on equal shots, equal views and equal features.

Shapes: B images, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from gallop.backbones import Backbone
from gallop.data import PhotoSource
from gallop.features import Cache, ImageFeatures
from gallop.predictions import Predictions


@dataclass(frozen=True)
class FewShots:
    """What a method learns from.

    Attributes:
        backbone: frozen towers.
        photos: n photos.
        labels: n indices (n,) into ``class_names``.
        class_names: K names.
        seed: of everything that is drawn.
        cache: of features; None keeps nothing beyond the training.
    """

    backbone: Backbone
    photos: tuple[PhotoSource, ...]
    labels: Tensor
    class_names: tuple[str, ...]
    seed: int = 0
    cache: Cache | None = None


class Fitted(Protocol):
    """What has been learned."""

    def predict(self, features: ImageFeatures) -> Predictions:
        """Answers for B images. ``probabilities_local`` is None where a method has no local prompts.

        ``ood`` holds the scores that the method has, larger = more outlier: MCM, L-MCM and GL-MCM where classes are
        texts, MSP (minus the largest probability; Hendrycks and Gimpel 2017) where they are not.
        """
        ...


class Method(Protocol):
    """A way of learning from a few images a class; its settings are its fields."""

    def fit(self, shots: FewShots) -> Fitted:
        """Learn. Raises TrainingDiverged when a loss stops being a number."""
        ...
