"""A classifier as a checkpoint folder, written and read."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from typing_extensions import Self

from gallop.backbones import Backbone
from gallop.checkpoints.folder import load_head, load_prompts, read_model, save_checkpoint
from gallop.checkpoints.hub import model_folder
from gallop.checkpoints.settings import Checkpoint
from gallop.estimator.learned import LearnedModel
from gallop.model.prompted import PromptModel
from gallop.training.resume import drop_training


class SavedModel(LearnedModel):
    """``save`` and ``load``."""

    def save(self, folder: str | PathLike[str]) -> None:
        """Write a checkpoint folder: what was learned, the class list, the settings, the backbone's fingerprint.

        Of shots a head keeps sums alone, unless ``keep_shots`` is set. What ``fit_steps`` has kept of the training goes
        when this has been read back.
        """
        model = self._fitted()
        save_checkpoint(Path(folder), self._checkpoint(), model.prompts, model.head)
        if self._kept is not None:
            drop_training(self._kept)
            self._kept = None

    @classmethod
    def load(cls, folder: str | PathLike[str], *, backbone: str | Backbone | None = None, device: str = "auto") -> Self:
        """Return a classifier from a checkpoint folder, or from a model on the Hugging Face Hub.

        Args:
            folder: its path, or ``hf://USER/NAME`` with perhaps ``@REVISION`` behind it.
            backbone: where its weights are now; None uses the name it was trained with.

        Raises:
            CheckpointError: damaged, of a newer format, or trained with other weights or other region features.
            BackboneError: its backbone cannot be loaded.
            HubError: there is no such model on the Hub, or it cannot be had.
        """
        place = model_folder(folder)
        checkpoint, tensors = read_model(place)
        method, training, here = checkpoint.method, checkpoint.training, backbone or checkpoint.backbone
        self = cls.of(method, training, here, device=device, regions=checkpoint.regions)
        frozen = self._load_backbone()
        prompts = load_prompts(place, checkpoint, tensors, frozen)
        head = load_head(place, checkpoint, tensors, frozen)
        self.keep_shots = head is not None and head.shots is not None
        self._start(PromptModel(frozen, checkpoint.class_names, method, prompts, checkpoint.templates, head))
        self.calibration_ = checkpoint.calibration.for_classes(len(checkpoint.class_names))
        self.training_ = training
        self._data_fingerprint = checkpoint.data_fingerprint
        return self

    def _checkpoint(self) -> Checkpoint:
        said = self.training_, self.calibration_, self._data_fingerprint
        return Checkpoint.of(self._fitted(), *said, keep_shots=self.keep_shots)
