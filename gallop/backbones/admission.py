"""Whether a pair of open_clip's is read here, told from its settings: nothing is downloaded and no weights are made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import torch
from torch import nn

from gallop.backbones.pairs import check_architecture, open_clip_model, pair_preprocess
from gallop.backbones.text import text_tower
from gallop.backbones.text.causal import CausalTextTower
from gallop.backbones.vision import vision_tower
from gallop.errors import BackboneError, UnsupportedTower


@dataclass(frozen=True)
class Admission:
    """What is known of a pair without its weights.

    Attributes:
        refusal: why it is not read, as a sentence; empty where it is.
        fast: whether its text tower takes the fast path.
        tokens: the longest prompt.
        input: side of its square input in pixels.
        grid: rows and columns of its regions.
        parameters: of both towers.
        tokenizer: on the Hub; empty where it is CLIP's own.
    """

    refusal: str = ""
    fast: bool = False
    tokens: int = 0
    input: int = 0
    grid: tuple[int, int] = (0, 0)
    parameters: int = 0
    tokenizer: str = ""


def admission(arch: str, tag: str) -> Admission:
    """Return whether a pair that open_clip lists is read, and what it is like.

    Raises:
        BackboneError: open_clip lists no such pair.
    """
    from open_clip.pretrained import get_pretrained_cfg

    settings = get_pretrained_cfg(arch, tag)
    if not settings:
        raise BackboneError(f"open_clip lists no weights {tag!r} of {arch!r}.")
    found = _of_architecture(arch)
    try:
        if not found.refusal:
            pair_preprocess(found.input, settings)
    except BackboneError as error:
        return Admission(refusal=str(error))
    return found


@cache
def _of_architecture(arch: str) -> Admission:
    """Built without numbers, on torch's device for shapes alone."""
    from open_clip import SimpleTokenizer, get_model_config

    settings = get_model_config(arch)
    try:
        check_architecture(arch, settings)
        with torch.device("meta"), torch.no_grad():
            model: Any = open_clip_model(arch, device="meta").eval()
            module = getattr(model, "text", model)
            # Where a tokenizer is the Hub's, CLIP's stands for it: which path a tower takes is its own affair.
            text, vision = text_tower(module, SimpleTokenizer()), vision_tower(model.visual)
            size = model.visual.image_size
            side = size[0] if isinstance(size, tuple) else size
            regions = vision(torch.empty(1, 3, side, side))[1].shape[1]
    except UnsupportedTower as error:
        return Admission(refusal=str(error))
    if regions != prod(vision.grid):
        return Admission(refusal=f"{arch} gives {regions} regions, which are no grid of {vision.grid}.")
    return Admission(
        fast=isinstance(text, CausalTextTower),
        tokens=text.context_length,
        input=side,
        grid=vision.grid,
        parameters=_count(model) - _count(getattr(model, "text_decoder", None)),  # CoCa's captions are not asked for
        tokenizer=settings["text_cfg"].get("hf_tokenizer_name") or "",
    )


def _count(module: nn.Module | None) -> int:
    return 0 if module is None else sum(parameter.numel() for parameter in module.parameters())
