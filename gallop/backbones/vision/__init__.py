"""Pixels -> global features (B, D) and region features (B, R, V), in one pass of a frozen vision tower.

Region features are the tower's own tokens without attention's mixing in the last layer, so that each stays with its
place (paper, section 3.2; the value path of MaskCLIP):

* ViT: in the last block ``v = out_proj(W_v ln_1(x) + b_v) + x``, then ``v + mlp(ln_2(v))``, then ``ln_post``. The local
  projection acts on this (V is the visual width); the visual projection follows it. Other kinds, to compare with,
  differ from it in the last block alone, and leave the global feature as it is:
  "tokens" is that block's ordinary attention, so the tower's own output tokens;
  "value-value" is attention whose queries and keys are the values, ``softmax(v v' / sqrt(d_head)) v`` for each head
  over all tokens. It is the attention of CLIP Surgery (Li et al. 2023, arXiv 2304.05653), which puts it into several
  blocks, in a path beside the tower's own; here it stands in the last block alone.
  "query-query" is ``out_proj(softmax(q q' / sqrt(d_head)) v)`` and no more: neither ``+ x`` nor the MLP. These are the
  three changes of ClearCLIP (Lan et al., ECCV 2024, arXiv 2407.12442), which finds that what is left out is noise.
  "neighbours" is ``out_proj(softmax(k k' / sqrt(d_head) + w) v)`` and no more. Here ``w`` is a Gaussian of the distance
  of two regions, 1 at the region itself, with a standard deviation of 5 regions, and 0 to and from the class token. It
  is NACLIP's (Hajimiri et al., WACV 2025, arXiv 2404.08181).
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

from gallop.backbones.vision.choice import pick_regions, vision_tower
from gallop.backbones.vision.closer import closer_grid, look_closer, windows
from gallop.backbones.vision.tower import VisionTower

__all__ = [
    "VisionTower",
    "closer_grid",
    "look_closer",
    "pick_regions",
    "vision_tower",
    "windows",
]
