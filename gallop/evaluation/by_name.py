"""Answers by class name, in scikit-learn's manner, for every classifier that has ``predict_all``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.metadata_routing import UNUSED
from typing_extensions import Self

from gallop.data import AskedPhotos, GivenLabels, GivenPhotos, labelled_photos
from gallop.errors import DataError
from gallop.evaluation.measure import Evaluation
from gallop.evaluation.scored_answers import ScoredAnswers
from gallop.features.given import given
from gallop.model.scores import VERDICT
from gallop.names.class_names import missing_names, spelled_as
from gallop.predictions.predict import Predictions
from gallop.wording import listed

_ASKED = {"images": UNUSED}
"""Images are no metadata, so scikit-learn need not make ``set_predict_request`` and the like."""


class AnswersByName(ClassifierMixin):
    """What follows from ``predict_all`` and ``classes_``.

    Shapes: B images, K classes.
    """

    classes_: NDArray[np.str_]
    _numbered: bool = False  # whether it was fitted with numbers, for which ``classes_`` are the names
    _ways_to_start = "fit"
    __metadata_request__predict = _ASKED | {"together": UNUSED}
    __metadata_request__predict_proba = __metadata_request__decision_function = _ASKED

    def __sklearn_tags__(self) -> Any:
        """Images are no table of numbers, paths are text, and data with labels needs no separate ones."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = True
        tags.input_tags.two_d_array = tags.target_tags.required = False
        return tags

    def _fitted(self) -> Self:
        """Itself; raises NotFittedError where nothing has been learned yet."""
        if not hasattr(self, "classes_"):
            raise NotFittedError(f"This {type(self).__name__} has no classes yet; call {self._ways_to_start} first.")
        return self

    def predict_all(self, images: Any) -> Predictions:
        """Return labels, probabilities and OOD scores of one image or many, or of features encoded before,
        in one pass.
        """
        raise NotImplementedError

    def predict(self, images: AskedPhotos, *, together: bool = False) -> NDArray[np.str_]:
        """Return the most probable class name of each image, (B,); B = 1 for one image.

        Args:
            together: the images most like each image vote on it (``Predictions.together``), so answers depend on each
                other.
        """
        answers = self.predict_all(images)
        return answers.together().labels if together else answers.labels

    def predict_proba(self, images: AskedPhotos) -> NDArray[np.float32]:
        """Return probabilities (B, K) of the ensemble, in the order of ``classes_``."""
        return self.predict_all(images).probabilities

    def decision_function(self, images: AskedPhotos) -> NDArray[np.float32]:
        """Return class scores (B, K), the logarithms of the probabilities: the largest is the answer. Of two classes,
        as scikit-learn has it, (B,): how much more the second has, so that above 0 it is the answer.

        How far an image is from all classes is another question: ``ood_score``.
        """
        logarithms = np.log(np.maximum(self.predict_proba(images), np.finfo(np.float32).tiny))
        return logarithms[:, 1] - logarithms[:, 0] if logarithms.shape[1] == 2 else logarithms

    def score(
        self,
        images: GivenPhotos,
        labels: GivenLabels | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        class_names: Sequence[str] | None = None,
    ) -> float:
        """Return accuracy in [0, 1] on what holds photos and labels, or on images and their class names, as for
        ``fit``.

        Args:
            images: of what has parts, such as a folder that holds ``train/`` and ``test/``, the test.
            sample_weight: of each image, n numbers of 0 or more.
            class_names: what numbers among the labels mean; by default ``classes_`` where ``fit`` was given some.

        Raises:
            DataError: a class of the data that the model does not know, or not one weight for each image.
        """
        from sklearn.metrics import accuracy_score  # half a second, and no answer needs it

        photos, names = self._labelled(images, labels, class_names)
        if sample_weight is not None and np.shape(sample_weight) != (len(names),):
            raise DataError(
                f"sample_weight has the shape {np.shape(sample_weight)} for {len(names)} images. Pass one number for "
                "each image."
            )
        return float(accuracy_score(names, self.predict(photos), sample_weight=sample_weight))

    def evaluate(
        self,
        images: GivenPhotos,
        labels: GivenLabels | None = None,
        *,
        unknown: AskedPhotos | Mapping[str, AskedPhotos] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> Evaluation:
        """Return all figures of a test: accuracy with its interval, by class and by branch, calibration, and how well
        unknown photos are detected.

        Args:
            images, labels, class_names: as for ``score``.
            unknown: photos that are none of the classes, or several groups of them by name.

        Raises:
            DataError: a class of the data that the model does not know, or a group without photos.

        >>> clf.evaluate("photos/test", unknown="photos/other").accuracy.interval  # doctest: +SKIP
        (0.798..., 0.992...)
        """
        photos, names = self._labelled(images, labels, class_names)
        number = {name: k for k, name in enumerate(self.classes_.tolist())}
        groups = {} if unknown is None else unknown if isinstance(unknown, Mapping) else {"unknown": unknown}
        return Evaluation(
            tuple(number),
            np.array([number[name] for name in names]),
            ScoredAnswers.of(self.predict_all(photos)),
            {group: ScoredAnswers.of(self.predict_all(others)) for group, others in groups.items()},
            tuple(Path(photo).name for photo in photos if isinstance(photo, str | Path)),
        )

    def _labelled(
        self, images: GivenPhotos, labels: GivenLabels | None, class_names: Sequence[str] | None = None
    ) -> tuple[Any, list[str]]:
        """Photos and their class names as ``classes_`` spells them, all of which are known."""
        if self._fitted()._numbered and class_names is None:
            class_names = self.classes_.tolist()
        photos, words = labelled_photos(given(images), labels, split="test", class_names=class_names)
        names = spelled_as(words, self.classes_.tolist())
        unknown = missing_names(list(dict.fromkeys(names)), self.classes_.tolist())
        if unknown:
            raise DataError(
                f"The model does not know the classes {listed(unknown)}; add them or leave out their photos."
            )
        return photos, list(names)

    def ood_score(self, images: AskedPhotos, score: str = VERDICT) -> NDArray[np.float32]:
        """Return one of the OOD scores of each image, (B,); larger = more outlier.

        Raises:
            ValueError: a score that this classifier does not have.
        """
        ood = self.predict_all(images).ood
        if score not in ood:
            raise ValueError(f"There is no OOD score {score!r}; choose one of {', '.join(ood)}.")
        return ood[score]
