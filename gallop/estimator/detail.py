"""How closely a classifier looks at photos, which may change without training."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gallop.estimator.learned import LearnedModel
from gallop.model.calibration import Calibration
from gallop.model.gallop import GalLoP
from gallop.setting import require

if TYPE_CHECKING:
    from typing_extensions import Self


class Detail(LearnedModel):
    """``set_detail``."""

    def set_detail(self, detail: float, detail_in: str = "answers") -> Self:
        """Look at photos once more at so many times the size, for answers and maps or maps alone. Returns self.

        Nothing is learned anew. Scores are of other regions then, so where answers change, the threshold becomes void,
        with a warning. Settings are those of ``MethodConfig``.

        Raises:
            ConfigError: another detail than 1, 1.5 and 2, or ``detail_in`` is "training", which takes ``fit``.
            BackboneError: its regions do not fit into the tower's grid.
        """
        model = self._fitted()
        require(detail_in != "training", "A second look in training takes a training: fit with it in MethodConfig.")
        changed: Any = {"detail": detail, "detail_in": detail_in}
        config = replace(model.config, **changed)
        self.model_ = GalLoP(model.backbone, model.class_names, config, model.prompts, model.templates, model.head)
        self.detail, self.method = config.detail, config
        before, calibration = model.config.answers_detail, self.calibration_
        if config.answers_detail != before:
            self.cross_fit_ = None
            if calibration.threshold is not None:
                note = f"void: it was found with detail={before:g}; train again for a new one"
                self.calibration_ = Calibration(calibration.temperature, None, note)
                warnings.warn(f"The threshold is {note}.", stacklevel=2)
        return self
