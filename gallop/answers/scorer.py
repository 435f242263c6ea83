"""Turn batches of photos into columns of a table, with a model that is pickled by its name.

Shapes: B photos, K classes, N local prompts, D joint width.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain, islice
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
import torch
from safetensors.torch import save

import gallop
from gallop.answers.sources import SourceItem
from gallop.answers.sources.item import bounded_batches, named_photo
from gallop.checkpoints.folder import SavedModel, learned_tensors
from gallop.checkpoints.settings_file import Checkpoint
from gallop.errors import NotAnImage
from gallop.features.encoding import BATCH, ImageFeatures, encode_looks, readers
from gallop.features.preparing import Prepared, prepare
from gallop.images import CropBox
from gallop.model.answers import Answers
from gallop.model.answers import answers as answered
from gallop.parts import require_topk
from gallop.predictions.heatmaps import region_box
from gallop.predictions.predict import predictions_of
from gallop.runtime.ahead import ahead

Columns: TypeAlias = dict[str, list[Any]]
"""By name, one value for each photo; None where there is none."""

TOP_CLASSES = 5


@dataclass(frozen=True)
class Extras:
    """The columns of a table beside label, probability, best classes, OOD scores and verdict.

    Attributes:
        probabilities: of all K classes.
        embedding: the photo's global feature, of length 1, in half precision.
        regions: the boxes that the local prompt with the smallest k chose for the label.
    """

    probabilities: bool = False
    embedding: bool = False
    regions: bool = False


PLAIN = Extras()


class PhotoScorer:
    """Answers for batches of photos: label, probability, best classes, OOD scores, verdict.

    Made from a model's folder it is pickled as the folder's name, and loads the model where it is used first.

    Args:
        model: the folder of a trained model, a classifier, or what ``load_model`` gives.
        device, backbone: as ``GalLoPClassifier.load``.
        extras: further columns.
        draft: as ``prepare``.
    """

    def __init__(
        self,
        model: str | PathLike[str] | gallop.GalLoPClassifier | SavedModel,
        *,
        device: str = "auto",
        backbone: str | None = None,
        extras: Extras = PLAIN,
        draft: bool = False,
    ) -> None:
        self.model, self.device, self.backbone = model, device, backbone
        self.extras, self.draft = extras, draft

    @cached_property
    def classifier(self) -> gallop.GalLoPClassifier | SavedModel:
        """The classifier, which is loaded on first use.

        Raises:
            BackboneError: its backbone is not on this machine and cannot be downloaded.
            CheckpointError: it is not a model, or the backbone of its name on this machine is a different one.
        """
        if not isinstance(self.model, str | PathLike):
            return self.model
        return gallop.GalLoPClassifier.load(self.model, backbone=self.backbone, device=self.device)

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the classifier that was loaded, which is loaded again where the copy uses it first."""
        return {name: value for name, value in self.__dict__.items() if name != "classifier"}

    def prepare(self, items: Sequence[SourceItem]) -> tuple[list[str], Prepared]:
        """Read, decode and crop photos, and return their keys too; safe to call from several threads."""
        model, keys = self.classifier.model_, [item.key for item in items]
        photos = (
            NotAnImage(item.problem) if item.problem else item.place if item.data is None else item.data
            for item in items
        )
        return keys, prepare(
            photos, model.backbone.preprocess, model.sight.times, names=keys, draft=self.draft, report=True
        )

    def finish(self, keys: list[str], prepared: Prepared) -> Columns:
        """Return the table's columns of photos that were prepared: B rows, also for photos that could not be read."""
        columns: Columns = {"key": keys, "error": [prepared.problems.get(i) for i in range(len(keys))]}
        if prepared.looks:
            model = self.classifier.model_
            features = encode_looks(model.backbone, prepared.looks, model.sight)
            for name, values in self._columns(features, prepared.crops).items():
                columns[name] = prepared.spread(values)
        return columns

    def __call__(self, batch: Mapping[str, Any]) -> Columns:
        """Return the table's columns of a batch, as Ray Data's batches are.

        Args:
            batch: ``path`` or ``bytes``, B of each, and ``key`` where photos have other names.
        """
        given = batch.get("bytes")
        places = batch.get("path", batch.get("key"))
        count = len(given) if given is not None else len(places) if places is not None else 0
        keys = batch.get("key", places if places is not None else [f"row {i + 1}" for i in range(count)])
        if given is not None:
            items = [SourceItem(str(keys[i]), data=bytes(given[i])) for i in range(count)]
        else:
            items = [named_photo(str(keys[i]), str(places[i])) for i in range(count)]
        return self.finish(*self.prepare(items))

    def _columns(self, features: ImageFeatures, crops: Sequence[CropBox]) -> Columns:
        columns: Columns = {}
        crops_left = iter(crops)
        for part in features.split(BATCH):  # cosines of many classes are large
            for name, values in self._answers(part, list(islice(crops_left, len(part)))).items():
                columns.setdefault(name, []).extend(values)
        return columns

    def _answers(self, features: ImageFeatures, crops: Sequence[CropBox]) -> Columns:
        model = self.classifier.model_
        with torch.no_grad():
            similarities = model.similarities(features, model.cached_text_features())
            found = answered(similarities, model.rule(self.classifier.calibration_))
        predictions = predictions_of(model.class_names, found, features if self.extras.embedding else None)
        order = np.argsort(-predictions.probabilities, axis=1, kind="stable")
        columns: Columns = {
            "label": [str(label) for label in predictions.labels],
            "probability": predictions.probabilities.max(axis=1).tolist(),
            "top": [
                [{"label": model.class_names[k], "probability": float(row[k])} for k in best]
                for row, best in zip(predictions.probabilities, order[:, :TOP_CLASSES], strict=True)
            ],
        }
        columns |= {score: values.tolist() for score, values in predictions.ood.items()}
        columns["is_ood"] = [None] * len(features) if predictions.is_ood is None else predictions.is_ood.tolist()
        if self.extras.probabilities:
            columns["probabilities"] = predictions.probabilities.tolist()
        if predictions.embeddings is not None:
            columns["embedding"] = list(predictions.embeddings)
        if self.extras.regions:
            columns["regions"] = _regions(found, order[:, 0], model.sight.grids(model.backbone), crops)
        return columns


def _regions(found: Answers, best: Any, grids: Sequence[tuple[int, int]], crops: Sequence[CropBox]) -> list[Any]:
    """Of each photo the regions that the local prompt with the smallest k chose for its label, as boxes, look by
    look.
    """
    topk = found.rule.topk
    if not topk:
        return [[] for _ in crops]
    require_topk(found.rule.pooling, "The table's column of regions")
    prompt = int(np.argmin(topk))
    looks = [(*look.ranked, grid) for look, grid in zip(found.similarities.looks, grids, strict=True)]
    boxes = []
    for i, crop in enumerate(crops):
        place = (i, best[i], prompt, slice(topk[prompt]))
        taken = [
            region_box(region, score, grid, crop)
            for ranked, order, grid in looks
            for region, score in zip(order[place].tolist(), ranked[place].tolist(), strict=True)
        ]
        boxes.append([dict(zip(BOX, (*map(float, box.rounded()), box.score), strict=True)) for box in taken])
    return boxes


BOX = ("left", "top", "right", "bottom", "score")
"""Of a region: its corners in the photo's pixels, and its cosine."""


GPU_BATCH = 128
"""Photos that pass a backbone on a GPU together, a multiple of ``BATCH``: it has thousands of units to feed."""


def answers(worker: PhotoScorer, photos: Iterable[SourceItem]) -> Iterator[Columns]:
    """Yield the columns of photos, batch by batch; the next photos are read while a batch is encoded.

    They are read a few at a time, and pass the backbone together in as many as suits its device.
    """
    device = worker.classifier.model_.backbone.device
    coming = ahead(worker.prepare, bounded_batches(photos, BATCH), readers(device))
    while together := list(islice(coming, batch_for(device) // BATCH)):
        keys, prepared = zip(*together, strict=True)
        yield worker.finish([*chain(*keys)], Prepared.cat(prepared))


def batch_for(device: torch.device) -> int:
    """Return how many photos pass a backbone together on a device."""
    return BATCH if device.type == "cpu" else GPU_BATCH


def fingerprint(classifier: gallop.GalLoPClassifier | SavedModel) -> str:
    """Return a hash of everything that answers depend on: prompts, classes, settings, calibration, backbone."""
    model = classifier.model_
    checkpoint = Checkpoint.of(model, None, classifier.calibration_)
    record = checkpoint.record()
    del record["backbone"]  # a path may change
    for name in ("photos", "tpr", "held_out"):  # they describe how the threshold was computed, and change no answer
        record["calibration"].pop(name, None)
    text = json.dumps(record, sort_keys=True, ensure_ascii=False).encode()
    return hashlib.sha256(text + hashlib.sha256(save(learned_tensors(checkpoint, model))).digest()).hexdigest()


def manifest_of(worker: PhotoScorer) -> dict[str, Any]:
    """Return the description of a worker's answers, which tells them from those of another model."""
    return {
        "format": 2,
        "model": fingerprint(worker.classifier),
        "columns": asdict(worker.extras),
        **({"draft": True} if worker.draft else {}),
        "backbone": worker.classifier.model_.backbone.fingerprint,
    }
