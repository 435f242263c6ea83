"""The figures as pictures: SVG that is the same, byte by byte, for equal records.

On an opaque white ground, so that they can be read on pages of any colour. Colours are Paul Tol's (safe for
colour-blind readers), and every line also has a marker.
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

from gallop.lab.bench.reporting.results import Results, cell
from gallop.lab.bench.reporting.tables import sets_asked
from gallop.model.scores import SCORES
from gallop.wording import as_drawn, counted

_HUES = (
    *("#777777", "#997700", "#009988", "#33bbee", "#0077bb", "#ee7733"),
    *("#aa4499", "#332288", "#cc3311", "#117733", "#882255"),
)
_MARKERS = "osD^vPX<>ph"
_SCORE_LOOKS = (("#0077bb", "o"), ("#009988", "D"), ("#cc3311", "s"), ("#777777", "^"))
_DOT: dict[str, Any] = {"markersize": 7, "capsize": 2, "linewidth": 1.2, "linestyle": "none"}
_SMALL = 9
_HEIGHT, _ROW = 4.6, 0.3
"""Inches of a picture with a legend beside it, and of a line of text in a list."""


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
    sets = _common_sets(results)
    figure = Figure(figsize=(7.4, _HEIGHT), layout="constrained")
    axes, shown = _tidy(figure.subplots()), set[int]()
    for number, label in enumerate(results.spec.methods if sets else ()):
        cells = {n: cell([results.sample(label, "accuracy", n, name) for name in sets]) for n in results.spec.shots}
        x = [n for n, each in cells.items() if each.mean is not None]
        y = np.array([_percent(cells[n].mean) for n in x])
        look = _look(number, label)
        if results.untaught(label) and x:
            axes.axhline(y[0], color=look["color"], linestyle="--", linewidth=1.4, label=look["label"])
        elif x:
            half = np.array([_percent(cells[n].spread) for n in x])
            axes.plot(x, y, **look, markersize=5, linewidth=1.8)
            axes.fill_between(x, y - half, y + half, color=look["color"], alpha=0.15, linewidth=0)
            shown.update(x)
    if not shown:
        return None
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(shown), [str(n) for n in sorted(shown)])
    axes.minorticks_off()
    axes.set_xlabel("shots")
    axes.set_ylabel(f"accuracy, mean of {counted(len(sets), 'set')} (%)")
    _name_beside(axes)
    return figure


def robustness(results: Results) -> Figure | None:
    """Return accuracy where a method learned against accuracy elsewhere, a panel a pair of sets."""
    transfer, shots = results.spec.transfer, results.main_shots
    panels = []
    for source, target in ((source, target) for source, targets in transfer.items() for target in targets):
        points = [
            (number, label, [cell([results.sample(label, "accuracy", shots, source, test=t)]) for t in ("", target)])
            for number, label in enumerate(results.spec.methods)
        ]
        points = [point for point in points if all(each.mean is not None for each in point[2])]
        panels += [(source, target, points)] if points else []
    if not panels:
        return None
    figure = Figure(figsize=(6.6 * len(panels), _HEIGHT), layout="constrained")
    for axes, (source, target, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _tidy(axes)
        for number, label, (at_source, at_target) in points:
            axes.errorbar(
                _percent(at_source.mean),
                _percent(at_target.mean),
                xerr=_percent(at_source.spread),
                yerr=_percent(at_target.spread),
                **_look(number, label),
                **_DOT,
            )
        axes.set_xlabel(as_drawn(f"accuracy on {source}, the training set ({counted(shots, 'shot')}; %)"))
        axes.set_ylabel(as_drawn(f"accuracy on {target} (%)"))
        _name_beside(axes)
    return figure


def unknown_photos(results: Results) -> Figure | None:
    """Return FPR95 of each score, a row a method: how many unknown photos pass when 95% of the known ones do."""
    shots, asked = results.main_shots, sets_asked(results, "")
    rows = []
    for label in results.spec.methods:
        cells = {
            score: cell([results.sample(label, f"fpr95/{score}", shots, name) for name in asked])
            for score in results.scores(label)
        }
        cells = {score: each for score, each in cells.items() if each.mean is not None}
        rows += [(label, cells)] if cells else []
    if not rows:
        return None
    figure = Figure(figsize=(7.4, 1.3 + 1.3 * _ROW * len(rows)), layout="constrained")
    axes, named = _tidy(figure.subplots()), set[str]()
    for y, (_, cells) in enumerate(rows):
        for score, each in cells.items():
            look = _look_of_score(score) | ({} if score in named else {"label": score})
            axes.errorbar(_percent(each.mean), y, xerr=_percent(each.spread), **look, **_DOT)
            named.add(score)
    _list_rows(axes, [label for label, _ in rows])
    axes.set_xlabel(f"FPR95, mean of {counted(len(asked), 'set')}, {counted(shots, 'shot')} (%; lower is better)")
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


def ablations(results: Results) -> Figure | None:
    """Return average accuracy of the variants, a panel a group."""
    panels = []
    for group, ablation in results.spec.ablations.items():
        shots, sets = max(ablation.shots), results.group_sets(group)
        cells = [
            cell([results.sample(label, "accuracy", shots, name) for name in sets])
            for label in results.group_labels(group)
        ]
        if any(each.mean is not None for each in cells):
            panels.append((f"{group}, {counted(shots, 'shot')}", list(ablation.variants), cells))
    if not panels:
        return None
    wide, high = min(2, len(panels)), math.ceil(len(panels) / 2)
    panel_height = 1.1 + _ROW * max(len(names) for _, names, _ in panels)
    figure = Figure(figsize=(4.6 * wide, high * panel_height), layout="constrained")
    every = figure.subplots(high, wide, squeeze=False, sharex=True).ravel()
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    for axes, (title, names, cells) in zip(every, panels, strict=False):
        _tidy(axes)
        for y, each in enumerate(cells):
            if each.mean is not None:
                spread = _percent(each.spread)
                axes.errorbar(_percent(each.mean), y, xerr=spread, color=_SCORE_LOOKS[0][0], marker="o", capsize=2)
        _list_rows(axes, names)
        axes.set_title(as_drawn(title), fontsize=10, loc="left")
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("average accuracy (%)", fontsize=_SMALL)
    return figure


def _common_sets(results: Results) -> list[str]:
    """The sets on which every point of the curves has a figure: over others, steps would come from the sets."""
    with_figures = [
        {name for name in results.plan.sets if results.sample(label, "accuracy", shots, name).values}
        for label in results.spec.methods
        for shots in results.spec.shots
    ]
    return [name for name in results.plan.sets if all(name in sets for sets in with_figures if sets)]


def _tidy(axes: Axes) -> Axes:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    return axes


def _list_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [as_drawn(name) for name in names], fontsize=_SMALL)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _name_beside(axes: Axes) -> None:
    axes.legend(fontsize=_SMALL, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def _look(number: int, label: str) -> dict[str, Any]:
    """The name, the colour and the marker of a method, by its place in the benchmark."""
    return {
        "label": as_drawn(label),
        "color": _HUES[number % len(_HUES)],
        "marker": _MARKERS[number % len(_MARKERS)],
    }


def _look_of_score(score: str) -> dict[str, Any]:
    """The colour and marker of a score: from the list, or for scores that came later, from the end of the palette."""
    looks = (*_SCORE_LOOKS, *zip(reversed(_HUES), reversed(_MARKERS), strict=True))
    colour, marker = looks[list(SCORES).index(score) % len(looks) if score in SCORES else -1]
    return {"color": colour, "marker": marker}


def _percent(fraction: float | None) -> float:
    return 0.0 if fraction is None else 100 * fraction
