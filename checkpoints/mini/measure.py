"""What a `mini` understands: phrases by group, each right if the nearest of the 1000 classes is one that fits.

    python measure.py [FOLDER]

A class fits if one of the listed WordNet nouns names it or a term above it. None of this is shown in training as such,
but nouns, plurals and attributes of the training may occur in it. Chance is the fraction of the classes that fit.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from files import load
from joint import classifier
from open_clip import IMAGENET_CLASSNAMES
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from timm.data import ImageNetInfo
from torch import Tensor
from torch.nn import functional as F
from wordnet import read_synsets, wider

GROUPS: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
"""Phrases by group, with the WordNet nouns that fit each, separated by commas."""
TEMPLATES = {
    "A photo of a {}": "'A photo of a {}'",
    "{}": "bare name",
    "a photo of a {}.": "'a photo of a {}.'",
    "an image of {}": "'an image of {}'",
    "a sketch of a {}": "'a sketch of a {}'",
}


@torch.no_grad()
def directions(model: CLIP) -> Tensor:
    """The classes (1000, D) in the model's joint space."""
    weight = classifier().get_classifier().weight
    return F.normalize((weight - weight.mean(dim=0)) @ model.visual.head.proj.weight.T, dim=1)


@torch.no_grad()
def text_features(model: CLIP, texts: list[str]) -> Tensor:
    tokenizer = SimpleTokenizer(context_length=model.context_length)
    return torch.cat(
        [model.encode_text(tokenizer(texts[i : i + 250]), normalize=True) for i in range(0, len(texts), 250)]
    )


def fitting(wordnet: Path) -> list[set[str]]:
    """For each class all nouns that name it or a term above it."""
    synsets = read_synsets(wordnet, "noun")
    nouns = []
    for leaf in ImageNetInfo().label_names():
        nouns.append({name.lower() for wnid in {leaf, *wider(leaf, synsets)} for name in synsets[wnid].names})
    return nouns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent)
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--wrong", action="store_true", help="also print what went wrong")
    options = parser.parse_args()
    model, names = load(options.folder), fitting(options.wordnet)
    classes = directions(model)

    print("| class names in the form | nearest to their class | mean cosine with it |\n|---|---|---|")
    for form, label in TEMPLATES.items():
        cosines = text_features(model, [form.format(name) for name in IMAGENET_CLASSNAMES]) @ classes.T
        nearest = (cosines.argmax(dim=1) == torch.arange(len(cosines))).float().mean()
        print(f"| {label} | {nearest:.1%} | {cosines.diagonal().mean():.2f} |")
    print("\n| group | phrases | right | chance |\n|---|---|---|---|")
    for group, phrases in GROUPS.items():
        fits = torch.tensor(
            [[not have.isdisjoint(wanted.split(", ")) for have in names] for wanted in phrases.values()]
        )
        if not fits.any(dim=1).all():
            raise ValueError(f"No class fits {list(phrases)[int(fits.any(dim=1).int().argmin())]!r}.")
        nearest = (text_features(model, [f"A photo of a {phrase}" for phrase in phrases]) @ classes.T).argmax(dim=1)
        right = fits[torch.arange(len(fits)), nearest]
        print(f"| {group} | {len(fits)} | {right.float().mean():.0%} | {fits.float().mean():.1%} |")
        if options.wrong:
            for phrase, number, good in zip(phrases, nearest.tolist(), right.tolist(), strict=True):
                if not good:
                    print(f"    {phrase}: {IMAGENET_CLASSNAMES[number]}")


if __name__ == "__main__":
    main()
