"""The paper's method in torch alone: prompts, cosines, top-k pooling, prompt dropout, losses and scores.

Read ``gallop.core.gallop`` first, then ``cosines`` and ``scores``; ``fast`` has two functions of ``cosines`` in less
time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

_HOMES = {
    **dict.fromkeys(("GalLoP", "Loss", "Prompts", "TextFeatures", "draw_kept_prompts", "gallop_loss"), "gallop"),
    **dict.fromkeys(("ensemble", "global_cosines", "pooled_cosines", "region_cosines", "topk_mean"), "cosines"),
    **dict.fromkeys(("Cosines", "class_probabilities", "gl_mcm", "l_mcm", "mcm"), "scores"),
}

__all__ = [
    "Cosines",
    "GalLoP",
    "Loss",
    "Prompts",
    "TextFeatures",
    "class_probabilities",
    "draw_kept_prompts",
    "ensemble",
    "gallop_loss",
    "gl_mcm",
    "global_cosines",
    "l_mcm",
    "mcm",
    "pooled_cosines",
    "region_cosines",
    "topk_mean",
]

if TYPE_CHECKING:
    from gallop.core.cosines import ensemble, global_cosines, pooled_cosines, region_cosines, topk_mean
    from gallop.core.gallop import GalLoP, Loss, Prompts, TextFeatures, draw_kept_prompts, gallop_loss
    from gallop.core.scores import Cosines, class_probabilities, gl_mcm, l_mcm, mcm


def __getattr__(name: str) -> object:
    """Import a public name when it is asked for: ``scores`` is read where torch is not loaded."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gallop.core' has no attribute {name!r}")
    return getattr(import_module(f"gallop.core.{_HOMES[name]}"), name)
