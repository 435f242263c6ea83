"""Three findings about photos of few-shot sets, as a picture without any of the photos.

    python -m benchmarks.evidence_findings DATA PICTURE.svg [--cache FOLDER]

DATA holds ``pacs/sketch``, ``clothing10``, ``hymenoptera2`` and ``trashnet6`` with their train and test photos. A model
learns from the 16 photos of each class, and its test photos are asked:

* where on the sheet the clusters of sketched dogs lie that are mostly blank paper, and whether answers depend on them,
  covered where they decide in two ways: these are the clusters of which most regions hold no dark pixel;
* hats and bees: the first cluster's share, and how far the score falls with it covered where it decides, beside other
  places;
* waste of six kinds: the groups that fail.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.planted_cues import cover
from gallop import GalLoPClassifier, load_backbone, load_image, read_folder
from gallop.evaluation.evidence import Evidence, evidence

_BLANK = 0.6
"""The part of a cluster's regions without a dark pixel from which it counts as paper."""


def asked(folder: Path, cache: Path | None) -> tuple[GalLoPClassifier, Evidence]:
    """Train on a set's train photos, and return the model with the evidence over its test photos."""
    model = GalLoPClassifier(load_backbone("mini"), cache=cache or False).fit(read_folder(folder, split="train"))
    return model, evidence(model, read_folder(folder, split="test"))


def drawn_on(found: Evidence, photo: int) -> NDArray[np.bool_]:
    """(R,): whether a region of a sketch holds a dark pixel."""
    rows, columns = found.grids[0]
    grey = np.asarray(load_image(found.data.photos[photo]).image.convert("L").resize((16 * columns, 16 * rows)))
    return np.asarray(grey.reshape(rows, 16, columns, 16).min(axis=(1, 3)).ravel() < 128)


def paper(axes: Axes, data: Path, cache: Path | None) -> None:
    """Draw where the dogs' clusters of blank paper lie."""
    model, found = asked(data / "pacs" / "sketch", cache)
    each = found.of("dog")
    on = np.stack([drawn_on(found, i) for i in each.photos])
    member = each.member[: len(each.photos)]
    blank = [c for c in range(len(each.clusters)) if (~on)[member == c].mean() > _BLANK]
    share = sum(each.clusters[c].share for c in blank)
    axes.imshow(np.isin(member, blank).mean(axis=0).reshape(found.grids[0]), cmap="viridis", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[], title=f"Sketched dogs: {share:.0%} of the evidence\nis blank paper, mostly here")
    for c in [c for c in blank if each.clusters[c].photos]:
        for fill in ("blur", "neighbours"):
            made = cover(model, found, "dog", c, fill)
            print(f"dog, cluster {c + 1}, share {each.clusters[c].share:.0%}, {fill}: {made.words}")


def shares_and_falls(axes: Axes, data: Path, cache: Path | None) -> None:
    """Draw the share of the first cluster of hats and bees, and the fall without it."""
    for row, (folder, name) in enumerate((("clothing10", "hat"), ("hymenoptera2", "bee"))):
        model, found = asked(data / folder, cache)
        made, first = cover(model, found, name, 0), found.of(name).clusters[0]
        print(f"{name}, cluster 1, share {first.share:.0%}, in {len(first.photos)}: {made.words}")
        low, high = made.interval
        axes.barh([row - 0.2, row + 0.2], [100 * first.share, 100 * made.drop], height=0.35, color=["C0", "C3"])
        axes.plot([100 * low, 100 * high], [row + 0.2] * 2, color="black", linewidth=3)
    axes.set(yticks=[0, 1], yticklabels=["hat", "bee"], xlabel="%", ylim=(1.6, -0.6))
    axes.set_title("Share of the first cluster (blue), fall of the score\nwithout it (red), elsewhere (black: 95 %)")


def failing(axes: Axes, data: Path, cache: Path | None) -> None:
    """Draw the accuracy of the groups of waste that fail."""
    _, found = asked(data / "trashnet6", cache)
    for row, group in enumerate(found.groups.found):
        print(f"{group.name}: {group.accuracy} right, others {group.rest}; {group.common}")
        for shift, part, colour in ((-0.15, group.accuracy, "C3"), (0.15, group.rest, "C0")):
            low, high = part.interval
            axes.plot([100 * low, 100 * high], [row + shift] * 2, color=colour, linewidth=3)
            axes.plot(100 * part.value, row + shift, "o", color=colour)
    names = [group.name for group in found.groups.found]
    axes.set(
        yticks=range(len(names)), yticklabels=names, xlim=(0, 100), xlabel="% right", ylim=(len(names) - 0.5, -0.5)
    )
    axes.set_title("Waste of six kinds: a group that\nfails (red) and the others (blue)")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    for axes, draw in zip(figure.subplots(1, 3), (paper, shares_and_falls, failing), strict=True):
        draw(axes, options.data, options.cache)
    figure.savefig(options.picture)


if __name__ == "__main__":
    main()
