"""What the text encoder's fast path costs: operations counted by torch and bytes kept, never times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from unittest import mock

import open_clip
import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from gallop.backbones.text import TextEncoder
from tests.backbones.test_encoders import backbone_vit
from tests.reference import torch_threads

NAMES = list(open_clip.IMAGENET_CLASSNAMES[::40])
CONTEXT, PROMPTS = 4, 8


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """What torch counts, it counts in one thread."""
    with torch_threads(1):
        yield


def operations(function: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def start(encoder: TextEncoder, prompts: int = PROMPTS) -> Tensor:
    torch.manual_seed(0)
    return (0.1 * torch.randn(prompts, CONTEXT, encoder.width)).requires_grad_()


def lengths(encoder: TextEncoder, names: Sequence[str]) -> list[int]:
    """Tokens of each name with EOT."""
    return [len(encoder._tokenizer.encode(name)) + 1 for name in names]


def floor(encoder: TextEncoder, names: Sequence[str], prompts: int = PROMPTS) -> int:
    """Forward operations of the blocks' matrices for the tokens that are needed, by hand.

    A product of (m, k) and (k, n) takes 2 m k n. A block's matrices hold 12 T x T numbers: 3 query, key and
    value, 1 attention output, 8 MLP.
    """
    square = 2 * encoder.width**2
    prefix, suffix = prompts * (1 + CONTEXT), prompts * sum(lengths(encoder, names))
    whole, last = len(encoder._blocks) - 1, prompts * len(names)
    blocks = whole * 12 * (prefix + suffix) + 2 * (prefix + suffix) + 10 * last
    return square * blocks - (prompts - 1) * shared(encoder, names)


def shared(encoder: TextEncoder, names: Sequence[str]) -> int:
    """Of the names' queries, keys and values in the first block, which are the same after every prompt."""
    return 2 * 3 * encoder.width**2 * sum(lengths(encoder, names))


def encode(encoder: TextEncoder, contexts: Tensor, names: Sequence[str]) -> Callable[[], Tensor]:
    tokens = encoder.tokenize(names, context_tokens=CONTEXT)
    return lambda: encoder.encode(contexts, tokens)


def test_forward_takes_the_operations_of_the_tokens_needed_and_a_few_for_padding() -> None:
    encoder = backbone_vit().text
    found = operations(encode(encoder, start(encoder), NAMES))
    wanted = floor(encoder, NAMES)
    projection = 2 * PROMPTS * len(NAMES) * encoder._module.text_projection.numel()
    assert wanted < found < 1.1 * (wanted + projection)


def kept_bytes(encoder: TextEncoder, function: Callable[[], Tensor]) -> int:
    """Bytes of all that autograd keeps, each storage once and the frozen weights left out."""
    frozen = {weight.untyped_storage().data_ptr() for weight in encoder._module.parameters()}
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
    forward = encode(encoder, start(encoder), NAMES * 10)
    with mock.patch.object(encoder, "memory_budget", 2**40):
        everything = kept_bytes(encoder, forward)
    with mock.patch.object(encoder, "memory_budget", budget):
        assert kept_bytes(encoder, forward) < budget < everything
