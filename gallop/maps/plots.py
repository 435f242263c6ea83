"""Pictures of an explanation with matplotlib, drawn without a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from gallop.images import CropBox
from gallop.maps.look import EDGE, LINE, Scale, Style, rectangle, scale_of
from gallop.predictions.heatmaps import Box, FloatMap

if TYPE_CHECKING:
    from gallop.predictions.explanation import Explanation

_STYLE = Style(colours="cividis")
_LINE, _STROKE = 1.2, 3.2
"""Points, of outlines in grids of up to ``_FINE`` a side; in finer ones thinner, so that the colour within is seen."""
_FINE = 16


def plot_explanation(explanation: Explanation, class_name: str) -> Figure:
    """Draw the photo with its crop, the global scores of the class, and one overlay a scale."""
    n = len(explanation.topk)
    figure = Figure(figsize=(3.1 * (n + 2), 3.6), layout="constrained")
    axes = figure.subplots(1, n + 2)
    _draw_photo(axes[0], explanation)
    _draw_global(axes[1], explanation, class_name)
    if n:
        maps = [explanation.map(class_name, i) for i in range(n)]
        # One colour scale for all panels, so that equal colours are equal cosines.
        scale = scale_of(maps)
        for i in range(n):
            shown = _draw_overlay(axes[i + 2], explanation, class_name, i, maps[i], scale)
        figure.colorbar(shown, ax=axes[2:], shrink=0.7, label="cosine")
    # A class name may hold a dollar sign, which matplotlib would read as mathematics.
    figure.suptitle(class_name.replace("$", r"\$"))
    return figure


def _draw_photo(axes: Axes, explanation: Explanation) -> None:
    axes.imshow(explanation.image)
    _outline(axes, explanation.crop, linestyle="--", linewidth=1.5)
    axes.set_title("photo, and what the model saw", fontsize=9)
    axes.set_axis_off()


def _draw_global(axes: Axes, explanation: Explanation, class_name: str) -> None:
    values = explanation.global_scores[explanation.class_names.index(class_name)]
    axes.bar(range(1, len(values) + 1), values, color="#4477aa")
    axes.set_xticks(range(1, len(values) + 1))
    axes.set_title(f"global prompts, mean {values.mean():.3f}", fontsize=9)
    axes.set_ylabel("cosine")


def _draw_overlay(
    axes: Axes,
    explanation: Explanation,
    class_name: str,
    prompt: int,
    values: FloatMap,
    scale: Scale,
) -> AxesImage:
    axes.imshow(explanation.image)
    shown = axes.imshow(values, cmap=_STYLE.colours, alpha=_STYLE.opacity, vmin=scale.low, vmax=scale.high)
    thin = min(1.0, _FINE / max(explanation.grid))
    stroke = [withStroke(linewidth=thin * _STROKE, foreground=EDGE)]
    for box in explanation.regions(class_name, prompt):
        _outline(axes, box, linewidth=thin * _LINE, path_effects=stroke)
    score = explanation.local_scores[explanation.class_names.index(class_name), prompt]
    axes.set_title(f"local prompt {prompt + 1}, k = {explanation.topk[prompt]}: {score:.3f}", fontsize=9)
    axes.set_axis_off()
    return shown


def _outline(axes: Axes, box: CropBox | Box, **line: Any) -> None:
    left, top, width, height = rectangle(box)
    axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=LINE, **line))
