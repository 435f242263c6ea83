"""Whether a group that was made to fail is found: some of the photos are dark, small, turned or drawn.

    python -m benchmarks.planted_groups FOLDER ... [--rounds 1] [--held-out] [--cache PLACE]

Each FOLDER holds ``train/CLASS/*.jpg`` and ``test/CLASS/*.jpg``. A classifier learns from photos as they are, and the
evidence is asked over others, of which one group was made hard. What follows was decided before any figure of a group,
but for the corners of turned photos: black ones, on photos for training, gave them away as dark.

* a set is a folder, a kind of hardness, and the fraction of the photos that get it, 15, 20 or 25 %, drawn at random
  over all classes: large enough to show in a hundred photos, and as a rule no quantile that the evidence knows;
* kinds are as strong as makes accuracy fall by 10 points or more on most folders, measured on photos for training:
  dark (a twelfth of the light, and noise), turned (by 90 to 180 degrees), small (a third as large, before the blurred
  photo), drawn (the edges alone, dark on white). Each set says how much lower accuracy is on what was planted: where it
  is hardly lower there is nothing to find, and the set counts as missed all the same;
* found is a set of whose named groups one is mostly the planted one: at least half of its photos were planted, which by
  chance are a fifth, and it holds at least a third of all that were, so that who looks at it sees what they share;
* shuffled is each set once more, with its verdicts (what each class got, the photo's own first) shuffled over
  the photos, so that no group fails: a set in which one is named is false.

Photos for testing, and the kinds small and drawn, are held out: ``--held-out`` alone asks them, all four kinds over
photos for testing, and nothing was chosen on them. Without it the classifier learns from half of the photos for
training, and dark and turned are asked over the other half. Folders are of photos, with a hundred for testing or more:
a fifth of forty is eight, and a sketch is drawn already.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from gallop import GalLoPClassifier, load_backbone, load_image, read_folder
from gallop.data import LabelledPhotos
from gallop.evaluation.evidence import Evidence, evidence
from gallop.evaluation.failing_groups import FailingGroup, FailingGroups, failing_groups

FRACTIONS = (0.15, 0.2, 0.25)
MOSTLY, MUCH = 1 / 2, 1 / 3
"""Of a named group the part that was planted, and of what was planted the part that is in it, where it is found."""
HARD = 0.1
"""The accuracy of what was planted is lower by so much where there is something to find."""
Kind = Callable[[Image.Image, np.random.Generator], Image.Image]


def dark(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A twelfth of the light, and the noise of a sensor."""
    light = np.asarray(image, dtype=np.float32) / 12
    return Image.fromarray(np.clip(light + rng.normal(0, 8, light.shape), 0, 255).astype(np.uint8))


def turned(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """By 90 to 180 degrees, with corners of the photo's mean colour: black ones alone would make it a dark photo."""
    mean = image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    return image.rotate(float(rng.uniform(90, 180)), Image.Resampling.BICUBIC, expand=True, fillcolor=mean)


def small(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A third as large, at a random place of what the model sees, before the blurred photo."""
    side = min(image.size)
    thing, made = ImageOps.scale(image, 1 / 3), image.filter(ImageFilter.GaussianBlur(side / 6))
    corner = [
        (length - side) // 2 + int(rng.integers(max(side - part, 0) + 1))
        for length, part in zip(image.size, thing.size, strict=True)
    ]
    made.paste(thing, (corner[0], corner[1]))
    return made


def drawn(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The edges alone, dark on white."""
    edges = image.convert("L").filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.FIND_EDGES)
    return ImageOps.invert(ImageOps.autocontrast(edges)).convert("RGB")


KINDS: dict[str, Kind] = {"dark": dark, "turned": turned}
HELD_OUT: dict[str, Kind] = {"small": small, "drawn": drawn}


def halves(photos: LabelledPhotos, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of half of the photos of each class, and of the others."""
    names = np.array(photos.names)
    mixed = [rng.permutation(np.flatnonzero(names == name)) for name in photos.class_names]
    one, other = (np.sort(np.concatenate([some[part::2] for some in mixed])) for part in (0, 1))
    return one, other


def planted(paths: Any, kind: Kind, fraction: float, rng: np.random.Generator) -> tuple[list[Any], NDArray[np.bool_]]:
    """Return the photos, and which of them were made hard."""
    chosen = np.isin(np.arange(len(paths)), rng.permutation(len(paths))[: round(fraction * len(paths))])
    made = [load_image(path).image for path in paths]
    return [kind(image, rng) if hard else image for image, hard in zip(made, chosen, strict=True)], chosen


def shuffled(
    probabilities: NDArray[np.float32], truth: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return probabilities (n, K) whose verdicts are shuffled over the photos: each keeps its class."""
    classes = np.arange(probabilities.shape[1])
    own_first = np.take_along_axis(probabilities, (truth[:, None] + classes) % len(classes), axis=1)
    return np.take_along_axis(rng.permutation(own_first), (classes - truth[:, None]) % len(classes), axis=1)


def ask(
    model: GalLoPClassifier, photos: list[Image.Image], names: list[str], rng: np.random.Generator
) -> tuple[Evidence, FailingGroups]:
    """Return the evidence, and the groups that would be named had the verdicts been shuffled."""
    without = []

    def both(features: Any, truth: NDArray[np.intp], probabilities: NDArray[np.float32], *others: Any) -> FailingGroups:
        without.append(failing_groups(features, truth, shuffled(probabilities, truth, rng), *others))
        return failing_groups(features, truth, probabilities, *others)

    with mock.patch("gallop.evaluation.evidence.failing_groups", both):
        found = evidence(model, photos, names)
    assert len(found.data) == len(photos), "one photo is another's copy, and indices no longer those of the set"
    return found, without[0]


def is_found(group: FailingGroup, chosen: NDArray[np.bool_]) -> bool:
    """Return whether a named group is mostly the planted one."""
    inside = int(chosen[list(group.photos)].sum())
    return inside >= MOSTLY * len(group.photos) and inside >= MUCH * chosen.sum()


def learned(folder: Path, options: argparse.Namespace) -> tuple[GalLoPClassifier, LabelledPhotos, NDArray[np.intp]]:
    """Return a classifier, photos, and which of them it is asked about."""
    photos = read_folder(folder, split="train")
    learns, asked = np.arange(len(photos)), np.arange(0)
    if not options.held_out:
        learns, asked = halves(photos, np.random.default_rng(options.seed))
    model = GalLoPClassifier(load_backbone("mini"), calibration_folds=0, cache=options.cache)
    model.fit([photos.paths[i] for i in learns], [photos.names[i] for i in learns])
    if options.held_out:
        photos = read_folder(folder, split="test")
        asked = np.arange(len(photos))
    return model, photos, asked


def main(options: argparse.Namespace) -> None:
    kinds = {**KINDS, **HELD_OUT} if options.held_out else KINDS
    tallies: dict[str, list[bool]] = {kind: [] for kind in kinds}
    hard, false, named = 0, 0, 0
    for place, folder in enumerate(map(Path, options.folders)):
        model, photos, asked = learned(folder, options)
        names = [photos.names[i] for i in asked]
        for number, (_, kind) in enumerate(product(range(options.rounds), kinds)):
            rng = np.random.default_rng([options.seed, place, number])
            fraction = FRACTIONS[(place + number) % len(FRACTIONS)]
            made, chosen = planted([photos.paths[i] for i in asked], kinds[kind], fraction, rng)
            found, without = ask(model, made, names, rng)
            right, groups = found.predicted == found.truth, found.groups.found
            fell = float(right[~chosen].mean() - right[chosen].mean())
            tallies[kind].append(any(is_found(group, chosen) for group in groups))
            hard, false, named = hard + (fell >= HARD), false + bool(without.found), named + len(groups)
            line = f"{folder.name}, {kind} in {fraction:.0%} of {len(names)}: accuracy {fell:+.0%} lower, "
            line += "found among " if tallies[kind][-1] else "not found among "
            print(line + (", ".join(group.name for group in groups) or "none"), flush=True)
    for kind, each in tallies.items():
        print(f"{kind}: {sum(each)} of {len(each)}")
    sets = sum(map(len, tallies.values()))
    print(f"found: {sum(map(sum, tallies.values()))} of {sets}, of which {hard} had become hard; {named} groups named")
    print(f"shuffled: a group named in {false} of {sets}")


def options_of(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--cache", default=False)
    return parser.parse_args(words)


if __name__ == "__main__":
    main(options_of())
