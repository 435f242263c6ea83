"""Towers that are built here, without open_clip and timm: the settings of a folder in, a model for its weights out.

open_clip takes three seconds of a processor to load, most of them for what these towers have no use for: torchvision's
detection operators and, through them, torch's compiler; Hugging Face's transformers. The model that ships is asked for
one photo more often than anything else, so it is built here: the same layers under the same names, so that its weights
and its features are the same bit by bit (``tests/backbones/test_own.py``).
"""

from __future__ import annotations

from gallop.backbones.own.model import TrunkTower, own_model

__all__ = ["TrunkTower", "own_model"]
