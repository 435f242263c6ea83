"""How the class list of a classifier changes without training, and what becomes of its threshold."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from gallop.estimator.learned import LearnedModel
from gallop.model.calibration import Calibration
from gallop.model.gallop import GalLoP
from gallop.names.class_names import clean_names

if TYPE_CHECKING:
    from typing_extensions import Self


class ClassList(LearnedModel):
    """``add_class``."""

    def add_class(self, name: str) -> Self:
        """Add one more class with the learned prompts, without retraining. Returns self.

        OOD scores depend on the class list, so temperature and threshold are fitted again on the held-out shots when
        they are still in memory; after ``load`` they are not, and the threshold becomes void, with a warning.

        Raises:
            ClassNameError: a name that cannot be used, or equal to one that is there.
        """
        model, text = self._fitted(), self.text_features()
        names = clean_names([*model.class_names, name])
        with torch.no_grad():
            added = model.text_features_of(names[-1])
        self.model_ = GalLoP(model.backbone, names, model.config, model.prompts, model.templates)
        self._text, self.classes_ = text.append(added), np.array(names)
        if self.cross_fit_ is not None:
            self.calibration_ = self.cross_fit_.calibrate(names)
        elif self.calibration_.threshold is not None:
            note = f"void: the class {names[-1]!r} was added after the threshold was found; train again for a new one"
            self.calibration_ = Calibration(self.calibration_.temperature, None, note)
            warnings.warn(f"The threshold is {note}.", stacklevel=2)
        return self
