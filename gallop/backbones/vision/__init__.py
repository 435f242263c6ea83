"""Pixels -> global features (B, D) and region features (B, R, V), in one pass of a frozen image encoder.

Region features are the encoder's tokens without attention's mixing in the last layer, so that each stays with its
place (paper, section 3.2; the value path of MaskCLIP):

* ViT: in the last block ``v = out_proj(W_v ln_1(x) + b_v) + x``, then ``v + mlp(ln_2(v))``, then ``ln_post``. The local
  projection acts on this (V is the visual width); the visual projection follows it. Another kind, "query-query",
  differs from it in the last block alone, and leaves the global feature as it is: it is
  ``out_proj(softmax(q q' / sqrt(d_head)) v)`` for each head over all tokens, and no more: neither ``+ x`` nor the MLP.
  These are the three changes of ClearCLIP (Lan et al., ECCV 2024, arXiv 2407.12442), which finds that what is left out
  is noise.
  The paper's rule is weak on ViT-L/14 (``gallop.config.REGION_ADVICE``).
* ResNet: value and output projection of the attention pool at each cell, no positional embedding. V is already D.
* ViT that pools its tokens behind the last block (SigLIP, PE-Core, CoCa: by attention; CLIPA, ViTamin: their mean):
  what the pooling, and all that follows it, makes of the token alone; of attention that is the token's value, so here
  too the last mixing is left out. The rule is ours: no paper that we know reads GalLoP's regions from them.
* ViT of timm with a class token (MobileCLIP-B, EVA): the ViT's value path, through whatever its last block is built of.
  V is already D.
* CNN trunk (timm): each cell of the last feature map through the head that makes the global feature of their mean. V is
  already D. Where the head is linear, the mean of the regions is the global feature; ConvNeXt's has a norm.
"""

from __future__ import annotations

from typing import Any, cast, get_args

from gallop.backbones.vision.clip_encoders import PooledViTEncoder, ResNetEncoder, ViTEncoder
from gallop.backbones.vision.encoder import GivenFeatures, ImageEncoder, encode_larger, scaled_grid
from gallop.backbones.vision.timm_encoders import CNNEncoder, TimmViTEncoder
from gallop.config import RegionKind
from gallop.errors import BackboneError, UnsupportedBackbone
from gallop.wording import quoted

__all__ = ["GivenFeatures", "ImageEncoder", "encode_larger", "image_encoder", "pick_regions", "scaled_grid"]


def pick_regions(kind: str = "value") -> RegionKind:
    """Return the kind of region features of a name.

    Raises:
        BackboneError: unknown name.
    """
    if kind not in get_args(RegionKind):
        gone = " 'tokens' and 'value-value' were removed: train again with regions='value'."
        raise BackboneError(
            f"Unknown kind of region features {quoted(kind)}; choose one of "
            f"{', '.join(map(repr, get_args(RegionKind)))}.{gone * (kind in ('tokens', 'value-value'))}"
        )
    return cast(RegionKind, kind)


def image_encoder(module: Any, regions: str = "value") -> ImageEncoder:
    """Return what reads an image encoder of open_clip, with a kind of region features.

    Raises:
        BackboneError: an unknown kind, or one that this encoder does not have.
        UnsupportedBackbone: an encoder, or a pooling, for which region features are not defined here.
    """
    encoder, kind = _encoder_for(module), pick_regions(regions)
    if encoder is ViTEncoder:
        return ViTEncoder(module, kind)
    if kind != "value":
        raise BackboneError(
            f"Region features of the kind {kind!r} need an open_clip ViT with a class token. This image encoder is a "
            f"{type(module).__name__}, which only supports 'value'."
        )
    return encoder(module)


def _encoder_for(module: Any) -> type[ImageEncoder]:
    name = type(module).__name__
    if name == "VisionTransformer":
        at_class_token = module.attn_pool is None and module.pool_type == "tok" and not module.final_ln_after_pool
        return ViTEncoder if at_class_token else PooledViTEncoder
    if name == "TimmModel":
        return TimmViTEncoder if hasattr(module.trunk, "num_prefix_tokens") else CNNEncoder
    if name == "ModifiedResNet":
        return ResNetEncoder
    raise UnsupportedBackbone(
        "Region features are only supported for open_clip's VisionTransformer, ModifiedResNet and TimmModel, but this "
        f"image encoder is a {name}."
    )
