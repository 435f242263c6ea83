"""The figures as pictures: SVG that is the same, byte by byte, for equal records.

On an opaque white ground, so that they can be read on pages of any colour. Colours are Paul Tol's (safe for
colour-blind readers), and every line also has a marker and a name beside it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gallop.bench.reporting.results import MeanCell, Results, cell
from gallop.bench.reporting.tables import sets_asked
from gallop.model.scores import SCORES
from gallop.wording import as_drawn, counted

_HUES = (
    *("#777777", "#997700", "#009988", "#33bbee", "#0077bb", "#ee7733"),
    *("#aa4499", "#332288", "#cc3311", "#117733", "#882255"),
)
BLUE = "#0077bb"
MARKERS = "osD^vPX<>ph"
_SCORE_LOOKS = (("#0077bb", "o"), ("#009988", "D"), ("#cc3311", "s"), ("#777777", "^"))
LABEL_SIZE = 9
_HEIGHT, _ROW = 4.6, 0.3
"""Inches of a picture with names beside it, and of a line of text in a list."""


def chart_files(results: Results) -> Iterator[tuple[str, bytes]]:
    """Yield name and SVG of every picture for which there are figures."""
    drawn = {
        "accuracy-over-shots.svg": accuracy_over_shots(results),
        "robustness.svg": robustness(results),
        "ood.svg": unknown_photos(results),
        "ablations.svg": ablations(results),
    }
    for name, figure in drawn.items():
        if figure is not None:
            yield name, svg(figure)


def svg(figure: Figure) -> bytes:
    """Return the same bytes for the same figure: no date, and ids that do not depend on chance."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "gallop", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    return buffer.getvalue()


def accuracy_over_shots(results: Results) -> Figure | None:
    """Return the mean over sets at each number of shots, with a band of one standard deviation over seeds."""
    lines: dict[str, list[tuple[int, MeanCell]]] = {}
    untaught: dict[str, float] = {}
    sets = _common_sets(results)
    for label in results.spec.methods if sets else ():
        for shots in results.spec.shots:
            found = cell([results.sample(label, "accuracy", shots, name) for name in sets])
            if found.mean is None:
                continue
            if results.untaught(label):
                untaught[label] = 100 * found.mean
            else:
                lines.setdefault(label, []).append((shots, found))
    if not lines:
        return None
    figure, axes = _canvas(7.4, _HEIGHT)
    shown = sorted({shots for points in lines.values() for shots, _ in points})
    axes.set_xscale("log", base=2)
    axes.set_xticks(shown, [str(shots) for shots in shown])
    axes.minorticks_off()
    ends: list[tuple[str, float, float]] = []
    for label, points in lines.items():
        look = _look(results, label)
        x, y = [shots for shots, _ in points], np.array([_percent(found.mean) for _, found in points])
        half = np.array([_percent(found.spread) for _, found in points])
        axes.plot(x, y, **look, markersize=5, linewidth=1.8)
        axes.fill_between(x, y - half, y + half, color=look["color"], alpha=0.15, linewidth=0)
        ends.append((label, x[-1], y[-1]))
    for label, value in untaught.items():
        axes.axhline(value, color=_look(results, label)["color"], linestyle="--", linewidth=1.4)
        ends.append((label, shown[-1], value))
    axes.set_xlabel("shots")
    axes.set_ylabel(f"accuracy, mean of {counted(len(sets), 'set')} (%)")
    _name_beside(results, axes, ends)
    return figure


def robustness(results: Results) -> Figure | None:
    """Return accuracy where a method learned against accuracy elsewhere, a panel a pair of sets."""
    transfer, shots = results.spec.transfer, results.main_shots
    pairs = [(source, target) for source in transfer if source in results.plan.sets for target in transfer[source]]
    panels = []
    for source, target in pairs:
        points = []
        for label in results.spec.methods:
            own = cell([results.sample(label, "accuracy", shots, source)])
            other = cell([results.sample(label, "accuracy", shots, source, test=target)])
            if own.mean is not None and other.mean is not None:
                points.append((label, own, other))
        if points:
            panels.append((source, target, points))
    if not panels:
        return None
    figure = Figure(figsize=(6.6 * len(panels), _HEIGHT), layout="constrained")
    for axes, (source, target, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _tidy(axes)
        ends = []
        for label, own, other in points:
            x, y = _percent(own.mean), _percent(other.mean)
            bars = {"xerr": _percent(own.spread), "yerr": _percent(other.spread), **_look(results, label)}
            axes.errorbar(x, y, **bars, markersize=7, capsize=2, linewidth=1.2)
            ends.append((label, x, y))
        axes.set_xlabel(as_drawn(f"accuracy on {source}, where it learned ({counted(shots, 'shot')}; %)"))
        axes.set_ylabel(as_drawn(f"accuracy on {target} (%)"))
        _name_beside(results, axes, ends)
    return figure


def unknown_photos(results: Results) -> Figure | None:
    """Return FPR95 of each score, a row a method: how many unknown photos pass when 95% of the known ones do."""
    shots, asked = results.main_shots, sets_asked(results, "")
    rows = []
    for label in results.spec.methods:
        found = {
            score: cell([results.sample(label, f"fpr95/{score}", shots, name) for name in asked])
            for score in results.scores(label)
        }
        found = {score: one for score, one in found.items() if one.mean is not None}
        if found:
            rows.append((label, found))
    if not rows:
        return None
    figure, axes = _canvas(7.4, 1.3 + 1.3 * _ROW * len(rows))
    for y, (_, found) in enumerate(rows):
        for score, one in found.items():
            bars = {"xerr": _percent(one.spread), **_look_of_score(score)}
            axes.errorbar(_percent(one.mean), y, **bars, markersize=7, capsize=2, linestyle="none")
    for score in dict.fromkeys(score for _, found in rows for score in found):
        axes.plot([], [], **_look_of_score(score), linestyle="none", label=score)
    _list_rows(axes, [label for label, _ in rows])
    axes.set_xlabel(f"FPR95, mean of {counted(len(asked), 'set')}, {counted(shots, 'shot')} (%; less is better)")
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


def ablations(results: Results) -> Figure | None:
    """Average accuracy of the variants, a panel a group."""
    panels = []
    for group, ablation in results.spec.ablations.items():
        labels = results.group_labels(group)
        sets = results.group_sets(group)
        shots = max(ablation.shots)
        cells = [cell([results.sample(label, "accuracy", shots, name) for name in sets]) for label in labels]
        if any(one.mean is not None for one in cells):
            panels.append((group, shots, list(ablation.variants), cells))
    if not panels:
        return None
    wide, high = min(2, len(panels)), math.ceil(len(panels) / 2)
    longest = max(len(names) for _, _, names, _ in panels)
    figure = Figure(figsize=(4.6 * wide, high * (1.1 + _ROW * longest)), layout="constrained")
    every = figure.subplots(high, wide, squeeze=False, sharex=True).ravel()
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    for axes, (group, shots, names, cells) in zip(every, panels, strict=False):
        _tidy(axes)
        for y, one in enumerate(cells):
            if one.mean is not None:
                bars = {"xerr": _percent(one.spread), "color": BLUE, "marker": "o", "capsize": 2}
                axes.errorbar(_percent(one.mean), y, **bars)
        _list_rows(axes, names)
        axes.set_title(as_drawn(f"{group}, {counted(shots, 'shot')}"), fontsize=10, loc="left")
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("average accuracy (%)", fontsize=LABEL_SIZE)
    return figure


def _common_sets(results: Results) -> list[str]:
    """The sets on which every point of the curves has a figure: over others, steps would come from the sets."""
    points = [(label, shots) for label in results.spec.methods for shots in results.spec.shots]
    there = {
        point: {name for name in results.plan.sets if results.sample(point[0], "accuracy", point[1], name).values}
        for point in points
    }
    return [name for name in results.plan.sets if all(name in sets for sets in there.values() if sets)]


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    _tidy(axes)
    return figure, axes


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _list_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [as_drawn(name) for name in names], fontsize=LABEL_SIZE)
    axes.set_ylim(len(names) - 0.4, -0.6)


def spread_out(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions moved as little as it goes so that neighbours are ``gap`` apart, within [low, high] if they fit.

    >>> spread_out([1.0, 1.0, 5.0], 1.0, 0.0, 10.0)
    [0.5, 1.5, 5.0]
    """
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    blocks: list[tuple[list[int], float]] = []  # neighbours that touch, and the middle of each
    for i in order:
        members, middle = [i], positions[i]
        while True:
            half = gap * (len(members) - 1) / 2
            middle = min(max(middle, low + half), max(high - half, low + half))
            if not blocks or middle - half - (blocks[-1][1] + gap * (len(blocks[-1][0]) - 1) / 2) >= gap - 1e-9:
                break
            before, _ = blocks.pop()
            members = before + members
            # The least squares: the mean of where each would have the block's middle.
            offsets = [gap * (k - (len(members) - 1) / 2) for k in range(len(members))]
            middle = math.fsum(positions[m] - o for m, o in zip(members, offsets, strict=True)) / len(members)
        blocks.append((members, middle))
    moved = [0.0] * len(positions)
    for members, middle in blocks:
        for k, i in enumerate(members):
            moved[i] = middle + gap * (k - (len(members) - 1) / 2)
    return moved


def _name_beside(results: Results, axes: Axes, ends: Sequence[tuple[str, float, float]]) -> None:
    """Names in a column at the right, each as near to its point's height as the others let it be."""
    low, high = axes.get_ylim()
    gap = (high - low) * (LABEL_SIZE * 1.35 / 72) / (0.8 * _HEIGHT)  # the axes are about so high
    axes.set_ylim(low, high)
    for (label, x, y), moved in zip(ends, spread_out([y for *_, y in ends], gap, low, high), strict=True):
        colour = _look(results, label)["color"]
        axes.annotate(
            as_drawn(label),
            xy=(x, y),
            xytext=(1.04, (moved - low) / (high - low)),
            textcoords="axes fraction",
            color="#222222",
            fontsize=LABEL_SIZE,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkB": 4},
        )


def _look(results: Results, label: str) -> dict[str, Any]:
    number = list(results.spec.methods).index(label)
    return {"color": _HUES[number % len(_HUES)], "marker": MARKERS[number % len(MARKERS)]}


def _look_of_score(score: str) -> dict[str, Any]:
    """The colour and marker of a score: its own, or what is left of the palette for scores that came later."""
    looks = (*_SCORE_LOOKS, *zip(reversed(_HUES), reversed(MARKERS), strict=True))
    colour, marker = looks[list(SCORES).index(score) % len(looks) if score in SCORES else -1]
    return {"color": colour, "marker": marker}


def _percent(share: float | None) -> float:
    return 0.0 if share is None else 100 * share
