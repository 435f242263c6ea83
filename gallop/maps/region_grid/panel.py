"""What a region grid shows, as one dictionary of plain values: the photo, the map, the marked regions, the words.

Pictures are small and scaled by the browser. Whatever host draws them, this is the only place that makes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from gallop.images import CropBox
from gallop.maps.look import Scale, Style, Subject, painted, scale_of
from gallop.maps.photo import photo_place, picture_url
from gallop.predictions.heatmaps import FloatMap, photo_map, place_in_words

if TYPE_CHECKING:
    from gallop.predictions.explanation import Explanation

SMOOTH = 8
"""Pixels a cell of a smooth map has; the browser does the rest."""


def map_panel(
    subject: Subject,
    prompt: int,
    *,
    minus: Subject | None = None,
    scale: Scale | None = None,
    style: Style | None = None,
    selected: int | None = None,
    photo: str,
) -> dict[str, Any]:
    """Return a map of one local prompt (counted from 0) on the photo, with exactly its top-k regions outlined.

    Args:
        minus: whose scores are subtracted; its top-k regions get a second, dotted mark.
        scale: of the colours; None takes the map's own.
        selected: the region that was asked.
        photo: ``photo_url``, which the caller keeps: the browser then does not load it again.
    """
    scores = subject.scores(prompt, minus)
    kept, rival = subject.kept(prompt), minus.kept(prompt) if minus else []
    style = style or Style()
    number = "{:+.4f}" if minus else "{:.4f}"
    about = f"{subject.words} minus {minus.words}" if minus else subject.words
    words = subject.explanation.describe(subject.class_name, prompt)
    return {
        **_photo_panel(subject.explanation, photo, selected),
        "name": f"Map of local prompt {prompt + 1} for {about}; its {len(kept)} best regions: {words}.",
        "labels": [
            f"{_place(region, subject.explanation.grid)}: {number.format(score)}{', outlined' * (region in kept)}"
            for region, score in enumerate(scores.ravel())
        ],
        "clear": not style.opacity,
        "map": map_url(scores, scale or scale_of([scores], signed=minus is not None), style),
        "smooth": style.smooth,
        "kept": kept,
        "rival": rival,
    }


def answer_panel(explanation: Explanation, *, selected: int | None = None, photo: str) -> dict[str, Any]:
    """Return the photo without a map; each region says which class it is most like."""
    found = explanation.region_probabilities
    best = found.argmax(axis=1)
    return {
        **_photo_panel(explanation, photo, selected),
        "name": "The photo; each region says which class it is most like.",
        "labels": [
            f"{_place(region, explanation.grid)}: most like {explanation.class_names[k]}, {_share(found[region, k])}"
            for region, k in enumerate(best)
        ],
    }


def _photo_panel(explanation: Explanation, photo: str, selected: int | None) -> dict[str, Any]:
    """What every panel has."""
    rows, columns = explanation.grid
    return {
        "photo": photo,
        **photo_place(explanation),
        "rows": rows,
        "columns": columns,
        "selected": selected,
        "clear": True,
        "map": "",
        "smooth": True,
        "kept": [],
        "rival": [],
    }


def _share(probability: float) -> str:
    """Never certain: 0.9999 is "over 99%"."""
    return "over 99%" if probability > 0.99 else f"{probability:.0%}"


def _place(region: int, grid: tuple[int, int]) -> str:
    row, column = divmod(region, grid[1])
    return f"{place_in_words(region, grid).capitalize()}, row {row + 1}, column {column + 1}"


def map_url(scores: FloatMap, scale: Scale, style: Style) -> str:
    """Return a map (rows, columns) as a small picture in a data URL, as clear as the style has it."""
    rows, columns = scores.shape
    if style.smooth:
        size = (columns * SMOOTH, rows * SMOOTH)
        scores = photo_map(scores, CropBox(0, 0, *size), size)
    return picture_url(Image.fromarray(painted(scores, scale, style)), "PNG", compress_level=1)
