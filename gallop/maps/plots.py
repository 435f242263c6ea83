"""Pictures of an explanation with matplotlib, drawn without a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

if TYPE_CHECKING:
    from gallop.predictions.explanation import Explanation

COLOUR_MAP = "cividis"
"""Readable with every common kind of colour blindness."""
_OUTLINE = [withStroke(linewidth=3.2, foreground="black")]
"""Black around a white line: seen on a photo of any colour."""
OPACITY = 0.55


def plot_explanation(explanation: Explanation, class_name: str) -> Figure:
    """The photo with its crop, the global scores of the class, and one overlay a scale."""
    n = len(explanation.topk)
    figure = Figure(figsize=(3.1 * (n + 2), 3.6), layout="constrained")
    axes = figure.subplots(1, n + 2)
    _draw_photo(axes[0], explanation)
    _draw_global(axes[1], explanation, class_name)
    if n:
        maps = [explanation.map(class_name, i) for i in range(n)]
        # One colour scale for all panels, so that equal colours are equal cosines.
        low, high = min(float(np.nanmin(m)) for m in maps), max(float(np.nanmax(m)) for m in maps)
        for i in range(n):
            shown = _draw_overlay(axes[i + 2], explanation, class_name, i, maps[i], (low, high))
        figure.colorbar(shown, ax=axes[2:], shrink=0.7, label="cosine")
    # A class name may hold a dollar sign, which matplotlib would read as mathematics.
    figure.suptitle(class_name.replace("$", r"\$"))
    return figure


def _draw_photo(axes: Axes, explanation: Explanation) -> None:
    axes.imshow(explanation.image)
    crop = explanation.crop
    size = (crop.right - crop.left, crop.bottom - crop.top)
    axes.add_patch(
        Rectangle((crop.left, crop.top), *size, fill=False, linestyle="--", linewidth=1.5, edgecolor="white")
    )
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
    values: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    limits: tuple[float, float],
) -> AxesImage:
    axes.imshow(explanation.image)
    shown = axes.imshow(values, cmap=COLOUR_MAP, alpha=OPACITY, vmin=limits[0], vmax=limits[1])
    for box in explanation.regions(class_name, prompt):
        size = (box.right - box.left, box.bottom - box.top)
        axes.add_patch(
            Rectangle((box.left, box.top), *size, fill=False, edgecolor="white", linewidth=1.2, path_effects=_OUTLINE)
        )
    score = explanation.local_scores[explanation.class_names.index(class_name), prompt]
    axes.set_title(f"local prompt {prompt + 1}, k = {explanation.topk[prompt]}: {score:.3f}", fontsize=9)
    axes.set_axis_off()
    return shown
