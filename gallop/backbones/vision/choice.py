"""Which wrapper reads a vision module, and which kinds of regions it has."""

from __future__ import annotations

from typing import Any, cast, get_args

from torch import nn

from gallop.backbones.own import TrunkTower
from gallop.backbones.vision.pooled import PooledViTVision
from gallop.backbones.vision.resnet import ResNetVision
from gallop.backbones.vision.timm_vit import TimmViTVision
from gallop.backbones.vision.tower import VisionTower
from gallop.backbones.vision.trunk import TrunkVision
from gallop.backbones.vision.vit import ViTVision
from gallop.config import RegionKind
from gallop.errors import BackboneError, UnsupportedTower
from gallop.wording import quoted


def pick_regions(kind: str = "value") -> RegionKind:
    """Return the kind of region features of a name.

    Raises:
        BackboneError: unknown name.
    """
    for known in get_args(RegionKind):
        if kind == known:
            return cast(RegionKind, known)
    names = ", ".join(map(repr, get_args(RegionKind)))
    raise BackboneError(f"There are no region features of the kind {quoted(kind)}; the kinds are {names}.")


def _kind(module: Any) -> type:
    if isinstance(module, TrunkTower):
        return TrunkVision
    name = type(module).__name__
    if name == "VisionTransformer":
        at_class_token = module.attn_pool is None and module.pool_type == "tok" and not module.final_ln_after_pool
        return ViTVision if at_class_token else PooledViTVision
    if name == "TimmModel":
        return TimmViTVision if hasattr(module.trunk, "num_prefix_tokens") else TrunkVision
    if name == "ModifiedResNet":
        return ResNetVision
    raise UnsupportedTower(
        f"Region features are defined for open_clip's VisionTransformer, ModifiedResNet and TimmModel; this vision "
        f"tower is a {name}."
    )


def vision_tower(module: nn.Module, regions: str = "value") -> VisionTower:
    """Return the region-aware wrapper of an open_clip vision module, for a kind of region features.

    Raises:
        BackboneError: an unknown kind, or one that this tower does not have.
        UnsupportedTower: a kind of tower, or of pooling, for which region features are not defined here.
    """
    kind = _kind(module)
    chosen = pick_regions(regions)
    if kind is ViTVision:
        return cast(VisionTower, ViTVision(module, chosen))
    if chosen != "value":
        raise BackboneError(
            f"Only a ViT of open_clip's with a class token has region features of the kind {chosen!r}; this vision "
            f"tower is a {type(module).__name__}, which has 'value' alone."
        )
    return cast(VisionTower, kind(module))
