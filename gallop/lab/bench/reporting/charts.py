"""The figures as a picture: SVG that is the same, byte by byte, for equal records.

On an opaque white ground, so that it can be read on pages of any colour. Colours are Paul Tol's (safe for
colour-blind readers), and every line also has a marker.
"""

from __future__ import annotations

import io

import matplotlib
from matplotlib.figure import Figure

from gallop.lab.bench.reporting.results import Results
from gallop.wording import as_drawn, counted

CHART = "accuracy-over-shots.svg"
_HUES = (
    *("#777777", "#997700", "#009988", "#33bbee", "#0077bb", "#ee7733"),
    *("#aa4499", "#332288", "#cc3311", "#117733", "#882255"),
)
_MARKERS = "osD^vPX<>ph"


def svg(figure: Figure) -> bytes:
    """Return the same bytes for the same figure: no date, and ids that do not depend on chance."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "gallop", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    return buffer.getvalue()


def accuracy_over_shots(results: Results) -> Figure | None:
    """Return the mean over sets at each number of shots, with bars of one standard deviation over seeds; None where
    nothing that learns has figures.

    A point of which runs are missing is left out: over other sets, steps would come from the sets.
    """
    figure = Figure(figsize=(7.4, 4.6), layout="constrained")
    axes, sets = figure.subplots(), results.plan.sets
    shots = results.spec.shots
    for number, line in enumerate(results.spec.group()):
        cells = {n: results.mean(line.label, "accuracy", n, sets) for n in shots}
        there = {
            n: (100 * each.mean, 100 * (each.spread or 0))
            for n, each in cells.items()
            if each.mean is not None and each.complete
        }
        colour, name = _HUES[number % len(_HUES)], as_drawn(line.label)
        if results.untaught(line.label) and there:
            axes.axhline(there[shots[0]][0], color=colour, linestyle="--", linewidth=1.4, label=name)
        elif there:
            means, spreads = zip(*there.values(), strict=True)
            marker = _MARKERS[number % len(_MARKERS)]
            axes.errorbar(list(there), means, spreads, color=colour, marker=marker, markersize=5, capsize=2, label=name)
    if not axes.containers:
        return None
    axes.set_xscale("log", base=2)
    axes.set_xticks(shots, [str(n) for n in shots])
    axes.minorticks_off()
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_xlabel("shots")
    axes.set_ylabel(f"accuracy, mean of {counted(len(sets), 'set')} (%)")
    axes.legend(fontsize=9, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
