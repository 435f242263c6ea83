"""The settings of the method and of its training, as frozen and validated dataclasses.

Nothing here knows torch. A wrong value is refused when the object is made, with a sentence that names it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import Any, Literal, SupportsIndex, get_args

from gallop.errors import ConfigError

Preset = Literal["default", "paper"]

RegionKind = Literal["value", "tokens", "value-value"]
"""What a ViT gives as region features: the paper's value path, its own tokens, or value-value attention."""

REGION_KINDS: tuple[RegionKind, ...] = get_args(RegionKind)

CONTEXT_INIT = "A photo of a"
"""The words whose token embeddings every context starts from (paper, section 4, implementation details)."""


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ConfigError(sentence)


def _whole(name: str, value: object) -> int:
    """Python's own whole number: numpy's would not go into a checkpoint's JSON."""
    if type(value) is int:  # nearly always, and a protocol takes long to ask: a slider waits for it
        return value
    if isinstance(value, SupportsIndex):
        return value.__index__()
    _require(isinstance(value, Real) and float(value).is_integer(), f"{name} is {value!r}; it must be a whole number.")
    return int(value)  # type: ignore[call-overload, no-any-return]


def _number(name: str, value: object) -> float:
    _require(isinstance(value, Real) and math.isfinite(value), f"{name} is {value!r}; it must be a finite number.")
    return float(value)  # type: ignore[arg-type]


def number_between(name: str, value: object, least: float, most: float) -> float:
    """A setting as a number.

    Raises:
        ConfigError: it is none, or not between ``least`` and ``most``.
    """
    number = _number(name, value)
    _require(least <= number <= most, f"{name} is {number:g}; it must be between {least:g} and {most:g}.")
    return number


def whole_between(name: str, value: object, least: int, most: int) -> int:
    """A setting as a whole number.

    Raises:
        ConfigError: it is none, or not between ``least`` and ``most``.
    """
    number = _whole(name, value)
    _require(least <= number <= most, f"{name} is {number}; it must be between {least} and {most}.")
    return number


def _flag(name: str, value: object) -> bool:
    """Python's own truth value; numpy's is one too, but neither 1 nor "yes" is."""
    kind = type(value)
    numpy_own = kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_")
    _require(isinstance(value, bool) or numpy_own, f"{name} is {value!r}; it must be True or False.")
    return bool(value)


def default_topk(local_prompts: int) -> tuple[int, ...]:
    """The paper's scales for N local prompts: k = 5, 10, 15, ... one per prompt."""
    return tuple(5 * (n + 1) for n in range(whole_between("local_prompts", local_prompts, 0, 64)))


@dataclass(frozen=True)
class MethodConfig:
    """What is learned: M global prompts, N local prompts and their scales.

    Attributes:
        global_prompts: M, at least 1. CoOp is M = 1, N = 0, dropout = 0.
        topk: one k (a count of regions) per local prompt; its length is N. Clamped to R when pooling.
        dropout: p of prompt dropout in [0, 1); ``max(M - int(p * M), 1)`` global prompts are kept per image.
        local_projection: whether the projection of the regions is learned; without, it stays the identity.
    """

    global_prompts: int = 4
    topk: tuple[int, ...] = (5, 10, 15, 20)
    dropout: float = 0.75
    local_projection: bool = True

    def __post_init__(self) -> None:
        _require(isinstance(self.topk, Iterable), f"topk is {self.topk!r}; it must be a list, one k per local prompt.")
        object.__setattr__(self, "topk", tuple(_whole("topk", k) for k in self.topk))
        object.__setattr__(self, "global_prompts", whole_between("global_prompts", self.global_prompts, 1, 64))
        object.__setattr__(self, "dropout", _number("dropout", self.dropout))
        object.__setattr__(self, "local_projection", _flag("local_projection", self.local_projection))
        _require(len(self.topk) <= 64, f"{len(self.topk)} local prompts were asked for; the most is 64.")
        for k in self.topk:
            _require(k >= 1, f"topk holds {k}; each k must be a whole number of 1 or more.")
        _require(0.0 <= self.dropout < 1.0, f"dropout is {self.dropout}; it must be at least 0 and below 1.")

    @property
    def local_prompts(self) -> int:
        """N, the number of local prompts."""
        return len(self.topk)

    @property
    def sizes(self) -> tuple[int, int]:
        """(M, N)"""
        return self.global_prompts, self.local_prompts

    @property
    def kept_prompts(self) -> int:
        """How many global prompts survive prompt dropout for one image (paper, section 3.1)."""
        return max(self.global_prompts - int(self.dropout * self.global_prompts), 1)


@dataclass(frozen=True)
class TrainConfig:
    """How it is learned.

    Attributes:
        epochs: passes over the shots.
        lr: start of the cosine, which falls by epoch to zero.
        batch_size: images in a step. An epoch's last step takes those that are left, so every image counts in every
            epoch, and in a short batch more. The paper's own code leaves a short batch out: it takes a step less an
            epoch where the images are no multiple of the batch size, and none where they are fewer than it.
        views: augmented views kept per image; 0 draws a fresh view each time an image is used (the paper's way).
        calibration_folds: folds of the cross-fit that gives the temperature and the OOD threshold; 0 leaves them out.
        seed: of views, shuffling and prompt dropout. The same seed gives the same prompts on a CPU.
    """

    epochs: int = 30
    lr: float = 0.1
    batch_size: int = 32
    momentum: float = 0.9
    weight_decay: float = 0.01
    views: int = 4
    calibration_folds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            plain = _number if field.name in ("lr", "momentum", "weight_decay") else _whole
            object.__setattr__(self, field.name, plain(field.name, getattr(self, field.name)))
        whole_between("epochs", self.epochs, 1, 10_000)
        _require(0.0 < self.lr <= 100.0, f"lr is {self.lr}; it must be above 0 and at most 100.")
        whole_between("batch_size", self.batch_size, 1, 65_536)
        _require(0.0 <= self.momentum < 1.0, f"momentum is {self.momentum}; it must be at least 0 and below 1.")
        _require(self.weight_decay >= 0.0, f"weight_decay is {self.weight_decay}; it must not be negative.")
        _require(0 <= self.views <= 1000, f"views is {self.views}; it must be between 0 (fresh ones) and 1000.")
        _require(
            self.calibration_folds == 0 or 2 <= self.calibration_folds <= 10,
            f"calibration_folds is {self.calibration_folds}; it must be 0 (none) or between 2 and 10.",
        )
        _require(0 <= self.seed < 2**63, f"seed is {self.seed}; it must be a whole number from 0 to 2**63 - 1.")


_PRESETS: dict[str, TrainConfig] = {
    # Chosen by cross-validation inside train folders: benchmarks/choose_settings.py prints the figures.
    "default": TrainConfig(),
    # Paper, section 4: "others" (everything but ImageNet, which takes epochs=50, batch_size=128).
    "paper": TrainConfig(epochs=200, lr=0.002, batch_size=32, views=0),
}


def train_preset(name: str, **changes: Any) -> TrainConfig:
    """The training settings of a preset, with the given fields replaced (``None`` keeps the preset's value).

    Raises:
        ConfigError: unknown preset, unknown field or a value out of range.
    """
    _require(name in _PRESETS, f"There is no preset {name!r}; choose one of {', '.join(sorted(_PRESETS))}.")
    known = {field.name for field in fields(TrainConfig)}
    for key in changes:
        _require(key in known, f"There is no training setting {key!r}; the settings are {', '.join(sorted(known))}.")
    return replace(_PRESETS[name], **{key: value for key, value in changes.items() if value is not None})
