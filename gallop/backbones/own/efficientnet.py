"""EfficientNet-Lite0 (arXiv 1905.11946), layer by layer as timm's ``tf_efficientnet_lite0`` has it.

Its padding is TensorFlow's: as much as makes a map of ceil(size / stride), the odd pixel at the right and below.
"""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

ARCHITECTURE = "tf_efficientnet_lite0"
"""timm's name of it."""

_STEM, _WIDTH = 32, 1280
_EXPANSION = 6
_STAGES = ((1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320))
"""Blocks, kernel, stride of the first block, and channels of each stage."""


class EfficientNetLite0(nn.Module):
    """Pixels to a map of 1,280 channels, without a classifier.

    Args:
        output_stride: pixels a cell of the map; what would stride beyond it dilates in its place.
    """

    num_features = _WIDTH

    def __init__(self, output_stride: int = 32) -> None:
        super().__init__()
        self.conv_stem = _conv(3, _STEM, 3, stride=2)
        self.bn1 = _Norm(_STEM)
        width, reached, dilation = _STEM, 2, 1
        stages: list[nn.Module] = []
        for number, (count, kernel, stride, wide) in enumerate(_STAGES):
            after = dilation
            if stride > 1 and reached * stride > output_stride:
                after, stride = dilation * stride, 1
            reached *= stride
            blocks: list[nn.Module] = []
            for place in range(count):
                if number == 0:
                    blocks.append(_Separable(width, wide, kernel))
                else:
                    # The first block's own kernel stays as dense as what it reads.
                    spread = dilation if place == 0 else after
                    blocks.append(_Inverted(width, wide, kernel, stride if place == 0 else 1, spread))
                width = wide
            dilation = after
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = _conv(width, _WIDTH, 1)
        self.bn2 = _Norm(_WIDTH)

    def forward_features(self, pixels: Tensor) -> Tensor:
        """Return cells (B, channels, rows, columns) of pixels (B, 3, H, W)."""
        x = self.bn1(self.conv_stem(pixels))
        return cast(Tensor, self.bn2(self.conv_head(self.blocks(x))))

    def forward_head(self, cells: Tensor, pre_logits: bool = False) -> Tensor:
        """Return the mean (B, channels) of all cells; there is no classifier that ``pre_logits`` would leave out."""
        return F.adaptive_avg_pool2d(cells, 1).flatten(1)

    def get_classifier(self) -> nn.Module:
        """Return what stands in a classifier's place."""
        return nn.Identity()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(pixels))


class _Norm(nn.BatchNorm2d):
    """A batch norm, and what acts behind it."""

    def __init__(self, channels: int, act: bool = True) -> None:
        super().__init__(channels, eps=1e-3)
        self.act = nn.ReLU6(inplace=True) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.act(super().forward(x)))


class _Separable(nn.Module):
    """A kernel a channel, then a mixture of the channels."""

    def __init__(self, width: int, wide: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw = _conv(width, width, kernel, groups=width)
        self.bn1 = _Norm(width)
        self.conv_pw = _conv(width, wide, 1)
        self.bn2 = _Norm(wide, act=False)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.bn2(self.conv_pw(self.bn1(self.conv_dw(x)))))


class _Inverted(nn.Module):
    """Widened, a kernel a channel, and back; what came in is added where it has the same shape."""

    def __init__(self, width: int, wide: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__()
        inner = _EXPANSION * width
        self._adds = stride == 1 and width == wide
        self.conv_pw = _conv(width, inner, 1)
        self.bn1 = _Norm(inner)
        self.conv_dw = _conv(inner, inner, kernel, stride, dilation, groups=inner)
        self.bn2 = _Norm(inner)
        self.conv_pwl = _conv(inner, wide, 1)
        self.bn3 = _Norm(wide, act=False)

    def forward(self, x: Tensor) -> Tensor:
        found = self.bn2(self.conv_dw(self.bn1(self.conv_pw(x))))
        found = self.bn3(self.conv_pwl(found))
        return cast(Tensor, found + x if self._adds else found)


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
