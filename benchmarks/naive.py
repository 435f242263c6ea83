"""The plain way through open_clip's modules: what the fast paths must equal (tests) and are measured against."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.transformer import Transformer
from torch import Tensor, nn

from gallop.backbones.built_in import Transformer as BuiltInTransformer
from gallop.config import RegionKind
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


def naive_vit_tokens(visual: Any, pixels: Tensor) -> Tensor:
    """(B, R, V): the backbone's output tokens, all blocks as open_clip runs them."""
    return visual.ln_post(visual.transformer(visual._embeds(pixels)))[:, 1:]


def _before_the_last_block(visual: Any, pixels: Tensor) -> tuple[Any, Tensor]:
    """The last block, and the tokens (B, 1 + R, V) that enter it."""
    x = visual._embeds(pixels)
    blocks = list(visual.transformer.resblocks)
    for block in blocks[:-1]:
        x = block(x)
    return blocks[-1], x


def _self_attended(last: Any, x: Tensor, part: int) -> Tensor:
    """What attention adds whose queries and keys are one of query (0), key (1) and value (2), head by head."""
    width, attention = x.shape[-1], last.attn
    weights, biases = attention.in_proj_weight.split(width), attention.in_proj_bias.split(width)
    like, values = (last.ln_1(x) @ weights[i].T + biases[i] for i in (part, 2))
    mixed = []
    for a, v in zip(like.chunk(attention.num_heads, dim=-1), values.chunk(attention.num_heads, dim=-1), strict=True):
        scores = torch.einsum("bid,bjd->bij", a, a) / v.shape[-1] ** 0.5
        mixed.append(torch.einsum("bij,bjd->bid", scores.softmax(dim=-1), v))
    out = attention.out_proj
    return last.ls_1(torch.cat(mixed, dim=-1) @ out.weight.T + out.bias)


def naive_vit_value_value(visual: Any, pixels: Tensor) -> Tensor:
    """(B, R, V): the last block with softmax(v v' / sqrt(d_head)) v in its attention's place, head by head."""
    last, x = _before_the_last_block(visual, pixels)
    x = x + _self_attended(last, x, 2)
    x = x + last.ls_2(last.mlp(last.ln_2(x)))
    return visual.ln_post(x)[:, 1:]


def naive_vit_query_query(visual: Any, pixels: Tensor) -> Tensor:
    """(B, R, V): the last block's attention with softmax(q q' / sqrt(d_head)) v, and nothing else of it."""
    last, x = _before_the_last_block(visual, pixels)
    return visual.ln_post(_self_attended(last, x, 0))[:, 1:]


OTHER_KINDS: dict[RegionKind, Callable[[Any, Tensor], Tensor]] = {
    "tokens": naive_vit_tokens,
    "value-value": naive_vit_value_value,
    "query-query": naive_vit_query_query,
}
"""The regions of a ViT other than the paper's, by the name of their kind."""


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
