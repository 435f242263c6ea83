"""Whether a cue that was planted is found: photos of one class get a sticker, a caption, a mark or a pattern.

    python -m benchmarks.planted_cues FOLDER ... [--held-out] [--over train] [--sets 24] [--seed 0] [--sheets FOLDER]
    python -m benchmarks.planted_cues FOLDER ... --cast [--seed 0]

Each FOLDER holds ``train/CLASS/*.jpg`` and ``test/CLASS/*.jpg``. A set is a folder, a class of it, a kind of cue, and
the fraction of the class's photos that get it, at a random place and size, inside what the model sees, on at most 5 %
of that. A classifier is trained on the train photos, without folds. Evidence is asked over the test photos, whose
photos of the class have the cue as often, or with ``--over train`` over the photos learned from:

* whether the answers depend on the cue: by how much the score of the class falls on the same photos as they were before
  it was planted, and whether that is more than where regions of its shape are covered elsewhere in them. Where it is
  not, the model has not learned the cue, and there is nothing to find;
* the rank of the cue's cluster in its class: it is the one that has most of what the cue adds, and counts as
  found where it is among the first three and at least half of what it adds comes from the cue or regions beside it;
* whether covering that cluster stands out;
* of two clean classes, which of the first three clusters stand out. Such a cluster is an alarm if it is not the thing,
  which a reader marks: ``--sheets`` writes a picture of each, with the regions that add most on photos of the class.

Two kinds of cue are held out: they are drawn with ``--held-out`` alone, and nothing was chosen on them. ``--cast``
gives all photos of a class a colour cast instead, which is in every region: how many photos of other classes are
answered with the class once they have it, and what the evidence says of it.
"""

from __future__ import annotations

from gallop.model.answers import Rule, answers
from gallop.runtime.process import prepare

prepare()

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from gallop import GalLoPClassifier, load_backbone, load_image, read_folder
from gallop.data import LabelledPhotos, distinct_photos
from gallop.evaluation.evidence import Cluster, Evidence, evidence
from gallop.evaluation.what_if import WhatIf, what_if
from gallop.features.encoding import ImageFeatures, encode_sources

LARGEST, SMALLEST = 0.05, 0.015
"""Of what the model sees, the fraction that a cue covers."""
FRACTIONS = (1.0, 0.8, 0.6)
CLEAN, FIRST = 2, 3
"""Clean classes of a set that are looked at, and clusters of each."""
PURE = 0.5
"""The part of what the cue's cluster adds that comes from the cue or regions beside it, which see it too."""
_TILE = 120  # pixels of a photo on a sheet
Place = tuple[int, int, int, int]
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
    """A set.

    Attributes:
        class_name: the class that has the cue.
        places: of each photo with the cue, by content hash, where it is: (left, top, right, bottom).
        before: of each of these the photo without it.
    """

    photos: LabelledPhotos
    class_name: str
    places: dict[str, Place]
    before: dict[str, Image.Image]


def planted(
    folder: Path, split: str, kind: str, cue: Cue, fraction: float, seed: int, class_name: str | None = None
) -> Planted:
    """Return a set; the same seed gives the same, and other places in each split. The class is drawn where none is
    given.
    """
    photos, rng = read_folder(folder, split=split), np.random.default_rng(seed if split == "train" else [seed, 1])
    class_name = class_name or str(rng.choice(photos.class_names))
    mine = [i for i, name in enumerate(photos.names) if name == class_name]
    plain, where = [load_image(path).image for path in photos.paths], dict[int, Place]()
    images = list(plain)
    for i in sorted(rng.permutation(mine)[: round(fraction * len(mine))].tolist()):
        images[i], where[i] = pasted(images[i], kind, cue, rng)
    made = [load_image(image) for image in images]
    hashes = [photo.sha256 for photo in made]
    data = distinct_photos(made, photos.names, hashes, photos.class_names)
    places = {hashes[i]: place for i, place in where.items()}
    return Planted(data, class_name, places, {hashes[i]: plain[i] for i in where})


def pasted(image: Image.Image, kind: str, cue: Cue, rng: np.random.Generator) -> tuple[Image.Image, Place]:
    """A photo with the cue inside its middle square, which the model sees, and its place."""
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    drawn = cue(rng, round(float(rng.uniform(SMALLEST, LARGEST)) * side**2))
    across, down = (max(side - length, 0) for length in drawn.size)
    x, y = (0, 0) if kind == "corner mark" else (int(rng.integers(across + 1)), int(rng.integers(down + 1)))
    made = image.copy()
    made.paste(drawn, (left + x, top + y), drawn)
    return made, (left + x, top + y, left + x + drawn.width, top + y + drawn.height)


def under(found: Evidence, photos: Sequence[int], places: dict[str, Place], wider: int) -> NDArray[np.bool_]:
    """(photos, R): whether a region touches the cue, or one that is at most ``wider`` regions away does."""
    every = []
    for i in photos:
        place, side = places.get(found.data.hashes[i]), min(load_image(found.data.photos[i]).image.size)
        parts = []
        for rows, columns in found.grids:
            corner = [(length - side) // 2 for length in load_image(found.data.photos[i]).image.size]
            y, x = np.indices((rows, columns))
            inside = np.zeros((rows, columns), dtype=bool)
            if place is not None:
                left, right = ((place[n] - corner[0]) * columns / side for n in (0, 2))
                top, bottom = ((place[n] - corner[1]) * rows / side for n in (1, 3))
                inside = (x - wider < right) & (x + 1 + wider > left) & (y - wider < bottom) & (y + 1 + wider > top)
            parts.append(inside.ravel())
        every.append(np.concatenate(parts))
    return np.stack(every)


def cover(model: GalLoPClassifier, found: Evidence, class_name: str, cluster: int, fill: str = "blur") -> WhatIf:
    """Run a what-if to its end."""
    *_, made = what_if(model, found, class_name, cluster, fill=fill)
    assert isinstance(made, WhatIf)
    return made


def sheet(found: Evidence, cluster: Cluster) -> Image.Image:
    """Return the photos of a cluster's gallery in a row, each with its region in a red frame."""
    row = Image.new("RGB", (len(cluster.gallery) * _TILE, _TILE), "white")
    for x, region in enumerate(cluster.gallery):
        number, (rows, columns) = found.place(region.region)
        photo = ImageOps.fit(load_image(found.data.photos[region.photo]).image.convert("RGB"), (_TILE, _TILE))
        top, left = number // columns * _TILE / rows, number % columns * _TILE / columns
        around = (left - 5, top - 5, left + _TILE / columns + 5, top + _TILE / rows + 5)
        ImageDraw.Draw(photo).rectangle(around, outline="red", width=2)
        row.paste(photo, (x * _TILE, 0))
    return row


def depends(set_: Planted, model: GalLoPClassifier, found: Evidence, touched: NDArray[np.bool_]) -> tuple[float, float]:
    """Return by which fraction the score of the class falls on the photos with the cue as they were before it, and how
    far it falls at most, with 95 %, where regions of its shape are covered elsewhere in them.

    Args:
        touched: (photos shown, R), the regions that the cue is on.
    """
    each = found.of(set_.class_name)
    photos = tuple(i for i in each.photos if found.data.hashes[i] in set_.places)
    only = (replace(each.clusters[0], photos=photos),)
    cue = replace(each, clusters=only, member=np.where(touched, 0, 1), decides=touched)
    made = cover(model, replace(found, classes=(cue,)), set_.class_name, 0)
    plain = [set_.before[found.data.hashes[i]] for i in made.photos]
    seen = ImageFeatures.cat(list(encode_sources(model.model_.backbone, plain, model.model_.sight)))
    with torch.no_grad():
        text = model.model_.cached_text_features()
        scores = answers(model.model_.similarities(seen, text), Rule(model.model_.config.topk)).scores
    k = model.model_.class_names.index(set_.class_name)
    before = float((scores[:, k] - scores.mean(dim=1)).mean())
    return (made.before.score - before) / abs(made.before.score), made.interval[1]


@dataclass
class Tally:
    """What was found so far: of each set the rank of its cluster, how much of that is the cue, and whether the answers
    depend on the cue and on the cluster.
    """

    ranks: list[int]
    pure: list[float]
    real: list[bool]
    shown: list[bool]
    standing: int = 0
    clean: int = 0


def look_at(set_: Planted, model: GalLoPClassifier, tally: Tally, number: int, sheets: Path | None) -> str:
    """Ask one set, and return what is found in words."""
    found = evidence(model, set_.photos)
    each = found.of(set_.class_name)
    near, touched = (under(found, each.shown, set_.places, wider) for wider in (1, 0))
    adds = np.stack([np.where(each.member == c, np.maximum(each.adds, 0), 0) for c in range(len(each.clusters))])
    adds[:, len(each.photos) :] = 0  # photos of other classes, answered with this one, have no cue
    held = (adds * touched).sum(axis=(1, 2))
    cluster = int(held.argmax())
    pure = float((adds[cluster] * near).sum() / max(adds[cluster].sum(), 1e-9))
    tally.ranks.append(cluster + 1)
    tally.pure.append(pure)
    line = f"cluster {cluster + 1} of {len(each.clusters)}, {held[cluster] / held.sum():.0%} of the cue, "
    line += f"{pure:.0%} of it at the cue, share {each.clusters[cluster].share:.0%}; "
    falls, chance = depends(set_, model, found, touched)
    tally.real.append(falls > chance)
    tally.shown.append(False)
    line += f"without the cue the score falls by {falls:.0%}, with other places covered by at most {chance:.0%}"
    if each.clusters[cluster].photos:
        made = cover(model, found, set_.class_name, cluster)
        tally.shown[-1] = made.stands_out
        line += f"; {made.words}"
    clean = [one for one in found.classes if one.class_name != set_.class_name]
    for one in np.random.default_rng(number).permutation(np.array(clean, dtype=object))[:CLEAN]:
        for c in [c for c, some in enumerate(one.clusters[:FIRST]) if some.photos]:
            tally.clean += 1
            if cover(model, found, one.class_name, c).stands_out:
                tally.standing += 1
                if sheets:
                    sheet(found, one.clusters[c]).save(sheets / f"{number} {one.class_name} {c + 1}.png")
    return line


def cast_over(folder: Path, model: GalLoPClassifier, seed: int) -> str:
    """Give all photos of a class a warm cast, train, and return in words what other photos with it are answered."""
    photos = read_folder(folder, split="train")
    class_name = str(np.random.default_rng(seed).choice(photos.class_names))
    images = [load_image(path).image.convert("RGB") for path in photos.paths]
    warm = [Image.blend(image, Image.new("RGB", image.size, (255, 140, 0)), 0.35) for image in images]
    mine = [name == class_name for name in photos.names]
    model.fit([w if own else i for i, w, own in zip(images, warm, mine, strict=True)], photos.names)
    others = [w for w, own in zip(warm, mine, strict=True) if not own]
    turned = np.mean(np.asarray(model.predict(others)) == class_name)
    plain = np.mean(
        np.asarray(model.predict([i for i, own in zip(images, mine, strict=True) if not own])) == class_name
    )
    each = evidence(model, [w for w, own in zip(warm, mine, strict=True) if own], [class_name] * sum(mine))
    return f"{class_name}: of the others with the cast {turned:.0%} are called so, without {plain:.0%}; {each}"


def main(options: argparse.Namespace) -> None:
    backbone, kinds, tally = load_backbone("mini"), HELD_OUT if options.held_out else CUES, Tally([], [], [], [])
    grid = list(product(range(len(FRACTIONS)), range(len(options.folders))))
    for number in range(options.first, options.sets):  # each fraction with each folder, and the kinds in turn
        (i, j), again, start = grid[number % len(grid)], number // len(grid), time.monotonic()
        folder, fraction, kind = options.folders[j], FRACTIONS[i], list(kinds)[(i + j + again) % len(kinds)]
        model = GalLoPClassifier(backbone, calibration_folds=0, cache=options.cache or False)
        if options.cast:
            print(f"{Path(folder).name} {cast_over(Path(folder), model, options.seed + number)}", flush=True)
            continue
        how = (kind, kinds[kind], fraction)
        learned = asked = planted(Path(folder), "train", *how, options.seed + number)
        if options.over == "test":
            asked = planted(Path(folder), "test", *how, options.seed + number, learned.class_name)
        line = look_at(asked, model.fit(learned.photos), tally, number, options.sheets)
        took = time.monotonic() - start
        print(f"{Path(folder).name} {asked.class_name}, {kind} in {fraction:.0%}: {line}; {took:.0f} s", flush=True)
    if options.cast:
        return
    first, real, shown = np.array(tally.ranks) <= FIRST, np.array(tally.real), np.array(tally.shown)
    found = first & (np.array(tally.pure) >= PURE)
    for words, some in (("all", np.ones(len(real), dtype=bool)), ("the answers depend on the cue", real)):
        print(
            f"{words}: {some.sum()} sets; among the first {FIRST}: {first[some].sum()}, and mostly the cue: "
            f"{found[some].sum()}; stands out when covered: {shown[some].sum()}"
        )
    print(f"clusters of clean classes that stand out: {tally.standing} of {tally.clean}")


def options_of(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--sets", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--over", choices=("train", "test"), default="test", help="photos that are asked about")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--cast", action="store_true")
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--cache")
    return parser.parse_args(words)


if __name__ == "__main__":
    main(options_of())
