"""What a region grid shows, as one dictionary of plain values: the photo, the map, the marked regions, the words.

Pictures are small and scaled by the browser. Whatever host draws them, this is the only place that makes them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gallop.images import CropBox
from gallop.predictions.heatmaps import FloatMap, photo_map, place_in_words

if TYPE_CHECKING:
    from gallop.predictions.explanation import Explanation

COLOURS = ("viridis", "cividis", "inferno", "gray")
"""Colour maps of matplotlib that are read alike with every common kind of colour blindness, and in grey."""
SIGNED_COLOURS = "PuOr_r"
"""From violet over white at zero to orange: told apart with any colour vision."""
SIDE = 448
"""Short side of the photo, in pixels."""
SMOOTH = 8
"""Pixels a cell of a smooth map has; the browser does the rest."""


@dataclass(frozen=True)
class Scale:
    """Which score has which colour, the same for all maps that are looked at together.

    Attributes:
        low, high: scores of the first and the last colour.
        signed: zero is in the middle, and how far a score is from it counts.
    """

    low: float
    high: float
    signed: bool = False

    def places(self, scores: FloatMap) -> FloatMap:
        """Where scores lie between the first colour, 0, and the last, 1."""
        places: FloatMap = np.clip((scores - self.low) / (self.high - self.low), 0, 1).astype(np.float32)
        return places

    def strengths(self, scores: FloatMap) -> FloatMap:
        """How much scores stand out, from 0 to 1: what a threshold looks at."""
        places = self.places(scores)
        return np.abs(2 * places - 1).astype(np.float32) if self.signed else places


@dataclass(frozen=True)
class Style:
    """How a map is drawn.

    Attributes:
        colours: one of ``COLOURS``; signed maps have their own.
        opacity: of the map over the photo, 0 to 1.
        threshold: regions less strong than this, 0 to 1 of the scale, stay uncoloured.
        smooth: colours pass over from cell to cell; otherwise each cell is one block.
    """

    colours: str = COLOURS[0]
    opacity: float = 0.55
    threshold: float = 0.0
    smooth: bool = True

    def __post_init__(self) -> None:
        if self.colours not in COLOURS:
            raise ValueError(f"There are no colours {self.colours!r}; choose one of {', '.join(COLOURS)}.")
        for name in ("opacity", "threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be between 0 and 1.")


@dataclass(frozen=True)
class Subject:
    """What a map is about: a class, as one explanation sees it; ``when`` tells two explanations of a class apart."""

    explanation: Explanation
    class_name: str
    when: str = ""

    @property
    def words(self) -> str:
        """Such as "cat" or "cat before teaching"."""
        return f"{self.class_name} {self.when}".strip()

    def scores(self, prompt: int, minus: Subject | None = None) -> FloatMap:
        """Cosines (rows, columns) of a local prompt; with ``minus`` how much higher they are than that subject's.

        "Why A, not B" is A minus B; what teaching changed is the taught explanation minus the untaught one.
        """
        mine = self.explanation.region_scores(self.class_name, prompt)
        return mine if minus is None else np.subtract(mine, minus.scores(prompt))

    def kept(self, prompt: int) -> list[int]:
        """The k regions that entered the local score, best first."""
        return [box.region for box in self.explanation.regions(self.class_name, prompt)]


def scale_of(maps: Iterable[FloatMap], *, signed: bool = False) -> Scale:
    """One scale for several maps: from the lowest to the highest score, or as far on both sides of zero."""
    every = np.stack(list(maps))
    if signed:
        reach = max(float(np.abs(every).max()), 1e-6)
        return Scale(-reach, reach, signed=True)
    return Scale(float(every.min()), max(float(every.max()), float(every.min()) + 1e-6))


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
    """A map of one local prompt (counted from 0) on the photo, with exactly its top-k regions outlined.

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
        "map": map_url(scores, scale or scale_of([scores], signed=minus is not None), style),
        "opacity": style.opacity,
        "smooth": style.smooth,
        "kept": kept,
        "rival": rival,
    }


def answer_panel(explanation: Explanation, *, selected: int | None = None, photo: str) -> dict[str, Any]:
    """The photo without a map; each region says which class it is most like."""
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
    left, top, width, height = shown(explanation)
    crop = explanation.crop
    return {
        "photo": photo,
        "ratio": width / height,
        "crop": [
            (crop.left - left) / width,
            (crop.top - top) / height,
            (crop.right - crop.left) / width,
            (crop.bottom - crop.top) / height,
        ],
        "rows": rows,
        "columns": columns,
        "selected": selected,
        "map": "",
        "opacity": 0.0,
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


def shown(explanation: Explanation) -> tuple[float, float, float, float]:
    """(left, top, width, height) of the part of the photo that is shown: all of it, but no longer than 3:2.

    A longer photo is cut to that, around what the model saw.
    """
    width, height = explanation.image.size
    longest = 1.5 * min(width, height)
    shown_width, shown_height = min(width, longest), min(height, longest)
    crop = explanation.crop
    left = min(max((crop.left + crop.right - shown_width) / 2, 0), width - shown_width)
    top = min(max((crop.top + crop.bottom - shown_height) / 2, 0), height - shown_height)
    return left, top, shown_width, shown_height


def photo_url(explanation: Explanation) -> str:
    """The part of the photo that is shown, as a small JPEG in a data URL."""
    left, top, width, height = shown(explanation)
    scale = SIDE / min(width, height)
    picture = explanation.image.resize(
        (round(width * scale), round(height * scale)),
        Image.Resampling.BILINEAR,
        box=(left, top, left + width, top + height),
    )
    return _url(picture, "JPEG", quality=85)


def map_url(scores: FloatMap, scale: Scale, style: Style) -> str:
    """A map (rows, columns) as a small picture in a data URL; what is below the threshold is clear."""
    rows, columns = scores.shape
    if style.smooth:
        size = (columns * SMOOTH, rows * SMOOTH)
        scores = photo_map(scores, CropBox(0, 0, *size), size)
    colours = colour_table(SIGNED_COLOURS if scale.signed else style.colours)
    rgb = colours[np.rint(255 * scale.places(scores)).astype(np.uint8)]
    there = np.where(scale.strengths(scores) >= style.threshold, 255, 0).astype(np.uint8)
    return _url(Image.fromarray(np.dstack([rgb, there])), "PNG", compress_level=1)


def legend_picture(style: Style, *, signed: bool = False) -> NDArray[np.uint8]:
    """The colours from the lowest to the highest score, as pixels (12, 256, 3)."""
    return np.repeat(colour_table(SIGNED_COLOURS if signed else style.colours)[None], 12, axis=0)


def colour_table(name: str) -> NDArray[np.uint8]:
    """The 256 colours (256, 3) of a colour map of matplotlib."""
    return np.asarray(matplotlib.colormaps[name](np.arange(256), bytes=True))[:, :3]


def _url(picture: Image.Image, kind: str, **settings: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **settings)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
