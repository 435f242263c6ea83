"""The plain way through open_clip's own modules: what the fast paths must equal (tests) and are measured against."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gallop.features.encoding import ImageFeatures
from gallop.model.gallop import GalLoP
from gallop.model.losses import Loss, gallop_loss


def naive_text(module: Any, tokenizer: Any, contexts: Tensor, names: list[str]) -> Tensor:
    """(K, P, D): 77 tokens, one prompt at a time, through open_clip's transformer, as public prompt learners do."""
    length = module.positional_embedding.shape[0]
    features = []
    for context in contexts:
        rows, ends = [], []
        for name in names:
            ids = tokenizer.encode(name)
            tokens = [tokenizer.sot_token_id, *[0] * len(context), *ids, tokenizer.eot_token_id]
            padded = torch.tensor(tokens + [0] * (length - len(tokens)))
            embedded = module.token_embedding(padded)
            rows.append(torch.cat([embedded[:1], context, embedded[1 + len(context) :]]))
            ends.append(len(tokens) - 1)
        x = torch.stack(rows) + module.positional_embedding
        x = module.ln_final(module.transformer(x, attn_mask=module.attn_mask))
        x = x[torch.arange(len(names)), torch.tensor(ends)]
        projection = module.text_projection
        features.append(projection(x) if isinstance(projection, nn.Linear) else x @ projection)
    return torch.stack(features, dim=1)


def naive_vit_regions(visual: Any, pixels: Tensor) -> Tensor:
    """(B, R, V): every token through the value path of the last block, class token dropped, as the design writes it."""
    x = visual._embeds(pixels)
    blocks = list(visual.transformer.resblocks)
    for block in blocks[:-1]:
        x = block(x)
    last, width = blocks[-1], x.shape[-1]
    weight, bias = last.attn.in_proj_weight[2 * width :], last.attn.in_proj_bias[2 * width :]
    v = last.attn.out_proj(last.ln_1(x) @ weight.T + bias) + x
    v = v + last.mlp(last.ln_2(v))
    return visual.ln_post(v)[:, 1:]


def naive_vit_tokens(visual: Any, pixels: Tensor) -> Tensor:
    """(B, R, V): the tower's own output tokens, all blocks as open_clip runs them."""
    return visual.ln_post(visual.transformer(visual._embeds(pixels)))[:, 1:]


def naive_vit_value_value(visual: Any, pixels: Tensor) -> Tensor:
    """(B, R, V): the last block with softmax(v v' / sqrt(d_head)) v in its attention's place, head by head."""
    x = visual._embeds(pixels)
    blocks = list(visual.transformer.resblocks)
    for block in blocks[:-1]:
        x = block(x)
    last, width = blocks[-1], x.shape[-1]
    weight, bias = last.attn.in_proj_weight[2 * width :], last.attn.in_proj_bias[2 * width :]
    values = last.ln_1(x) @ weight.T + bias
    mixed = []
    for v in values.chunk(last.attn.num_heads, dim=-1):
        scores = torch.einsum("bid,bjd->bij", v, v) / v.shape[-1] ** 0.5
        mixed.append(torch.einsum("bij,bjd->bid", scores.softmax(dim=-1), v))
    out = last.attn.out_proj
    x = x + last.ls_1(torch.cat(mixed, dim=-1) @ out.weight.T + out.bias)
    x = x + last.ls_2(last.mlp(last.ln_2(x)))
    return visual.ln_post(x)[:, 1:]


def naive_loss(model: GalLoP, features: ImageFeatures, labels: Tensor, kept: Tensor) -> Loss:
    """A whole training step's loss as the paper writes it: naive text, every region projected, one top-k a prompt."""
    tower, prompts, vision = model.backbone.text, model.prompts, model.backbone.vision
    text = naive_text(tower._module, tower._tokenizer, prompts.contexts(), list(model.class_names))
    text = F.normalize(text, dim=-1)
    global_text, local_text = text.split(list(prompts.sizes), dim=1)
    damping = model.backbone.damping
    images = _unit(features.global_.float(), damping.image)
    global_ = torch.einsum("bd,kmd->bkm", images, global_text)
    regions = features.regions.float() @ prompts.local_projection.T
    if vision.region_projection is not None:
        regions = regions @ vision.region_projection
    cosines = torch.einsum("brd,knd->brkn", _unit(regions, damping.region), local_text)
    pooled = [cosines[..., n].topk(k, dim=1).values.mean(dim=1) for n, k in enumerate(model.config.topk)]
    return gallop_loss(global_, torch.stack(pooled, dim=-1), labels, model.backbone.logit_scale, kept)


def _unit(vectors: Tensor, damping: float) -> Tensor:
    """Vectors (..., D) divided by their norm, or by ``damping`` where that is more."""
    return F.normalize(vectors, dim=-1, eps=max(damping, 1e-12))
