"""ViTs without CLIP's class-token pooling, and timm's: the global feature is open_clip's, the regions a formula's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import open_clip
import pytest
import timm
import torch
from torch import Tensor, nn

from gallop.backbones import Backbone
from gallop.errors import UnsupportedBackbone
from tests.backbones.test_encoders import PREPROCESS, TINY_VISION, draw_parameters, layer_norm, linear
from tests.reference import relative_error

TEXT = {"width": 64, "heads": 1, "layers": 1}


def drawn(model: Any) -> Any:
    """Everything at random, and large enough that attention is far from uniform."""
    draw_parameters(model)
    for parameter in model.visual.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=2 / parameter[0].numel() ** 0.5)
    return model.eval().requires_grad_(False)


def ours(model: Any, size: int = 32) -> Backbone:
    return Backbone("odd", model, open_clip.SimpleTokenizer(), replace(PREPROCESS, size=size))


def timm_vit(name: str, size: int, **vision: Any) -> Any:
    """A small trunk of timm's in open_clip's wrapper, built as the pairs that open_clip lists are."""
    torch.manual_seed(0)
    return drawn(open_clip.CustomTextCLIP(48, {"timm_model_name": name, "image_size": size, **vision}, TEXT))


@pytest.fixture(autouse=True)
def small_trunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """timm's backbones at two blocks of width 64: what they are built of stays as it is."""
    build = timm.create_model

    def smaller(name: str, **settings: Any) -> nn.Module:
        small = {"embed_dim": 64, "depth": 2, "num_heads": 4}
        return build(name, **settings) if name.startswith(("vitamin", "resnet")) else build(name, **small, **settings)

    monkeypatch.setattr(timm, "create_model", smaller)


def last_tokens(model: Any, pixels: Tensor) -> Tensor:
    """The regions' tokens as open_clip's own forward has them behind the last block."""
    found: list[Tensor] = []
    with model.visual.transformer.register_forward_hook(lambda _, __, tokens: found.append(tokens)):
        model.encode_image(pixels)
    return found[0][:, 1:]


@pytest.mark.parametrize("after", [True, False], ids=["CLIPA", "norm before the mean"])
def test_a_mean_of_tokens_leaves_each_region_its_token(after: bool) -> None:
    torch.manual_seed(0)
    vision = {**TINY_VISION, "layers": 2, "head_width": 16, "patch_size": 8, "pool_type": "avg"}
    model = drawn(open_clip.CLIP(48, {**vision, "final_ln_after_pool": after, "no_ln_pre": after}, TEXT))
    backbone, pixels, whole, regions = seen(model, images=3)
    visual, tokens = model.visual, last_tokens(model, pixels)
    assert relative_error(regions, layer_norm(visual.ln_post, tokens)) < 1e-5
    assert (backbone.vision.grid, backbone.feature_sizes) == ((4, 4), (16, 64, 48))
    joint = regions @ visual.proj
    assert backbone.vision.mean_is_global is not after
    assert (relative_error(joint.mean(dim=1), whole) < 1e-5) is not after


@pytest.mark.parametrize("joint", [48, 64], ids=["wider tokens", "as wide"])
def test_attention_pooling_leaves_each_region_its_value(joint: int) -> None:
    """CoCa: the value through the pooling's matrices, as attention to a single token gives it for any query."""
    torch.manual_seed(0)
    vision = {**TINY_VISION, "layers": 2, "patch_size": 8, "attentional_pool": True, "attn_pooler_heads": 4}
    model = drawn(open_clip.CLIP(joint, {**vision, "attn_pooler_queries": 7}, TEXT))
    backbone, pixels, _, regions = seen(model, images=3)
    visual, tokens = model.visual, last_tokens(model, pixels).flatten(0, 1)[:, None]
    for query in (0, 6):
        assert relative_error(regions.flatten(0, 1), visual.ln_post(visual.attn_pool(tokens)[:, query])) < 1e-5
    assert not backbone.vision.mean_is_global


def timm_tokens(trunk: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens before the last block and behind it, both before the final norm."""
    seen: list[Tensor] = []
    hook = trunk.blocks[-1].register_forward_hook(lambda _, inputs, output: seen.extend([inputs[0], output]))
    trunk.forward_features(pixels)
    hook.remove()
    return seen[0], seen[1]


def seen(model: Any, size: int = 32, images: int = 2) -> tuple[Backbone, Tensor, Tensor, Tensor]:
    """The backbone, random pixels, and their features: of the whole photos open_clip's own, and of the regions."""
    backbone, pixels = ours(model, size), torch.randn(images, 3, size, size)
    whole, regions = backbone.encode_image(pixels)
    assert relative_error(whole, model.encode_image(pixels)) < 1e-5
    return backbone, pixels, whole, regions


@pytest.mark.parametrize(
    ("name", "size", "projection", "grid"),
    [
        ("vit_base_patch16_siglip_224", 224, "none", 14),
        ("vit_pe_core_tiny_patch16_384", 384, None, 24),
        ("vit_pe_core_gigantic_patch14_448", 448, None, 32),
    ],
    ids=["SigLIP", "PE core with a class token", "PE core bigG without"],
)
def test_regions_of_a_pooling_with_one_query_are_its_values(
    name: str, size: int, projection: str | None, grid: int
) -> None:
    model = timm_vit(name, size, timm_pool="map", timm_proj=projection)
    backbone, pixels, _, regions = seen(model, size, images=1)
    trunk, pool = model.visual.trunk, model.visual.trunk.attn_pool
    tokens = layer_norm(trunk.norm, timm_tokens(trunk, pixels)[1])[:, trunk.num_prefix_tokens :]
    value = linear(pool.proj, tokens @ pool.kv.weight[64:].T + pool.kv.bias[64:])
    hidden = linear(pool.mlp.fc1, layer_norm(pool.norm, value))
    wanted = value + linear(pool.mlp.fc2, pool.mlp.act(hidden))
    assert relative_error(regions, wanted if projection else linear(trunk.head, wanted)) < 1e-5
    assert (backbone.vision.grid, backbone.vision.mean_is_global) == ((grid, grid), False)


def mobileclip_b(last: Any, x: Tensor) -> Tensor:
    """As CLIP's own ViT."""
    value = layer_norm(last.norm1, x) @ last.attn.qkv.weight[128:].T + last.attn.qkv.bias[128:]
    x = x + linear(last.attn.proj, value)
    return x + linear(last.mlp.fc2, last.mlp.act(linear(last.mlp.fc1, layer_norm(last.norm2, x))))


def eva(last: Any, x: Tensor) -> Tensor:
    """EVA02: rotated queries and keys, which a token alone does not need, a gated MLP and norms within."""
    value = linear(last.attn.v_proj, layer_norm(last.norm1, x))
    x = x + linear(last.attn.proj, layer_norm(last.attn.norm, value))
    normed = layer_norm(last.norm2, x)
    gate = linear(last.mlp.fc1_g, normed)
    hidden = gate * torch.sigmoid(gate) * linear(last.mlp.fc1_x, normed)
    return x + linear(last.mlp.fc2, layer_norm(last.mlp.norm, hidden))


def eva_enormous(last: Any, x: Tensor) -> Tensor:
    """With norms behind attention and MLP."""
    value = x @ last.attn.qkv.weight[128:].T + last.attn.v_bias
    x = x + layer_norm(last.norm1, linear(last.attn.proj, value))
    return x + layer_norm(last.norm2, linear(last.mlp.fc2, last.mlp.act(linear(last.mlp.fc1, x))))


@pytest.mark.parametrize(
    ("name", "through", "regions"),
    [
        ("vit_base_patch16_clip_224", mobileclip_b, 14**2),
        ("eva02_base_patch16_clip_224", eva, 14**2),
        ("eva02_enormous_patch14_clip_224", eva_enormous, 16**2),
    ],
)
def test_regions_are_the_value_path_of_the_last_block(
    name: str, through: Callable[[Any, Tensor], Tensor], regions: int
) -> None:
    """As the paper's of CLIP's own ViT, written from the weights; the projection is the trunk's, with a bias."""
    model = timm_vit(name, 224, timm_pool="token", timm_proj=None)
    backbone, pixels, _, found = seen(model, 224)
    trunk = model.visual.trunk
    wanted = linear(trunk.head, layer_norm(trunk.norm, through(trunk.blocks[-1], timm_tokens(trunk, pixels)[0][:, 1:])))
    assert relative_error(found, wanted) < 1e-5
    assert backbone.feature_sizes == (regions, 48, 48)


def test_vitamins_regions_are_its_tokens_through_the_norm_behind_its_mean() -> None:
    model = timm_vit("vitamin_small_224", 224, timm_pool="", timm_proj="linear")
    backbone, pixels, _, regions = seen(model, 224, images=1)
    trunk = model.visual.trunk
    tokens = timm_tokens(trunk, pixels)[1]
    assert relative_error(regions, linear(model.visual.head.proj, layer_norm(trunk.fc_norm, tokens))) < 1e-5
    assert (backbone.vision.grid, backbone.vision.mean_is_global) == ((14, 14), False)


def test_a_mean_without_a_norm_behind_it_averages_to_the_global_feature() -> None:
    model = timm_vit("vit_base_patch16_siglip_gap_224", 224, timm_pool="avg", timm_proj="linear")
    backbone, _, whole, regions = seen(model, 224)
    assert backbone.vision.mean_is_global
    assert relative_error(regions.mean(dim=1), whole) < 1e-5


def test_what_pools_in_another_way_is_refused() -> None:
    vision = {**TINY_VISION, "attentional_pool": "parallel", "attn_pooler_heads": 4}
    for model, says in (
        (open_clip.CLIP(64, vision, TEXT), "its pooling gives a single token no feature"),
        (timm_vit("vit_base_patch16_siglip_gap_224", 224, timm_pool="max"), "timm ViT with global_pool='max'"),
        (timm_vit("resnet18", 224, timm_pool="rot_attn"), "pools with RotAttentionPool2d"),
    ):
        with pytest.raises(UnsupportedBackbone, match=says):
            ours(model)
