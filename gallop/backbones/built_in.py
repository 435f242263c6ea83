"""Backbones that are built here, without open_clip and timm: the settings of a folder in, a model for its weights out.

open_clip takes three seconds of a processor to load, most of them for what these backbones do not use: torchvision's
detection operators and, through them, torch's compiler; Hugging Face's transformers. The most common use is one photo
with the model that ships, so it is built here: EfficientNet-Lite0 (arXiv 1905.11946) with a
linear projection, and CLIP's text transformer. Modules and weights have the names that open_clip's ``CLIP`` and
``TimmModel`` and timm's ``tf_efficientnet_lite0`` give them, so that weights and features are the same bit by bit
(``tests/backbones/test_built_in.py``). Padding is TensorFlow's: as much as makes a map of ceil(size / stride), the odd
pixel at the right and below.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_VISION = {
    "timm_model_name": "tf_efficientnet_lite0",
    "timm_model_pretrained": False,
    "timm_pool": "",
    "timm_proj": "linear",
    "timm_proj_bias": True,
}
_STEM, _WIDTH = 32, 1280
# Blocks, kernel, stride of the first block, and channels of each stage.
_STAGES = ((1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320))


def built_in_model(settings: Mapping[str, Any], trunk: Mapping[str, Any]) -> nn.Module | None:
    """Return the model of a folder's settings, to be filled with its weights; None where open_clip has to build it.

    Args:
        settings: ``model_cfg`` of its ``config.json``.
        trunk: what its trunk is built with.
    """
    vision, text = settings.get("vision_cfg"), settings.get("text_cfg")
    if not (
        isinstance(vision, dict)
        and isinstance(text, dict)
        and settings.keys() == {"embed_dim", "quick_gelu", "vision_cfg", "text_cfg"}
        and not settings["quick_gelu"]
        and {key: value for key, value in vision.items() if key != "image_size"} == _VISION
        and text.keys() == {"context_length", "vocab_size", "width", "heads", "layers"}
        and trunk.keys() == {"output_stride"}
        and trunk["output_stride"] in (8, 16, 32)
        and all(type(size) is int and size > 0 for size in (settings["embed_dim"], *text.values()))
        and isinstance(vision.get("image_size"), int)
        and text["width"] % text["heads"] == 0
    ):
        return None
    return _Model(settings["embed_dim"], vision["image_size"], trunk["output_stride"], **text)


class TimmModel(nn.Module):
    """A CNN trunk and a projection of the mean of its cells; ``image_encoder`` detects it by open_clip's name."""

    def __init__(self, embed_dim: int, image_size: int, output_stride: int) -> None:
        super().__init__()
        self.image_size = (image_size, image_size)
        self.trunk = EfficientNetLite0(output_stride)
        self.head = nn.Sequential(OrderedDict(drop=nn.Dropout(0.0), proj=nn.Linear(self.trunk.num_features, embed_dim)))

    def forward(self, pixels: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.trunk(pixels)))


class _LayerNorm(nn.LayerNorm):
    """Gives the kind of number that came in, in half precision too."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps).to(x.dtype)


class _Block(nn.Module):
    """A pre-norm block of attention and MLP, run by ``gallop.backbones.text``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = _LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ls_1 = nn.Identity()
        self.ln_2 = _LayerNorm(width)
        self.mlp = nn.Sequential(
            OrderedDict(c_fc=nn.Linear(width, 4 * width), gelu=nn.GELU(), c_proj=nn.Linear(4 * width, width))
        )
        self.ls_2 = nn.Identity()


class Transformer(nn.Module):
    """Blocks one after the other."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList([_Block(width, heads) for _ in range(layers)])


class _Model(nn.Module):
    """Both encoders, as open_clip's ``CLIP`` holds them; weights come from a file."""

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
        self.visual = TimmModel(embed_dim, image_size, output_stride)
        self.transformer = Transformer(width, heads, layers)
        self.token_embedding = nn.Embedding(vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.zeros(context_length, width))
        self.ln_final = _LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros(width, embed_dim))
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        # What is causal has one; a token sees those before it.
        self.register_buffer(
            "attn_mask", torch.full((context_length, context_length), -math.inf).triu_(1), persistent=False
        )


class EfficientNetLite0(nn.Sequential):
    """Pixels to a map of 1,280 channels, without a classifier.

    Args:
        output_stride: pixels a cell of the map; what would stride beyond it dilates in its place.
    """

    num_features = _WIDTH

    def __init__(self, output_stride: int = 32) -> None:
        width, reached, dilation = _STEM, 2, 1
        stages: list[nn.Module] = []
        for number, (count, kernel, stride, wide) in enumerate(_STAGES):
            after = dilation
            if stride > 1 and reached * stride > output_stride:
                after, stride = dilation * stride, 1
            reached *= stride
            blocks: list[nn.Module] = []
            for place in range(count):
                # The first block strides, and its kernel stays as dense as its input.
                step, spread = (stride, dilation) if place == 0 else (1, after)
                blocks.append(
                    _Inverted(width, wide, kernel, step, spread) if number else _separable(width, wide, kernel)
                )
                width = wide
            dilation = after
            stages.append(nn.Sequential(*blocks))
        super().__init__(
            OrderedDict[str, nn.Module](
                conv_stem=_conv(3, _STEM, 3, stride=2),
                bn1=_BatchNorm(_STEM),
                blocks=nn.Sequential(*stages),
                conv_head=_conv(width, _WIDTH, 1),
                bn2=_BatchNorm(_WIDTH),
            )
        )

    def forward_features(self, pixels: Tensor) -> Tensor:
        """Return cells (B, channels, rows, columns) of pixels (B, 3, H, W)."""
        return cast(Tensor, super().forward(pixels))  # type: ignore[no-untyped-call]

    def forward_head(self, cells: Tensor, pre_logits: bool = False) -> Tensor:
        """Return the mean (B, channels) of all cells; there is no classifier that ``pre_logits`` would leave out."""
        return F.adaptive_avg_pool2d(cells, 1).flatten(1)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(pixels))


class _BatchNorm(nn.BatchNorm2d):
    """A batch norm, and what acts behind it."""

    def __init__(self, channels: int, act: bool = True) -> None:
        super().__init__(channels, eps=1e-3)
        self.act = nn.ReLU6(inplace=True) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.act(super().forward(x)))


def _separable(width: int, wide: int, kernel: int) -> nn.Module:
    """A kernel a channel, then a mixture of the channels."""
    return nn.Sequential(
        OrderedDict(
            conv_dw=_conv(width, width, kernel, groups=width),
            bn1=_BatchNorm(width),
            conv_pw=_conv(width, wide, 1),
            bn2=_BatchNorm(wide, act=False),
        )
    )


class _Inverted(nn.Sequential):
    """Widened, a kernel a channel, and back; the input is added where it has the same shape."""

    def __init__(self, width: int, wide: int, kernel: int, stride: int, dilation: int) -> None:
        inner = 6 * width
        super().__init__(
            OrderedDict[str, nn.Module](
                conv_pw=_conv(width, inner, 1),
                bn1=_BatchNorm(inner),
                conv_dw=_conv(inner, inner, kernel, stride, dilation, groups=inner),
                bn2=_BatchNorm(inner),
                conv_pwl=_conv(inner, wide, 1),
                bn3=_BatchNorm(wide, act=False),
            )
        )
        self._adds = stride == 1 and width == wide

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return output + x if self._adds else output


def _conv(width: int, wide: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1) -> nn.Conv2d:
    if stride > 1:
        return _PaddedConv(width, wide, kernel, stride, dilation=dilation, groups=groups, bias=False)
    same = dilation * (kernel - 1) // 2  # of an odd kernel that does not stride: even on both sides
    return nn.Conv2d(width, wide, kernel, padding=same, dilation=dilation, groups=groups, bias=False)


class _PaddedConv(nn.Conv2d):
    """A convolution that strides: how much it pads depends on the size of what comes in."""

    def forward(self, x: Tensor) -> Tensor:
        sides: list[int] = []
        for side, size in ((3, x.shape[3]), (2, x.shape[2])):
            kernel, stride, dilation = self.kernel_size[side - 2], self.stride[side - 2], self.dilation[side - 2]
            more = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
            sides += [more // 2, more - more // 2]
        return super().forward(F.pad(x, sides))
