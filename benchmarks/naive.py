"""The plain way through open_clip's modules: what the fast paths must equal (tests) and are measured against."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.transformer import Transformer
from torch import Tensor, nn

from gallop.backbones.built_in import Transformer as BuiltInTransformer
from gallop.core.gallop import Loss, gallop_loss
from gallop.features.encoding import ImageFeatures
from gallop.model.prompted import PromptModel


@cache
def open_clips(transformer: nn.Module) -> nn.Module:
    """open_clip's transformer with the weights of the one that `mini` is built with; any other is open_clip's."""
    if not isinstance(transformer, BuiltInTransformer):
        return transformer
    blocks = transformer.resblocks
    width, heads = blocks[0].attn.embed_dim, blocks[0].attn.num_heads
    theirs = Transformer(width, len(blocks), heads).eval()
    theirs.load_state_dict(transformer.state_dict())
    return theirs.requires_grad_(False)


def naive_text(module: Any, tokenizer: Any, contexts: Tensor, names: list[str]) -> Tensor:
    """(K, P, D): 77 tokens, one prompt at a time, through open_clip's transformer, as public prompt learners do."""
    length, transformer = module.positional_embedding.shape[0], open_clips(module.transformer)
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
        x = module.ln_final(transformer(x, attn_mask=module.attn_mask))
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


def naive_vit_query_query(visual: Any, pixels: Tensor) -> Tensor:
    """(B, R, V): the last block's attention with softmax(q q' / sqrt(d_head)) v, and nothing else, head by head."""
    x = visual._embeds(pixels)
    *before, last = visual.transformer.resblocks
    for block in before:
        x = block(x)
    width, attention = x.shape[-1], last.attn
    weights, biases = attention.in_proj_weight.split(width), attention.in_proj_bias.split(width)
    queries, values = (last.ln_1(x) @ weights[i].T + biases[i] for i in (0, 2))
    mixed = []
    for q, v in zip(queries.chunk(attention.num_heads, dim=-1), values.chunk(attention.num_heads, dim=-1), strict=True):
        scores = torch.einsum("bid,bjd->bij", q, q) / v.shape[-1] ** 0.5
        mixed.append(torch.einsum("bij,bjd->bid", scores.softmax(dim=-1), v))
    out = attention.out_proj
    return visual.ln_post(last.ls_1(torch.cat(mixed, dim=-1) @ out.weight.T + out.bias))[:, 1:]


def naive_loss(model: PromptModel, features: ImageFeatures, labels: Tensor, kept: Tensor) -> Loss:
    """The loss of a training step as the paper writes it: naive text, every region projected, one top-k a prompt."""
    encoder = model.backbone.text
    text = naive_text(encoder._module, encoder._tokenizer, model.prompts.contexts(), list(model.class_names))
    return naive_loss_after_encoders(model, features, labels, kept, text)


def naive_loss_after_encoders(
    model: PromptModel, features: ImageFeatures, labels: Tensor, kept: Tensor, text: Tensor
) -> Loss:
    """The same from text features (K, M + N, D) of all prompts on."""
    global_text, local_text = F.normalize(text, dim=-1).split(list(model.prompts.sizes), dim=1)
    damping, vision = model.backbone.damping, model.backbone.vision
    global_ = torch.einsum("bd,kmd->bkm", unit(features.global_.float(), damping.image), global_text)
    regions = features.regions.float() @ model.prompts.local_projection.T
    if vision.region_projection is not None:
        regions = regions @ vision.region_projection
    cosines = torch.einsum("brd,knd->brkn", unit(regions, damping.region), local_text)
    pooled = [cosines[..., n].topk(k, dim=1).values.mean(dim=1) for n, k in enumerate(model.config.topk)]
    return gallop_loss(global_, torch.stack(pooled, dim=-1), labels, model.backbone.logit_scale, kept)


def unit(vectors: Tensor, damping: float) -> Tensor:
    """Vectors (..., D) divided by their norm, or by ``damping`` where that is more."""
    return F.normalize(vectors, dim=-1, eps=max(damping, 1e-12))
