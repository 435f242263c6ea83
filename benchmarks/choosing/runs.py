"""Trainings that are saved, so that any head, weight or use of a second look is computed from them in seconds.

Of a training only the scores that its prompts give photos are saved, look by look, and what heads know of the photos:
their mean regions. ``benchmarks.choosing.candidates`` combines them afterwards.

Shapes: L looks, m photos, n shots, K classes, D joint width.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.config import MethodConfig, train_preset
from gallop.data import LabelledPhotos
from gallop.features.encoding import BATCH, Cache, ImageFeatures, TrainingViews, encode_centres
from gallop.model.answers import Rule, answers
from gallop.model.branches.sums import mean_region
from gallop.model.prompted import PromptModel, starting_prompts
from gallop.model.similarities import Similarities
from gallop.training.steps import Learner, Steps

DETAIL = 2.0

VARIANTS: dict[str, MethodConfig] = {
    "usual": MethodConfig(),
    "wide": MethodConfig(topk=(10, 40, 100, 196)),
    "projected": MethodConfig(global_projection=True),
    "projected wide": MethodConfig(global_projection=True, topk=(10, 40, 100, 196)),
}
"""What is trained, by name: nothing that a head, a weight or a second look in answers changes."""


@dataclass(frozen=True)
class PhotoScores:
    """Of some photos.

    Attributes:
        global_: cosines (L, m, K), the mean over global prompts.
        local: top-k means (L, m, K), the mean over local prompts.
        mcm, l_mcm: outlier scores (L, m).
        features: mean regions (L, m, D) in the joint space, as long as they are.
        labels: (m,) class indices; of photos of other things they mean nothing.
    """

    global_: Tensor
    local: Tensor
    mcm: Tensor
    l_mcm: Tensor
    features: Tensor
    labels: Tensor

    @staticmethod
    def cat(parts: Sequence[PhotoScores]) -> PhotoScores:
        """Return all photos of the parts, in order."""
        names = [name for name in vars(parts[0]) if name != "labels"]
        joined = {name: torch.cat([getattr(part, name) for part in parts], dim=1) for name in names}
        return PhotoScores(**joined, labels=torch.cat([part.labels for part in parts]))


@dataclass(frozen=True, eq=False)
class Run:
    """One training; two are never equal.

    Attributes:
        asked: scores of photos that it has not seen, by what they are.
        features: (L, n, D) of the shots that it learned from, as in ``PhotoScores``.
        labels: (n,) of the shots.
        texts: features (K, D) of the class names, of length 1; not saved, for nothing that is trained changes them.
        scale: of the backbone's logits.
    """

    asked: dict[str, PhotoScores]
    features: Tensor
    labels: Tensor
    texts: Tensor
    scale: float


def save(runs: Sequence[Run], path: Path) -> None:
    """Write trainings, all or none; files call the cosines of global prompts "whole"."""
    plain = [
        vars(run)
        | {
            "asked": {
                name: {"whole" if key == "global_" else key: part for key, part in vars(photos).items()}
                for name, photos in run.asked.items()
            }
        }
        for run in runs
    ]
    for run in plain:
        del run["texts"]
    draft = path.with_suffix(".draft")
    torch.save(plain, draft)
    draft.replace(path)


def load(path: Path, texts: Tensor) -> list[Run]:
    """Read them.

    Args:
        texts: as in ``Run``.
    """
    plain: list[dict[str, Any]] = torch.load(path, weights_only=True)
    asked = [
        {
            name: PhotoScores(**{"global_" if key == "whole" else key: part for key, part in photos.items()})
            for name, photos in run["asked"].items()
        }
        for run in plain
    ]
    return [Run(**run | {"asked": each, "texts": texts}) for run, each in zip(plain, asked, strict=True)]


@dataclass(frozen=True)
class Lesson:
    """What one training learns from, indices into the shots, and what it is asked about then, by name."""

    learned: Sequence[int]
    asked: dict[str, LabelledPhotos]


def train(
    backbone: Backbone,
    method: MethodConfig,
    shots: LabelledPhotos,
    lessons: Sequence[Lesson],
    cache: Cache,
    seed: int,
    detail: float = DETAIL,
) -> list[Run]:
    """Learn all lessons side by side from one look, as the folds of a calibration do, and ask each about both.

    Args:
        detail: of what is asked; with 1 there is one look, which takes a fifth of the time.
    """
    config = train_preset("default", seed=seed)
    views = TrainingViews(backbone, shots.photos, shots.hashes, views=config.views, seed=seed, cache=cache)
    for _ in views.encode():
        pass
    start = starting_prompts(backbone, method)
    models = [
        PromptModel(backbone, shots.class_names, replace(method, detail=detail), copy.deepcopy(start)) for _ in lessons
    ]
    learners = [Learner(model, torch.tensor(one.learned)) for model, one in zip(models, lessons, strict=True)]
    steps = Steps(views, torch.tensor(shots.labels), config, PromptModel.loss)
    for _ in steps.trainer(learners).run():
        pass
    every, labels = _features(models[0], shots, cache), torch.tensor(shots.labels)
    texts, runs = models[0].name_features(shots.class_names), []
    for model, one in zip(models, lessons, strict=True):
        learned = torch.tensor(one.learned)
        learned_from = every[learned]
        asked = {
            name: score_photos(model, _features(model, some, cache), some.labels) for name, some in one.asked.items()
        }
        runs.append(Run(asked, _mean_features(learned_from, backbone), labels[learned], texts, backbone.logit_scale))
    return runs


def _features(model: PromptModel, photos: LabelledPhotos, cache: Cache) -> ImageFeatures:
    return ImageFeatures.cat(list(encode_centres(model.backbone, photos.photos, cache, photos.hashes, model.sight)))


def _mean_features(features: ImageFeatures, backbone: Backbone) -> Tensor:
    projection = backbone.vision.region_projection
    return torch.stack([mean_region([look.regions], projection) for look in features.looks])


@torch.no_grad()
def score_photos(model: PromptModel, features: ImageFeatures, labels: Sequence[int]) -> PhotoScores:
    """Return the scores that prompts give photos with both looks, and what heads know of the photos."""
    text, parts = model.text_features(), []
    for some, true in zip(features.split(BATCH), torch.tensor(labels).split(BATCH), strict=True):
        each = [_of_look(look, model) for look in model.similarities(some, text).each_look()]
        global_, local, mcm, l_mcm = (torch.stack(values) for values in zip(*each, strict=True))
        parts.append(PhotoScores(global_, local, mcm, l_mcm, _mean_features(some, model.backbone), true))
    return PhotoScores.cat(parts)


def _of_look(look: Similarities, model: PromptModel) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    ood = look.ood
    return (
        look.image_cosines.mean(dim=-1),
        answers(look, Rule(model.config.topk)).local.mean(dim=-1),
        ood["MCM"],
        ood["L-MCM"],
    )
