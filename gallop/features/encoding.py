"""Photos to features: centre crops to ask about, and augmented views to learn from. Nothing kept is encoded twice.

The image side is frozen, so a photo (or one augmented view of it) is encoded once, and kept in memory while training
and in a cache beyond that (``gallop.features.cache``).

Shapes: B images, R regions, V region width, D joint width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.features.cache import Cache, FeatureCache, MemoryCache, default_cache_folder, format_of, open_cache
from gallop.features.image_features import ImageFeatures
from gallop.features.looks import (
    BATCH,
    ONCE,
    Extra,
    KeptViews,
    Sight,
    View,
    encode_look,
    encode_looks,
    in_batches,
    readers,
    with_hashes,
)
from gallop.features.training_views import VIEWS_AT_ONCE, TrainingViews
from gallop.images import CropBox, ImageSource, Photo, load_image
from gallop.runtime.ahead import ahead

__all__ = [
    "BATCH",
    "ONCE",
    "VIEWS_AT_ONCE",
    "Cache",
    "Extra",
    "FeatureCache",
    "ImageFeatures",
    "MemoryCache",
    "Sight",
    "TrainingViews",
    "default_cache_folder",
    "encode_centres",
    "encode_looks",
    "encode_photos",
    "encode_pixels",
    "encode_sources",
    "open_cache",
    "readers",
]

_CPU = torch.device("cpu")


def encode_photos(
    backbone: Backbone, photos: Sequence[ImageSource], sight: Sight = ONCE
) -> tuple[ImageFeatures, list[CropBox]]:
    """Return features of the centre crops, fp32 on the CPU, and what was cropped of each photo.

    All photos are in memory at once; ``encode_sources`` takes any number.
    """
    looks, crops, images = [], list[CropBox](), [load_image(photo).image for photo in photos]
    for times in sight.times:
        prepared = [backbone.preprocess.centre(image, times) for image in images]
        batches = [
            encode_look(backbone, torch.stack([p for p, _ in some]), sight.extras) for some in in_batches(prepared)
        ]
        looks.append(ImageFeatures.cat([batch.to(_CPU) for batch in batches]))
        crops = [crop for _, crop in prepared]  # the same in all looks
    return ImageFeatures.of_looks(looks), crops


def encode_pixels(backbone: Backbone, pixels: Sequence[Tensor], sight: Sight = ONCE) -> ImageFeatures:
    """Return features of a batch of centre crops, fp32 on the CPU; (B, 3, H, W) for each look."""
    return encode_looks(backbone, pixels, sight).to(_CPU)


def encode_sources(backbone: Backbone, sources: Sequence[Any], sight: Sight = ONCE) -> Iterator[ImageFeatures]:
    """Yield features of centre crops, a batch at a time, so that the photos of a long list are never in
    memory at once.
    """

    def pixels(some: Sequence[Any]) -> list[Tensor]:
        images = [load_image(source).image for source in some]
        centre = backbone.preprocess.centre
        return [torch.stack([centre(image, times)[0] for image in images]) for times in sight.times]

    for batch in ahead(pixels, in_batches(sources), readers(backbone.device)):
        yield encode_pixels(backbone, batch, sight)


def encode_centres(
    backbone: Backbone,
    sources: Sequence[Any],
    cache: Cache | None,
    hashes: Sequence[str] | None = None,
    sight: Sight = ONCE,
) -> Iterator[ImageFeatures]:
    """Yield the same as they are kept, rounded and through a cache: for photos that are asked about again.

    Args:
        hashes: of the photos' content, where it is known: those of which the cache has all are not decoded.
    """

    def centre(photo: Photo, times: float) -> Tensor:
        return backbone.preprocess.centre(photo.image, times)[0]

    views = KeptViews(backbone, cache, format_of(cache), (View("centre", centre),), sight)
    return views.encode(in_batches(with_hashes(sources, hashes)))
