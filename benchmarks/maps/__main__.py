"""Do maps hit the thing? Things cut out and pasted on scenes, so that their place is known.

    python -m benchmarks.maps                                          the sample's things, zero-shot and taught
    python -m benchmarks.maps --photos DATA/caltech101 DATA/clothing10 and those that can be cut out of photos
    python -m benchmarks.maps ... --write                              into benchmarks/README.md, with pictures
    python -m benchmarks.maps --backbone ViT-B-16/openai               every kind of region features that the backbone
    has

Each thing covers 4, 8 and 16 % of the picture, alone and beside a thing of another name, on as many scenes as there are
draws. *best*: how often the best region lies on the thing. *top*: how many of the first ten do. Both of the map of the
true name, in %. *other*: how often the best region lies on the second thing. Photos are folders of class folders; with
train/ and test/, things are cut out of test and names are taught from train. Scenes come with scikit-image and
scikit-learn, or from a folder. Pictures have twice the pixels a side that ``mini`` takes, as photos have more than a
backbone sees of them. Second looks (``--detail``) are for maps alone: what is learned and answered is of one look.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.maps.drawing import draw
from benchmarks.maps.figures import TOP, Hits, hits
from benchmarks.maps.games import Games, games
from benchmarks.maps.pictures import Corpus, Picture, folder_corpus, pictures, sample_corpus, scenes
from benchmarks.maps.tables import AT, Column, table
from benchmarks.measure import machine
from benchmarks.report import README, replace_between
from gallop import GalLoPClassifier, load_backbone
from gallop.backbones import Backbone
from gallop.config import REGION_KINDS
from gallop.errors import BackboneError

BEGIN, END = "<!-- maps: begin -->", "<!-- maps: end -->"
PLOT = README.parent / "maps.webp"
EPOCHS: int | None = None
"""Of a training; None for as many as its preset has."""

Drawn = Callable[[int, bool], Iterator[Picture]]
"""The pictures of a column."""


def variants(backbone: Backbone) -> Iterator[tuple[str, Backbone]]:
    """Yield the backbone with every kind of region features that it has, each with its name."""
    for kind in REGION_KINDS:
        try:
            yield kind, backbone.with_regions(kind)
        except BackboneError:
            continue


def details_of(backbone: Backbone, details: Sequence[float]) -> list[float]:
    """Return those of a second look whose regions have a place in the backbone's grid."""
    possible = []
    for detail in details:
        try:
            backbone.grid_at(detail)
        except BackboneError:
            continue
        possible.append(detail)
    return possible


def classifiers(corpus: Corpus, backbone: Backbone) -> dict[str, GalLoPClassifier]:
    """Return one that has learned nothing and, where there are photos to learn from, one that has."""
    prompts: dict[str, Any] = {"detail": 1.0, "head": "none"}  # whatever a preset adds to them
    made = {"zero-shot": GalLoPClassifier(backbone, cache=False, **prompts).zero_shot(corpus.names)}
    if corpus.train is not None:
        taught = GalLoPClassifier(backbone, calibration_folds=0, epochs=EPOCHS, **prompts)
        made["taught"] = taught.fit(corpus.train)
    return made


def report(options: argparse.Namespace) -> Iterator[str]:
    """Yield the text, a corpus after the other; pictures of the first one are drawn on the way."""
    backbone, backgrounds = load_backbone(options.backbone), scenes(options.scenes)
    corpora = [sample_corpus(), *(folder_corpus(root) for root in options.photos)]
    for corpus in corpora:
        draws = max(min(options.draws, options.most // len(corpus.things)), 1)

        def drawn(percent: int, second: bool, corpus: Corpus = corpus, draws: int = draws) -> Iterator[Picture]:
            return pictures(corpus, backgrounds, percent / 100, second=second, draws=draws)

        for kind, frozen in variants(backbone):
            made, details = classifiers(corpus, frozen), details_of(frozen, options.detail)
            of_kind = f", regions of the kind {kind}" if kind != "value" else ""
            title = (
                f"{corpus.title}{of_kind} ({len(corpus.things)} things, {len(corpus.things) * draws} pictures a column)"
            )
            yield from _of_classifiers(title, made, drawn, details, options)
            if options.write and corpus is corpora[0] and kind == "value":
                few = list(drawn(AT, True))
                few = few[:: max(len(few) // 4, 1)][:4]
                draw(few, made["zero-shot"], made.get("taught"), max(details, default=1), PLOT)


def _of_classifiers(
    title: str,
    made: Mapping[str, GalLoPClassifier],
    drawn: Drawn,
    details: Sequence[float],
    options: argparse.Namespace,
) -> Iterator[str]:
    """Yield the tables of a corpus."""
    columns = [(percent, second) for percent in options.sizes for second in (False, True)]
    by_column = {column: hits(made, drawn(*column), details) for column in columns}
    by_classifier: dict[str, dict[Column, dict[str, Hits]]] = {
        how: {column: each[how] for column, each in by_column.items()} for how in made
    }
    for how, classifier in made.items():
        played: dict[str, Games] = {}
        if options.games:
            played = games(classifier, islice(drawn(AT, True), options.games), details)
        yield f"**{title}, {how}**\n"
        yield table(by_classifier[how], played) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, nargs="+", default=[], help="more things, of folders of class folders")
    parser.add_argument("--scenes", type=Path, help="folder of photos to paste things on")
    parser.add_argument("--backbone", default="mini")
    parser.add_argument("--detail", type=float, nargs="+", default=[2.0], help="of second looks, beside one look alone")
    parser.add_argument("--sizes", type=int, nargs="+", default=[4, 8, 16], help="percent that a thing covers")
    parser.add_argument("--draws", type=int, default=4, help="scenes of each thing")
    parser.add_argument("--most", type=int, default=400, help="pictures a column; fewer scenes where things are many")
    parser.add_argument("--games", type=int, default=40, help="pictures to play deletion and insertion with; 0: none")
    parser.add_argument("--write", action="store_true", help="put tables and pictures into benchmarks/")
    options = parser.parse_args()
    parts: list[str] = []
    for part in report(options):
        print(part, flush=True)
        parts.append(part)
        if options.write:  # so that an interrupted call leaves what it has measured
            write(parts, options.backbone)


def write(parts: Sequence[str], backbone: str) -> None:
    """Put what was measured so far into ``benchmarks/README.md``."""
    head = f"{datetime.date.today().isoformat()}, {machine()}; `{backbone}`. In %: best / top {TOP}."
    plot = f"![Pictures with the named thing outlined, and maps of its name; the dot is the best region]({PLOT.name})"
    replace_between(README, BEGIN, END, "\n".join([head, "", *parts, plot]))


if __name__ == "__main__":
    main()
