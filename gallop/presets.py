"""Settings of the method and of its training by name: the paper's, and those chosen by measurement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from gallop.config import MethodConfig, TrainConfig
from gallop.setting import require, settings_of

OwnPreset = Literal["default", "paper"]
"""Settings of method and training that go with a tower: "default" was chosen by measurement on ``mini`` alone."""

Preset = Literal["tower", "default", "paper"]
"""The same by name, or those of the tower that is taught: ``mini``'s own, and the paper's for every other."""

_PRESETS: dict[str, tuple[MethodConfig, TrainConfig]] = {
    # Chosen by cross-validation inside train folders, on mini: benchmarks/choose_settings.py and benchmarks/choosing
    # print the figures.
    "default": (MethodConfig(head="ridge", global_projection=True), TrainConfig()),
    # Paper, section 4: "others" (everything but ImageNet, which takes epochs=50, batch_size=128).
    "paper": (MethodConfig(), TrainConfig(epochs=200, lr=0.002, batch_size=32, views=0)),
}


def method_preset(name: str | MethodConfig, own: OwnPreset | None = None, **changes: Any) -> MethodConfig:
    """Return the method's settings of a preset, with the given fields replaced (``None`` keeps the preset's value).

    Args:
        name: of a preset; or settings that stand in its place.
        own: what "tower" means: the preset of the backbone that is taught. None where no backbone is.

    Raises:
        ConfigError: unknown preset, unknown field or a value out of range.
    """
    base = name if isinstance(name, MethodConfig) else _preset(name, own)[0]
    return replace(base, **_given(changes, MethodConfig, "setting of the method"))


def train_preset(name: str | TrainConfig, own: OwnPreset | None = None, **changes: Any) -> TrainConfig:
    """Return the training settings of a preset, as ``method_preset`` does those of the method."""
    base = name if isinstance(name, TrainConfig) else _preset(name, own)[1]
    return replace(base, **_given(changes, TrainConfig, "training setting"))


def _preset(name: str, own: OwnPreset | None) -> tuple[MethodConfig, TrainConfig]:
    presets = dict(_PRESETS)
    if own is not None:
        presets["tower"] = presets[own]
    require(name in presets, f"There is no preset {name!r}; choose one of {', '.join(sorted(presets))}.")
    return presets[name]


def _given(changes: dict[str, Any], kind: type[MethodConfig | TrainConfig], what: str) -> dict[str, Any]:
    known = settings_of(kind)
    for key in changes:
        require(key in known, f"There is no {what} {key!r}; the settings are {', '.join(sorted(known))}.")
    return {key: value for key, value in changes.items() if value is not None}
