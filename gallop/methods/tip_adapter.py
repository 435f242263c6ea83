"""Tip-Adapter and Tip-Adapter-F: a cache of the shots votes beside the text (Zhang et al., "Tip-Adapter: Training-free
Adaption of CLIP for Few-shot Classification", ECCV 2022, arXiv 2207.09519).

Keys F (n, D) are the shots' features, values L (n, K) their labels as one-hot rows. For an image f and text weights W

    logits = scale x f W' + alpha x exp(-beta (1 - f F')) L        (paper, eqs. 4 and 5)

Tip-Adapter-F goes on from there and learns the keys. Two things differ from the authors' code: keys are divided by
their norms at every step, so that f F' stays a cosine, and W is the ensemble of seven templates on every set.

Shapes: B images, K classes, n shots, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.backbones import Backbone
from gallop.data import LabelledPhotos
from gallop.errors import TrainingDiverged
from gallop.features.encoding import ImageFeatures, TrainingViews
from gallop.methods.interface import Setup, Work, from_probabilities
from gallop.methods.zero_shot import TEMPLATES, template_features
from gallop.model import similarity
from gallop.predictions.predict import Predictions, to_array
from gallop.setting import number_between, whole_between

_BATCH = 256
"""Images of a step of Tip-Adapter-F, as in the authors' code."""


def cache_logits(images: Tensor, keys: Tensor, values: Tensor, sharpness: float) -> Tensor:
    """exp(-beta (1 - cosine)) summed over the shots of each class: (B, K).

    Args:
        images: (B, D); neither they nor the keys need be normalised.
        keys: (n, D).
        values: (n, K).
        sharpness: beta.
    """
    affinity = F.normalize(images, dim=-1) @ F.normalize(keys, dim=-1).T
    return (-sharpness * (1 - affinity)).exp() @ values


@dataclass(frozen=True)
class KeyValueCache:
    """A text classifier and a cache of shots that are heard together.

    Attributes:
        text: class weights (K, D).
        keys: (n, D).
        values: (n, K).
        weight, sharpness: alpha and beta.
    """

    backbone: Backbone
    class_names: tuple[str, ...]
    text: Tensor
    keys: Tensor
    values: Tensor
    weight: float
    sharpness: float

    def logits(self, features: ImageFeatures) -> Tensor:
        """Return (B, K) on the backbone's device; gradients reach the keys."""
        images = features.global_.to(self.backbone.device).float()
        cosines = similarity.global_cosines(images, self.text[:, None], self.backbone.damping.image)[..., 0]
        voted = cache_logits(images, self.keys, self.values, self.sharpness)
        return self.backbone.logit_scale * cosines + self.weight * voted

    def predict(self, features: ImageFeatures) -> Predictions:
        """Return answers for B images, with MSP."""
        with torch.no_grad():
            return from_probabilities(self.class_names, to_array(self.logits(features).softmax(dim=-1)))


def class_weights(backbone: Backbone, class_names: tuple[str, ...]) -> Tensor:
    """Return the weights of the ensemble of templates (K, D)."""
    return template_features(backbone, class_names, TEMPLATES["ensemble"])


@dataclass(frozen=True)
class TipAdapter:
    """Nothing is trained: a key is the mean of the unit features of a shot's augmented views.

    Attributes:
        weight: alpha, of the cache beside the text.
        sharpness: beta.
        views: augmented views of each shot.
    """

    learns: ClassVar[bool] = True

    weight: float = 1.0
    sharpness: float = 5.5
    views: int = 4

    def __post_init__(self) -> None:
        number_between("weight", self.weight, 0, 1000)
        number_between("sharpness", self.sharpness, 0, 1000)
        whole_between("views", self.views, 1, 1000)

    def fit(self, shots: LabelledPhotos, setup: Setup) -> KeyValueCache:
        """Fill the cache."""
        text = class_weights(setup.backbone, shots.class_names)
        setup.tick()
        return self.filled(shots, text, self.encoded(shots, setup))

    def work(self, photos: int) -> Work:
        """Return the views, and no step."""
        return Work(kept=photos * self.views)

    def encoded(self, shots: LabelledPhotos, setup: Setup) -> TrainingViews:
        """Return augmented views of the shots, ready."""
        views = TrainingViews(
            setup.backbone, shots.photos, shots.hashes, views=self.views, seed=setup.seed, cache=setup.cache
        )
        for _ in views.encode():
            pass
        return views

    def filled(self, shots: LabelledPhotos, text: Tensor, views: TrainingViews) -> KeyValueCache:
        """Return the cache as it is before anything is learned."""
        everything = torch.arange(len(shots))
        each = [F.normalize(views.batch(everything, v).global_.float(), dim=-1) for v in range(self.views)]
        keys = F.normalize(torch.stack(each).mean(dim=0), dim=-1)
        values = F.one_hot(torch.tensor(shots.labels), len(shots.class_names)).float()
        device = views.backbone.device
        return KeyValueCache(
            views.backbone,
            shots.class_names,
            text,
            keys.to(device),
            values.to(device),
            self.weight,
            self.sharpness,
        )


@dataclass(frozen=True)
class TipAdapterF(TipAdapter):
    """The keys are learned with cross-entropy: AdamW, and a cosine over all steps (paper, section 3.2).

    Attributes:
        lr: start of the cosine.
        epochs: passes over the shots, each with another view of them.
    """

    lr: float = 0.001
    epochs: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        number_between("lr", self.lr, 1e-9, 100)
        whole_between("epochs", self.epochs, 1, 10_000)

    def fit(self, shots: LabelledPhotos, setup: Setup) -> KeyValueCache:
        """Fill the cache and learn its keys."""
        text = class_weights(setup.backbone, shots.class_names)
        setup.tick()
        views = self.encoded(shots, setup)
        cache = self.filled(shots, text, views)
        cache.keys.requires_grad_(True)
        optimizer = torch.optim.AdamW([cache.keys], lr=self.lr, eps=1e-4)
        steps = self.epochs * -(-len(shots) // _BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        setup.tick()
        generator, done = torch.Generator().manual_seed(setup.seed), 0
        labels = torch.tensor(shots.labels, device=setup.backbone.device)
        for epoch in range(self.epochs):
            if done == setup.steps:
                break
            for some in torch.randperm(len(shots), generator=generator).split(_BATCH):  # type: ignore[no-untyped-call]
                logits = cache.logits(views.batch(some, epoch))
                loss = F.cross_entropy(logits, labels[some])
                if not torch.isfinite(loss):
                    raise TrainingDiverged(f"The loss is {float(loss.detach())} in epoch {epoch + 1}; lower lr.")
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                done += 1
                setup.tick()
                if done == setup.steps:
                    break
        cache.keys.requires_grad_(False)
        return cache

    def work(self, photos: int) -> Work:
        """Return the views, and steps over all epochs."""
        return Work(self.epochs * -(-photos // _BATCH), batch=min(_BATCH, photos), kept=photos * self.views)
