"""Photos by name or as bytes, a batch at a time, to what a tower takes; for what cannot be read, a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gallop.backbones import Preprocess
from gallop.errors import ImageError, NotAnImage
from gallop.images import CropBox, decode_image
from gallop.images.formats import printable_name
from gallop.runtime.ahead import ahead
from gallop.scoring.sources import Opener, SourceItem
from gallop.scoring.sources.opening import local_path

Columns: TypeAlias = dict[str, list[Any]]
"""By name, a value a photo; None where there is none."""

DRAFT_SIDES = 2
"""Of a JPEG that is decoded smaller, the short side keeps so many times the tower's. As many as one would be faster;
answers would move twice as far."""

FETCHERS = 16
"""Photos that are asked of a bucket or of the web at a time: each answer takes long, and no work here."""


@dataclass(frozen=True)
class Prepared:
    """B photos, decoded and cropped; of those that cannot be read the problem alone.

    Attributes:
        problems: a sentence for each that is missing.
        looks: pixels of the others, (n, 3, H, W) for each look; none where there are none.
        crops: what was cropped of them.
    """

    keys: list[str]
    problems: dict[int, str]
    looks: list[Tensor]
    crops: list[CropBox]

    def spread(self, found: Sequence[Any]) -> list[Any]:
        """Return values of the photos that were read as values of all B, with None for the others."""
        values = iter(found)
        return [None if i in self.problems else next(values) for i in range(len(self.keys))]


def one_batch(parts: Sequence[Prepared]) -> Prepared:
    """Return all photos of the parts, in order."""
    if len(parts) == 1:
        return parts[0]
    keys: list[str] = []
    problems: dict[int, str] = {}
    for part in parts:
        problems |= {len(keys) + i: problem for i, problem in part.problems.items()}
        keys += part.keys
    looks = [torch.cat(look) for look in zip(*(part.looks for part in parts if part.looks), strict=True)]
    return Prepared(keys, problems, looks, [crop for part in parts for crop in part.crops])


def prepare_photos(
    items: Sequence[SourceItem],
    opener: Opener,
    preprocess: Preprocess,
    *,
    draft: bool = False,
    times: Sequence[float] = (1.0,),
) -> Prepared:
    """Read, decode and crop photos. Safe to call from several threads.

    Args:
        draft: JPEGs that are larger than the tower needs are decoded smaller, which is faster and moves answers a bit.
        times: how many times the input size photos are prepared for, once for each look.
    """
    short_side = DRAFT_SIDES * preprocess.side(times[-1]) if draft else None
    problems: dict[int, str] = {}
    made: list[list[Tensor]] = [[] for _ in times]
    crops: list[CropBox] = []
    for i, data in enumerate(_contents(items, opener)):
        try:
            if isinstance(data, ImageError):
                raise data
            decoded = decode_image(data, printable_name(items[i].key), opener.limits, short_side=short_side)
        except ImageError as error:
            problems[i] = str(error)
            continue
        for look, size in zip(made, times, strict=True):
            pixels, crop = preprocess.centre(decoded.image, size)
            look.append(pixels)
        across, down = (whole / part for whole, part in zip(decoded.size, decoded.image.size, strict=True))
        crops.append(crop.scaled(across, down))
    keys = [item.key for item in items]
    return Prepared(keys, problems, [torch.stack(look) for look in made] if crops else [], crops)


def _contents(items: Sequence[SourceItem], opener: Opener) -> Iterator[bytes | ImageError]:
    """The bytes of each, in order: several at a time where they come from afar."""
    beside = [item.place for item in items if item.place]

    def content(item: SourceItem) -> bytes | ImageError:
        if item.problem:
            return NotAnImage(item.problem)
        try:
            return opener.read(item.place, beside) if item.data is None else item.data
        except ImageError as error:
            return error

    far = any(item.place and local_path(item.place) is None for item in items)
    return ahead(content, items, FETCHERS) if far else map(content, items)
