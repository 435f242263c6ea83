"""Render the sample's photos again: ``python -m benchmarks.sample OUT`` with bpy (Blender) and pillow installed.

Every photo has its random seed, made of its name, so one can be made again without the others.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random

from benchmarks.sample import stage
from benchmarks.sample.others import OTHERS
from benchmarks.sample.things import KINDS, Parts

SHOTS, TESTS = 8, 6


def plan() -> list[tuple[str, str]]:
    """(path without its ending, kind) of every photo."""
    photos = [
        (f"{split}/{kind}/{kind}-{number + first:02d}", kind)
        for kind in KINDS
        for split, count, first in (("train", SHOTS, 1), ("test", TESTS, SHOTS + 1))
        for number in range(count)
    ]
    return photos + [(f"other/{kind}", kind) for kind in OTHERS]


def picture(out: Path, name: str, kind: str, version: int) -> None:
    """One photo and its mask."""
    rng = Random(f"{name} {version}")
    stage.empty()
    parts: Parts = (KINDS | OTHERS)[kind](rng)
    stage.together(parts, 0, 0, rng.uniform(-2.6, 0.5) if kind in ("mug", "teapot") else rng.uniform(0, 6.28))
    middle, half = stage.extent(parts)
    stage.furnish(rng)
    stage.scatter(rng, half, most=3)
    stage.illuminate(rng, middle, dusk=kind == "candle" and rng.random() < 0.5)
    camera = stage.look(rng, middle, half, rng.uniform(0.46, 0.78))
    photo, mask = out / f"{name}.jpg", out / "masks" / f"{name}.png"
    stage.photograph(photo)
    mask.parent.mkdir(parents=True, exist_ok=True)
    stage.outline(camera, parts).save(mask, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of the photos' paths")
    options = parser.parse_args()
    for name, kind in plan():
        if not options.only or name.startswith(tuple(options.only)):
            picture(options.out, name, kind, 0)
            print(name, flush=True)


if __name__ == "__main__":
    main()
