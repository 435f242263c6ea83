"""How much of a prompt words explain: planted kinds of picture named first, and the rest of trained prompts.

    python -m benchmarks.prompts_in_words              on mini: every planted sentence, and the word that comes first
    python -m benchmarks.prompts_in_words FOLDER ...   of trained models: the median rest, over prompts and classes

A planted prompt is a sentence's tokens in place of a learned context, once as they are and once with noise. On a text
encoder that gives all kinds of picture one feature nothing can be distinguished, and the lines say so.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import statistics
import sys

import torch
from torch import nn

from gallop import GalLoPClassifier, load_backbone
from gallop.backbones import Backbone
from gallop.model.in_words import dictionary
from gallop.model.prompted import PromptModel, initial_prompts
from gallop.names.templates import PLACE

PLANTED = ("sketch", "drawing", "cartoon", "poster", "blurry", "dark", "monochrome", "close-up", "distant", "several")
CLASSES = ("teapot", "mug", "candle", "vase", "dog", "car", "tree", "chair")
NOISE = (0.0, 0.25)  # standard deviations of the sentence's own numbers


def planted(backbone: Backbone, sentence: str, noise: float) -> GalLoPClassifier:
    """Return a classifier whose first global prompt is the words before the class name."""
    made = GalLoPClassifier(backbone=backbone, global_prompts=1, topk=(), cache=False).zero_shot(CLASSES)
    context = backbone.text.embed(sentence.replace(PLACE, "").strip())
    prompts, generator = initial_prompts(backbone, made.model_.config), torch.Generator().manual_seed(0)
    moved = context.cpu() + noise * context.cpu().std() * torch.randn(context.shape, generator=generator)
    prompts.global_contexts = nn.Parameter(moved[None].to(context))
    prompts.local_contexts = nn.Parameter(prompts.local_contexts.new_zeros(0, *context.shape))
    made.model_ = PromptModel(backbone, CLASSES, made.model_.config, prompts)
    return made


def main(folders: list[str]) -> None:
    for folder in folders:
        prompts = GalLoPClassifier.load(folder)
        told = [each for name in prompts.classes_ for each in prompts.prompts.in_words(str(name)) if each.learned]
        of_change, of_all = ([getattr(each.rest, what) for each in told] for what in ("added", "share"))
        print(
            f"{folder}, median of {len(told)} prompts and classes: in no word {statistics.median(of_change):.0%} of "
            f"what the contexts add and {statistics.median(of_all):.1%} of the whole feature"
        )
    if folders:
        return
    backbone = load_backbone("mini")
    for noise in NOISE:
        right = 0
        print(
            f"| planted, noise {noise:g} | named first | of {len(CLASSES)} classes | in no word |\n|---|---|---:|---:|"
        )
        for word in PLANTED:
            made = planted(backbone, dictionary()[word], noise)
            told = [made.prompts.in_words(name)[0] for name in CLASSES]
            first = [each.parts[1].word if len(each.parts) > 2 else "nothing" for each in told]
            often = statistics.mode(first)
            right += often == word
            rest = statistics.median(each.rest.added for each in told)
            print(f"| {word} | {often} | {first.count(word)} | {rest:.0%} |")
        print(f"{right} of {len(PLANTED)} named first in most classes\n")


if __name__ == "__main__":
    main(sys.argv[1:])
