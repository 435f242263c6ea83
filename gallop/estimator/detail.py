"""How closely a classifier looks at photos, which may change without training."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from typing_extensions import Self

from gallop.backbones import with_detail
from gallop.config import MethodConfig
from gallop.data import LabelledPhotos
from gallop.errors import ConfigError, warn_caller
from gallop.estimator.learned import LearnedModel
from gallop.features.encoding import open_cache
from gallop.model.calibration import Calibration
from gallop.model.head.head import Head
from gallop.model.head.sums import KeptShots
from gallop.model.prompted import PromptModel
from gallop.setting import require
from gallop.training.heads import shots_for_heads
from gallop.training.loop import ALONE


class Detail(LearnedModel):
    """``set_detail`` and ``first_look``."""

    def set_detail(self, detail: float, detail_in: str = "answers") -> Self:
        """Look at photos once more at so many times the size, for answers and maps or maps alone. Returns self.

        No prompt learns anew. Scores are of other regions then, so where answers change, the threshold becomes void,
        with a warning. A head learns again, from the same shots as photos are looked at now; its share in the answer
        stays. Settings are those of ``MethodConfig``.

        Raises:
            ConfigError: another detail than 1, 1.5 and 2, ``detail_in`` is "training", which takes ``fit``, or answers
                would change of a head whose photos are not in memory.
            BackboneError: its regions do not fit into the tower's grid.
            ImageError: a photo that the head has learned from, and that cannot be read any more.
        """
        model = self._fitted()
        require(detail_in != "training", "A second look in training takes a training: fit with it in MethodConfig.")
        changed: Any = {"detail": detail, "detail_in": detail_in}
        config = replace(model.config, **changed)
        before, calibration = model.config.answers_detail, self.calibration_
        head = model.head if config.answers_detail == before else self._head_for(config)
        self.model_ = PromptModel(model.backbone, model.class_names, config, model.prompts, model.templates, head)
        self.detail, self.method = config.detail, config
        if config.answers_detail != before:
            self.cross_fit_ = None
            if calibration.threshold is not None:
                note = f"void: it was found with detail={before:g}; train again for a new one"
                self.calibration_ = Calibration(calibration.temperature, None, note)
                warn_caller(f"The threshold is {note}.")
        return self

    def first_look(self) -> Self:
        """Return a copy that answers from the first look alone: what there is to show at once, while a second one, of
        several times the work, is awaited.

        Prompts, head and temperature are the same ones; the head, which learned from both looks, is asked about one. No
        limit for none of these was found for such answers, so there is none. Where photos are looked at once anyway,
        the copy answers as this does.
        """
        model = self._fitted()
        self.text_features()  # for both
        found = copy.copy(self)
        if model.config.answers_detail == 1:
            return found
        once: Any = {"detail": 1.0, "detail_in": "answers"}
        config = replace(model.config, **once)
        found.model_ = PromptModel(
            model.backbone, model.class_names, config, model.prompts, model.templates, model.head
        )
        found.detail, found.method, found.cross_fit_ = config.detail, config, None
        found.calibration_ = Calibration(self.calibration_.temperature, note="none: this is the first of two looks")
        return found

    def _head_for(self, config: MethodConfig) -> Head | None:
        """What the head learns of its shots where they are looked at otherwise."""
        model, head = self.model_, self.model_.head
        if head is None:
            return None
        shots = self._shots_of(head)
        if shots is None:
            ways = f"Train again with head={head.kind!r} and detail={config.detail:g}"
            ways += ", or take finer maps alone, with detail_in='maps'" if config.detail != 1 else ""
            raise ConfigError(
                f"The head learned from photos looked at with detail={model.config.answers_detail:g}, and not all of "
                f"them are in memory, as after load or add_shots, so it cannot learn them anew. {ways}."
            )
        backbone = with_detail(model.backbone, config.answers_detail)
        *_, known = shots_for_heads(backbone, shots, open_cache(self.cache), ALONE)
        assert isinstance(known, KeptShots)
        return Head.of(head.kind, known, len(model.class_names), head.mix, head.texts)

    def _shots_of(self, head: Head) -> LabelledPhotos | None:
        """The photos that a head has learned from; None where they are not, or not all, in memory."""
        data, names = self._shots, self.model_.class_names
        if data is None or head.shots is None:
            return None
        there = data.take([i for i, name in enumerate(data.names) if name in names])
        there = replace(there, labels=tuple(map(names.index, there.names)), class_names=names)
        return there if torch.equal(torch.tensor(there.labels), head.shots.labels) else None
