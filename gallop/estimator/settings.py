"""What a classifier's constructor arguments stand for: a backbone, a method, a training, a draw of shots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gallop.backbones import Backbone, load_backbone
from gallop.config import BackbonePreset, MethodConfig, TrainConfig, default_topk, method_preset, train_preset
from gallop.errors import warn_caller
from gallop.model.prompted import PromptModel
from gallop.parts import check_registered
from gallop.setting import require
from gallop.wording import listed

_METHOD_SETTINGS = ("global_prompts", "topk", "dropout", "local_projection", "head", "detail", "class_weight")
_TRAIN_SETTINGS = ("epochs", "lr", "batch_size", "views", "calibration_folds", "seed")
"""Constructor arguments that replace a preset's values where they are not None."""


@dataclass(frozen=True)
class Settings:
    """The arguments of ``GalLoPClassifier`` as the packages below it take them.

    Attributes:
        arguments: what was passed to the constructor, by name.
        parts: names of the functions that were passed to the last ``fit``, by part.
    """

    arguments: Mapping[str, Any]
    parts: Mapping[str, str]

    def load_backbone(self) -> Backbone:
        """Return the backbone itself, loaded where a name was given. Raises BackboneError."""
        given, how = self.arguments["backbone"], {name: self.arguments[name] for name in ("device", "regions")}
        return given if isinstance(given, Backbone) else load_backbone(given, **how)

    @property
    def seed(self) -> int:
        """Return the seed of draw, views and prompt dropout."""
        return self.training("paper").seed

    @property
    def draw(self) -> dict[str, Any]:
        """Return how shots are drawn, for ``shots_to_learn``."""
        given = self.arguments["shot_seed"]
        seed = self.seed if given is None else given
        return {"shots": self.arguments["shots"], "seed": seed, "allow_fewer": self.arguments["allow_fewer"]}

    def training(self, of_backbone: BackbonePreset, shots: float | None = None) -> TrainConfig:
        """Return the preset's training with the arguments that are not None in its values' place.

        Args:
            of_backbone: the preset that "backbone" stands for.
            shots: photos a class, by which the paper's preset chooses its epochs.
        """
        changes = {name: self.arguments[name] for name in _TRAIN_SETTINGS} | self._parts_of(TrainConfig)
        return train_preset(self.arguments["preset"], of_backbone, shots=shots, **changes)

    def method(self, of_backbone: BackbonePreset) -> MethodConfig:
        """Return ``method`` or the preset's, with the arguments that are not None in its values' place."""
        method, preset = self.arguments["method"], self.arguments["preset"]
        require(method is None or isinstance(method, MethodConfig), f"method is {method!r}; it must be a MethodConfig.")
        changes = {name: self.arguments[name] for name in _METHOD_SETTINGS} | self._parts_of(MethodConfig)
        if self.arguments["topk"] is None and self.arguments["local_prompts"] is not None:
            changes["topk"] = default_topk(self.arguments["local_prompts"])
        by_preset = preset if isinstance(preset, str) else "backbone"
        return method_preset(by_preset if method is None else method, of_backbone, **changes)

    def check(self) -> None:
        """Raise ConfigError for settings that cannot be used, before a backbone is loaded."""
        check_registered(self.method("paper"), self.training("paper"))

    def _parts_of(self, kind: type[MethodConfig | TrainConfig]) -> dict[str, str]:
        return {part: name for part, name in self.parts.items() if part in kind.__dataclass_fields__}


def warn_of_scales(model: PromptModel) -> None:
    """Warn of each k above the number of regions, which means all of them, like any other such k."""
    rows, columns = model.backbone.vision.grid
    large = [str(k) for k in model.config.topk if k > rows * columns]
    if large:
        warn_caller(
            f"topk contains {listed(large)}, but {model.backbone.name} has {rows * columns} regions ({rows} x "
            f"{columns}), so any k above that uses all regions."
        )
