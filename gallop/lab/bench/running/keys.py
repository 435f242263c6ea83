"""The key of a run: a hash of everything that its figures depend on, under which its record is stored.

Neither a release nor a setting that is new makes another key: releases are not in it, and a setting that came later is
where it is not at its default.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from gallop.lab.methods import Method
from gallop.lab.methods.prompt_learning import RUN_SETTINGS, PromptLearner
from gallop.parts import saved_parts

FIGURES = "0.1.0"
"""Version of the figures, named after the release that saved the first records. It is raised where equal settings and
equal photos give other figures from then on, and so where the default of a setting changes that is left out; never for
a release."""

REVISED: Mapping[str, int] = {"linear-probe": 1, "CoOp": 1, "LoCoOp": 1, "GalLoP": 1}
"""The same for one method alone, counted from 1 on. The linear probe's first figures were those of a solver that
stopped before the optimum, and those of prompt learners of epochs that ended with a short batch."""

_TRAINING = ("epochs", "lr", "batch_size", "momentum", "weight_decay", "views")
FIRST_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "zero-shot": ("templates",),
    "CoOp": _TRAINING,
    "linear-probe": ("strength",),
    "Tip-Adapter": ("weight", "sharpness", "views"),
    "Tip-Adapter-F": ("weight", "sharpness", "views", "lr", "epochs"),
    "LoCoOp": (*_TRAINING, "weight", "rank_share"),
    "GalLoP": (*_TRAINING, "global_prompts", "topk", "dropout", "local_projection"),
}
"""By method, the settings that are in every key, as when the first records were saved. Nothing is ever added here."""


def canonical(method: str, made: Method) -> dict[str, Any]:
    """Return the settings of a method in JSON's types, so that equal ones are equal however they were written.

    What a prompt learner takes from its preset is filled in: a preset that changes makes other runs. A setting that is
    not among ``FIRST_SETTINGS`` is left out at its default.
    """
    settings, usual = asdict(made) | saved_parts(made), _defaults(made)  # type: ignore[call-overload]
    if isinstance(made, PromptLearner):
        training = made.config(seed=0)
        settings, usual = settings | asdict(training) | saved_parts(training), _defaults(training) | usual
        for key in ("preset", *RUN_SETTINGS):  # what is in a preset is filled in
            del settings[key]
    return {
        key: _canonical(value)
        for key, value in sorted(settings.items())
        if key in FIRST_SETTINGS.get(method, ()) or key not in usual or _canonical(value) != _canonical(usual[key])
    }


def _defaults(config: Any) -> dict[str, Any]:
    return {each.name: each.default for each in fields(config)}


def _canonical(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def run_key(what: Mapping[str, Any]) -> str:
    """Return a short SHA-256 of everything that a run's figures depend on."""
    text = json.dumps(what, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:20]
