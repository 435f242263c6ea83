"""Batches of photos to columns of a table, by a model that travels to other processes by its name.

Shapes: B photos, K classes, N local prompts, D joint width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

from gallop.backbones import Backbone, load_backbone
from gallop.estimator import GalLoPClassifier
from gallop.features.encoding import BATCH, ONCE, ImageFeatures, Sight, encode_looks
from gallop.images import CropBox
from gallop.model.similarities import Similarities
from gallop.predictions.heatmaps import region_box
from gallop.predictions.predict import Predictions, predictions_of, to_array
from gallop.scoring.prepared import Columns, Prepared, prepare_photos
from gallop.scoring.sources import Opener, SourceItem

TOP_CLASSES = 5


@dataclass(frozen=True)
class Extras:
    """What a table holds beside label, probability, best classes, OOD scores and verdict.

    Attributes:
        probabilities: of all K classes.
        embedding: the photo's global feature, of length 1, in half precision.
        regions: the boxes that the finest local prompt took for the label.
    """

    probabilities: bool = False
    embedding: bool = False
    regions: bool = False


PLAIN = Extras()
DISK = Opener()


class _Worker:
    """What answers and embedding share: photos are read and cropped for a tower."""

    opener: Opener
    draft: bool

    def _tower(self) -> Backbone:
        raise NotImplementedError

    def _sight(self) -> Sight:
        return ONCE

    @property
    def tower_device(self) -> torch.device:
        """Where its tower computes."""
        return self._tower().device

    def prepare(self, items: Sequence[SourceItem]) -> Prepared:
        """Read, decode and crop photos; safe to call from several threads."""
        tower = self._tower()
        return prepare_photos(items, self.opener, tower.preprocess, draft=self.draft, times=self._sight().times)

    def finish(self, prepared: Prepared) -> Columns:
        """Return the table's columns of photos that were prepared."""
        raise NotImplementedError

    def __call__(self, batch: Mapping[str, Any]) -> Columns:
        """Return the table's columns of a batch, as Ray's and Spark's batches are.

        Args:
            batch: ``path`` (paths or addresses) or ``bytes``, B each, and ``key`` where photos have other names.
        """
        given = batch.get("bytes")
        places = batch.get("path", batch.get("key"))
        count = len(given) if given is not None else len(places) if places is not None else 0
        keys = batch.get("key", places if places is not None else [f"row {i + 1}" for i in range(count)])
        if given is not None:
            items = [SourceItem(str(keys[i]), data=bytes(given[i])) for i in range(count)]
        else:
            items = [SourceItem(str(keys[i]), place=str(places[i])) for i in range(count)]
        return self.finish(self.prepare(items))

    def _encode(self, prepared: Prepared) -> ImageFeatures:
        return encode_looks(self._tower(), prepared.looks, self._sight())


class PhotoScorer(_Worker):
    """Answers for batches of photos: label, probability, best classes, OOD scores, verdict.

    Made from a model's folder it is pickled as the folder's name, and loads the model where it is used first.

    Args:
        model: the folder of a trained model, or a classifier.
        device, backbone: as ``GalLoPClassifier.load``.
        extras: further columns.
        opener: opens what batches name; by default what lies on this machine's disks.
        draft: as ``prepare_photos``.
    """

    def __init__(
        self,
        model: str | GalLoPClassifier,
        *,
        device: str = "auto",
        backbone: str | None = None,
        extras: Extras = PLAIN,
        opener: Opener = DISK,
        draft: bool = False,
    ) -> None:
        self.model, self.device, self.backbone = model, device, backbone
        self.extras, self.opener, self.draft = extras, opener, draft
        self._loaded: GalLoPClassifier | None = None if isinstance(model, str) else model

    def __getstate__(self) -> dict[str, Any]:
        loaded = None if isinstance(self.model, str) else self._loaded
        return self.__dict__ | {"_loaded": loaded}

    @property
    def classifier(self) -> GalLoPClassifier:
        """The classifier, which is loaded when it is asked for first."""
        if self._loaded is None:
            assert isinstance(self.model, str)
            self._loaded = GalLoPClassifier.load(self.model, backbone=self.backbone, device=self.device)
        return self._loaded

    def _tower(self) -> Backbone:
        return self.classifier.model_.backbone

    def _sight(self) -> Sight:
        return self.classifier.model_.sight

    def finish(self, prepared: Prepared) -> Columns:
        """Return the table's columns of photos that were prepared; B rows, whatever could be read."""
        columns = prepared.columns()
        if not prepared.looks:
            return columns
        found: dict[str, list[Any]] = {}
        crops = iter(prepared.crops)
        for features in self._encode(prepared).split(BATCH):  # cosines of many classes are large
            part = self._answered(features, list(islice(crops, len(features))))
            for name, values in part.items():
                found.setdefault(name, []).extend(values)
        return columns | {name: prepared.spread(values) for name, values in found.items()}

    def _answered(self, features: ImageFeatures, crops: Sequence[CropBox]) -> Columns:
        model = self.classifier.model_
        with torch.no_grad():
            cosines = model.similarities(features, model.cached_text_features())
        found = predictions_of(model, cosines, self.classifier.calibration_)
        columns = _answers(found, model.class_names)
        if self.extras.probabilities:
            columns["probabilities"] = found.probabilities.tolist()
        if self.extras.embedding:
            columns["embedding"] = _embeddings(features)
        if self.extras.regions:
            best = found.probabilities.argmax(axis=1)
            columns["regions"] = _regions(model.config.topk, cosines, best, self._sight().grids(self._tower()), crops)
        return columns


class PhotoEmbedder(_Worker):
    """Global features of batches of photos, of length 1, in half precision.

    Args:
        backbone, device: as ``load_backbone``.
        opener: opens what batches name; by default what lies on this machine's disks.
        draft: as ``prepare_photos``.
    """

    def __init__(self, backbone: str, *, device: str = "auto", opener: Opener = DISK, draft: bool = False) -> None:
        self.backbone, self.device, self.opener, self.draft = backbone, device, opener, draft
        self._loaded: Backbone | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_loaded": None}

    @property
    def tower(self) -> Backbone:
        """The frozen towers, which are loaded when they are asked for first."""
        if self._loaded is None:
            self._loaded = load_backbone(self.backbone, device=self.device)
        return self._loaded

    def _tower(self) -> Backbone:
        return self.tower

    def finish(self, prepared: Prepared) -> Columns:
        """Return the table's columns of photos that were prepared."""
        columns = prepared.columns()
        if prepared.looks:
            columns["embedding"] = prepared.spread(_embeddings(self._encode(prepared)))
        return columns


def _embeddings(features: ImageFeatures) -> list[Any]:
    return list(to_array(torch.nn.functional.normalize(features.global_.float(), dim=-1)).astype(np.float16))


def _answers(found: Predictions, class_names: Sequence[str]) -> Columns:
    best = np.argsort(-found.probabilities, axis=1, kind="stable")[:, :TOP_CLASSES]
    columns: Columns = {
        "label": [str(label) for label in found.labels],
        "probability": found.probabilities.max(axis=1).tolist(),
        "top": [
            [{"label": class_names[k], "probability": float(row[k])} for k in order]
            for row, order in zip(found.probabilities, best, strict=True)
        ],
    }
    columns |= {score: values.tolist() for score, values in found.ood.items()}
    columns["is_ood"] = [None] * len(found.labels) if found.is_ood is None else found.is_ood.tolist()
    return columns


def _regions(
    topk: Sequence[int],
    cosines: Similarities,
    best: Any,
    grids: Sequence[tuple[int, int]],
    crops: Sequence[CropBox],
) -> list[Any]:
    """Of each photo the regions that the local prompt with the smallest k took for its label, as boxes: of one look
    after the other.
    """
    if not topk:
        return [[] for _ in crops]
    prompt = int(np.argmin(topk))
    looks = [(*look.ranked, grid) for look, grid in zip(cosines.looks, grids, strict=True)]
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
