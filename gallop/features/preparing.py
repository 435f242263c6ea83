"""Photos to pixels: whatever passes an image encoder, alone or in a batch, for an answer or a training, passes here.

Shapes: B photos, n of them that could be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor

from gallop.backbones import Preprocess
from gallop.errors import ImageError
from gallop.images import DEFAULT_LIMITS, CropBox, ImageLimits, ImageSource, Photo, load_image

DRAFT_SIDES = 2
"""A JPEG that is decoded smaller has a short side of at least so many times the backbone's. One would be faster, but
answers would change twice as much."""

Draws: TypeAlias = Callable[[Photo], np.random.Generator]
"""What draws the crop of a photo to train on."""

T = TypeVar("T")


@dataclass(frozen=True)
class Prepared:
    """B photos as pixels.

    Attributes:
        looks: pixels (n, 3, H, W) of each look; empty where no photo could be read.
        crops: the part of each of these n photos that all looks show, in pixels of the file's picture.
        problems: why a photo could not be read, by its place among the B.
    """

    looks: list[Tensor]
    crops: list[CropBox]
    problems: dict[int, str]

    def spread(self, values: Sequence[T]) -> list[T | None]:
        """Return values of the n photos as values of all B, with None for the others."""
        remaining = iter(values)
        return [None if i in self.problems else next(remaining) for i in range(len(self))]

    def __len__(self) -> int:
        return len(self.crops) + len(self.problems)

    @staticmethod
    def cat(parts: Sequence[Prepared]) -> Prepared:
        """Return all photos of the parts, in order."""
        before = accumulate(map(len, parts), initial=0)
        return Prepared(
            [torch.cat(look) for look in zip(*(part.looks for part in parts if part.looks), strict=True)],
            [crop for part in parts for crop in part.crops],
            {
                first + i: problem
                for first, part in zip(before, parts, strict=False)
                for i, problem in part.problems.items()
            },
        )


def prepare(
    photos: Iterable[ImageSource | ImageError],
    preprocess: Preprocess,
    times: Sequence[float] = (1.0,),
    *,
    draws: Draws | None = None,
    names: Sequence[str] | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
    draft: bool = False,
    report: bool = False,
) -> Prepared:
    """Read, decode and crop photos. Safe to call from several threads.

    Args:
        photos: B of any kind that ``load_image`` reads; an error in place of a photo is its problem.
        times: size of each look, as a multiple of the backbone's input size.
        draws: for views to train on, which are cropped and flipped at random; None takes the centre.
        names: what messages call the photos.
        draft: decode JPEGs that are larger than the looks need at a half, a quarter or an eighth of their size. That is
            faster, and answers change slightly.
        report: leave photos that cannot be read among the problems, where the first one would be raised.

    Raises:
        ImageError: a photo cannot be read.
    """
    short_side = DRAFT_SIDES * preprocess.side(max(times)) if draft else None
    looks: list[list[Tensor]] = [[] for _ in times]
    crops, problems = list[CropBox](), dict[int, str]()
    for i, source in enumerate(photos):
        try:
            if isinstance(source, ImageError):
                raise source
            photo = load_image(source, name=names[i] if names else None, limits=limits, short_side=short_side)
        except ImageError as error:
            if not report:
                raise
            problems[i] = str(error)
            continue
        for look, size in zip(looks, times, strict=True):
            pixels, crop = (
                preprocess.centre(photo.image, size)
                if draws is None
                else preprocess.augment(photo.image, draws(photo), size)
            )
            look.append(pixels)
        crops.append(crop.scaled(*photo.reduced))
    return Prepared([torch.stack(look) for look in looks] if crops else [], crops, problems)
