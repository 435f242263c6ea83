"""Our paths through the encoders equal open_clip's own, on the true sizes with random weights and on small ones."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import Any, cast
from unittest import mock

import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.naive import naive_text, naive_vit_query_query, naive_vit_regions
from gallop.backbones import Backbone, Preprocess
from gallop.config import REGION_KINDS
from gallop.errors import BackboneError, ClassNameError
from tests.reference import backbone, clip, relative_error, torch_threads
from tests.tiny import there

PREPROCESS = Preprocess(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
SIMPLE_TOKENIZER = open_clip.SimpleTokenizer()
NAMES = ["cat", "golden retriever", "double decker bus", "chromolithograph of an ultramarine axolotl"]


def random_clip(arch: str, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    model = open_clip.CLIP(**{k: v for k, v in open_clip.get_model_config(arch).items() if k != "custom_text"})
    draw_parameters(model)
    return model.eval().requires_grad_(False)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["ViT-B-16", "ViT-B-32", "RN50"])
@torch.no_grad()
def test_true_size_backbones_equal_open_clip(arch: str) -> None:
    model = random_clip(arch)
    ours = Backbone(arch, model, open_clip.SimpleTokenizer(), PREPROCESS)
    torch.manual_seed(1)
    pixels = torch.randn(2, 3, 224, 224)
    whole, regions = ours.encode_image(pixels)
    assert relative_error(whole, model.encode_image(pixels)) < 1e-5
    texts = [f"A photo of a {name}" for name in NAMES]
    wanted = model.encode_text(open_clip.tokenize(texts))
    assert relative_error(ours.text.encode_texts(texts), wanted) < 1e-5
    learned = ours.text.encode(ours.text.embed("A photo of a")[None], ours.text.tokenize(NAMES, context_tokens=4))
    assert relative_error(learned[:, 0], wanted) < 1e-5
    rows, columns = ours.vision.grid
    assert regions.shape == (2, rows * columns, ours.vision.region_width)
    if arch == "RN50":
        # After the output projection: regions enter the local projection in the joint width D.
        assert (ours.vision.region_projection, regions.shape[-1], whole.shape[-1]) == (None, 1024, 1024)
    else:
        assert there(ours.vision.region_projection).shape == (768, 512)
        assert relative_error(regions, naive_vit_regions(model.visual, pixels)) < 1e-5


@pytest.mark.parametrize("blocks", [{}, {"ls_init_value": 0.3}], ids=["plain", "layer scale"])
def test_the_other_kind_of_a_vits_regions(blocks: dict[str, Any]) -> None:
    """With several heads, which the reference's small encoder has not."""
    torch.manual_seed(0)
    vision = {"image_size": 32, "patch_size": 8, "width": 64, "layers": 3, "head_width": 16, **blocks}
    model = open_clip.CLIP(32, vision, {"width": 64, "heads": 1, "layers": 1}).eval().requires_grad_(False)
    draw_parameters(model.visual)
    for block in model.visual.transformer.resblocks:
        block.attn.in_proj_weight.mul_(5)  # else attention is nearly uniform, whatever the queries and keys
    ours = Backbone("many heads", model, open_clip.SimpleTokenizer(), replace(PREPROCESS, size=32))
    pixels = torch.randn(3, 3, 32, 32)
    whole, values = ours.encode_image(pixels)
    assert REGION_KINDS == ("value", "query-query"), "each is checked"
    found, regions = ours.with_regions("query-query").encode_image(pixels)
    assert torch.equal(found, whole)
    assert relative_error(regions, naive_vit_query_query(model.visual, pixels)) < 1e-5
    assert relative_error(regions, values) > 0.01


def test_other_backbones_than_a_vit_have_one_kind_of_regions() -> None:
    ours = backbone("rn")
    assert ours.with_regions("value") is ours
    for kind in REGION_KINDS[1:]:
        with pytest.raises(BackboneError, match=f"'{kind}' .* is a .*, which only supports 'value'"):
            ours.with_regions(kind)
    assert ours.region_kind == "value"


def gradients(contexts: Tensor, features: Tensor, weights: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad((features * weights).sum(), contexts)
    return gradient


WORDS = st.sampled_from(["cat", "golden", "retriever", "ultramarine", "axolotl", "bus", "of", "x", "42", "thé", "-"])
RANDOM_NAMES = st.lists(st.lists(WORDS, min_size=1, max_size=9).map(" ".join), min_size=1, max_size=5)
REAL_NAMES = st.lists(st.sampled_from(open_clip.IMAGENET_CLASSNAMES), min_size=1, max_size=30)
ONE_WORD = st.sampled_from(["cat", "bus", "of", "x", "dog", "car"])  # each a single token


@st.composite
def names_of_lengths(draw: st.DrawFn) -> list[str]:
    """Names of 1 to 20 tokens, or all of one length."""
    lengths = draw(
        st.one_of(
            st.lists(st.integers(1, 20), min_size=1, max_size=12),
            st.tuples(st.integers(1, 20), st.integers(1, 12)).map(lambda pair: [pair[0]] * pair[1]),
        )
    )
    return [" ".join(draw(st.lists(ONE_WORD, min_size=length, max_size=length))) for length in lengths]


@settings(max_examples=60)
@given(
    names=st.one_of(RANDOM_NAMES, REAL_NAMES, names_of_lengths()),
    prompts=st.integers(1, 3),
    context=st.integers(1, 5),
    budget=st.sampled_from([2**30, 2**21, 2**17, 1]),
    threads=st.sampled_from([1, 2, 8]),
    seed=st.integers(0, 2**20),
)
def test_text_and_gradients_equal_the_naive_path(
    names: list[str], prompts: int, context: int, budget: int, threads: int, seed: int
) -> None:
    """For every way of packing, for every way of keeping or computing again, and for more and fewer threads."""
    encoder = backbone_vit().text
    torch.manual_seed(seed)
    contexts = (0.1 * torch.randn(prompts, context, encoder.width)).requires_grad_()
    tokens = encoder.tokenize(names, context_tokens=context)
    with mock.patch.object(encoder, "memory_budget", budget), torch_threads(threads):
        ours = encoder.encode(contexts, tokens)
        naive = naive_text(model_vit(), SIMPLE_TOKENIZER, contexts, names)
        weights = torch.randn_like(naive)
        assert len(tokens) == len(names)
        assert relative_error(ours.detach(), naive.detach()) < 1e-5
        assert relative_error(gradients(contexts, ours, weights), gradients(contexts, naive, weights)) < 1e-5
        with torch.no_grad():
            assert relative_error(encoder.encode(contexts, tokens), ours) < 1e-6


@pytest.mark.parametrize("activation", [{}, {"act_kwargs": {"approximate": "tanh"}}])
def test_other_activations_and_projections_are_those_of_the_backbone(activation: dict[str, Any]) -> None:
    text = {"width": 64, "heads": 2, "layers": 3, "proj_bias": True, "ls_init_value": 0.3, **activation}
    torch.manual_seed(0)
    model = open_clip.CustomTextCLIP(16, TINY_VISION, text).eval()
    ours = Backbone("custom", model, open_clip.SimpleTokenizer(), replace(PREPROCESS, size=32)).text
    contexts = (0.1 * torch.randn(2, 4, 64)).requires_grad_()
    found = ours.encode(contexts, ours.tokenize(NAMES, context_tokens=4))
    naive = naive_text(model.text, open_clip.SimpleTokenizer(), contexts, NAMES)
    weights = torch.randn_like(naive)
    assert relative_error(found.detach(), naive.detach()) < 1e-5
    assert relative_error(gradients(contexts, found, weights), gradients(contexts, naive, weights)) < 1e-5


@cache
def model_vit() -> open_clip.CLIP:
    return clip("vit")


@cache
def backbone_vit() -> Backbone:
    return backbone("vit", model_vit())


def test_names_longer_than_the_backbone_or_with_a_special_token_are_refused() -> None:
    encoder = backbone_vit().text
    room = 77 - 1 - 4 - 1
    assert int(encoder.tokenize([" ".join(["cat"] * room)], context_tokens=4).positions.max()) == 76
    with pytest.raises(ClassNameError, match=rf"has {room + 1} tokens, .* room for only {room}"):
        encoder.tokenize([" ".join(["cat"] * (room + 1))], context_tokens=4)
    with pytest.raises(ClassNameError, match="special token"):
        encoder.tokenize(["cat <end_of_text>"], context_tokens=4)


TINY_VISION = {"image_size": 32, "width": 64, "layers": 1, "patch_size": 16}


def clip_with_trunk(name: str, **vision: Any) -> open_clip.CLIP:
    config = {"timm_model_name": name, "timm_pool": "", "timm_proj": "linear", "timm_proj_bias": True}
    torch.manual_seed(0)
    model = open_clip.CLIP(32, {**config, "image_size": 64, **vision}, {"width": 64, "heads": 1, "layers": 1}).eval()
    draw_parameters(model)
    return model


def trunk_backbone(model: open_clip.CLIP) -> Backbone:
    return Backbone("trunk", model, open_clip.SimpleTokenizer(), replace(PREPROCESS, size=64))


def draw_parameters(module: nn.Module) -> None:
    """Norms, biases and scales drawn at random: at their initial 1 and 0 they would hide where they act."""
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(buffer, std=0.1)
        elif name.endswith("running_var"):
            nn.init.uniform_(buffer, 0.5, 2.0)
    for name, parameter in module.named_parameters():
        if parameter.ndim == 1 or not parameter.any():
            nn.init.normal_(parameter, 1.0 if name.endswith(("weight", "gamma")) else 0.0, std=0.3)


def layer_norm(norm: Any, x: Tensor) -> Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    scaled: Tensor = centred / (centred.square().mean(dim=-1, keepdim=True) + norm.eps).sqrt()
    return scaled * norm.weight + norm.bias


def linear(layer: Any, x: Tensor) -> Tensor:
    found: Tensor = x @ layer.weight.T
    return found if layer.bias is None else found + layer.bias


@pytest.mark.parametrize("projection", ["linear", "mlp"])
@torch.no_grad()
def test_a_norm_behind_the_pooling_acts_on_every_cell(projection: str) -> None:
    """ConvNeXt. Projected without the norm, the cells would lie elsewhere: their mean too, at a cosine of 0.8."""
    model = clip_with_trunk("convnext_atto", timm_proj=projection)
    for parameter in model.visual.trunk.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.3)  # at timm's 0.02 all cells are nearly their biases
    ours, pixels = trunk_backbone(model), torch.randn(2, 3, 2, 2).repeat_interleave(32, 2).repeat_interleave(32, 3)
    whole, regions = ours.encode_image(pixels)
    assert relative_error(whole, model.encode_image(pixels)) < 1e-5
    cells, head = model.visual.trunk.forward_features(pixels).flatten(2).transpose(1, 2), model.visual.head
    normed = layer_norm(model.visual.trunk.head.norm, cells)
    if projection == "linear":
        wanted = linear(head.proj, normed)
    else:
        hidden = linear(head.mlp.fc1, normed)
        wanted = linear(head.mlp.fc2, hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5)))
    assert relative_error(regions, wanted) < 1e-5
    assert not ours.vision.mean_is_global
    assert relative_error(regions.mean(dim=1), whole) > 0.05


@torch.no_grad()
def test_regions_of_mobileclips_trunk_average_to_the_global_feature() -> None:
    """FastViT: norms within branches, attention in the last stage, and a projection that is the trunk's own."""
    model = clip_with_trunk("fastvit_mci0", timm_pool="avg", timm_proj=None)
    ours, pixels = trunk_backbone(model), torch.randn(2, 3, 64, 64)
    whole, regions = ours.encode_image(pixels)
    assert relative_error(whole, model.encode_image(pixels)) < 1e-5
    assert (ours.vision.grid, ours.vision.mean_is_global) == ((2, 2), True)
    assert relative_error(regions.mean(dim=1), whole) < 1e-5


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18"])
@torch.no_grad()
def test_norms_within_the_convolutions_round_no_worse_than_behind_them(name: str) -> None:
    model = clip_with_trunk(name)
    pixels = torch.randn(2, 3, 64, 64)
    ours = trunk_backbone(model)
    whole, regions = ours.encode_image(pixels)
    assert ours.vision.mean_is_global
    assert relative_error(regions.mean(dim=1), whole) < 1e-4
    plain = model.encode_image(pixels)
    exact = copy.deepcopy(model).double().encode_image(pixels.double())
    assert relative_error(whole, exact) < 1.2 * relative_error(plain, exact) < 3e-5


@torch.no_grad()
def test_a_trunk_whose_norms_do_not_follow_its_convolutions_runs_as_it_is() -> None:
    class Swapped(nn.Module):
        """Lists the convolution first and runs the norm first."""

        def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
            super().__init__()
            self.conv, self.norm = conv, norm

        def forward(self, x: Tensor) -> Tensor:
            return cast(Tensor, self.conv(self.norm(x)))

    model = clip_with_trunk("resnet18")
    block = model.visual.trunk.layer1[0]
    block.conv1, block.bn1 = Swapped(block.conv1, block.bn1), nn.Identity()
    ours, pixels = trunk_backbone(model), torch.randn(2, 3, 64, 64)
    assert torch.equal(ours.encode_image(pixels)[0], model.encode_image(pixels))
