"""Do maps hit the thing? Things cut out and pasted on scenes, so that their place is known.

    python -m benchmarks.maps                                          the sample's things, zero-shot and taught
    python -m benchmarks.maps --photos DATA/caltech101 DATA/clothing10 and those that can be cut out of photos
    python -m benchmarks.maps ... --write                              into benchmarks/README.md, with pictures
    python -m benchmarks.maps --backbone ViT-B-16/openai               every kind of region features that the tower has

Each thing covers 4, 8 and 16 % of the picture, alone and beside a thing of another name, on as many scenes as there are
draws. *best*: how often the best region lies on the thing. *top*: how many of the first ten do. Both of the map of the
true name, in %. *other*: how often the best region lies on the other thing. Photos are folders of class folders; with
train/ and test/, things are cut out of test and names are taught from train. Scenes come with scikit-image and
scikit-learn, or from a folder.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product
from pathlib import Path

from benchmarks.maps.drawing import draw
from benchmarks.maps.figures import TOP, Hits, hits
from benchmarks.maps.games import Games, games
from benchmarks.maps.pictures import Corpus, Picture, folder_corpus, pictures, sample_corpus, scenes
from benchmarks.measure import machine
from benchmarks.report import README, replace_between
from gallop import GalLoPClassifier, load_backbone
from gallop.backbones import Backbone
from gallop.config import REGION_KINDS, MethodConfig
from gallop.errors import BackboneError

BEGIN, END = "<!-- maps: begin -->", "<!-- maps: end -->"
PLOT = README.parent / "maps.webp"
GAMES_AT = 8
"""Percent of the picture that a thing covers where the games are played, beside another."""
EPOCHS: int | None = None
"""Of a training; None for as many as its preset has."""

Column = tuple[int, bool]
"""Percent that a thing covers, and whether another stands beside it."""
Drawn = Callable[[int, bool], Iterator[Picture]]
"""The pictures of a column."""


def variants(backbone: Backbone) -> Iterator[tuple[str, Backbone]]:
    """Yield the tower with every kind of region features that it has, each with its name."""
    for kind in REGION_KINDS:
        try:
            yield kind, backbone.with_regions(kind)
        except BackboneError:
            continue


def classifiers(corpus: Corpus, backbone: Backbone, detail: float) -> Iterator[tuple[str, GalLoPClassifier]]:
    """Yield one that has learned nothing and, where there are photos to learn from, one that has.

    A second look is for their maps alone: they learn and answer as without it.
    """
    method = MethodConfig(detail=detail, detail_in="maps") if detail != 1 else MethodConfig()
    yield "zero-shot", GalLoPClassifier(backbone, cache=False, method=method).zero_shot(corpus.names)
    if corpus.train is not None:
        yield "taught", GalLoPClassifier(backbone, calibration_folds=0, epochs=EPOCHS, method=method).fit(corpus.train)


def table(classifier: GalLoPClassifier, drawn: Drawn, columns: Sequence[Column], most: int) -> list[str]:
    """Return the rows of a classifier: a line a way, of all columns, and the games on the first ``most`` pictures."""
    found = {column: hits(classifier, drawn(*column)) for column in columns}
    played = games(classifier, islice(drawn(GAMES_AT, True), most)) if most else {}
    ways = list(dict.fromkeys(way for each in found.values() for way in each))
    return [row(way, {column: each[way] for column, each in found.items()}, played.get(way)) for way in ways]


def row(way: str, found: Mapping[Column, Hits], played: Games | None) -> str:
    """Return a line of a table, in percent."""
    texts = [f"{100 * each.best:.0f} / {100 * each.top:.0f}" for each in found.values()]
    texts.append(f"{100 * found[GAMES_AT, True].other:.0f}" if (GAMES_AT, True) in found else "")
    texts += [f"{100 * played.deletion:.0f}", f"{100 * played.insertion:.0f}"] if played else ["", ""]
    return f"| {' | '.join([way, *texts])} |"


def heading(columns: Sequence[Column]) -> str:
    words = [f"{percent} %{', beside another' if second else ''}" for percent, second in columns]
    cells = ["map", *words, f"other, {GAMES_AT} %", "deletion", "insertion"]
    return f"| {' | '.join(cells)} |\n|---|{'---:|' * (len(cells) - 1)}"


def report(options: argparse.Namespace) -> Iterator[str]:
    """Yield the text, a corpus after the other; pictures of the first one are drawn on the way."""
    backbone, backgrounds = load_backbone(options.backbone), scenes(options.scenes)
    corpora = [sample_corpus(), *(folder_corpus(root) for root in options.photos)]
    columns = [(percent, second) for percent in options.sizes for second in (False, True)]
    for corpus in corpora:

        def drawn(percent: int, second: bool, corpus: Corpus = corpus) -> Iterator[Picture]:
            return pictures(corpus, backgrounds, percent / 100, second=second, draws=options.draws)

        for (kind, tower), detail in product(variants(backbone), options.detail):
            made = dict(classifiers(corpus, tower, detail))
            for how, classifier in made.items():
                about = f"{corpus.title}, {how}" + (f", regions of the kind {kind}" if kind != "value" else "")
                about += f", detail {detail:g}" if detail != 1 else ""
                count = len(corpus.things)
                yield f"**{about}** ({count} things, {count * options.draws} pictures a column)\n"
                yield "\n".join([heading(columns), *table(classifier, drawn, columns, options.games)]) + "\n"
            if options.write and corpus is corpora[0] and kind == "value" and detail == max(options.detail):
                few = list(drawn(GAMES_AT, True))
                draw(few[:: max(len(few) // 4, 1)][:4], made["zero-shot"], made.get("taught"), PLOT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, nargs="+", default=[], help="more things, of folders of class folders")
    parser.add_argument("--scenes", type=Path, help="folder of photos to paste things on")
    parser.add_argument("--backbone", default="mini")
    parser.add_argument("--detail", type=float, nargs="+", default=[1, 2], help="of the second look, for maps; 1: none")
    parser.add_argument("--sizes", type=int, nargs="+", default=[4, 8, 16], help="percent that a thing covers")
    parser.add_argument("--draws", type=int, default=4, help="scenes of each thing")
    parser.add_argument("--games", type=int, default=40, help="pictures to play deletion and insertion with; 0: none")
    parser.add_argument("--write", action="store_true", help="put tables and pictures into benchmarks/")
    options = parser.parse_args()
    parts = []
    for part in report(options):
        print(part, flush=True)
        parts.append(part)
    if options.write:
        head = f"{datetime.date.today().isoformat()}, {machine()}; `{options.backbone}`. In %: best / top {TOP}."
        plot = (
            f"![Pictures with the named thing outlined, and maps of its name; the dot is the best region]({PLOT.name})"
        )
        replace_between(README, BEGIN, END, "\n".join([head, "", *parts, plot]))


if __name__ == "__main__":
    main()
