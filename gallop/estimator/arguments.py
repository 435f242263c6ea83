"""What a classifier's constructor arguments stand for: a backbone, a method, a training, a draw, a first model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gallop.backbones import Backbone, load_backbone
from gallop.config import (
    ZERO_SHOT,
    BackbonePreset,
    MethodConfig,
    TrainConfig,
    default_topk,
    method_preset,
    train_preset,
)
from gallop.data import LabelledPhotos
from gallop.errors import warn_caller
from gallop.features.encoding import Cache, checked, open_cache
from gallop.features.given import EncodedPhoto
from gallop.model.prompted import PromptModel, starting_prompts
from gallop.parts import PARTS, resolved
from gallop.setting import require, settings_of
from gallop.training.learn import learned_before
from gallop.wording import listed


@dataclass(frozen=True)
class Arguments:
    """The arguments of ``GalLoPClassifier`` as the packages below it take them.

    Attributes:
        arguments: what was passed to the constructor, by name.
    """

    arguments: Mapping[str, Any]

    @property
    def cache(self) -> Cache | None:
        """Return the feature cache; None stores nothing."""
        return open_cache(self.arguments["cache"])

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

    def training(self, of_backbone: BackbonePreset, photos: int | None = None, classes: int = 1) -> TrainConfig:
        """Return the preset's training with the arguments that are not None in its values' place.

        Args:
            of_backbone: the preset that "backbone" stands for.
            photos, classes: how many are learned from, by which a preset chooses its epochs.
        """
        given = self._given(TrainConfig)
        return train_preset(self.arguments["preset"], of_backbone, photos=photos, classes=classes, **given)

    def method(self, of_backbone: BackbonePreset) -> MethodConfig:
        """Return ``method`` or the preset's, with the arguments that are not None in its values' place."""
        method, preset = self.arguments["method"], self.arguments["preset"]
        require(method is None or isinstance(method, MethodConfig), f"method is {method!r}; it must be a MethodConfig.")
        changes = self._given(MethodConfig)
        if self.arguments["topk"] is None and self.arguments["local_prompts"] is not None:
            changes["topk"] = default_topk(self.arguments["local_prompts"])
        by_preset = preset if isinstance(preset, str) else "backbone"
        return method_preset(by_preset if method is None else method, of_backbone, **changes)

    def _given(self, kind: type[MethodConfig | TrainConfig]) -> dict[str, Any]:
        """The arguments that are settings of a kind; None leaves the preset's value."""
        return {name: self.arguments.get(name) for name in settings_of(kind)}

    def learner(self, data: LabelledPhotos, before: PromptModel | None) -> tuple[PromptModel, TrainConfig]:
        """Return the model that a training begins with, and how it is trained. Warns as ``untaught``.

        Args:
            data: the photos to learn from.
            before: a model whose prompts it continues from; None starts from new ones.

        Raises:
            ConfigError: settings that cannot be used, found before a backbone is loaded, or other ones than those of
                the prompts to continue from.
            DataError: features in place of photos that the model cannot take.
        """
        for settings in (self.method("paper"), self.training("paper")):
            resolved(settings, *PARTS)
        backbone = self.load_backbone()
        method = self.method(backbone.preset)
        prompts = None if before is None else learned_before(before, backbone, method)
        model = PromptModel(backbone, data.class_names, method, prompts or starting_prompts(backbone, method))
        for photo in data.photos:  # refused now, while the classifier still has what it learned before
            if isinstance(photo, EncodedPhoto):
                checked(photo.features, backbone, model.sight, photo.name)
        _warn_of_scales(model)
        return model, resolved(self.training(backbone.preset, len(data), len(data.class_names)))

    def untaught(self, class_names: Sequence[str], templates: Sequence[str] | None) -> PromptModel:
        """Return a model that knows classes by their names alone. Warns of a single class, and of a k above the number
        of regions. Raises ClassNameError and TemplateError.
        """
        method, backbone = self.method("paper"), self.load_backbone()
        untouched = [self.arguments.get(name) for name in ("preset", "method", "starts")] == ["backbone", None, None]
        if templates is None and untouched and backbone.preset == "default":
            templates = ZERO_SHOT["default"][: method.global_prompts]
        model = PromptModel(backbone, class_names, method, templates=templates)
        if len(model.class_names) == 1:
            warn_caller(
                f"{model.class_names[0]!r} is the only class, so every photo is assigned to it with probability 1, and "
                "no OOD threshold can be found. Add the other classes that photos may show."
            )
        _warn_of_scales(model)
        return model


def _warn_of_scales(model: PromptModel) -> None:
    rows, columns = model.backbone.vision.grid
    large = [str(k) for k in model.config.topk if k > rows * columns]
    if large:
        warn_caller(
            f"topk contains {listed(large)}, but {model.backbone.name} has {rows * columns} regions ({rows} x "
            f"{columns}), so any k above that uses all regions."
        )
