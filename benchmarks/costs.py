"""What a second look and a head cost, over one look without: times and memory as ratios, in one run.

    python -m benchmarks.costs [--backbone NAME] [--write]
    python -m benchmarks.costs --presets

Of every ``detail`` with every ``head``: encoding photos; a training on encoded features, including the head; an
answer from features, and one from a photo's pixels. Whatever is compared is called in turn, so that other work of
the machine affects all of it. Memory is by how much the process grows at its largest, batches of sixteen photos being
encoded and answered, and a training with its views; *features* are those stored of a photo.

``--presets`` measures the ways that answers are asked for, on ``mini``: the presets default and accurate, and each with
the photos asked about together, of as many photos as ``PILE`` says.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from benchmarks.images import load_vision
from benchmarks.measure import machine, peak_bytes, seconds
from benchmarks.report import README, replace_between
from gallop import GalLoPClassifier, Photo, load_image
from gallop.backbones import Backbone
from gallop.config import HEADS, MethodConfig, method_preset
from gallop.errors import BackboneError, ConfigError
from gallop.features.encoding import BATCH, ImageFeatures, MemoryCache, Sight, encode_photos
from gallop.model.branches.kinds import sight_of
from gallop.sample import sample_photos

BEGIN, END = "<!-- costs: begin -->", "<!-- costs: end -->"
DETAILS = (1.0, 1.5, 2.0)
EPOCHS = 3
"""Of a training: its steps are alike, so its time over another's is that of longer ones."""
SHOTS = 4
"""Photos of each of the sample's classes that are learned from."""
PILE = 256
"""Photos that are asked about together."""
COLUMNS = ("encoding", "training", "answer from features", "answer from a photo", "memory", "features")


@dataclass(frozen=True)
class Bill:
    """What is measured of one setting."""

    backbone: Backbone
    config: MethodConfig

    @property
    def sight(self) -> Sight:
        """What is encoded of a photo for answers."""
        return sight_of(self.config, "answers")

    @cached_property
    def fitted(self) -> GalLoPClassifier:
        """What has learned once, so that its cache has the features."""
        return self.taught(MemoryCache())

    @cached_property
    def features(self) -> ImageFeatures:
        """Of four times sixteen photos."""
        return ImageFeatures.cat([self.encode()] * 4)

    def taught(self, cache: MemoryCache) -> GalLoPClassifier:
        """Return what learns again, with features from a cache."""
        shots = _shots()
        made = GalLoPClassifier(self.backbone, epochs=EPOCHS, calibration_folds=0, cache=cache, method=self.config)
        return made.fit([photo for photo, _ in shots], [name for _, name in shots])

    def encode(self) -> ImageFeatures:
        """Encode sixteen photos."""
        return encode_photos(self.backbone, _photos(), self.sight)[0]

    def train(self) -> None:
        """Learn from encoded features."""
        cache = self.fitted.cache
        assert isinstance(cache, MemoryCache)
        self.taught(cache)

    def answer(self) -> None:
        """Answer from features."""
        self.fitted.predict_all(self.features)

    def answer_photo(self) -> None:
        """Answer one photo."""
        self.fitted.predict_all(encode_photos(self.backbone, _photos()[:1], self.sight)[0])

    def memory(self) -> int:
        """Bytes by which the process grows at its largest; 0 where it cannot be measured."""
        fresh = Bill(self.backbone, self.config)
        return peak_bytes(lambda: fresh.fitted.predict_all(fresh.encode()))


def _photos() -> list[Photo]:
    return [load_image(photo.path) for photo in sample_photos()[:BATCH]]


def _shots() -> list[tuple[Photo, str]]:
    """Of every class of the sample its first photos to learn from."""
    known = [(photo, photo.class_name) for photo in sample_photos() if photo.class_name and photo.part == "train"]
    by_name = {name: [photo for photo, label in known if label == name] for _, name in known}
    return [(load_image(photo.path), name) for name, photos in by_name.items() for photo in photos[:SHOTS]]


def bills(backbone: Backbone) -> Iterator[Bill]:
    """Yield every setting that there is, the usual one first."""
    for detail, head in product(DETAILS, HEADS):
        try:
            bill = Bill(backbone, MethodConfig(detail=detail, detail_in="training", head=head))
            bill.sight.grids(backbone)
        except (BackboneError, ConfigError):
            continue
        yield bill


def table(backbone: Backbone, repeats: int) -> str:
    """Measure, and return the lines: ratios to the first one, and what that took."""
    every = list(bills(backbone))
    every[0].answer()  # what is loaded once belongs to none of them
    memory = [bill.memory() for bill in every]
    times = [
        seconds(*(getattr(bill, what) for bill in every), repeats=repeats)
        for what in ("encode", "train", "answer", "answer_photo")
    ]
    stored = [bill.features.bytes / len(bill.features) for bill in every]
    lines = [f"| detail | head | {' | '.join(COLUMNS)} |", f"|---|---|{'---:|' * len(COLUMNS)}"]
    for bill, *measured in zip(every, *times, memory, stored, strict=True):
        first = [column[0] for column in (*times, memory, stored)]
        ratios = [f"{now / then:.2f}" if then else "" for now, then in zip(measured, first, strict=True)]
        lines.append(f"| {bill.config.detail:g} | {bill.config.head} | {' | '.join(ratios)} |")
    encode, train, answer, photo = (each[0] for each in times)
    took = (
        f"The first line took {1000 * encode / BATCH:.0f} ms to encode a photo, {train:.1f} s for {EPOCHS} epochs on "
        f"{len(_shots())} photos, {1000 * answer / len(every[0].features):.2f} ms to answer a photo of a batch of "
        f"{len(every[0].features)} from features, {1000 * photo:.0f} ms from a photo, {memory[0] / 2**20:.0f} MB, and "
        f"{stored[0] / 2**10:.0f} KB in fp32 for a photo's features."
    )
    return "\n".join([*lines, "", took])


def of_presets(backbone: Backbone, repeats: int) -> Iterator[str]:
    """Measure the presets, photos one by one and together, and yield the lines."""
    bills = {name: Bill(backbone, method_preset(name)) for name in ("default", "accurate")}
    piles = [ImageFeatures.cat([bill.encode()] * (PILE // BATCH)) for bill in bills.values()]
    encode = seconds(*(bill.encode for bill in bills.values()), repeats=repeats)
    ways = [_ways(bill.fitted, pile) for bill, pile in zip(bills.values(), piles, strict=True)]
    answer = seconds(*(way for both in ways for way in both.values()), repeats=repeats)
    yield "| answers | encoding, ms a photo | answering, ms a photo | memory of both | stored, KB a photo |"
    yield f"|---|{'---:|' * 4}"
    for (name, bill), pile, took, both in zip(bills.items(), piles, encode, ways, strict=True):
        for how, ask in both.items():
            yield (
                f"| {name}{how} | {1000 * took / BATCH:.0f} | {1000 * answer.pop(0) / PILE:.2f} | "
                f"{_memory(bill, ask) / 2**20:.0f} MB | {pile.bytes / len(pile) / 2**10:.0f} |"
            )


def _memory(bill: Bill, ask: Callable[[], object]) -> int:
    return peak_bytes(lambda: (bill.encode(), ask()))


def _ways(fitted: GalLoPClassifier, pile: ImageFeatures) -> dict[str, Callable[[], object]]:
    """Return how photos are answered one by one and together, by what is added to the preset's name."""
    return {"": lambda: fitted.predict_all(pile), ", together": lambda: fitted.predict_all(pile).together()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="mini", help="mini, or an architecture of open_clip, with random weights")
    parser.add_argument("--repeats", type=int, default=5, help="of each time, of which the median counts")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--presets", action="store_true", help="of the presets, and of photos asked about together")
    options = parser.parse_args()
    if options.presets:
        print("\n".join([machine(), "", *of_presets(load_vision("mini"), options.repeats)]))
        return
    lines = table(load_vision(options.backbone), options.repeats)
    text = f"{datetime.date.today().isoformat()}, {machine()}; `{options.backbone}`.\n\n{lines}"
    print(text)
    if options.write:
        replace_between(README, BEGIN, END, text)


if __name__ == "__main__":
    main()
