"""An explanation as one figure of matplotlib, drawn without a screen: pictures of maps side by side, and the scores."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from PIL import Image

from gallop.maps.look import Scale, Style, Subject, colour_table, shared_scale
from gallop.maps.pictures import map_picture, seen_picture

if TYPE_CHECKING:
    from gallop.predictions.explanation import Explanation


def plot_explanation(explanation: Explanation, class_name: str) -> Figure:
    """Draw what the model saw of the photo, the global scores of the class, and one map a scale."""
    n = len(explanation.topk)
    figure = Figure(figsize=(3.1 * (n + 2), 3.6), layout="constrained")
    axes = figure.subplots(1, n + 2)
    _show(axes[0], seen_picture(explanation), "photo, and what the model saw")
    _draw_global(axes[1], explanation, class_name)
    if n:
        subject = Subject(explanation, class_name)
        scale = shared_scale(explanation)  # of all panels, and of every class's figure: equal colours, equal cosines
        means = explanation.local_scores[explanation.class_names.index(class_name)]
        for prompt, (panel, k, mean) in enumerate(zip(axes[2:], explanation.topk, means, strict=True)):
            title = f"local prompt {prompt + 1}, k = {k}: {mean:.3f}"
            _show(panel, map_picture(subject, prompt, scale=scale), title)
        figure.colorbar(_colours(scale), ax=axes[2:], shrink=0.7, label="cosine")
    # A class name may hold a dollar sign, which matplotlib would read as mathematics.
    figure.suptitle(class_name.replace("$", r"\$"))
    return figure


def explanation_png(explanation: Explanation, class_name: str) -> bytes:
    """Return that figure as a PNG file."""
    content = io.BytesIO()
    plot_explanation(explanation, class_name).savefig(content, format="png", dpi=150)
    return content.getvalue()


def _show(axes: Axes, picture: Image.Image, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _draw_global(axes: Axes, explanation: Explanation, class_name: str) -> None:
    values = explanation.global_scores[explanation.class_names.index(class_name)]
    axes.bar(range(1, len(values) + 1), values, color="#4477aa")
    axes.set_xticks(range(1, len(values) + 1))
    axes.set_title(f"global prompts, mean {values.mean():.3f}", fontsize=9)
    axes.set_ylabel("cosine")


def _colours(scale: Scale) -> ScalarMappable:
    """What matplotlib draws the bar of colours from."""
    table = ListedColormap(colour_table(Style().palette(signed=scale.signed)) / 255)
    return ScalarMappable(Normalize(scale.low, scale.high), table)
