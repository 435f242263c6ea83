"""An explanation as one figure of matplotlib, drawn without a screen: pictures of maps side by side, and the scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from PIL import Image

from gallop.config import HEADS
from gallop.maps.map_style import BranchSubject, Scale, Style, Subject, branch_scale, colour_table, shared_scale
from gallop.maps.pictures import map_picture, seen_picture
from gallop.predictions.explanation import Explanation
from gallop.runtime.figures import ShownFigure
from gallop.wording import as_drawn

NEARLY_EQUAL = 0.02
"""Scores of prompts that differ less are drawn by their differences from the mean, as in the explainer."""


def plot_explanation(explanation: Explanation, class_name: str | None = None) -> ShownFigure:
    """Draw what the model saw of the photo and the global scores of a class; below, one map a scale.

    With a second look, each look has a row of maps with the regions that entered its score.

    Args:
        class_name: the class shown; the predicted one by default.

    Raises:
        ValueError: there is no such class.
    """
    asked = explanation.label if class_name is None else class_name
    class_name = explanation.class_names[explanation.class_index(asked)]
    branches = explanation.branches
    in_first_row = len(explanation.looks) == 1  # with two looks, a branch has a map of each, at the end of their rows
    columns = max(2 + len(branches) * in_first_row, len(explanation.topk) + len(branches) * (not in_first_row))
    looks = explanation.looks if explanation.topk or not in_first_row else ()
    figure = ShownFigure(figsize=(3.1 * columns, 3.3 * (1 + len(looks))), layout="constrained")
    parts = figure.subfigures(1 + len(looks), 1, squeeze=False)[:, 0]
    first, *rows = (part.subplots(1, columns, squeeze=False)[0] for part in parts)
    _show(first[0], seen_picture(explanation), "photo, and what the model saw")
    _draw_global(first[1], explanation, class_name)
    if in_first_row:
        _draw_branches(first[2:], explanation, class_name)
    for row, look in zip(rows, looks, strict=True):
        if look.topk:
            _draw_maps(list(row[: len(look.topk)]), look, class_name)
        if not in_first_row:
            _draw_branches(row[len(look.topk) :], look, class_name)
    for axis in filter(lambda axis: not axis.has_data(), figure.axes):
        axis.remove()
    # A class name may hold a dollar sign, which matplotlib would read as mathematics.
    figure.suptitle(as_drawn(class_name))
    return figure


def explanation_png(explanation: Explanation, class_name: str) -> bytes:
    """Return that figure as a PNG file."""
    return plot_explanation(explanation, class_name).png(dpi=150)


def _draw_maps(axes: list[Axes], look: Explanation, class_name: str) -> None:
    """Of one look a map of each local prompt, with its top-k regions outlined."""
    subject = Subject(look, class_name)
    scale = shared_scale(look)  # of all panels, and of every class's figure: equal colours, equal cosines
    means = look.local_scores[look.class_index(class_name)]
    for prompt, (panel, k, mean) in enumerate(zip(axes, look.topk, means, strict=True)):
        _show(panel, map_picture(subject, prompt, scale=scale), f"local prompt {prompt + 1}, k = {k}: {mean:.3f}")
    axes[0].figure.colorbar(_colours(scale), ax=axes, shrink=0.7, label="cosine")


def _draw_branches(axes: Sequence[Axes], look: Explanation, class_name: str) -> None:
    """Draw each branch's map of one look, whose mean is its score of that look."""
    for axis, branch in zip(axes, look.branches, strict=False):
        subject, scale = BranchSubject(look, class_name, branch=branch), branch_scale(look, branch)
        score = float(look.branch_map(branch, class_name).mean())
        _show(axis, map_picture(subject, 0, scale=scale), f"{HEADS[branch].title}, every region: {score:.3f}")
        axis.figure.colorbar(_colours(scale), ax=axis, shrink=0.7, label="contribution")


def _show(axes: Axes, picture: Image.Image, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _draw_global(axes: Axes, explanation: Explanation, class_name: str) -> None:
    values = explanation.global_scores[explanation.class_index(class_name)]
    near = len(values) > 1 and np.ptp(values) < NEARLY_EQUAL  # equal bars would show nothing
    shown = values - values.mean() if near else values
    axes.bar(range(1, len(values) + 1), shown, color="#4477aa")
    axes.set_xticks(range(1, len(values) + 1))
    axes.set_title(f"global prompts, mean {values.mean():.3f}", fontsize=9)
    axes.set_ylabel("cosine, less the mean" if near else "cosine")
    if near:
        axes.axhline(0, color="#888888", linewidth=0.8)
        axes.set_ylim(*(max(1.1 * np.abs(shown).max(), 0.0005) * np.array([-1, 1])))


def _colours(scale: Scale) -> ScalarMappable:
    """What matplotlib draws the bar of colours from."""
    table = ListedColormap(colour_table(Style().palette(signed=scale.signed)) / 255)
    return ScalarMappable(Normalize(scale.low, scale.high), table)
