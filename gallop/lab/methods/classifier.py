"""``MethodClassifier``: any few-shot method with scikit-learn's manners, as ``GalLoPClassifier`` has them."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from typing_extensions import Self

from gallop.backbones import Backbone, load_backbone
from gallop.data import AskedPhotos, GivenLabels, GivenPhotos
from gallop.errors import ConfigError, DataError, suggesting
from gallop.evaluation.by_name import AnswersByName
from gallop.features.encoding import Cache, ImageFeatures, encode_sources, open_cache
from gallop.lab.methods.interface import Fitted, Method, Setup, method_sight
from gallop.predictions.predict import Predictions
from gallop.training.learn import shots_to_learn


@suggesting
class MethodClassifier(AnswersByName, BaseEstimator):
    """Few-shot image classification with any method of ``gallop.lab.methods``.

    Args:
        method: what learns, with its settings, such as ``TipAdapter(weight=2)``.
        backbone, shots, seed, allow_fewer, cache, device: as in ``GalLoPClassifier``.

    After fitting: ``classes_`` (K names) and ``fitted_`` (what was learned).

    >>> from gallop.lab.methods import MethodClassifier, TipAdapter
    >>> clf = MethodClassifier(TipAdapter(), shots=16).fit("photos")  # doctest: +SKIP
    >>> clf.score("photos")  # doctest: +SKIP
    0.71
    """

    classes_: NDArray[np.str_]
    fitted_: Fitted
    _frozen: Backbone

    def __init__(
        self,
        method: Method,
        *,
        backbone: str | Backbone = "mini",
        shots: int | None = None,
        seed: int = 0,
        allow_fewer: bool = False,
        cache: str | PathLike[str] | bool | Cache | None = None,
        device: str = "auto",
    ) -> None:
        self.method = method
        self.backbone = backbone
        self.shots = shots
        self.seed = seed
        self.allow_fewer = allow_fewer
        self.cache = cache
        self.device = device

    def fit(
        self, images: GivenPhotos, labels: GivenLabels | None = None, *, class_names: Sequence[str] | None = None
    ) -> Self:
        """Learn from what holds photos and labels, or from images and their class names. Returns self.

        ``GalLoPClassifier.fit`` lists what may be given.

        Raises DataError, ClassNameError or ImageError for input that cannot be used, in a sentence, and
        TrainingDiverged when a loss stops being a number.
        """
        if isinstance(self.method, str | type):
            raise ConfigError(
                f"method is {self.method!r}; it must be an instance of a method class, such as TipAdapter()."
            )
        cache = open_cache(self.cache)
        data = shots_to_learn(
            images,
            labels,
            cache,
            shots=self.shots,
            seed=self.seed,
            allow_fewer=self.allow_fewer,
            class_names=class_names,
        )
        named = self.backbone
        self._frozen = named if isinstance(named, Backbone) else load_backbone(named, device=self.device)
        self.fitted_ = self.method.fit(data, Setup(self._frozen, self.seed, cache))
        self.classes_, self._numbered = np.array(data.class_names), class_names is not None
        return self

    def predict_all(self, images: AskedPhotos | ImageFeatures) -> Predictions:
        """Return labels, probabilities and OOD scores of one image or many, or of features encoded before, in one pass.

        Raises:
            DataError: no image at all, or features that the method cannot take.
        """
        fitted = self._fitted().fitted_
        parts = [fitted.predict(part) for part in encode_sources(self._frozen, images, method_sight(self.method))]
        if not parts:
            raise DataError("No images were given. Pass at least one.")
        return Predictions.cat(parts)
