"""A few of the pictures and the maps of them, side by side, as one file."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.maps.pictures import SIDE, Picture
from benchmarks.maps.ways import EDGES, GRAD_CAM, OURS, blind_maps, looks_at, maps_of
from gallop import GalLoPClassifier


def draw(
    pictures: Sequence[Picture], before: GalLoPClassifier, after: GalLoPClassifier | None, detail: float, file: Path
) -> None:
    """Write a row a picture: the thing outlined, and maps before and after training. The best region is a dot.

    Args:
        detail: of the second look, which some of the maps are of; 1 for none.
    """
    suffix, end = ("", "") if detail == 1 else (f", detail {detail:g}", f",\ndetail {detail:g}")
    columns = {"": None, "edges (blind)": (before, EDGES), "zero-shot": (before, OURS)}
    if suffix:
        columns[f"zero-shot{end}"] = (before, OURS + suffix)
    if after is not None:
        columns |= {f"taught{end}": (after, OURS + suffix), "Grad-CAM, taught": (after, GRAD_CAM)}
    size = 1.55
    figure = Figure(figsize=(size * len(columns), size * len(pictures) + 0.3), layout="constrained", dpi=110)
    every = figure.subplots(len(pictures), len(columns), squeeze=False)
    for axes, picture in zip(every, pictures, strict=True):
        looks = looks_at(before.model_.backbone, picture, [detail])
        blind = dict(blind_maps(picture, looks[0].grid))
        maps = {id(each): {**dict(maps_of(each, picture, looks)), **blind} for each in (before, after) if each}
        for place, (title, what) in zip(axes, columns.items(), strict=True):
            place.imshow(picture.image)
            place.contour(picture.cover, [0.5], colors="white", linewidths=1)
            place.set_axis_off()
            if picture is pictures[0]:
                place.set_title(title, fontsize=8)
            if what is None:
                place.text(12, SIDE - 16, picture.name, color="white", fontsize=8, bbox={"color": "#0008", "pad": 1.5})
                continue
            shown = maps[id(what[0])].get(what[1])
            if shown is None:
                continue
            place.imshow(shown, extent=(0, SIDE, SIDE, 0), cmap="magma", alpha=0.65, interpolation="nearest")
            row, column = np.unravel_index(shown.argmax(), shown.shape)
            at = ((column + 0.5) * SIDE / shown.shape[1], (row + 0.5) * SIDE / shown.shape[0])
            place.plot(*at, marker="o", markersize=5, color="white", markeredgecolor="black")
    raw = BytesIO()
    figure.savefig(raw, facecolor="white")
    Image.open(raw).convert("RGB").save(file, quality=80)
