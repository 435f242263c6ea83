"""The pair of towers of a folder: EfficientNet-Lite0 with a linear projection, and CLIP's text transformer.

Modules and weights have the names that open_clip's ``CLIP`` and ``TimmModel`` give them.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gallop.backbones.own.efficientnet import ARCHITECTURE, EfficientNetLite0

_VISION = {
    "timm_model_name": ARCHITECTURE,
    "timm_model_pretrained": False,
    "timm_pool": "",
    "timm_proj": "linear",
    "timm_proj_bias": True,
}
_TEXT = ("context_length", "vocab_size", "width", "heads", "layers")
_STRIDES = (8, 16, 32)


def own_model(settings: Mapping[str, Any], trunk: Mapping[str, Any]) -> nn.Module | None:
    """Return the model of a folder's settings, to be filled with its weights; None where open_clip has to build it.

    Args:
        settings: ``model_cfg`` of its ``config.json``.
        trunk: what its trunk is built with.
    """
    vision, text = settings.get("vision_cfg"), settings.get("text_cfg")
    if not (isinstance(vision, dict) and isinstance(text, dict)):
        return None
    known = (
        settings.keys() == {"embed_dim", "quick_gelu", "vision_cfg", "text_cfg"}
        and not settings["quick_gelu"]
        and {key: value for key, value in vision.items() if key != "image_size"} == _VISION
        and text.keys() == {*_TEXT}
        and trunk.keys() == {"output_stride"}
        and trunk["output_stride"] in _STRIDES
        and all(type(size) is int and size > 0 for size in (settings["embed_dim"], *text.values()))
        and isinstance(vision.get("image_size"), int)
        and text["width"] % text["heads"] == 0
    )
    return _Model(settings["embed_dim"], vision["image_size"], trunk["output_stride"], **text) if known else None


class TrunkTower(nn.Module):
    """A CNN trunk and the projection of what its cells are on the mean: what open_clip calls a ``TimmModel``."""

    def __init__(self, embed_dim: int, image_size: int, output_stride: int) -> None:
        super().__init__()
        self.image_size = (image_size, image_size)
        self.trunk = EfficientNetLite0(output_stride)
        projection = nn.Linear(self.trunk.num_features, embed_dim)
        self.head = nn.Sequential(OrderedDict(drop=nn.Dropout(0.0), proj=projection))

    def forward(self, pixels: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.trunk(pixels)))


class _Norm(nn.LayerNorm):
    """Gives the kind of number that came in, in half precision too."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps).to(x.dtype)


class _Block(nn.Module):
    """A pre-norm block of attention and MLP, run by ``gallop.backbones.text``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = _Norm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ls_1 = nn.Identity()
        self.ln_2 = _Norm(width)
        wide = nn.Linear(width, 4 * width)
        self.mlp = nn.Sequential(OrderedDict(c_fc=wide, gelu=nn.GELU(), c_proj=nn.Linear(4 * width, width)))
        self.ls_2 = nn.Identity()


class _Transformer(nn.Module):
    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList([_Block(width, heads) for _ in range(layers)])


class _Model(nn.Module):
    """Both towers, as open_clip's ``CLIP`` holds them; weights come from a file."""

    text_pool_type = "argmax"
    logit_bias = None
    attn_mask: Tensor

    def __init__(
        self,
        embed_dim: int,
        image_size: int,
        output_stride: int,
        context_length: int,
        vocab_size: int,
        width: int,
        heads: int,
        layers: int,
    ) -> None:
        super().__init__()
        self.context_length, self.vocab_size = context_length, vocab_size
        self.visual = TrunkTower(embed_dim, image_size, output_stride)
        self.transformer = _Transformer(width, heads, layers)
        self.token_embedding = nn.Embedding(vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.zeros(context_length, width))
        self.ln_final = _Norm(width)
        self.text_projection = nn.Parameter(torch.zeros(width, embed_dim))
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        # What is causal has one; a token sees those before it.
        mask = torch.full((context_length, context_length), -math.inf).triu_(1)
        self.register_buffer("attn_mask", mask, persistent=False)
