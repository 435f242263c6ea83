"""How to teach: every setting with its limits, and three ways to choose them. Knows no Streamlit and no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from app.teaching.cards import MOST_PHOTOS
from gallop import MethodConfig, TrainConfig
from gallop.config import train_preset
from gallop.setting import Setting, setting, settings_of

QUICK, PAPER, CUSTOM = "Quick", "As in the paper", "Custom"
TRAINING_WAYS = {
    QUICK: "Chosen by measurement for the model that ships: a few views of each photo, 30 rounds.",
    PAPER: "The paper's own settings: 200 rounds, a fresh view of each photo in every one. Takes many times as long.",
    CUSTOM: "Every setting is yours.",
}
ALL_SHOTS = 0
LOCAL_PROMPTS = Setting(
    "local prompts", "Each is matched with regions, at a scale of its own.", symbol="N", form=(0, 8, 1)
)
"""No setting of its own: there are as many as there are scales k."""
FREE = ("shots", "seed")
"""What no way to teach fixes."""


@dataclass(frozen=True)
class Settings(TrainConfig, MethodConfig):
    """What a training depends on, beside the photos: every setting of the method and of its training, and the shots.

    Attributes:
        shots: photos of each class that are learned from, drawn by the seed; 0 takes all.
    """

    shots: int = setting(
        ALL_SHOTS,
        "photos of each class",
        "Drawn by the seed from the cards. 0: all of them.",
        symbol="shots",
        zero="all",
        form=(ALL_SHOTS, MOST_PHOTOS, 1),
    )

    def __post_init__(self) -> None:
        MethodConfig.__post_init__(self)  # checks every field, those of the training and the shots among them

    @staticmethod
    def of(method: MethodConfig, training: TrainConfig) -> Settings:
        """Return the settings of a training with all photos."""
        return Settings(**_values(method, MethodConfig), **_values(training, TrainConfig))

    def method(self) -> MethodConfig:
        """Return the library's settings of the method."""
        return MethodConfig(**_values(self, MethodConfig))

    def training(self) -> TrainConfig:
        """Return the library's settings of the training."""
        return TrainConfig(**_values(self, TrainConfig))


def _values(config: MethodConfig | TrainConfig, kind: type[MethodConfig | TrainConfig]) -> dict[str, Any]:
    return {name: getattr(config, name) for name in settings_of(kind)}


def preset(way: str) -> Settings:
    """The settings of a way to teach; ``CUSTOM`` begins with those of ``QUICK``."""
    return Settings.of(MethodConfig(), train_preset("paper" if way == PAPER else "default"))


def with_prompts(topk: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The same scales for ``count`` local prompts: further ones go on in fives."""
    further = tuple(5 * (n + 1) for n in range(len(topk), count))
    return (*topk, *further)[:count]


def changed(then: Settings, now: Settings) -> list[str]:
    """What differs, in words; k alone acts without a new training, but for their number."""
    if len(then.topk) == len(now.topk):
        then = replace(then, topk=now.topk)
    return [about.words for key, about in settings_of(now).items() if getattr(then, key) != getattr(now, key)]
