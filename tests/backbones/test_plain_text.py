"""The plain path through text encoders other than CLIP's equals open_clip's own pass, and gradients reach contexts."""

from __future__ import annotations

from typing import Any
from unittest import mock

import open_clip
import pytest
import torch
from torch import Tensor, nn

from gallop.backbones.text import TextEncoder, text_encoder
from gallop.backbones.text.plain import PlainTextEncoder
from gallop.errors import UnsupportedBackbone
from tests.backbones.test_encoders import NAMES, TINY_VISION, draw_parameters, gradients
from tests.backbones.test_text_cost import kept_bytes
from tests.reference import relative_error, torch_threads

TEXT = {"width": 64, "heads": 2, "layers": 3, "context_length": 24}
KINDS: dict[str, dict[str, Any]] = {
    "MobileCLIP": {"no_causal_mask": True},
    "SigLIP": {"no_causal_mask": True, "pool_type": "last", "proj_bias": True, "act_kwargs": {"approximate": "tanh"}},
    "without a projection": {"no_causal_mask": True, "pool_type": "last", "proj_type": "none"},
    "first": {"no_causal_mask": True, "pool_type": "first"},
    "causal and last": {"pool_type": "last"},
    "CoCa": {"embed_cls": True},
    "layer scale": {"no_causal_mask": True, "ls_init_value": 0.3},
    "norms of queries and keys": {"qk_norm": True},
    "eos": {"no_causal_mask": True, "pool_type": "eos", "eos_id": 49407},
}


def custom(text: dict[str, Any]) -> open_clip.CustomTextCLIP:
    torch.manual_seed(0)
    model = open_clip.CustomTextCLIP(16, TINY_VISION, {**TEXT, **text}).eval().requires_grad_(False)
    draw_parameters(model)
    return model


def plain(model: open_clip.CLIP | open_clip.CustomTextCLIP) -> TextEncoder:
    found = text_encoder(getattr(model, "text", model), open_clip.SimpleTokenizer(context_length=24))
    assert isinstance(found, PlainTextEncoder)
    return found


class WithContext(nn.Module):
    """Token embeddings in which learned vectors stand behind the first token: all else is left to open_clip."""

    def __init__(self, embedding: nn.Module, context: Tensor) -> None:
        super().__init__()
        self.embedding, self.context = embedding, context

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        return torch.cat([x[:, :1], self.context.expand(len(ids), -1, -1), x[:, 1 + self.context.shape[0] :]], dim=1)


def open_clips_own(model: Any, contexts: Tensor, names: list[str]) -> Tensor:
    """(K, P, D): ``encode_text`` of "a a a name" with the vectors of a context in the place of each "a"."""
    tokenizer, module = open_clip.SimpleTokenizer(context_length=24), getattr(model, "text", model)
    ids = tokenizer([f"{'a ' * contexts.shape[1]}{name}" for name in names])
    features = []
    for context in contexts:
        with mock.patch.object(module, "token_embedding", WithContext(module.token_embedding, context)):
            features.append(model.encode_text(ids))
    return torch.stack(features, dim=1)


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
def test_features_equal_open_clips_and_so_do_gradients(text: dict[str, Any]) -> None:
    model = custom(text)
    encoder = plain(model)
    texts = [f"A photo of a {name}" for name in NAMES]
    wanted = model.encode_text(open_clip.tokenize(texts, context_length=24))
    assert relative_error(encoder.encode_texts(texts), wanted) < 1e-5
    learned = encoder.encode(encoder.embed("A photo of a")[None], encoder.tokenize(NAMES, context_tokens=4))
    assert relative_error(learned[:, 0], wanted) < 1e-5
    contexts = (0.1 * torch.randn(3, 5, encoder.width)).requires_grad_()
    own = open_clips_own(model, contexts, NAMES)
    weights = torch.randn(own.shape)
    expected = gradients(contexts, own, weights)
    for threads, budget in ((1, 2**30), (2, 2**30), (2, 2**22), (1, 1)):
        with torch_threads(threads), mock.patch.object(encoder, "memory_budget", budget):
            found = encoder.encode(contexts, encoder.tokenize(NAMES, context_tokens=5))
            assert relative_error(found.detach(), own.detach()) < 1e-5
            assert relative_error(gradients(contexts, found, weights), expected) < 1e-5


def test_padding_is_hidden_where_the_backbone_hides_it() -> None:
    model = custom({"no_causal_mask": True})
    seen = plain(model).encode_texts(NAMES)
    model.text.use_pad_mask = True
    hidden = plain(model).encode_texts(NAMES)
    assert relative_error(hidden, model.encode_text(open_clip.tokenize(NAMES, context_length=24))) < 1e-5
    assert relative_error(hidden, seen) > 0.01


def test_a_class_embedding_takes_no_name_its_room() -> None:
    encoder = plain(custom({"embed_cls": True}))
    assert (encoder.context_length, len(encoder.tokenize([" ".join(["cat"] * 22)], context_tokens=0))) == (24, 1)


@pytest.mark.parametrize("budget", [2**26, 2**22])
def test_what_is_kept_stays_within_the_budget(budget: int) -> None:
    model = custom({"no_causal_mask": True})
    encoder = plain(model)
    contexts = (0.1 * torch.randn(4, 4, encoder.width)).requires_grad_()
    tokens = encoder.tokenize(list(open_clip.IMAGENET_CLASSNAMES[:64]), context_tokens=4)
    with torch_threads(1), mock.patch.object(encoder, "memory_budget", budget):
        assert kept_bytes(model, lambda: encoder.encode(contexts, tokens)) < budget


def test_backbones_of_another_make_are_refused() -> None:
    tokenizer, says = open_clip.SimpleTokenizer(), "prompts can only be learned with open_clip's text transformers"
    for module, reads, sentence in (
        (nn.Linear(2, 2), tokenizer, f"is a Linear, and {says}"),
        (custom({"pool_type": "none"}).text, tokenizer, "its pooling, 'none', does not"),
        (custom({}).text, object(), "this is a object"),
    ):
        with pytest.raises(UnsupportedBackbone, match=sentence):
            text_encoder(module, reads)


def test_it_computes_in_bf16_where_it_is_called_in_it() -> None:
    encoder = plain(custom(KINDS["CoCa"]))
    assert encoder.context_length == 24, "the 25th place is the class embedding's"
    tokens = encoder.tokenize(NAMES, context_tokens=4)
    contexts = (0.1 * torch.randn(2, 4, encoder.width)).requires_grad_()
    exact = encoder.encode(contexts, tokens)
    with torch.autocast("cpu", torch.bfloat16):
        features = encoder.encode(contexts, tokens)
    assert relative_error(features.detach().float(), exact.detach()) < 0.05
    assert gradients(contexts, features.float(), torch.ones(features.shape)).isfinite().all()
