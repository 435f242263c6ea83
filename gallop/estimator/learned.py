"""What a classifier has learned, and that it starts anew with nothing left of before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import Self

from gallop.config import TrainConfig
from gallop.core.gallop import TextFeatures
from gallop.data import LabelledPhotos
from gallop.estimator.settings import ClassifierSettings
from gallop.model.calibration import NOT_HELD_OUT, Calibration
from gallop.model.prompted import PromptModel
from gallop.predictions.in_tables import AnswersInTables
from gallop.training.learn import CrossFit
from gallop.training.loop import StepEvent


def text_made_of(model: PromptModel) -> tuple[object, ...]:
    """Return all that a model's text features depend on, by value: prompts may be changed in place."""
    contexts = model.prompts.contexts().detach().float().cpu().numpy().tobytes()
    return model.class_names, model.templates, contexts


class LearnedModel(AnswersInTables, ClassifierSettings):
    """The attributes that are there after fitting."""

    ways_to_start = "fit, zero_shot or load"
    model_: PromptModel
    classes_: NDArray[np.str_]
    calibration_: Calibration
    history_: list[StepEvent]
    _text: tuple[tuple[object, ...], TextFeatures] | None  # what they were made of, and they
    cross_fit_: CrossFit | None
    training_: TrainConfig | None
    _data_fingerprint: str
    skipped_: tuple[tuple[Path | int, str], ...]
    _shots: LabelledPhotos | None = None  # what was learned from, where it is in memory or in files that are there
    _kept: Path | None = None  # where a training that is finished waits for ``save``

    def text_features(self) -> TextFeatures:
        """Return (K, M, D) and (K, N, D), every class after every prompt; kept until prompts or classes change, also
        where prompts are changed in place.
        """
        model = self._fitted()
        made_of, kept = text_made_of(model), self._text
        if kept is None or kept[0] != made_of:
            with torch.no_grad():
                self._text = kept = made_of, model.text_features()
        return kept[1]

    def __copy__(self) -> Self:
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        """All but the photos, and what can be worked out again. ``GalLoP`` and ``Backbone`` say how they travel: a
        tower that ``load_backbone`` has by a name known to other machines goes as that name, any other whole.
        """
        return {**super().__getstate__(), "_text": None, "_shots": None}

    def _start(self, model: PromptModel) -> None:
        """A new model, with nothing left of an earlier one."""
        self.model_ = model
        self.classes_ = np.array(model.class_names)
        self.calibration_ = Calibration(note=NOT_HELD_OUT).for_classes(len(model.class_names))
        self.history_ = []
        self._text = None
        self.cross_fit_ = None
        self.training_ = None
        self._data_fingerprint = ""
        self._numbered = False
        self.skipped_ = ()
        self._shots = None
        self._kept = None

    def _calibrate(self) -> None:
        """Find temperature, threshold and the head's share anew, for the classes that there are now."""
        assert self.cross_fit_ is not None
        self.calibration_, mix = self.cross_fit_.calibrate(self.model_.class_names, self.calibration_.tpr)
        if self.model_.head is not None and mix is not None:
            self.model_ = self.model_.with_head(replace(self.model_.head, mix=mix))

    def _fitted(self) -> PromptModel:
        self.require_classes()
        return self.model_
