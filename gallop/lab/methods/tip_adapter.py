"""Tip-Adapter and Tip-Adapter-F: a cache of the shots votes beside the text (Zhang et al., "Tip-Adapter: Training-free
Adaption of CLIP for Few-shot Classification", ECCV 2022, arXiv 2207.09519).

Keys F (n, D) are the shots' features, values L (n, K) their labels as one-hot rows. For an image f and text weights W

    logits = scale x f W' + alpha x exp(-beta (1 - f F')) L        (paper, eqs. 4 and 5)

Tip-Adapter-F starts from there and learns the keys. Two things differ from the authors' code: keys are divided by
their norms at every step, so that f F' stays a cosine, and W is the ensemble of seven templates on every set.

Alpha and beta can be searched as the authors' code does (github.com/gaopengcuhk/Tip-Adapter, ``search_hp``). It takes
the pair that is right most often on validation photos, which a set of a few shots has not: here the shots are held out
in turn, and a cache of the others votes on them.

Shapes: B images, b held-out images, K classes, n shots, D joint width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.backbones import Backbone
from gallop.core.cosines import global_cosines
from gallop.data import LabelledPhotos, stratified_folds
from gallop.errors import TrainingDiverged
from gallop.features.encoding import ImageFeatures, TrainingViews
from gallop.lab.methods.interface import Setup, centres, from_probabilities
from gallop.lab.methods.zero_shot import TEMPLATES, template_features
from gallop.predictions.predict import Predictions, to_array
from gallop.setting import integer_between, number_between, require

_BATCH = 256  # images of a step of Tip-Adapter-F, as in the authors' code
WEIGHTS = tuple(2.0**power for power in range(-3, 10))
"""Candidates for alpha. The authors' end at 3, for CLIP, which reads better than small text encoders do."""
SHARPNESSES = (0.5, 1.0, 2.0, 3.0, 4.0, 5.5, 7.5, 10.0, 14.0, 20.0)
"""Candidates for beta; the authors' end at 7."""


@dataclass(frozen=True)
class Fold:
    """Shots that are held out, and those that are not.

    Attributes:
        rest: indices of the others.
        features: of the held-out photos' centre crops, as they are asked about.
        labels: class indices (b,).
    """

    rest: Tensor
    features: ImageFeatures
    labels: Tensor


def held_out(shots: LabelledPhotos, setup: Setup, folds: int) -> list[Fold]:
    """Return the shots in stratified folds; none where no class has a second photo, or ``folds`` is 0."""
    parts = stratified_folds(shots.labels, folds, seed=setup.seed) if folds else []
    if len(parts) < 2:
        return []
    features, labels, every = centres(shots, setup), torch.tensor(shots.labels), set(range(len(shots)))
    return [Fold(torch.tensor(sorted(every - set(part))), features[torch.tensor(part)], labels[part]) for part in parts]


Terms: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""Of a cache's logits for b images, before alpha and beta: the logits of the text (b, K), the cosines with the keys
(b, n), and the values (n, K)."""


def votes_of(affinity: Tensor, values: Tensor, sharpness: float) -> Tensor:
    """exp(-beta (1 - cosine)) summed over the shots of each class: (b, K)."""
    return (-sharpness * (1 - affinity)).exp() @ values


def search(asked: Sequence[Terms], labels: Tensor) -> tuple[float, float]:
    """Return alpha and beta with which most held-out images are right; of equals, those under which it is likeliest."""
    best, pair = (-1, 0.0), (0.0, 0.0)
    for sharpness in SHARPNESSES:
        votes = [votes_of(affinity, values, sharpness) for _, affinity, values in asked]
        for weight in WEIGHTS:
            logits = torch.cat([text + weight * vote for (text, *_), vote in zip(asked, votes, strict=True)])
            score = int((logits.argmax(dim=-1) == labels).sum()), -float(F.cross_entropy(logits, labels))
            if score > best:
                best, pair = score, (weight, sharpness)
    return pair


@dataclass(frozen=True)
class KeyValueCache:
    """A text classifier and a cache of shots, whose logits are added.

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
        text, affinity, values = self.terms(features)
        return text + self.weight * votes_of(affinity, values, self.sharpness)

    def terms(self, features: ImageFeatures) -> Terms:
        """Return what the logits for B images are made of."""
        images = features.global_.to(self.backbone.device).float()
        cosines = global_cosines(images, self.text[:, None], self.backbone.damping.image)[..., 0]
        affinity = F.normalize(images, dim=-1) @ F.normalize(self.keys, dim=-1).T
        return self.backbone.logit_scale * cosines, affinity, self.values

    def only(self, shots: Tensor) -> KeyValueCache:
        return replace(self, keys=self.keys[shots], values=self.values[shots])

    def predict(self, features: ImageFeatures) -> Predictions:
        with torch.no_grad():
            return from_probabilities(self.class_names, to_array(self.logits(features).softmax(dim=-1)))


def class_weights(backbone: Backbone, class_names: tuple[str, ...]) -> Tensor:
    """Return the weights of the ensemble of templates (K, D)."""
    return template_features(backbone, class_names, TEMPLATES["ensemble"])


def _searched(cache: KeyValueCache, parts: Sequence[KeyValueCache], folds: Sequence[Fold]) -> KeyValueCache:
    """A cache with alpha and beta of its parts, which hold the rests of the folds; as it is where there are none."""
    if not folds:
        return cache
    with torch.no_grad():
        asked = [part.terms(fold.features) for part, fold in zip(parts, folds, strict=True)]
        weight, sharpness = search(asked, torch.cat([fold.labels for fold in folds]).to(cache.backbone.device))
    return replace(cache, weight=weight, sharpness=sharpness)


@dataclass(frozen=True)
class TipAdapter:
    """Nothing is trained: a key is the mean of the unit features of a shot's augmented views.

    Attributes:
        weight: alpha, of the cache beside the text.
        sharpness: beta.
        views: augmented views of each shot.
        folds: in which the shots are held out in turn to search both (paper, section 4.1: on validation photos); 0
            takes them as they are given, as does a draw of single shots.
    """

    learns: ClassVar[bool] = True

    weight: float = 1.0
    sharpness: float = 5.5
    views: int = 4
    folds: int = 0

    def __post_init__(self) -> None:
        number_between("weight", self.weight, 0, 1000)
        number_between("sharpness", self.sharpness, 0, 1000)
        integer_between("views", self.views, 1, 1000)
        integer_between("folds", self.folds, 0, 100)
        require(
            self.folds != 1,
            "folds is 1; it must be 0, or 2 or more: a single fold would leave no photos to fill the cache.",
        )

    def fit(self, shots: LabelledPhotos, setup: Setup) -> KeyValueCache:
        cache, folds = self.filled(shots, self.encoded(shots, setup)), held_out(shots, setup, self.folds)
        return _searched(cache, [cache.only(fold.rest) for fold in folds], folds)

    def encoded(self, shots: LabelledPhotos, setup: Setup) -> TrainingViews:
        """Return augmented views of the shots, ready."""
        views = TrainingViews(
            setup.backbone, shots.photos, shots.hashes, views=self.views, seed=setup.seed, cache=setup.cache
        )
        total = len(shots) * self.views
        setup.encoded(0, total)
        for done in views.encode():
            setup.encoded(done, total)
        return views

    def filled(self, shots: LabelledPhotos, views: TrainingViews) -> KeyValueCache:
        """Return the cache as it is before anything is learned."""
        everything = torch.arange(len(shots))
        each = [F.normalize(views.batch(everything, v).global_.float(), dim=-1) for v in range(self.views)]
        keys = F.normalize(torch.stack(each).mean(dim=0), dim=-1)
        values = F.one_hot(torch.tensor(shots.labels), len(shots.class_names)).float()
        backbone = views.backbone
        return KeyValueCache(
            backbone,
            shots.class_names,
            class_weights(backbone, shots.class_names),
            keys.to(backbone.device),
            values.to(backbone.device),
            self.weight,
            self.sharpness,
        )


@dataclass(frozen=True)
class TipAdapterF(TipAdapter):
    """The keys are learned with cross-entropy: AdamW, and a cosine over all steps (paper, section 3.2).

    It learns with alpha and beta as they are given; with ``folds``, those that it answers with are searched once it has
    learned, as in the authors' code.

    Attributes:
        lr: start of the cosine.
        epochs: passes over the shots, each with another view of them.
    """

    lr: float = 0.001
    epochs: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        number_between("lr", self.lr, 1e-9, 100)
        integer_between("epochs", self.epochs, 1, 10_000)

    def fit(self, shots: LabelledPhotos, setup: Setup) -> KeyValueCache:
        views = self.encoded(shots, setup)
        folds = held_out(shots, setup, self.folds)
        cache = self.filled(shots, views)
        labels = torch.tensor(shots.labels)
        return _searched(
            self._learned(cache, torch.arange(len(shots)), labels, views, setup),
            [self._learned(cache.only(fold.rest), fold.rest, labels, views, setup) for fold in folds],
            folds,
        )

    def _learned(
        self, cache: KeyValueCache, photos: Tensor, labels: Tensor, views: TrainingViews, setup: Setup
    ) -> KeyValueCache:
        """A cache of some photos (indices) with learned keys."""
        cache = replace(cache, keys=cache.keys.clone().requires_grad_(True))
        optimizer = torch.optim.AdamW([cache.keys], lr=self.lr, eps=1e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.epochs * -(-len(photos) // _BATCH))
        generator = torch.Generator().manual_seed(setup.seed)
        for epoch in range(self.epochs):
            for order in torch.randperm(len(photos), generator=generator).split(_BATCH):  # type: ignore[no-untyped-call]
                some = photos[order]
                logits = cache.logits(views.batch(some, epoch))
                loss = F.cross_entropy(logits, labels[some].to(logits.device))
                if not torch.isfinite(loss):
                    raise TrainingDiverged(
                        f"Training diverged in epoch {epoch + 1} (loss {float(loss.detach())}). Use a smaller lr."
                    )
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
        return replace(cache, keys=cache.keys.detach())
