"""The text encoder: a forward and backward pass of all prompts and classes, against two rivals and the floor."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP
from torch import Tensor

from benchmarks.careful import CarefulText
from benchmarks.measure import large_product, once, peak_bytes, seconds
from benchmarks.naive import naive_text
from gallop import load_backbone
from gallop.backbones.text import TextEncoder, text_encoder

CONTEXT, PROMPTS = 4, 8


def load_text_encoder(name: str) -> TextEncoder:
    """``mini``, or an architecture of open_clip with random weights: times do not depend on what they are."""
    if name == "mini":
        return load_backbone("mini", device="cpu").text
    config = {key: value for key, value in open_clip.get_model_config(name).items() if key != "custom_text"}
    config["vision_cfg"] |= {"layers": 1}  # not used here
    torch.manual_seed(0)
    model = CLIP(**config, quick_gelu=True).eval().requires_grad_(False)
    return text_encoder(model, open_clip.SimpleTokenizer())


WORDS = ["small", "old", "new", "dirty", "broken", "wooden", "drawn", "painted", "distant", "blurred", "wet", "bright"]
WORDS += ["pale", "frozen", "dusty", "shiny", "plain", "odd", "heavy", "cheap", "lone"]
"""For class lists that are longer than ImageNet's thousand: each word before each of its names, 22,000 in all."""


def imagenet_names(count: int) -> list[str]:
    """Evenly spread over the 1000 ImageNet names; the second of two equal ones (*missile*) gets a word more.

    Beyond a thousand, the same with a word before them.
    """
    names = open_clip.IMAGENET_CLASSNAMES
    distinct = [f"{name} again" if name in names[:row] else name for row, name in enumerate(names)]
    if count > len(distinct):
        distinct += [f"{word} {name}" for word in WORDS for name in distinct]
        return distinct[:count]
    return [distinct[i * 1000 // count] for i in range(count)]


def needed_operations(encoder: TextEncoder, names: Sequence[str], prompts: int, context: int) -> int:
    """Operations of a step, forward and back, of the blocks' matrices for the tokens that are needed.

    A product of (m, k) and (k, n) takes 2 m k n. A block's matrices hold 12 T x T numbers: 3 query, key and value, 1
    attention output, 8 MLP. Needed is the prefix once a prompt and every name up to EOT; in the last block keys and
    values of those, and the rest at EOT alone. In the first block a name's query, key and value are the same after
    every prompt: needed once, and not on the way back, since no gradient leaves by them. All else goes back as it came,
    frozen weights having no gradient.
    """
    square = 2 * encoder.width**2
    name_tokens = sum(len(encoder._tokenizer.encode(name)) + 1 for name in names)
    tokens = prompts * (1 + context + name_tokens)
    forward = (len(encoder._blocks) - 1) * 12 * tokens + 2 * tokens + 10 * prompts * len(names)
    return square * (2 * forward - 3 * (2 * prompts - 1) * name_tokens)


def start(encoder: TextEncoder, prompts: int) -> Tensor:
    torch.manual_seed(0)
    contexts = encoder.embed("A photo of a").repeat(prompts, 1, 1)
    return (contexts + 0.01 * torch.randn_like(contexts)).requires_grad_()


def run(name: str, classes: int, *, prompts: int = PROMPTS, repeats: int = 3, naive: bool = True) -> dict[str, Any]:
    """One row. The naive path runs one prompt at a time, gradients accumulated; its time is prompts x the median."""
    encoder = load_text_encoder(name)
    names, contexts = imagenet_names(classes), start(encoder, prompts)
    tokens = encoder.tokenize(names, context_tokens=CONTEXT)
    weights = torch.randn(classes, prompts, encoder.encode_texts(["a"]).shape[-1])

    def ours() -> None:
        contexts.grad = None
        (encoder.encode(contexts, tokens) * weights).sum().backward()

    product, operations = large_product()
    taken, reference = seconds(ours, product, repeats=repeats)
    rate, memory = operations / reference, peak_bytes(ours)
    floor = needed_operations(encoder, names, prompts, CONTEXT) / rate
    row: dict[str, Any] = {
        "backbone": name,
        "classes": classes,
        "prompts": prompts,
        "seconds": taken,
        "gigaflops": rate / 1e9,
        "floor_share": floor / taken,
        "megabytes": memory / 1e6,
    }
    row |= _careful(encoder, names, contexts, weights, repeats)
    row["ratio_careful"] = row["seconds_careful"] / taken
    if naive:
        row |= _naive(encoder, names, contexts, weights)
        row["ratio_naive"] = row["seconds_naive"] / taken
    wanted = _gradient(contexts)  # of the plainest of the rivals that ran
    ours()
    return row | {"grad_error": float((_gradient(contexts) - wanted).norm() / wanted.norm())}


def _gradient(contexts: Tensor) -> Tensor:
    assert contexts.grad is not None
    return contexts.grad.clone()


def _careful(encoder: TextEncoder, names: list[str], contexts: Tensor, weights: Tensor, repeats: int) -> dict[str, Any]:
    text = CarefulText(encoder._module, encoder._tokenizer, names, CONTEXT, len(contexts))

    def careful() -> None:
        contexts.grad = None
        (text(contexts) * weights).sum().backward()

    times: list[float] = []
    peak = peak_bytes(lambda: times.append(once(careful)))
    if len(names) < 1000:  # else it is minutes, in which a first call is as good as another
        times = [once(careful) for _ in range(repeats)]
    return {"seconds_careful": statistics.median(times), "megabytes_careful": peak / 1e6, "careful_again": text.again}


def _naive(encoder: TextEncoder, names: list[str], contexts: Tensor, weights: Tensor) -> dict[str, float]:
    def prompt(p: int) -> None:
        features = naive_text(encoder._module, encoder._tokenizer, contexts[p : p + 1], names)
        (features * weights[:, p : p + 1]).sum().backward()

    # Memory with the first prompt, which warms up as well: its gradient is taken back.
    peak = peak_bytes(lambda: prompt(0))
    contexts.grad = None
    taken = len(contexts) * statistics.median([once(lambda p=p: prompt(p)) for p in range(len(contexts))])
    return {"seconds_naive": taken, "megabytes_naive": peak / 1e6}
