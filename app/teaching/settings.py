"""How to teach: every setting with its limits, and three ways to choose them. Knows no Streamlit and no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from gallop import MethodConfig, TrainConfig
from gallop.config import train_preset

QUICK, PAPER, CUSTOM = "Quick", "As in the paper", "Custom"
TRAINING_WAYS = {
    QUICK: "Chosen by measurement for the model that ships: a few views of each photo, 30 rounds.",
    PAPER: "The paper's own settings: 200 rounds, a fresh view of each photo in every one. Takes many times as long.",
    CUSTOM: "Every setting is yours.",
}
MOST_PROMPTS = 8
ALL_SHOTS = 0


@dataclass(frozen=True)
class Settings:
    """What a training depends on, beside the photos.

    Attributes:
        shots: photos of each class that are learned from, drawn by the seed; 0 takes all.
        global_prompts: M.
        topk: k of each local prompt; its length is N.
        dropout: p of prompt dropout.
        views: of each photo; 0 draws a fresh one every time.
    """

    shots: int
    global_prompts: int
    topk: tuple[int, ...]
    dropout: float
    lr: float
    epochs: int
    batch_size: int
    views: int
    seed: int

    def for_classifier(self) -> dict[str, Any]:
        """As arguments of ``GalLoPClassifier``."""
        values = asdict(self)
        del values["shots"]
        return values

    def training(self) -> TrainConfig:
        """As the library's training settings."""
        values = asdict(self)
        return TrainConfig(**{field.name: values[field.name] for field in fields(TrainConfig) if field.name in values})


def preset(way: str) -> Settings:
    """The settings of a way to teach; ``CUSTOM`` begins with those of ``QUICK``."""
    training, method = train_preset("paper" if way == PAPER else "default"), MethodConfig()
    return Settings(
        shots=ALL_SHOTS,
        global_prompts=method.global_prompts,
        topk=method.topk,
        dropout=method.dropout,
        lr=training.lr,
        epochs=training.epochs,
        batch_size=training.batch_size,
        views=training.views,
        seed=training.seed,
    )


def with_prompts(topk: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The same scales for ``count`` local prompts: further ones go on in fives."""
    further = tuple(5 * (n + 1) for n in range(len(topk), count))
    return (*topk, *further)[:count]


PRESET_NAMES = {
    "shots": "photos of each class",
    "global_prompts": "global prompts",
    "topk": "k of the local prompts",
    "dropout": "prompt dropout",
    "lr": "learning rate",
    "epochs": "rounds",
    "batch_size": "photos a step",
    "views": "views of each photo",
    "seed": "seed",
}


def changed(then: Settings, now: Settings) -> list[str]:
    """What differs, in words; k alone acts without a new training, but for their number."""
    if len(then.topk) == len(now.topk):
        then = replace(then, topk=now.topk)
    return [name for key, name in PRESET_NAMES.items() if getattr(then, key) != getattr(now, key)]
