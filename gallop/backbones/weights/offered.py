"""A short list of pairs of open_clip to begin with, each with its size, licence and needs. Loads nothing."""

from __future__ import annotations

from gallop.backbones.weights.known import KnownTower, licence_of

_FP32 = 4
_SIZES: dict[str, tuple[int, int, tuple[int, int] | None]] = {
    "ViT-B-16": (149_620_737, 224, (14, 14)),
    "ViT-B-32": (151_277_313, 224, (7, 7)),
    "ViT-L-14": (427_616_513, 224, (16, 16)),
    "RN50": (102_060_440, 224, (7, 7)),
    "MobileCLIP2-S0": (74_885_875, 256, None),
}
"""Of an architecture: its weights, its input and, where its settings tell it, the grid of its regions; a test asks
open_clip whether they are so."""
_TOKENS = 77
_PAIRS = (
    "ViT-B-16/openai",
    "ViT-B-32/openai",
    "RN50/openai",
    "ViT-L-14/openai",
    "ViT-B-32/laion2b_s34b_b79k",
    "ViT-B-16/laion2b_s34b_b88k",
    "ViT-B-16/datacomp_xl_s13b_b90k",
    "ViT-L-14/laion2b_s32b_b82k",
    "ViT-B-16/dfn2b",
    "MobileCLIP2-S0/dfndr2b",
)
"""The paper's own first. Everything else that open_clip lists works by its name as well."""


def offered_towers() -> list[KnownTower]:
    """Return towers worth a download, the paper's own first; whether one is here already is not looked up."""
    return [_offered(name) for name in _PAIRS]


def _offered(name: str) -> KnownTower:
    arch, _, tag = name.partition("/")
    weights, side, grid = _SIZES[arch]
    size = _FP32 * weights
    return KnownTower(name, bytes=size, memory=size, licence=licence_of(tag), input=side, grid=grid, tokens=_TOKENS)
