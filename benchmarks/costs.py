"""What answers cost by the preset, one look and two: milliseconds, memory, and what is stored of a photo, in one run.

    python -m benchmarks.costs [--backbone NAME] [--repeats N]

The presets default and accurate, and each with the photos asked about together, of as many photos as ``PILE`` says.
Whatever is compared is called in turn, so that other work of the machine affects all of it. Memory is by how much the
process grows at its largest while sixteen photos are encoded and those of the pile answered.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.images import load_vision
from benchmarks.measure import machine, peak_bytes, seconds
from gallop import GalLoPClassifier, load_image
from gallop.backbones import Backbone
from gallop.config import method_preset
from gallop.features.encoding import BATCH, ImageFeatures, encode_photos
from gallop.model.branches.kinds import sight_of
from gallop.sample import sample_photos

EPOCHS = 3
SHOTS = 4
"""Photos of each of the sample's classes that are learned from."""
PILE = 256
"""Photos that are asked about together."""
COLUMNS = ("answers", "encoding, ms a photo", "answering, ms a photo", "memory of both", "stored, KB a photo")


def lines(backbone: Backbone, repeats: int) -> Iterator[str]:
    """Measure, and yield the lines of the table."""
    photos = [load_image(photo.path) for photo in sample_photos()[:BATCH]]
    methods = {name: method_preset(name) for name in ("default", "accurate")}
    encoders = [partial(encode_photos, backbone, photos, sight_of(method, "answers")) for method in methods.values()]
    piles = [ImageFeatures.cat([encode()[0]] * (PILE // BATCH)) for encode in encoders]
    ways = [
        _ways(taught(GalLoPClassifier(backbone, epochs=EPOCHS, calibration_folds=0, cache=False, method=method)), pile)
        for method, pile in zip(methods.values(), piles, strict=True)
    ]
    encode = seconds(*encoders, repeats=repeats)
    answer = seconds(*(way for both in ways for way in both.values()), repeats=repeats)
    yield f"| {' | '.join(COLUMNS)} |\n|---|{'---:|' * 4}"
    for name, encoder, pile, took, both in zip(methods, encoders, piles, encode, ways, strict=True):
        for how, ask in both.items():
            memory = peak_bytes(lambda encoder=encoder, ask=ask: (encoder(), ask()))  # type: ignore[misc]
            yield (
                f"| {name}{how} | {1000 * took / BATCH:.0f} | {1000 * answer.pop(0) / PILE:.2f} | "
                f"{memory / 2**20:.0f} MB | {pile.bytes / len(pile) / 2**10:.1f} |"
            )


def taught(classifier: GalLoPClassifier) -> GalLoPClassifier:
    """Return what has learned the first shots of every class of the sample."""
    by_name: dict[str, list[Path]] = {}
    for photo in sample_photos():
        if photo.class_name and photo.part == "train":
            by_name.setdefault(photo.class_name, []).append(photo.path)
    shots = [(path, name) for name, paths in by_name.items() for path in paths[:SHOTS]]
    return classifier.fit([path for path, _ in shots], [name for _, name in shots])


def _ways(fitted: GalLoPClassifier, pile: ImageFeatures) -> dict[str, Callable[[], object]]:
    """Return how photos are answered one by one and together, by what is added to the preset's name."""
    return {"": lambda: fitted.predict_all(pile), ", together": lambda: fitted.predict_all(pile).together()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="mini", help="mini, or an architecture of open_clip, with random weights")
    parser.add_argument("--repeats", type=int, default=5, help="of each time, of which the median counts")
    options = parser.parse_args()
    print("\n".join([machine(), "", *lines(load_vision(options.backbone), options.repeats)]))


if __name__ == "__main__":
    main()
