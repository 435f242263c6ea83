"""GalLoP and what it is compared with, under one interface: ``make_method(name, settings).fit(shots)``.

Each is a small module that cites its paper. ``MethodClassifier`` gives any of them scikit-learn's manners.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gallop.errors import ConfigError
from gallop.methods.classifier import MethodClassifier
from gallop.methods.coop import CoOp
from gallop.methods.interface import FewShots, Fitted, Method, Work
from gallop.methods.linear_probe import LinearProbe
from gallop.methods.locoop import LoCoOp
from gallop.methods.prompt_learning import GalLoPMethod
from gallop.methods.promptsrc import PromptSRC
from gallop.methods.tip_adapter import TipAdapter, TipAdapterF
from gallop.methods.zero_shot import ZeroShot

__all__ = [
    "METHODS",
    "CoOp",
    "FewShots",
    "Fitted",
    "GalLoPMethod",
    "LinearProbe",
    "LoCoOp",
    "Method",
    "MethodClassifier",
    "PromptSRC",
    "TipAdapter",
    "TipAdapterF",
    "Work",
    "ZeroShot",
    "make_method",
]

METHODS: dict[str, type[Any]] = {
    "zero-shot": ZeroShot,
    "CoOp": CoOp,
    "linear-probe": LinearProbe,
    "Tip-Adapter": TipAdapter,
    "Tip-Adapter-F": TipAdapterF,
    "LoCoOp": LoCoOp,
    "PromptSRC": PromptSRC,
    "GalLoP": GalLoPMethod,
}
"""By the names they have in a benchmark; each is a ``Method``."""


def make_method(name: str, settings: Mapping[str, Any]) -> Method:
    """A method by name, with settings that replace its defaults.

    Raises:
        ConfigError: no such method, no such setting, or a value out of range.
    """
    if name not in METHODS:
        raise ConfigError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    known = [field.name for field in fields(METHODS[name])]
    for key in settings:
        if key not in known:
            raise ConfigError(f"{name} has no setting {key!r}; its settings are {', '.join(known)}.")
    method: Method = METHODS[name](**settings)
    return method
