"""The key of a run: a hash of everything that its figures depend on, under which its record is stored.

Neither a release nor a setting that is new makes another key: releases are not in it, and a setting is where it is not
at its default.
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

FIGURES = "2"
"""Version of the figures. It is raised where equal settings and equal photos give other figures from then on, and so
where the default of a setting changes; never for a release."""


def canonical(made: Method) -> dict[str, Any]:
    """Return the settings of a method that are not at their default, in JSON's types, so that equal ones are equal
    however they were written.

    What a prompt learner takes from its preset is filled in: a preset that changes makes other runs.
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
        if key not in usual or _canonical(value) != _canonical(usual[key])
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
