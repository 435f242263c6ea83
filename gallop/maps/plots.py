"""An explanation as one figure of matplotlib, drawn without a screen: pictures of maps side by side, and the scores."""

from __future__ import annotations

import io

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from PIL import Image

from gallop.config import HEADS
from gallop.maps.look import BranchSubject, Scale, Style, Subject, branch_scale, colour_table, shared_scale
from gallop.maps.pictures import map_picture, seen_picture
from gallop.predictions.explanation import Explanation
from gallop.wording import as_drawn


def plot_explanation(explanation: Explanation, class_name: str | None = None) -> Figure:
    """Draw what the model saw of the photo, the global scores of a class, and one map a scale.

    Where the photo was looked at twice, each look has a row of maps with the regions that it gave to the score.

    Args:
        class_name: the class shown; the predicted one by default.

    Raises:
        ValueError: there is no such class.
    """
    asked = explanation.label if class_name is None else class_name
    class_name = explanation.class_names[explanation.class_index(asked)]
    n, looks = len(explanation.topk), explanation.looks
    columns = n + 2 + len(explanation.branches)
    figure = Figure(figsize=(3.1 * columns, 3.6 * len(looks)), layout="constrained")
    axes = figure.subplots(len(looks), columns, squeeze=False)
    _show(axes[0, 0], seen_picture(explanation), "photo, and what the model saw")
    _draw_global(axes[0, 1], explanation, class_name)
    for row, look in zip(axes, looks, strict=True):
        if n:
            _draw_maps(figure, list(row[2 : n + 2]), look, class_name)
        for axis, branch in zip(row[n + 2 :], explanation.branches, strict=True):
            _draw_branch(figure, axis, look, branch, class_name)
        if look is not looks[0]:
            row[0].set_axis_off()
            row[1].set_axis_off()
    # A class name may hold a dollar sign, which matplotlib would read as mathematics.
    figure.suptitle(as_drawn(class_name))
    return figure


def explanation_png(explanation: Explanation, class_name: str) -> bytes:
    """Return that figure as a PNG file."""
    content = io.BytesIO()
    plot_explanation(explanation, class_name).savefig(content, format="png", dpi=150)
    return content.getvalue()


def _draw_maps(figure: Figure, axes: list[Axes], look: Explanation, class_name: str) -> None:
    """Of one look a map of each local prompt, with its top-k regions outlined."""
    subject = Subject(look, class_name)
    scale = shared_scale(look)  # of all panels, and of every class's figure: equal colours, equal cosines
    means = look.local_scores[look.class_index(class_name)]
    for prompt, (panel, k, mean) in enumerate(zip(axes, look.topk, means, strict=True)):
        title = f"local prompt {prompt + 1}, k = {k}: {mean:.3f}"
        _show(panel, map_picture(subject, prompt, scale=scale), title)
    figure.colorbar(_colours(scale), ax=axes, shrink=0.7, label="cosine")


def _draw_branch(figure: Figure, axes: Axes, look: Explanation, branch: str, class_name: str) -> None:
    """A branch's map of one look, whose mean is its score of that look."""
    mine, scale = BranchSubject(look, class_name, branch=branch), branch_scale(look, branch)
    score = float(look.branch_map(branch, class_name).mean())
    _show(axes, map_picture(mine, 0, scale=scale), f"{HEADS[branch].title}, every region: {score:.3f}")
    figure.colorbar(_colours(scale), ax=axes, shrink=0.7, label="contribution")


def _show(axes: Axes, picture: Image.Image, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _draw_global(axes: Axes, explanation: Explanation, class_name: str) -> None:
    values = explanation.global_scores[explanation.class_index(class_name)]
    axes.bar(range(1, len(values) + 1), values, color="#4477aa")
    axes.set_xticks(range(1, len(values) + 1))
    axes.set_title(f"global prompts, mean {values.mean():.3f}", fontsize=9)
    axes.set_ylabel("cosine")


def _colours(scale: Scale) -> ScalarMappable:
    """What matplotlib draws the bar of colours from."""
    table = ListedColormap(colour_table(Style().palette(signed=scale.signed)) / 255)
    return ScalarMappable(Normalize(scale.low, scale.high), table)
