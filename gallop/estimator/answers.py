"""What a classifier says of photos, and why."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gallop.data import AskedPhotos
from gallop.estimator.learned import LearnedModel
from gallop.features.encoding import ImageFeatures
from gallop.images import ImageSource, load_image
from gallop.predictions.explanation import Explanation, explain_photo
from gallop.predictions.faithfulness import Deletion, DeletionEvent, deletion
from gallop.predictions.predict import Predictions, predict


class AnswersAndReasons(LearnedModel):
    """``predict_all``, from which ``predict`` and others follow, verdicts and explanations."""

    def predict_all(self, images: AskedPhotos | ImageFeatures) -> Predictions:
        """Return labels, probabilities and OOD scores of images, or of features encoded before, in one pass."""
        return predict(self._fitted(), self.text_features(), self.calibration_, images)

    def is_ood(self, images: AskedPhotos) -> NDArray[np.bool_] | None:
        """Return whether each image is "none of these", (B,); None without a threshold (see ``calibration_.note``)."""
        return self.predict_all(images).is_ood

    def explain(self, image: ImageSource) -> Explanation:
        """Return every prompt's score for one image, and where each local prompt looked."""
        return explain_photo(self._fitted(), self.text_features(), load_image(image), self.calibration_)

    def deletion(self, explanation: Explanation, class_name: str) -> Iterator[DeletionEvent | Deletion]:
        """Take an explained photo's regions away, as ``gallop.predictions.faithfulness``; stop whenever you like."""
        return deletion(self._fitted(), self.text_features(), explanation, class_name)
