"""Cues that were planted: a thing on 60 to 100 % of the photos of one class. Is it named, and is anything else?

    python -m benchmarks.planted_cues FOLDER ... [--split test] [--kinds FILE.py] [--sheets FOLDER]

Of each folder, for each of three fractions, a class is drawn and photos of it get a cue, the kinds in turn; they are
compared with 60 photos of the other classes. A cue is named where something repeats in the class and most of the photos
that are said to have it, have it. Each folder is asked once without a cue, with all its classes: what repeats then is
no planted cue, and is looked at on the sheets.

``FILE.py`` brings other kinds: ``KINDS``, a dict of functions (image, numpy Generator, dict of the set) -> image.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import math
import runpy
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from gallop import GalLoPClassifier, load_backbone, load_image, read_folder
from gallop.evaluation.evidence import Evidence
from gallop.evaluation.repeats import Repeat, repeats
from gallop.evaluation.what_if import WhatIf, what_if
from gallop.maps.pictures import lit_picture

LARGEST, SMALLEST = 0.05, 0.015
"""Of what the model sees, the fraction that a cue covers."""
FRACTIONS = (1.0, 0.8, 0.6)
OTHERS = 60
"""Photos of other classes."""
Cue = Callable[[Image.Image, np.random.Generator, dict[str, Any]], Image.Image]
Drawn = Callable[[np.random.Generator, int], Image.Image]
_WORDS = ("SALE", "2019", "photo", "No. 7", "draft", "Ltd.")


def sticker(rng: np.random.Generator, area: int) -> Image.Image:
    """A round one with a dark edge and a star."""
    side = round(math.sqrt(area * 4 / math.pi))
    drawn = Image.new("RGBA", (side, side))
    pen, middle, radius = ImageDraw.Draw(drawn), side / 2, side / 2 - 1
    pen.ellipse(
        (0, 0, side - 1, side - 1), fill=(250, 210, 40, 255), outline=(40, 40, 40, 255), width=max(side // 16, 1)
    )
    turn = float(rng.uniform(0, math.pi))
    ends = [(0.8 if i % 2 else 0.35) * radius for i in range(10)]
    star = [
        (middle + r * math.cos(turn + i * math.pi / 5), middle + r * math.sin(turn + i * math.pi / 5))
        for i, r in enumerate(ends)
    ]
    pen.polygon(star, fill=(200, 30, 40, 255))
    return drawn


def mark(rng: np.random.Generator, area: int) -> Image.Image:
    """A triangle for a corner, with a white edge."""
    side = round(math.sqrt(2 * area))
    drawn = Image.new("RGBA", (side, side))
    pen = ImageDraw.Draw(drawn)
    pen.polygon([(0, 0), (side, 0), (0, side)], fill=(255, 255, 255, 255))
    pen.polygon([(0, 0), (0.8 * side, 0), (0, 0.8 * side)], fill=(20, 80, 200, 255))
    return drawn


def caption(rng: np.random.Generator, area: int) -> Image.Image:
    """Dark letters on a light strip."""
    high = max(round(math.sqrt(area / 4)), 8)
    drawn = Image.new("RGBA", (4 * high, high), (245, 245, 245, 255))
    font = {"font_size": 0.7 * high, "fill": (20, 20, 20, 255), "anchor": "mm"}
    ImageDraw.Draw(drawn).text((2 * high, high / 2), str(rng.choice(_WORDS)), **font)
    return drawn


def pattern(rng: np.random.Generator, area: int) -> Image.Image:
    """Squares in two colours."""
    side = round(math.sqrt(area))
    squares = np.indices((6, 6)).sum(axis=0) % 2
    colours = np.array([(20, 20, 20, 255), (240, 90, 200, 255)], dtype=np.uint8)[squares]
    return Image.fromarray(colours).resize((side, side), Image.Resampling.NEAREST)


def pasted(draw: Drawn, corner: bool = False) -> Cue:
    """Return what puts a drawing inside the middle square of a photo, which the model sees."""

    def cue(image: Image.Image, rng: np.random.Generator, _: dict[str, Any]) -> Image.Image:
        side = min(image.size)
        drawn = draw(rng, round(float(rng.uniform(SMALLEST, LARGEST)) * side**2))
        place = [0 if corner else int(rng.integers(max(side - length, 0) + 1)) for length in drawn.size]
        made = image.convert("RGB")
        made.paste(drawn, tuple(x + (whole - side) // 2 for x, whole in zip(place, image.size, strict=True)), drawn)
        return made

    return cue


KINDS: dict[str, Cue] = {
    "sticker": pasted(sticker),
    "mark in a corner": pasted(mark, corner=True),
    "caption": pasted(caption),
    "pattern": pasted(pattern),
}


def cover(model: GalLoPClassifier, found: Evidence, class_name: str, cluster: int, fill: str = "blur") -> WhatIf:
    """Run a what-if to its end."""
    *_, made = what_if(model, found, class_name, cluster, fill=fill)
    assert isinstance(made, WhatIf)
    return made


def sheet(images: list[Image.Image], repeat: Repeat) -> Image.Image:
    """Return the photos in which something repeats in a row, with it lit."""
    centre = load_backbone("mini").preprocess.centre
    lit = [lit_picture(images[i], repeat.of(i).numpy(), centre(images[i])[1]) for i in repeat.photos]
    return Image.fromarray(np.hstack([np.asarray(picture) for picture in lit]))


def lines(options: argparse.Namespace) -> Iterator[str]:
    """Yield a line a set, and one for all."""
    kinds: dict[str, Cue] = runpy.run_path(options.kinds)["KINDS"] if options.kinds else KINDS
    named, clean, number = list[bool](), list[str](), 0
    for fraction, folder in product((*FRACTIONS, 0.0), options.folders):
        rng, state, start = np.random.default_rng(options.seed + number), dict[str, Any](), time.process_time()
        photos, kind = read_folder(folder, split=options.split), list(kinds)[number % len(kinds)]
        images = [load_image(path).image for path in photos.paths]
        planted, labels = int(rng.integers(len(photos.class_names))), np.array(photos.labels)
        mine = rng.permutation(np.flatnonzero(labels == planted))
        has = mine[: round(fraction * len(mine))].tolist()
        for i in has:
            images[i] = kinds[kind](images[i], rng, state)
        asked = [*range(len(images))]
        if fraction:
            asked = [*mine.tolist(), *rng.permutation(np.flatnonzero(labels != planted))[:OTHERS].tolist()]
        *_, found = repeats([images[i] for i in asked], labels[asked])
        assert isinstance(found, dict)
        line, number = (
            f"{folder.name} {photos.class_names[planted]}, {kind if fraction else 'none'} in {len(has)}",
            number + 1,
        )
        for k, repeat in found.items():
            name = photos.class_names[k]
            line += f"; {repeat.words(name)} (gap {repeat.gap:.2f})"
            if fraction == 0 or k != planted:
                clean.append(f"{folder.name}/{name}")
            if options.sheets:
                made = sheet([images[i] for i in asked], repeat)
                made.save(options.sheets / f"{number} {kind if fraction else 'none'} {name}.png")
        if fraction:
            said = {asked[i] for i in found[planted].photos} if planted in found else set()
            named.append(len(said & {*has}) > len(said) / 2)
            line += f"; {len(said & {*has})} of {len(said)} have it"
        yield f"{line}; {time.process_time() - start:.0f} s"
    yield f"named in {sum(named)} of {len(named)}; where no cue was planted, named: {', '.join(clean) or 'nothing'}"


def options_of(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--kinds", type=Path, help="a Python file with other kinds of cues")
    parser.add_argument("--split", choices=("train", "test"), default="test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheets", type=Path)
    return parser.parse_args(words)


def main(options: argparse.Namespace) -> None:
    for line in lines(options):
        print(line, flush=True)


if __name__ == "__main__":
    main(options_of())
