"""Cover regions of a photo and let the backbone look again: what does the answer owe to them?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from gallop.errors import ConfigError
from gallop.features.encoding import encode_looks
from gallop.features.preparing import prepare
from gallop.model.prompted import PromptModel
from gallop.predictions.explanation import Explanation
from gallop.setting import require
from gallop.wording import listed


def cover(pixels: Tensor, cells: Tensor, fill: str = "blur") -> Tensor:
    """Return a photo with regions covered, (B, 3, H, W), once for each of B masks; pixels outside are the same.

    Args:
        pixels: (3, H, W), normalised as the backbone takes them: of ``Preprocess.centre``, at any size.
        cells: (B, rows, columns), True where a region is covered.
        fill: "grey", the backbone's mean colour; "blur", the photo itself without anything smaller than a region; or
            "neighbours": each region has one colour, the mean of those around it that are not covered, or that were
            filled before it where all around it are covered.

    Raises:
        ConfigError: there is no such fill.
    """
    require(fill in FILLS, f"There is no fill {fill!r}; choose one of {listed(tuple(FILLS))}.")
    inside = F.interpolate(cells[:, None].float(), size=pixels.shape[-2:], mode="nearest").bool()
    return torch.where(inside, FILLS[fill](pixels, cells), pixels)


def _blur(pixels: Tensor, cells: Tensor) -> Tensor:
    """A Gaussian as wide as a region, (3, H, W)."""
    side = pixels.shape[-1] // min(cells.shape[1:])
    radius = min(2 * side, pixels.shape[-1] - 1)
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=pixels.device) / side) ** 2)
    weights = (weights / weights.sum()).to(pixels)
    padded = F.pad(pixels[:, None], [radius] * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))[:, 0]


def _neighbours(pixels: Tensor, cells: Tensor) -> Tensor:
    """Fill covered regions with nearby colours, from the edge inwards (B, 3, H, W); grey if all are covered."""
    around = partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1)
    known = ~cells[:, None]
    colours = F.adaptive_avg_pool2d(pixels, (cells.shape[1], cells.shape[2])) * known
    while True:
        share = around(known.to(pixels))
        fresh = ~known & (share > 0)
        if not fresh.any():
            return F.interpolate(colours, size=pixels.shape[-2:], mode="nearest")
        colours = torch.where(fresh, around(colours) / share, colours)
        known = known | fresh


FILLS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "grey": lambda pixels, _: torch.zeros_like(pixels),
    "blur": _blur,
    "neighbours": _neighbours,
}
"""By name: pixels (3, H, W) and masks (B, rows, columns) to what is seen instead, (3, H, W) or (B, 3, H, W)."""


def looks_at(model: PromptModel, explanation: Explanation, times: Sequence[float]) -> list[Tensor]:
    """Return what the model saw of a photo that it explained, pixels (3, H, W) at so many times the usual size.

    Raises:
        ValueError: the explanation is of another class list.
    """
    if explanation.class_names != model.class_names:
        raise ValueError("The class list of this explanation differs from the model's. Explain the photo again.")
    return [look[0] for look in prepare([explanation.image], model.backbone.preprocess, times).looks]


def covered(model: PromptModel, explanation: Explanation, regions: Collection[int], fill: str = "blur") -> Explanation:
    """Return the explanation of the same photo with regions covered, from a new pass of the backbone.

    k, temperature and threshold stay; ``image`` shows what was covered, and there are no votes.

    Args:
        model: what made the explanation, such as ``classifier.model_``.
        regions: numbers of regions of ``explanation.grid``, as ``Box.region`` has them.
        fill: as for ``cover``.

    Raises:
        ConfigError: there is no such fill or region.
        ValueError: the explanation is of another class list.
    """
    rows, columns = explanation.grid
    if outside := {*regions} - {*range(rows * columns)}:
        raise ConfigError(f"There is no region {min(outside)}; they are numbered from 0 to {rows * columns - 1}.")
    cells = torch.tensor([region in regions for region in range(rows * columns)]).view(1, rows, columns)
    seen = [cover(look, cells, fill) for look in looks_at(model, explanation, model.map_sight.times)]
    with torch.no_grad():
        features = encode_looks(model.backbone, seen, model.map_sight)
        similarities = model.maps(features, model.cached_text_features()).each(Tensor.cpu)
    return replace(
        explanation,
        image=_painted(explanation, model.backbone.preprocess.picture(seen[-1][0]), cells[0]),
        similarities=similarities,
        votes={},
        words={},
    )


def _painted(explanation: Explanation, seen: Image.Image, cells: Tensor) -> Image.Image:
    """The photo, with what the model saw of the covered regions."""
    crop, image = explanation.crop, explanation.image.copy()
    left, top = round(crop.left), round(crop.top)
    size = round(crop.right) - left, round(crop.bottom) - top
    mask = Image.fromarray(cells.numpy()).resize(size, Image.Resampling.NEAREST)
    image.paste(seen.resize(size, Image.Resampling.BILINEAR), (left, top), mask)
    return image
