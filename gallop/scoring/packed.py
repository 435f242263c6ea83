"""A scorer as it travels to another machine: what was learned as bytes, its tower by a name that all machines know."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gallop.checkpoints.folder import checkpoint_bytes
from gallop.checkpoints.settings import Checkpoint
from gallop.estimator import GalLoPClassifier
from gallop.scoring.scorer import Extras, PhotoEmbedder, PhotoScorer
from gallop.scoring.sources import Opener


@dataclass(frozen=True)
class PackedScorer:
    """A ``PhotoScorer`` without its tower, some megabytes: no other machine needs the model's folder.

    Attributes:
        files: of that folder, by their names.
        device: where the tower computes when it is unpacked.
    """

    files: Mapping[str, bytes]
    device: str
    extras: Extras
    opener: Opener
    draft: bool

    def unpacked(self) -> PhotoScorer:
        """Return the scorer, with its tower loaded from this machine.

        Raises:
            BackboneError: its tower is not here and cannot be had.
            CheckpointError: the tower that has its name here is another one.
        """
        with tempfile.TemporaryDirectory(prefix="gallop-") as folder:
            for name, content in self.files.items():
                (Path(folder) / name).write_bytes(content)
            classifier = GalLoPClassifier.load(folder, device=self.device)
        return PhotoScorer(classifier, extras=self.extras, opener=self.opener, draft=self.draft)


@dataclass(frozen=True)
class PackedEmbedder:
    """A ``PhotoEmbedder`` without its tower."""

    backbone: str
    device: str
    opener: Opener
    draft: bool

    def unpacked(self) -> PhotoEmbedder:
        """Return the embedder, which loads its tower from this machine when it is asked for first."""
        return PhotoEmbedder(self.backbone, device=self.device, opener=self.opener, draft=self.draft)


def packed_worker(worker: PhotoScorer | PhotoEmbedder, device: str) -> PackedScorer | PackedEmbedder:
    """Return a worker as it travels, to compute on ``device`` where it arrives."""
    if isinstance(worker, PhotoEmbedder):
        return PackedEmbedder(worker.backbone, device, worker.opener, worker.draft)
    model, calibration = worker.classifier.model_, worker.classifier.calibration_
    files = checkpoint_bytes(Checkpoint.of(model, None, calibration), model.prompts, model.branches)
    return PackedScorer(files, device, worker.extras, worker.opener, worker.draft)
