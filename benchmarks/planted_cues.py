"""Whether a cue that was planted is found: photos of one class get a sticker, a caption, a mark or a pattern.

    python -m benchmarks.planted_cues FOLDER ... [--sets 24] [--held-out] [--no-what-if]

Each FOLDER holds ``train/CLASS/*.jpg``; test photos are not read. A set is a folder, a class of it, a kind of cue, and
the fraction of the class's photos that get it, at a random place and size, inside what the model sees, on at most 5 %
of that. A classifier is trained on the set, and the evidence over the same photos is asked:

* the rank of the cue's cluster in its class, by share: it is the one with most of the regions under the cue, and counts
  as found where it is among the first three and at least half of what it adds comes from regions that touch the cue;
* whether covering it stands out;
* on two clean classes, how many of the first three clusters are alarms: covering them stands out, and they are off the
  thing, by the masks of the folder (``masks/train/CLASS/*.png``), or where there are none, because the name of the class
  is not among their words.

Two kinds of cue are held out: they are drawn with ``--held-out`` alone, and nothing was chosen on them.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gallop import GalLoPClassifier, load_backbone, load_image, read_folder
from gallop.data import LabelledPhotos, distinct_photos
from gallop.evaluation.evidence import ClassEvidence, Evidence, evidence
from gallop.evaluation.what_if import WhatIf, what_if

LARGEST, SMALLEST = 0.05, 0.015
"""Of what the model sees, the fraction that a cue covers."""
FRACTIONS = (1.0, 0.8, 0.6)
CLEAN, FIRST = 2, 3
"""Clean classes of a set that are looked at, and clusters of each."""
Cue = Callable[[np.random.Generator, int], Image.Image]
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


CUES: dict[str, Cue] = {"sticker": sticker, "corner mark": mark}
HELD_OUT: dict[str, Cue] = {"caption": caption, "pattern": pattern}


@dataclass(frozen=True)
class Planted:
    """A set: its photos, which class has the cue, and where on each photo of it, (left, top, right, bottom)."""

    photos: LabelledPhotos
    class_name: str
    places: dict[str, tuple[int, int, int, int]]


def planted(folder: Path, kind: str, cue: Cue, fraction: float, seed: int) -> Planted:
    """Return a set; the same seed gives the same."""
    photos, rng = read_folder(folder, split="train"), np.random.default_rng(seed)
    class_name = str(rng.choice(photos.class_names))
    mine = [i for i, name in enumerate(photos.names) if name == class_name]
    chosen = set(rng.permutation(mine)[: round(fraction * len(mine))].tolist())
    images, places = [load_image(path).image for path in photos.photos], {}
    for i in sorted(chosen):
        images[i], places[str(i)] = pasted(images[i], kind, cue, rng)
    made = [load_image(image) for image in images]
    hashes = [photo.sha256 for photo in made]
    where = {hashes[int(i)]: place for i, place in places.items()}
    return Planted(distinct_photos(made, photos.names, hashes, photos.class_names), class_name, where)


def pasted(
    image: Image.Image, kind: str, cue: Cue, rng: np.random.Generator
) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """A photo with the cue inside its middle square, which the model sees, and its place."""
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    drawn = cue(rng, round(float(rng.uniform(SMALLEST, LARGEST)) * side**2))
    across, down = (max(side - length, 0) for length in drawn.size)
    x, y = (0, 0) if kind == "corner mark" else (int(rng.integers(across + 1)), int(rng.integers(down + 1)))
    made = image.copy()
    made.paste(drawn, (left + x, top + y), drawn)
    return made, (left + x, top + y, left + x + drawn.width, top + y + drawn.height)


def under(found: Evidence, each: ClassEvidence, model: GalLoPClassifier, set_: Planted) -> NDArray[np.bool_]:
    """(photos shown, R): whether a region touches the cue."""
    rows = []
    for i in each.shown:
        cells, place = [], set_.places.get(found.data.hashes[i])
        crop = model.model_.backbone.preprocess.centre(load_image(found.data.photos[i]).image)[1]
        for rows_, columns in found.grids:
            wide, high = (crop.right - crop.left) / columns, (crop.bottom - crop.top) / rows_
            y, x = np.indices((rows_, columns))
            if place is None:
                cells.append(np.zeros(rows_ * columns, dtype=bool))
                continue
            across = (crop.left + x * wide < place[2]) & (crop.left + (x + 1) * wide > place[0])
            down = (crop.top + y * high < place[3]) & (crop.top + (y + 1) * high > place[1])
            cells.append((across & down).ravel())
        rows.append(np.concatenate(cells))
    return np.stack(rows)


def cover(model: GalLoPClassifier, found: Evidence, class_name: str, cluster: int) -> WhatIf:
    """Run a what-if to its end."""
    *_, made = what_if(model.model_, model.calibration_, found, class_name, cluster)
    assert isinstance(made, WhatIf)
    return made


def off_thing(found: Evidence, each: ClassEvidence, cluster: int) -> bool:
    """Return whether a clean class's cluster is taken for something else than the thing: without a mask, by words."""
    return each.class_name not in [word for word, _ in each.clusters[cluster].words]


def main(options: argparse.Namespace) -> None:
    backbone, kinds = load_backbone("mini"), HELD_OUT if options.held_out else CUES
    rank_of, dropped, alarms, clean = list[int](), 0, 0, 0
    for number in range(options.sets):
        kind, fraction = list(kinds)[number % len(kinds)], FRACTIONS[number // len(kinds) % len(FRACTIONS)]
        folder = Path(options.folders[number // (len(kinds) * len(FRACTIONS)) % len(options.folders)])
        start, set_ = time.monotonic(), planted(folder, kind, kinds[kind], fraction, options.seed + number)
        model = GalLoPClassifier(backbone, cache=False).fit(set_.photos)
        found = evidence(model, set_.photos)
        each = found.of(set_.class_name)
        touched = under(found, each, model, set_)
        held = [int((touched & (each.member == c)).sum()) for c in range(len(each.clusters))]
        rank = int(np.argmax(held))
        pure = float(touched[each.member == rank].mean())
        rank_of.append(rank + 1)
        line = (
            f"{folder.name} {set_.class_name}, {kind} in {fraction:.0%}: cluster {rank + 1} of {len(each.clusters)}, "
        )
        line += f"{max(held) / max(touched.sum(), 1):.0%} of the cue, {pure:.0%} of its regions touch it, "
        line += f"share {each.clusters[rank].share:.0%}"
        if not options.no_what_if and each.clusters[rank].photos:
            made = cover(model, found, set_.class_name, rank)
            dropped += made.stands_out
            line += f"; {made.words}"
            others = [one for one in found.classes if one.class_name != set_.class_name][:CLEAN]
            for one in others:
                for cluster in range(min(FIRST, len(one.clusters))):
                    if one.clusters[cluster].photos:
                        clean += 1
                        stands = cover(model, found, one.class_name, cluster).stands_out
                        alarms += stands and off_thing(found, one, cluster)
        print(f"{line}; {time.monotonic() - start:.0f} s", flush=True)
    first = sum(rank <= FIRST for rank in rank_of)
    print(f"among the first {FIRST}: {first} of {len(rank_of)}; its drop stands out in {dropped}; ", end="")
    print(f"alarms on clean classes: {alarms} of {clean} clusters")


def options_of(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--sets", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--no-what-if", action="store_true")
    return parser.parse_args(words)


if __name__ == "__main__":
    main(options_of())
