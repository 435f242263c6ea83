"""What a classifier says of photos, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from gallop.data import AskedPhotos, many
from gallop.errors import ConfigError
from gallop.estimator.learned import LearnedModel
from gallop.features.encoding import ImageFeatures
from gallop.images import ImageSource, load_image
from gallop.model.calibration import PROMISED, Calibration, checked_tpr
from gallop.model.prompted import PromptModel
from gallop.predictions.explaining import explain_photos
from gallop.predictions.explanation import Explanation
from gallop.predictions.faithfulness import Deletion, DeletionEvent, deletion
from gallop.predictions.predict import Predictions, predict


class AnswersAndReasons(LearnedModel):
    """``predict_all``, from which ``predict`` and others follow, verdicts and explanations."""

    def predict_all(self, images: AskedPhotos | ImageFeatures) -> Predictions:
        """Return labels, probabilities and OOD scores of images, or of features encoded before, in one pass."""
        return predict(self._fitted(), self.text_features(), self.calibration_, images)

    def is_ood(self, images: AskedPhotos, *, tpr: float | None = None) -> NDArray[np.bool_] | None:
        """Return whether each image is "none of these", (B,); None without a threshold (see ``calibration_.note``).

        Args:
            tpr: for this once, the share of known photos that are to pass, by the held-out shots; None takes the
                threshold that there is.

        Raises:
            ConfigError: a share that is none, no held-out shots to find its limit on, or one class alone.
        """
        model, text = self._fitted() if tpr is None else self._with_several_classes(), self.text_features()
        calibration = self.calibration_ if tpr is None else self.calibration_.at(tpr)
        return predict(model, text, calibration, images).is_ood

    def set_threshold(self, tpr: float = PROMISED, photos: Any = None) -> Self:
        """Find the threshold of "none of these" that lets a share of the known photos pass. Returns self.

        It is found on the held-out shots, whose scores a checkpoint keeps; after a change of the class list there are
        none when the shots themselves are not in memory.

        Args:
            tpr: the share, above 0 and at most 1: a lower one notices more unknown things, and refuses more known ones.
            photos: of known things that were not learned from, to find it on instead, as ``predict`` takes them.

        Raises:
            ConfigError: a share that is none, no held-out shots and no photos, or one class alone.
            DataError, ImageError: photos that cannot be used.
        """
        self._with_several_classes()
        if photos is None:
            self.calibration_ = self.calibration_.at(tpr)
            return self
        share, scores = checked_tpr(tpr), self.ood_score(photos)
        note = f"found on {len(scores)} photos of yours, to keep {share:.0%} of them"
        how: dict[str, Any] = {"temperature": self.calibration_.temperature, "note": note, "tpr": share}
        self.calibration_ = Calibration.on(scores, len(scores), **how)
        return self

    def _with_several_classes(self) -> PromptModel:
        model = self._fitted()
        if len(model.class_names) == 1:
            raise ConfigError(
                f"{model.class_names[0]!r} is the only class, and with one class every photo has the same score, so no "
                "limit tells other things apart. Add the classes of what else may be seen (add_class)."
            )
        return model

    @overload
    def explain(self, image: ImageSource) -> Explanation: ...
    @overload
    def explain(self, image: list[Any] | tuple[Any, ...]) -> list[Explanation]: ...
    def explain(self, image: ImageSource | list[Any] | tuple[Any, ...]) -> Explanation | list[Explanation]:
        """Return every prompt's score for one image, and where each local prompt looked; of a list a list.

        A list passes the tower in batches. Each explanation holds R x K x N cosines: 0.8 MB with 196 regions, 250
        classes and 4 local prompts.
        """
        model, text = self._fitted(), self.text_features()
        images = many(image)
        found = explain_photos(model, text, [load_image(each) for each in images], self.calibration_)
        return found[0] if len(images) == 1 and images[0] is image else found

    def deletion(self, explanation: Explanation, class_name: str) -> Iterator[DeletionEvent | Deletion]:
        """Take an explained photo's regions away, as ``gallop.predictions.faithfulness``; stop whenever you like."""
        return deletion(self._fitted(), self.text_features(), explanation, class_name)
