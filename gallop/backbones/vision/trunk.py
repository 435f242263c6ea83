"""CNN trunks of timm: the regions are the cells of the last feature map, each through the tower's own head alone."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gallop.config import RegionKind
from gallop.errors import UnsupportedTower

ROUNDING = 1e-2
"""Relative difference of cells: more than rounding makes through fifty layers, on a GPU's TF32 too, and less than a
norm makes that is not where it was taken to be.
"""


@dataclass
class TrunkVision:
    """open_clip's ``TimmModel`` with a CNN trunk, average pooling and a head that acts on what was pooled.

    A region is what the head makes of its cell where it makes the global feature of the mean of all cells. Where the
    head is linear the mean of the regions is the global feature; a norm behind the pooling, as in ConvNeXt, ends that,
    and ``mean_is_global`` says so. Whether the head is taken for what it is, is asked of the tower itself, with noise
    for a photo: both features must be the tower's own, on that noise and on a map that holds one cell everywhere.

    What runs is a copy of the trunk in which batch norms are part of the convolutions, where that gives the same cells.
    """

    tower: Any

    region_projection: Tensor | None = None
    region_kind: RegionKind = "value"
    any_size: bool = True

    def __post_init__(self) -> None:
        layers = [type(layer).__name__ for layer in self.tower.head.children()]
        if not {*layers} <= {"Dropout", "Linear", "Mlp"}:
            raise UnsupportedTower(
                f"The head of this timm tower pools with {layers[0]}; region features are defined here for trunks that "
                "pool by themselves."
            )
        self._trunk = _without_norms(self.tower.trunk)
        probe = torch.randn(1, 3, *self.tower.image_size, generator=torch.Generator().manual_seed(0))
        probe = probe.to(next(self.tower.parameters()).device)
        with torch.no_grad():
            cells, plain = (trunk.forward_features(probe) for trunk in (self._trunk, self.tower.trunk))
            if cells.ndim != 4:
                raise UnsupportedTower("This timm tower has no feature map of cells; only CNN trunks are read here.")
            if not _same(cells, plain):
                self._trunk = self.tower.trunk
            self._linear = self._linear_head(plain)
            self._check(plain)
        self.grid: tuple[int, int] = (plain.shape[2], plain.shape[3])

    def as_stored(self) -> TrunkVision:
        """Return the same tower with its weights as a file has them, batch norms apart from convolutions."""
        other = copy.copy(self)
        other._trunk = self.tower.trunk
        return other

    def _linear_head(self, cells: Tensor) -> nn.Linear | None:
        """The projection behind the pooling, if that is a mean and the projection all there is of a head."""
        layers = [layer for layer in self.tower.head.children() if not isinstance(layer, nn.Dropout)]
        last = layers[-1] if layers else self.tower.trunk.get_classifier()
        pooled = self.tower.trunk.forward_head(cells, pre_logits=True)
        plain = len(layers) < 2 and isinstance(last, nn.Linear) and pooled.shape == cells.shape[:2]
        return last if plain and _same(pooled, cells.mean(dim=(2, 3)), 1e-4) else None

    def _check(self, cells: Tensor) -> None:
        """Refuses a head that is not a function of one cell; sets V and whether the mean is the global feature."""
        whole, regions = self._features(cells)
        alone = cells[:, :, :1, :1].expand_as(cells).contiguous()
        same = [(whole, self._head(cells)), (regions[:, 0], self._head(alone))]
        if not all(ours.shape == theirs.shape and _same(ours, theirs) for ours, theirs in same):
            raise UnsupportedTower(
                "The head of this timm tower gives a map that holds one cell everywhere another feature than that "
                "cell alone, so its cells have no place in the space."
            )
        self.region_width: int = regions.shape[-1]
        self.mean_is_global: bool = self._linear is not None and _same(regions.mean(dim=1), whole)

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return self._features(self._trunk.forward_features(pixels))

    def _features(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Both features of cells (B, channels, rows, columns)."""
        if self._linear is None:
            each = cells.flatten(2).transpose(1, 2)  # (B, R, channels)
            regions = self._head(each.flatten(0, 1)[:, :, None, None])
            return self._head(cells), regions.unflatten(0, each.shape[:2])  # type: ignore[no-untyped-call]
        pooled = self.tower.trunk.forward_head(cells, pre_logits=True)
        # For every cell the projection is a 1 x 1 convolution, which leaves the cells where they lie in memory.
        regions = F.conv2d(cells, self._linear.weight[:, :, None, None], self._linear.bias)
        return self._linear(pooled), regions.flatten(2).transpose(1, 2)

    def _head(self, cells: Tensor) -> Tensor:
        """All that the tower does after its feature map."""
        return cast(Tensor, self.tower.head(self.tower.trunk.forward_head(cells)))


def _same(ours: Tensor, theirs: Tensor, tolerance: float = ROUNDING) -> bool:
    if theirs.is_meta:  # no numbers: the tower is built for its shapes alone
        return ours.shape == theirs.shape
    return bool((ours - theirs).norm() <= tolerance * theirs.norm())


def _without_norms(trunk: nn.Module) -> Any:
    """A copy of a CNN in which every batch norm right behind a convolution is part of it.

    Modules are taken to run in the order in which they are listed, which the caller must check.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in trunk.modules()):
        return trunk
    folded = copy.deepcopy(trunk)
    for parent in list(folded.modules()):
        for (name, conv), (next_name, norm) in pairwise(list(parent.named_children())):
            if not (isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
                continue
            if conv.out_channels == norm.num_features:
                setattr(parent, name, fuse_conv_bn_eval(conv, norm))
                setattr(parent, next_name, getattr(norm, "act", nn.Identity()))  # timm's norms have one of their own
    return folded
