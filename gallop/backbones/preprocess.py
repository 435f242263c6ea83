"""A photo to pixels: resize and crop, with the crop box, and the few-shot augmentation.

Pixel by pixel what torchvision makes of a photo that Pillow opened, without it: it takes longer to load than torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gallop.images import CropBox

MAX_ASPECT = 8
"""A photo longer than this many times its short side is cut to it first: 1 x 5000 would resize to 224 x 1,120,000."""

CROP_SCALE = (0.08, 1.0)
CROP_RATIO = (3 / 4, 4 / 3)
"""Random resized crop of the paper's code (torchvision's defaults)."""


# By torchvision's names.
_RESAMPLING = {name.lower(): kind for name, kind in sorted(Image.Resampling.__members__.items())}


@dataclass(frozen=True)
class Preprocess:
    """Pixels as one backbone wants them.

    Attributes:
        size: side of the square input, in pixels.
        mean, std: per channel, on values in [0, 1].
        interpolation: "bicubic", "bilinear" or another of Pillow's.
        squash: the full photo is resized to the square, whatever its shape, as SigLIP was trained; else its short
            side is, and the middle cut out.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"
    squash: bool = False

    def __post_init__(self) -> None:
        if self.interpolation not in _RESAMPLING:
            raise ValueError(f"Unknown interpolation {self.interpolation!r}; choose one of {', '.join(_RESAMPLING)}.")
        finite = all(map(math.isfinite, (*self.mean, *self.std)))
        if len(self.mean) != 3 or len(self.std) != 3 or not finite or min(self.std) <= 0 or self.size < 1:
            raise ValueError(
                "Preprocessing needs a size of 1 or more, three means, and three standard deviations above 0, all "
                "finite."
            )

    def centre(self, image: Image.Image, times: float = 1.0) -> tuple[Tensor, CropBox]:
        """Return what the backbone sees of a photo, pixels (3, size, size), and which part of it that is.

        The short side is resized to the input size and the middle taken, or with ``squash`` the full photo.

        Args:
            times: above 1, exactly the same part of the photo with so many times the pixels a side.
        """
        if self.squash:
            limited, wide, high, x, y = image, self.size, self.size, 0, 0
            box = CropBox(0.0, 0.0, float(image.width), float(image.height))
        else:
            limited, left, top = _limit_aspect(image)
            long = int(self.size * max(limited.size) / min(limited.size))
            wide, high = (self.size, long) if limited.width <= limited.height else (long, self.size)
            x, y = round((wide - self.size) / 2.0), round((high - self.size) / 2.0)
            sx, sy = limited.width / wide, limited.height / high
            box = CropBox(left + x * sx, top + y * sy, left + (x + self.size) * sx, top + (y + self.size) * sy)
        if times != 1:
            inside = (max(box.left, 0.0), max(box.top, 0.0), min(box.right, image.width), min(box.bottom, image.height))
            side = self.side(times)
            return self._tensor(image.resize((side, side), _RESAMPLING[self.interpolation], box=inside)), box
        resized = limited.resize((wide, high), _RESAMPLING[self.interpolation])
        return self._tensor(resized.crop((x, y, x + self.size, y + self.size))), box

    def side(self, times: float) -> int:
        """Return pixels a side of a photo that is looked at with ``times`` as many as usual."""
        return round(times * self.size)

    def augment(self, image: Image.Image, rng: np.random.Generator, times: float = 1.0) -> tuple[Tensor, CropBox]:
        """Return a random resized crop, flipped half of the time, pixels (3, size, size), and which part that is.

        Args:
            times: as in ``centre``; the same draws take the same part.
        """
        image, x, y = _limit_aspect(image)
        top, left, height, width = _random_crop(image.height, image.width, rng)
        box = CropBox(x + left, y + top, x + left + width, y + top + height)
        side = self.side(times)
        view = image.crop((left, top, left + width, top + height)).resize((side, side), _RESAMPLING[self.interpolation])
        return self._tensor(view.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else view), box

    def key(self) -> str:
        """Return text that differs wherever the pixels would: part of a cache key."""
        squashed = "|squash" if self.squash else ""  # nothing else, so that old cache keys stay valid
        return f"{self.size}|{self.mean}|{self.std}|{self.interpolation}|{CROP_SCALE}|{CROP_RATIO}{squashed}"

    @property
    def sentence(self) -> str:
        """How ``centre`` makes pixels of a photo, for those who do it without this library."""
        by = f"({self.interpolation}, antialiased, as Pillow does it)"
        cut = f"short side resized to {self.size} {by}; centre crop {self.size} x {self.size}"
        return f"resized to {self.size} x {self.size}, whatever its shape {by}" if self.squash else cut

    def sentence_at(self, times: float) -> str:
        """Return the same of ``times`` as many pixels a side."""
        side = self.side(times)
        by = f"resized to {side} x {side} at once ({self.interpolation}, antialiased, as Pillow does it)"
        if self.squash:
            return f"the whole photo {by}"
        # Where W x H are the photo's pixels, and w x h those of the full photo in the first look.
        box = [f"round(({a.lower()} - {self.size}) / 2) * {a} / {a.lower()}" for a in "WH"]
        ends = f"width = {self.size} * W / w, height = {self.size} * H / h"
        return (
            f"the part of the photo that is seen at {self.size} x {self.size} {by}: of W x H pixels, w x h once the "
            f"short side is {self.size}, left = {box[0]}, top = {box[1]}, {ends}"
        )

    def picture(self, pixels: Tensor) -> Image.Image:
        """Return pixels (3, H, W), normalised as ``centre`` makes them, as a picture."""
        mean, std = (torch.tensor(values)[:, None, None] for values in (self.mean, self.std))
        levels = ((pixels.cpu() * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
        return Image.fromarray(levels.permute(1, 2, 0).numpy())

    def _tensor(self, image: Image.Image) -> Tensor:
        table, pixels = _levels(self.mean, self.std), np.empty((3, image.height, image.width), np.float32)
        for channel, levels in enumerate(image.split()):  # a third of the time of arithmetic, and one thread's alone
            np.take(table[channel], np.asarray(levels), out=pixels[channel], mode="clip")
        return torch.from_numpy(pixels)


@lru_cache
def _levels(mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """What each of the 256 levels becomes in each channel, (3, 256)."""
    levels = torch.arange(256, dtype=torch.float32).div_(255.0)
    rows = [levels.sub(torch.tensor(m)).div_(torch.tensor(s)) for m, s in zip(mean, std, strict=True)]
    return torch.stack(rows).numpy()


def _limit_aspect(image: Image.Image) -> tuple[Image.Image, int, int]:
    """The centre of a very long photo, and where it starts: (image, left, top)."""
    width, height = image.size
    limit = MAX_ASPECT * min(width, height)
    if max(width, height) <= limit:
        return image, 0, 0
    left, top = max(width - limit, 0) // 2, max(height - limit, 0) // 2
    return image.crop((left, top, left + min(width, limit), top + min(height, limit))), left, top


def _random_crop(height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a crop with a random area and ratio, as torchvision's RandomResizedCrop draws it.

    torchvision's draws from a global generator, which one frozen backbone shared by several trainings cannot use.
    """
    for _ in range(10):
        area = height * width * rng.uniform(*CROP_SCALE)
        ratio = math.exp(rng.uniform(math.log(CROP_RATIO[0]), math.log(CROP_RATIO[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1)), h, w
    # The photo is too long or too wide for any such crop: its centre with the nearest allowed ratio.
    w = min(width, max(round(height * CROP_RATIO[1]), 1))
    h = min(height, max(round(width / CROP_RATIO[0]), 1))
    return (height - h) // 2, (width - w) // 2, h, w
