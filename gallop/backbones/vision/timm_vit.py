"""ViTs of timm, whatever they are built of: MobileCLIP-B, EVA, SigLIP, PE-Core, ViTamin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from gallop.config import RegionKind
from gallop.errors import UnsupportedTower


@dataclass
class TimmViTVision:
    """open_clip's ``TimmModel`` with a trunk of transformer blocks.

    A region is what the rest of the tower makes of its token alone, from where the feature of the whole image is drawn
    from all tokens. Attention to one token is that token's value, so this is the value path of any kind of block:

    * with a class token, which is drawn in every block, from the last block on, as in CLIP's own ViT;
    * with attention pooling (SigLIP's and PE-Core's head), from that pooling on;
    * with a mean, from the mean on, which is the token itself.

    V is D already: these towers' projections have biases.
    """

    tower: Any

    region_projection: Tensor | None = None
    region_kind: RegionKind = "value"
    any_size: bool = False

    def __post_init__(self) -> None:
        trunk = self.tower.trunk
        self._pool: str = trunk.global_pool
        if self._pool not in ("token", "map", "avg"):
            raise UnsupportedTower(f"This timm ViT pools by {self._pool!r}; region features need another pooling.")
        if self._pool == "map" and trunk.attn_pool.pos_embed is not None:
            raise UnsupportedTower("This timm ViT's pooling knows places, so a token alone has no feature.")
        layers = [layer for layer in self.tower.head.children() if not isinstance(layer, nn.Dropout)]
        plain = all(isinstance(layer, nn.Linear | nn.Identity) for layer in (*layers, trunk.head, trunk.fc_norm))
        self.mean_is_global: bool = self._pool == "avg" and plain
        last = layers[-1] if layers else trunk.head
        self.region_width: int = last.out_features if isinstance(last, nn.Linear) else trunk.num_features
        # Not the trunk's own grid: open_clip asks some trunks for photos of another size than they were built for.
        self.grid: tuple[int, int] = tuple(trunk.patch_embed.dynamic_feat_size(self.tower.image_size))

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        trunk = self.tower.trunk
        if self._pool == "token":
            before = len(trunk.blocks) - 2
            tokens, (regions,) = trunk.forward_intermediates(pixels, indices=[before], output_fmt="NLC")
        else:
            tokens = trunk.forward_features(pixels)
            regions = tokens[:, trunk.num_prefix_tokens :]
        whole = self.tower.head(trunk.forward_head(tokens))
        return whole, self._alone(regions.flatten(0, 1)[:, None]).unflatten(0, regions.shape[:2])  # type: ignore[no-untyped-call]

    def _alone(self, tokens: Tensor) -> Tensor:
        """Features (n, D) of tokens (n, 1, width), each as if it were the only one."""
        trunk = self.tower.trunk
        if self._pool == "token":
            tokens = trunk.norm(trunk.blocks[-1](tokens))
        pooled = trunk.attn_pool(tokens) if self._pool == "map" else tokens[:, 0]
        return cast(Tensor, self.tower.head(trunk.head(trunk.fc_norm(pooled))))
