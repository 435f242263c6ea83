"""Which pairs of open_clip are read, and whether our features equal open_clip's at true sizes.

    python -m benchmarks.backbones                          the table of all pairs, into docs/reference/backbones.md
    python -m benchmarks.backbones --check [ARCH ...]       features of true backbones with random weights

The table is made from settings alone: nothing is downloaded, no weights are made. A check makes a backbone's weights,
with norms, biases and scales drawn at random too, and compares both features with ``encode_image`` and ``encode_text``.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import logging
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from gallop.backbones.loading import open_clip_model, pair_preprocess
from gallop.backbones.text import TextEncoder, text_encoder
from gallop.backbones.text.causal import CausalTextEncoder
from gallop.backbones.text.tokenizers import TokenRule, clip_tokenizer
from gallop.backbones.vision import ImageEncoder, image_encoder
from gallop.backbones.weights import licence_of
from gallop.runtime.writing import write_file

TABLE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "backbones.md"
CHECKED = ("ViT-B-16", "RN50", "ViT-L-14", "MobileCLIP2-S0", "ViT-B-16-SigLIP2", "convnext_base")
HEAD = "| pair | read | text | tokens | input | grid | parameters, M | tokenizer | licence |"


def table() -> str:
    """The page: how many, why not the others, and a row for every pair."""
    rows = {pair: row(*pair) for pair in open_clip.list_pretrained()}
    refused = sum(line.split(" | ")[1] == "no" for line in rows.values())
    lines = [
        "# Backbones",
        "",
        f"{len(rows) - refused} of the {len(rows)} pairs that open_clip {open_clip.__version__} lists can be used. "
        "This page is written by `python -m benchmarks.backbones`, from settings alone: no weights were downloaded.",
        "",
        f"- {refused} cannot: they have text encoders of Hugging Face, and prompts can only be learned with "
        "open_clip's text transformers.",
        "",
        "*text*: *fast* is a causal text encoder, which computes only the tokens that are needed; *plain* is one that "
        "computes its full length for every prompt of every class. *tokenizer*: a tokenizer from the Hub, which needs "
        "the extra `tokenizers`; where none is given, CLIP's is used. *licence*: that of the weights, by the tag's "
        "name; [where and when each was looked up](../howto/clip_backbones.md#licences). Read the licence before you "
        "use the weights, especially where it is not known. `gallop/backbones/vision/__init__.py` describes how "
        "regions are made for each kind of backbone.",
        "",
        HEAD,
        "|" + "---|" * HEAD.count(" | ") + "---|",
        *rows.values(),
    ]
    return "\n".join(lines) + "\n"


def row(arch: str, tag: str) -> str:
    """A pair's line; "no" where its text encoder is Hugging Face's, which would be downloaded."""
    text_cfg, licence = open_clip.get_model_config(arch)["text_cfg"], str(licence_of(tag))
    if text_cfg.get("hf_model_name"):
        return f"| {arch}/{tag} | no | | | | | | | {licence} |"
    text, vision, side, parameters = _built(arch)
    pair_preprocess(side, open_clip.get_pretrained_cfg(arch, tag))
    path, (rows, columns) = "fast" if isinstance(text, CausalTextEncoder) else "plain", vision.grid
    tokenizer = text_cfg.get("hf_tokenizer_name") or ""
    cells = (path, text.context_length, side, f"{rows} x {columns}", round(parameters / 1e6), tokenizer, licence)
    return f"| {arch}/{tag} | yes | {' | '.join(map(str, cells))} |"


@cache
def _built(arch: str) -> tuple[TextEncoder, ImageEncoder, int, int]:
    """Both encoders, side of the input and parameters, without numbers: on torch's device for shapes alone."""
    with torch.device("meta"), torch.no_grad():
        model: Any = open_clip_model(arch).eval()
        # Where a tokenizer is the Hub's, CLIP's is used instead: which path an encoder takes does not depend on it.
        text, vision = text_encoder(getattr(model, "text", model), clip_tokenizer()), image_encoder(model.visual)
        size = model.visual.image_size
        side = size[0] if isinstance(size, tuple) else size
        assert vision(torch.empty(1, 3, side, side))[1].shape[1] == prod(vision.grid), arch
    # CoCa's captions are not asked for.
    numbers = (p.numel() for name, p in model.named_parameters() if not name.startswith("text_decoder."))
    return text, vision, side, sum(numbers)


class RandomIds:
    """Replaces a tokenizer where none is to be downloaded: a text has as many tokens as words."""

    def __init__(self, rule: TokenRule) -> None:
        self.rule = rule

    def encode(self, text: str) -> list[int]:
        return [1000 + sum(map(ord, word)) for word in text.split()]


@dataclass(frozen=True)
class Checked:
    """Relative errors of a backbone's features, and seconds of two photos and of three prompts.

    ``apart``: how far the features of two photos, and of two texts, are from each other, in the same measure.
    """

    image: float
    text: float
    apart: tuple[float, float]
    regions: int
    mean_is_global: float | None
    seconds_image: float
    seconds_text: float


def draw(model: nn.Module) -> None:
    """Everything at random: at their initial 0 and 1 norms, biases and scales would hide where they act."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1, generator=generator)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0, generator=generator)
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                centre = 1.0 if name.endswith(("weight", "gamma")) else 0.0
                parameter.normal_(centre, 0.2, generator=generator)
            elif parameter.ndim:  # as much in as out: at timm's 0.02 all photos have nearly the same feature
                parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)


def check(arch: str) -> Checked:
    """Compare both features of a true backbone with open_clip's, in single precision."""
    model: Any = open_clip_model(arch).eval().requires_grad_(False)
    draw(model)
    vision, size = image_encoder(model.visual), model.visual.image_size
    side = size[0] if isinstance(size, tuple) else size
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    pixels[1] = torch.linspace(-2, 2, side).sin()
    names = ["cat", "golden retriever", "double decker bus"]
    with torch.no_grad():
        start = perf_counter()
        global_, regions = vision(pixels)
        photo = perf_counter() - start
        tokenizer, ids = _tokenizer(arch, names)
        text = text_encoder(getattr(model, "text", model), tokenizer)
        start = perf_counter()
        context = text.embed("a photo of")
        encoded = text.encode(context[None], text.tokenize(names, context_tokens=len(context)))[:, 0]
        prompts = perf_counter() - start
        mean = regions.mean(dim=1)
        if vision.region_projection is not None:
            mean = mean @ vision.region_projection
        coca = {"normalize": False}  # CoCa's default is another than CLIP's
        return Checked(
            error(global_, model.encode_image(pixels, **coca)),
            error(encoded, model.encode_text(ids, **coca)),
            (error(global_[:1], global_[1:]), error(encoded[:1], encoded[1:2])),
            regions.shape[1],
            error(mean, global_) if vision.mean_is_global else None,
            photo,
            prompts,
        )


def _tokenizer(arch: str, names: list[str]) -> tuple[Any, Tensor]:
    settings = open_clip.get_model_config(arch)["text_cfg"]
    texts = [f"a photo of {name}" for name in names]
    length = settings.get("context_length", 77)
    if not settings.get("hf_tokenizer_name"):
        tokenizer = open_clip.get_tokenizer(arch)
        return tokenizer, tokenizer(texts, length)
    end = settings.get("eos_id", 1)
    random_ids = RandomIds(TokenRule((), (end,), 0, frozenset({0, end})))
    rows = [[*random_ids.encode(text), end] for text in texts]
    return random_ids, torch.tensor([[*row, *[0] * (length - len(row))] for row in rows])


def error(features: Tensor, wanted: Tensor) -> float:
    return float((features.double() - wanted.double()).norm() / wanted.double().norm())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", nargs="*", metavar="ARCH", help=f"compare features; by default of {CHECKED}")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # open_clip warns that there are no weights
    if options.check is None:
        write_file(TABLE, table().encode())
        print(f"{TABLE} is written.")
        return
    for arch in options.check or CHECKED:
        checked = check(arch)
        mean = "" if checked.mean_is_global is None else f", mean of regions {checked.mean_is_global:.1e}"
        print(
            f"{arch}: image {checked.image:.1e}, text {checked.text:.1e} (two photos are {checked.apart[0]:.2f} apart, "
            f"texts {checked.apart[1]:.2f}), {checked.regions} regions{mean}; "
            f"{checked.seconds_image:.1f} s two photos, {checked.seconds_text:.1f} s three prompts",
            flush=True,
        )


if __name__ == "__main__":
    main()
