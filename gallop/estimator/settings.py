"""The constructor's arguments, and what follows from them: settings of method and training, and a tower."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

from sklearn.base import BaseEstimator
from typing_extensions import Self

from gallop.backbones import Backbone, load_backbone
from gallop.config import HeadKind, MethodConfig, TrainConfig, default_topk
from gallop.features.encoding import Cache
from gallop.presets import OwnPreset, method_preset, train_preset
from gallop.setting import require

_METHOD_SETTINGS = ("global_prompts", "topk", "dropout", "local_projection", "head", "detail")
_TRAIN_SETTINGS = ("epochs", "lr", "batch_size", "views", "calibration_folds", "seed")
"""Constructor arguments that replace a preset's values where they are not None."""


class ClassifierSettings(BaseEstimator):
    """The arguments of ``GalLoPClassifier``, which are kept as they are given and checked when they are used."""

    def __init__(
        self,
        backbone: str | Backbone = "mini",
        *,
        preset: str | TrainConfig = "tower",
        global_prompts: int | None = None,
        local_prompts: int | None = None,
        topk: Sequence[int] | None = None,
        dropout: float | None = None,
        local_projection: bool | None = None,
        head: HeadKind | None = None,
        detail: float | None = None,
        epochs: int | None = None,
        lr: float | None = None,
        batch_size: int | None = None,
        views: int | None = None,
        calibration_folds: int | None = None,
        seed: int = 0,
        shots: int | None = None,
        allow_fewer: bool = False,
        cache: str | PathLike[str] | bool | Cache | None = None,
        warm_start: bool = False,
        device: str = "auto",
        regions: str = "value",
        method: MethodConfig | None = None,
        keep_shots: bool = False,
    ) -> None:
        self.backbone = backbone
        self.preset = preset
        self.global_prompts = global_prompts
        self.local_prompts = local_prompts
        self.topk = topk
        self.dropout = dropout
        self.local_projection = local_projection
        self.head, self.detail = head, detail
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.views = views
        self.calibration_folds = calibration_folds
        self.seed = seed
        self.shots = shots
        self.allow_fewer = allow_fewer
        self.cache = cache
        self.warm_start = warm_start
        self.device = device
        self.regions = regions
        self.method = method
        self.keep_shots = keep_shots

    @classmethod
    def of(cls, method: MethodConfig, training: TrainConfig | None, backbone: str | Backbone, **named: Any) -> Self:
        """Return a classifier with whole settings; ``named`` are other arguments, such as ``cache``."""
        if training is not None:
            named |= {"preset": training} | {name: getattr(training, name) for name in _TRAIN_SETTINGS}
        named |= {"method": method} | {name: getattr(method, name) for name in _METHOD_SETTINGS}
        return cls(backbone, **named)

    def _load_backbone(self) -> Backbone:
        named, how = self.backbone, dict[str, Any](device=self.device, regions=self.regions)
        return named if isinstance(named, Backbone) else load_backbone(named, **how)

    def _train_config(self, own: OwnPreset) -> TrainConfig:
        return train_preset(self.preset, own, **{name: getattr(self, name) for name in _TRAIN_SETTINGS})

    def _method_config(self, own: OwnPreset) -> MethodConfig:
        whole, named = self.method, self.preset if isinstance(self.preset, str) else "tower"
        require(whole is None or isinstance(whole, MethodConfig), f"method is {whole!r}; it must be a MethodConfig.")
        changes = {name: getattr(self, name) for name in _METHOD_SETTINGS}
        if self.topk is None and self.local_prompts is not None:
            changes["topk"] = default_topk(self.local_prompts)
        return method_preset(named if whole is None else whole, own, **changes)
