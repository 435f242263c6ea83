"""What the text encoder's fast path costs: operations counted by torch and bytes kept, never times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from unittest import mock

import open_clip
import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from gallop.backbones.text import TextEncoder
from tests.backbones.test_encoders import SIMPLE_TOKENIZER, backbone_vit, model_vit
from tests.reference import torch_threads

NAMES = list(open_clip.IMAGENET_CLASSNAMES[::40])
CONTEXT, PROMPTS = 4, 8


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """What torch counts, it counts in one thread."""
    with torch_threads(1):
        yield


def encode(encoder: TextEncoder, names: Sequence[str]) -> Callable[[], Tensor]:
    torch.manual_seed(0)
    contexts = (0.1 * torch.randn(PROMPTS, CONTEXT, encoder.width)).requires_grad_()
    tokens = encoder.tokenize(names, context_tokens=CONTEXT)
    return lambda: encoder.encode(contexts, tokens)


def test_forward_takes_the_operations_of_the_tokens_needed_and_a_few_for_padding() -> None:
    """By hand: a product of (m, k) and (k, n) takes 2 m k n.

    A block's matrices hold 12 T x T numbers: 3 query, key and value, 1 attention output, 8 MLP.
    """
    encoder, model = backbone_vit().text, model_vit()
    with FlopCounterMode(display=False) as counter:
        encode(encoder, NAMES)()
    lengths = sum(len(SIMPLE_TOKENIZER.encode(name)) + 1 for name in NAMES)  # with EOT
    needed = PROMPTS * (1 + CONTEXT + lengths)
    blocks = (len(model.transformer.resblocks) - 1) * 12 * needed + 2 * needed + 10 * PROMPTS * len(NAMES)
    shared = (PROMPTS - 1) * 3 * lengths  # the names' own in the first block, which are the same after every prompt
    wanted = 2 * encoder.width**2 * (blocks - shared)
    projection = 2 * PROMPTS * len(NAMES) * model.text_projection.numel()
    assert wanted < counter.get_total_flops() < 1.1 * (wanted + projection)


def kept_bytes(model: nn.Module, function: Callable[[], Tensor]) -> int:
    """Bytes of all that autograd keeps, each storage once and the frozen weights left out."""
    frozen = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    storages: dict[int, int] = {}
    alive = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in frozen:
            storages[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)  # so that no address is used twice
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        function()
    return sum(storages.values())


@pytest.mark.parametrize("budget", [2**22, 2**24])
def test_what_is_kept_stays_within_the_budget(budget: int) -> None:
    encoder = backbone_vit().text
    forward = encode(encoder, NAMES * 10)
    with mock.patch.object(encoder, "memory_budget", 2**40):
        everything = kept_bytes(model_vit(), forward)
    with mock.patch.object(encoder, "memory_budget", budget):
        assert kept_bytes(model_vit(), forward) < budget < everything
