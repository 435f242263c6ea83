"""Image encoders of timm, in open_clip's ``TimmModel``: ViTs (MobileCLIP-B, EVA, SigLIP, PE-Core, ViTamin) and CNNs."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gallop.backbones.vision.encoder import ImageEncoder
from gallop.errors import UnsupportedBackbone

ROUNDING = 1e-2
"""Relative difference of cells: more than rounding makes through fifty layers, on a GPU's TF32 too, and less than a
norm makes that is not where it was taken to be.
"""


class TimmViTEncoder(ImageEncoder):
    """A trunk of transformer blocks, whatever they are built of.

    A region is what the rest of the encoder makes of its token alone, from the layer where the global feature is drawn
    from all tokens. Attention to one token is that token's value, so this is the value path of any kind of block:

    * with a class token, which is drawn in every block, from the last block on, as in CLIP's ViT;
    * with attention pooling (SigLIP's and PE-Core's head), from that pooling on;
    * with a mean, from the mean on, which is the token itself.

    V is D already: these encoders' projections have biases.
    """

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        trunk = module.trunk
        self._pool: str = trunk.global_pool
        if self._pool not in ("token", "map", "avg"):
            raise UnsupportedBackbone(
                f"Region features are not supported for a timm ViT with global_pool={self._pool!r}."
            )
        if self._pool == "map" and trunk.attn_pool.pos_embed is not None:
            raise UnsupportedBackbone(
                "Region features are not supported for this timm ViT: its pooling depends on the tokens' positions, so "
                "a single token has no feature of its own."
            )
        layers = _head_layers(module)
        plain = all(isinstance(layer, nn.Linear | nn.Identity) for layer in (*layers, trunk.head, trunk.fc_norm))
        self.mean_is_global = self._pool == "avg" and plain
        last = layers[-1] if layers else trunk.head
        self.region_width = last.out_features if isinstance(last, nn.Linear) else trunk.num_features
        # Not the trunk's grid: open_clip asks some trunks for photos of another size than they were built for.
        self.grid = tuple(trunk.patch_embed.dynamic_feat_size(module.image_size))

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        trunk = self.module.trunk
        if self._pool == "token":
            tokens, (regions,) = trunk.forward_intermediates(pixels, indices=[len(trunk.blocks) - 2], output_fmt="NLC")
        else:
            tokens = trunk.forward_features(pixels)
            regions = tokens[:, trunk.num_prefix_tokens :]
        global_ = self.module.head(trunk.forward_head(tokens))
        alone = regions.flatten(0, 1)[:, None]  # (B * R, 1, width): each token as if it were the only one
        if self._pool == "token":
            alone = trunk.norm(trunk.blocks[-1](alone))
        pooled = trunk.attn_pool(alone) if self._pool == "map" else alone[:, 0]
        return global_, self.module.head(trunk.head(trunk.fc_norm(pooled))).unflatten(0, regions.shape[:2])


class CNNEncoder(ImageEncoder):
    """A CNN trunk with average pooling and a head that acts on what was pooled: regions are cells of its feature map.

    A region is what the head makes of its cell where it makes the global feature of the mean of all cells. Where the
    head is linear the mean of the regions is the global feature; a norm behind the pooling, as in ConvNeXt, ends that,
    and ``mean_is_global`` says so. Whether the head is read correctly is checked against the encoder itself, with noise
    for a photo: both features must equal the encoder's, on that noise and on a map that holds one cell everywhere.

    What runs is a copy of the trunk in which batch norms are part of the convolutions, where that gives the same cells.
    """

    any_size = True

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        layers = [type(layer).__name__ for layer in module.head.children()]
        if not {*layers} <= {"Dropout", "Linear", "Mlp"}:
            raise UnsupportedBackbone(
                f"The head of this timm encoder pools with {layers[0]}. Region features are only supported for "
                "encoders whose trunk does the pooling."
            )
        self._trunk = _without_norms(module.trunk)
        probe = torch.randn(1, 3, *module.image_size, generator=torch.Generator().manual_seed(0))
        probe = probe.to(next(module.parameters()).device)
        with torch.no_grad():
            cells, plain = (trunk.forward_features(probe) for trunk in (self._trunk, module.trunk))
            if cells.ndim != 4:
                raise UnsupportedBackbone(
                    "Region features are not supported for this timm encoder: its trunk is not a ViT, and does not "
                    "give a feature map as a CNN does."
                )
            if not _same(cells, plain):
                self._trunk = module.trunk
            self._linear = self._linear_head(plain)
            self._check(plain)
        self.grid = (plain.shape[2], plain.shape[3])

    def as_stored(self) -> CNNEncoder:
        """Return the same encoder with its weights as a file has them, batch norms apart from convolutions."""
        other = copy.copy(self)
        other._trunk = self.module.trunk
        return other

    def _linear_head(self, cells: Tensor) -> nn.Linear | None:
        """The projection behind the pooling, if that is a mean and the projection all there is of a head."""
        layers = _head_layers(self.module)
        last: Any = layers[-1] if layers else self.module.trunk.get_classifier()
        pooled = self.module.trunk.forward_head(cells, pre_logits=True)
        plain = len(layers) < 2 and isinstance(last, nn.Linear) and pooled.shape == cells.shape[:2]
        return last if plain and _same(pooled, cells.mean(dim=(2, 3)), 1e-4) else None

    def _check(self, cells: Tensor) -> None:
        """Refuses a head that is not a function of one cell; sets V and whether the mean is the global feature."""
        global_, regions = self._features(cells)
        alone = cells[:, :, :1, :1].expand_as(cells).contiguous()
        same = [(global_, self._head(cells)), (regions[:, 0], self._head(alone))]
        if not all(ours.shape == theirs.shape and _same(ours, theirs) for ours, theirs in same):
            raise UnsupportedBackbone(
                "Region features are not supported for this timm encoder: for a map that repeats one cell, "
                "its head returns a different feature than for that cell alone."
            )
        self.region_width = regions.shape[-1]
        self.mean_is_global = self._linear is not None and _same(regions.mean(dim=1), global_)

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return self._features(self._trunk.forward_features(pixels))

    def _features(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Both features of cells (B, channels, rows, columns)."""
        if self._linear is None:
            each = cells.flatten(2).transpose(1, 2)  # (B, R, channels)
            regions = self._head(each.flatten(0, 1)[:, :, None, None])
            return self._head(cells), regions.unflatten(0, each.shape[:2])  # type: ignore[no-untyped-call]
        pooled = self.module.trunk.forward_head(cells, pre_logits=True)
        # For every cell the projection is a 1 x 1 convolution, which leaves the cells where they lie in memory.
        regions = F.conv2d(cells, self._linear.weight[:, :, None, None], self._linear.bias)
        return self._linear(pooled), regions.flatten(2).transpose(1, 2)

    def _head(self, cells: Tensor) -> Tensor:
        """All that the encoder does after its feature map."""
        return cast(Tensor, self.module.head(self.module.trunk.forward_head(cells)))


def _head_layers(module: Any) -> list[nn.Module]:
    return [layer for layer in module.head.children() if not isinstance(layer, nn.Dropout)]


def _same(ours: Tensor, theirs: Tensor, tolerance: float = ROUNDING) -> bool:
    if theirs.is_meta:  # no numbers: the encoder is built for its shapes alone
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
                setattr(parent, next_name, getattr(norm, "act", nn.Identity()))  # timm's norms contain one
    return folded
