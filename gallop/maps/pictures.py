"""A map on its photo as one picture, at the photo's own size: to keep, to print, to put into a report."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from gallop.maps.look import EDGE, LINE, Scale, Style, Subject, painted, scale_of
from gallop.predictions.heatmaps import photo_map

MOST_SIDE = 1600
"""Longest side of a picture, in pixels."""


def map_picture(
    subject: Subject,
    prompt: int,
    *,
    minus: Subject | None = None,
    scale: Scale | None = None,
    style: Style | None = None,
) -> Image.Image:
    """Draw the photo, the map of one local prompt (counted from 0) over it, and its top-k regions outlined. RGB.

    Outside of what the model saw the photo stays as it is.

    Args:
        minus: whose scores are subtracted, as in ``map_panel``.
        scale: of the colours; None takes the map's own.
    """
    style, explanation = style or Style(), subject.explanation
    scores = subject.scores(prompt, minus)
    scale = scale or scale_of([scores], signed=minus is not None)
    wide = photo_map(scores, explanation.crop, explanation.image.size, smooth=style.smooth)
    there = ~np.isnan(wide)
    known = np.where(there, wide, scale.low).astype(np.float32)
    colours, strong = painted(known, scale, style)
    weight = np.where(there & strong, style.opacity, 0.0)[..., None]
    photo = np.asarray(explanation.image, dtype=np.float32)
    mixed = photo * (1 - weight) + colours * weight
    picture = Image.fromarray(np.rint(mixed).astype(np.uint8))
    _outline(picture, subject, prompt)
    picture.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.LANCZOS)
    return picture


def _outline(picture: Image.Image, subject: Subject, prompt: int) -> None:
    """An outline around each region that entered the score."""
    draw, boxes = ImageDraw.Draw(picture), subject.explanation.regions(subject.class_name, prompt)
    cell = min((min(box.right - box.left, box.bottom - box.top) for box in boxes), default=0.0)
    thick = max(round(min(min(picture.size) / 200, cell / 14)), 1)  # black and white take a third of a cell at most
    for box in boxes:
        left, top, right, bottom = box.rounded()
        corners = (max(left, 0), max(top, 0), min(right, picture.width) - 1, min(bottom, picture.height) - 1)
        draw.rectangle(corners, outline=EDGE, width=2 * thick + 1)
        draw.rectangle(corners, outline=LINE, width=thick)
