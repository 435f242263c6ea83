"""What the text tower's fast path costs: operations counted by torch and bytes kept, never times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from unittest import mock

import open_clip
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from gallop.backbones.text import MEMORY_BUDGET, TextTower, memory_budget, text_tower
from gallop.backbones.text.packing import ROW
from tests.backbones.test_towers import backbone_vit, random_clip
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


def start(tower: TextTower, prompts: int = PROMPTS) -> Tensor:
    torch.manual_seed(0)
    return (0.1 * torch.randn(prompts, CONTEXT, tower.width)).requires_grad_()


def lengths(tower: TextTower, names: Sequence[str]) -> list[int]:
    """Tokens of each name with EOT."""
    return [len(tower._tokenizer.encode(name)) + 1 for name in names]


def floor(tower: TextTower, names: Sequence[str], prompts: int = PROMPTS) -> int:
    """Forward operations of the blocks' matrices for the tokens that are needed, by hand.

    A product of (m, k) and (k, n) takes 2 m k n. A block's matrices hold 12 T x T numbers: 3 query, key and
    value, 1 attention output, 8 MLP.
    """
    square = 2 * tower.width**2
    prefix, suffix = prompts * (1 + CONTEXT), prompts * sum(lengths(tower, names))
    whole, last = len(tower._blocks) - 1, prompts * len(names)
    blocks = whole * 12 * (prefix + suffix) + 2 * (prefix + suffix) + 10 * last
    return square * blocks - (prompts - 1) * shared(tower, names)


def shared(tower: TextTower, names: Sequence[str]) -> int:
    """Of the names' queries, keys and values in the first block, which are the same after every prompt."""
    return 2 * 3 * tower.width**2 * sum(lengths(tower, names))


def step_floor(tower: TextTower, names: Sequence[str], prompts: int = PROMPTS) -> int:
    """Forward and back: through all but what is shared, which knows no context."""
    return 2 * floor(tower, names, prompts) - shared(tower, names)


def encode(tower: TextTower, contexts: Tensor, names: Sequence[str]) -> Callable[[], Tensor]:
    tokens = tower.tokenize(names, context_tokens=CONTEXT)
    return lambda: tower.encode(contexts, tokens)


def test_forward_takes_the_operations_of_the_tokens_needed_and_a_few_for_padding() -> None:
    tower = backbone_vit().text
    contexts = start(tower)
    found = operations(encode(tower, contexts, NAMES))
    wanted = floor(tower, NAMES)
    projection = 2 * PROMPTS * len(NAMES) * tower._module.text_projection.numel()
    assert wanted < found < 1.1 * (wanted + projection)


@pytest.mark.slow
def test_a_step_of_the_true_tower_is_twice_its_forward_operations() -> None:
    """Frozen weights take no gradient: ViT-B/16 with ImageNet names, without computing anything again."""
    tower = text_tower(random_clip("ViT-B-16"), open_clip.SimpleTokenizer())
    tower.memory_budget = 2**40
    contexts, names = start(tower, prompts=1), NAMES
    forward = encode(tower, contexts, names)
    found = operations(lambda: forward().sum().backward())
    assert 1 < found / step_floor(tower, names, prompts=1) < 1.05


@pytest.mark.parametrize("prompts", [1, 4])
def test_what_the_prompts_share_is_neither_computed_nor_taken_back_for_each(prompts: int) -> None:
    """One more prompt costs a floor of its own, without the first block's query, key and value of the names."""
    tower = backbone_vit().text
    steps = [
        operations(lambda n=n: encode(tower, start(tower, n), NAMES)().sum().backward())  # type: ignore[misc]
        for n in (prompts, prompts + 1)
    ]
    wanted = [step_floor(tower, NAMES, n) for n in (prompts, prompts + 1)]
    assert 1 < (steps[1] - steps[0]) / (wanted[1] - wanted[0]) < 1.12


def test_one_long_name_costs_its_own_tokens_alone() -> None:
    tower = backbone_vit().text
    contexts = start(tower)
    short = operations(encode(tower, contexts, ["cat"] * 50))
    both = operations(encode(tower, contexts, ["cat"] * 50 + [" ".join(["cat"] * 60)]))
    assert both - short < 1.25 * floor(tower, [" ".join(["cat"] * 60)])


@given(st.lists(st.integers(1, 60), min_size=1, max_size=80))
def test_rows_hold_every_name_once_and_little_else(tokens: list[int]) -> None:
    tower = backbone_vit().text
    names = tower.tokenize([" ".join(["cat"] * count) for count in tokens], context_tokens=CONTEXT)
    rows, length = names.visible.shape[:2]
    sizes, prefix = [count + 1 for count in tokens], 1 + CONTEXT
    assert len(names.ids) == rows * length - prefix
    assert int((names.ids > 0).sum()) == sum(sizes)
    assert len(set(names.eot.tolist())) == len(tokens)
    assert (names.ids[names.eot - prefix] == tower._tokenizer.eot_token_id).all()
    assert (names.positions[names.eot - prefix] == prefix + torch.tensor(tokens)).all()
    assert (names.slots.flatten()[names.order] == torch.arange(len(tokens))).all()
    assert max(sizes) <= length
    assert rows * length <= prefix + sum(sizes) + rows * max(sizes)  # first fit: a row has less than its largest left
    if max(sizes) <= 5:
        assert length <= ROW + prefix + 5


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(1, 70))
def test_parts_of_names_are_all_of_them_in_order_and_about_alike(tokens: list[int], parts: int) -> None:
    names = backbone_vit().text.tokenize([" ".join(["cat"] * count) for count in tokens], context_tokens=CONTEXT)
    found = names.split(parts)
    assert [ids for part in found for ids in part.names] == list(names.names)
    assert 1 <= len(found) <= parts
    sizes = [sum(map(len, part.names)) for part in found]
    assert max(sizes) <= sum(sizes) / parts + max(map(len, names.names))
    assert names.split(parts) is found if parts > 1 else found == [names]


def kept_bytes(tower: TextTower, function: Callable[[], Tensor]) -> int:
    """Bytes of all that autograd keeps, each storage once and the frozen weights left out."""
    frozen = {weight.untyped_storage().data_ptr() for weight in tower._module.parameters()}
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


def test_a_large_gpu_keeps_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for total, budget in ((80 * 2**30, 20 * 2**30), (2 * 2**30, MEMORY_BUDGET)):
        monkeypatch.setattr("torch.cuda.get_device_properties", lambda _, t=total: SimpleNamespace(total_memory=t))
        assert memory_budget(torch.device("cuda")) == budget
    assert backbone_vit().text.memory_budget == memory_budget(torch.device("cpu")) == MEMORY_BUDGET


@pytest.mark.parametrize("budget", [2**22, 2**24])
def test_what_is_kept_stays_within_the_budget(budget: int) -> None:
    tower = backbone_vit().text
    contexts = start(tower)
    forward = encode(tower, contexts, NAMES * 10)
    with mock.patch.object(tower, "memory_budget", 2**40):
        everything = kept_bytes(tower, forward)
    with mock.patch.object(tower, "memory_budget", budget):
        assert kept_bytes(tower, forward) < budget < everything
