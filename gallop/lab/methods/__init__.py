"""GalLoP and what it is compared with, under one interface: ``make_method(name, settings).fit(shots, setup)``.

Each is a small module that cites its paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gallop.config import MethodConfig, TrainConfig, method_preset, train_preset
from gallop.errors import ConfigError
from gallop.lab.methods.interface import Fitted, Method, Setup, method_sight
from gallop.lab.methods.linear_probe import LinearProbe
from gallop.lab.methods.locoop import LoCoOp
from gallop.lab.methods.prompt_learning import RUN_SETTINGS, USUAL_TRAINING, CoOp, GalLoPMethod, PromptLearner
from gallop.lab.methods.tip_adapter import TipAdapter, TipAdapterF
from gallop.lab.methods.zero_shot import ZeroShot
from gallop.setting import settings_of

__all__ = [
    "METHODS",
    "CoOp",
    "Fitted",
    "GalLoPMethod",
    "LinearProbe",
    "LoCoOp",
    "Method",
    "Setup",
    "TipAdapter",
    "TipAdapterF",
    "ZeroShot",
    "make_method",
    "method_settings",
    "method_sight",
]

METHODS: dict[str, type[Any]] = {
    "zero-shot": ZeroShot,
    "CoOp": CoOp,
    "linear-probe": LinearProbe,
    "Tip-Adapter": TipAdapter,
    "Tip-Adapter-F": TipAdapterF,
    "LoCoOp": LoCoOp,
    "GalLoP": GalLoPMethod,
}
"""By the names they have in a benchmark; each is a ``Method``."""


# A setting of GalLoP: the preset whose settings of the method replace the paper's; those that are given precede them.
_METHOD_PRESET = "method_preset"


def method_settings(name: str) -> list[str]:
    """Return the settings of a method, by name: its fields, and those of the training that prompt learners share."""
    method_fields = [field.name for field in fields(METHODS[name])]
    shared = settings_of(TrainConfig) if issubclass(METHODS[name], PromptLearner) else ()
    preset = [_METHOD_PRESET] if issubclass(METHODS[name], MethodConfig) else []
    return method_fields + [key for key in shared if key not in (*method_fields, *RUN_SETTINGS)] + preset


def make_method(name: str, settings: Mapping[str, Any]) -> Method:
    """Return a method by name, with settings that replace its defaults.

    Raises:
        ConfigError: no such method, no such setting, or a value out of range.
    """
    if name not in METHODS:
        raise ConfigError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    known = method_settings(name)
    for key in settings:
        if key not in known:
            raise ConfigError(f"{name} has no setting {key!r}; its settings are {', '.join(known)}.")
    if _METHOD_PRESET in settings:
        preset = method_preset(settings[_METHOD_PRESET])
        asked = {key: value for key, value in settings.items() if key != _METHOD_PRESET}
        settings = {key: getattr(preset, key) for key in settings_of(MethodConfig)} | asked
    method_fields = {field.name for field in fields(METHODS[name])}
    taken = {key: value for key, value in settings.items() if key in method_fields}
    if len(taken) < len(settings):
        rest = {key: value for key, value in settings.items() if key not in method_fields}
        taken["preset"] = train_preset(taken.get("preset", USUAL_TRAINING), **rest)
    method: Method = METHODS[name](**taken)
    return method
