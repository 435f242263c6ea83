"""Answers by name, in scikit-learn's manner, for every classifier that can say everything of some images at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.exceptions import NotFittedError

from gallop.data import labelled_photos
from gallop.errors import DataError
from gallop.images import ImageSource
from gallop.model.scores import VERDICT
from gallop.names.class_names import missing_names, spelled_as
from gallop.predictions.predict import Predictions
from gallop.wording import listed


class AnswersByName(ClassifierMixin):
    """What follows from ``predict_all`` and ``classes_``.

    Shapes: B images, K classes.
    """

    classes_: NDArray[np.str_]
    ways_to_start: ClassVar[str] = "fit"

    def require_classes(self) -> None:
        """Raise NotFittedError where nothing has been learned yet."""
        if not hasattr(self, "classes_"):
            raise NotFittedError(f"This {type(self).__name__} has no classes yet; call {self.ways_to_start} first.")

    def predict_all(self, images: Any) -> Predictions:
        """Return labels, probabilities and OOD scores of one image or many, or of features encoded before,
        in one pass.
        """
        raise NotImplementedError

    def predict(self, images: ImageSource | Sequence[ImageSource]) -> NDArray[np.str_]:
        """Return the most probable class name of each image, (B,); B = 1 for one image."""
        return self.predict_all(images).labels

    def predict_proba(self, images: ImageSource | Sequence[ImageSource]) -> NDArray[np.float32]:
        """Return probabilities (B, K) of the ensemble, in the order of ``classes_``."""
        return self.predict_all(images).probabilities

    def score(self, images: Any, labels: Sequence[str] | None = None) -> float:
        """Return accuracy in [0, 1] on a folder of class folders, or on images and their class names.

        Raises:
            DataError: a class of the data that the model does not know.
        """
        self.require_classes()
        photos, given = labelled_photos(images, labels, split="test")
        names = spelled_as(given, self.classes_.tolist())
        unknown = missing_names(list(dict.fromkeys(names)), self.classes_.tolist())
        if unknown:
            raise DataError(f"The model does not know the classes {listed(unknown)}; add them or leave them out.")
        return float(np.mean(self.predict(photos) == np.array(names)))

    def ood_score(self, images: ImageSource | Sequence[ImageSource], score: str = VERDICT) -> NDArray[np.float32]:
        """Return one of the OOD scores of each image, (B,); larger = more outlier.

        Raises:
            ValueError: a score that this classifier does not have.
        """
        found = self.predict_all(images).ood
        if score not in found:
            raise ValueError(f"There is no OOD score {score!r}; choose one of {', '.join(found)}.")
        return found[score]
