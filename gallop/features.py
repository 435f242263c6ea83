"""Photos to features: centre crops to ask about, and augmented views to learn from. Nothing kept is encoded twice.

The image side is frozen, so a photo (or one augmented view of it) is encoded once, and kept in memory while training
and in a cache beyond that (``gallop.feature_cache``).

Shapes: B images, R regions, V region width, D joint width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gallop.backbones import Backbone, CropBox
from gallop.feature_cache import (
    DEFAULT_MEMORY_BYTES,
    KEPT,
    Cache,
    FeatureCache,
    ImageFeatures,
    MemoryCache,
    default_cache_folder,
    feature_key,
    open_cache,
)
from gallop.images import Photo, load_image

__all__ = [
    "BATCH",
    "Cache",
    "FeatureCache",
    "ImageFeatures",
    "MemoryCache",
    "TrainingViews",
    "default_cache_folder",
    "encode_centres",
    "encode_photos",
    "encode_sources",
    "open_cache",
]

BATCH = 16
"""Photos that pass the vision tower together: enough to fill two cores, small enough to show progress."""


def encode_photos(backbone: Backbone, photos: Sequence[Photo]) -> tuple[ImageFeatures, list[CropBox]]:
    """Features of the centre crops, fp32 on the CPU, and what was cropped of each photo."""
    prepared = [backbone.preprocess.centre(photo.image) for photo in photos]
    batches = [
        _encode(backbone, [pixels for pixels, _ in prepared[start : start + BATCH]])
        for start in range(0, len(prepared), BATCH)
    ]
    return ImageFeatures.cat(batches), [crop for _, crop in prepared]


def encode_sources(backbone: Backbone, sources: Sequence[Any]) -> Iterator[ImageFeatures]:
    """Features of centre crops, a batch at a time, so that the photos of a long list are never in memory at once."""
    for start in range(0, len(sources), BATCH):
        yield encode_photos(backbone, [load_image(source) for source in sources[start : start + BATCH]])[0]


def encode_centres(backbone: Backbone, sources: Sequence[Any], cache: Cache | None) -> Iterator[ImageFeatures]:
    """The same as they are kept, in half precision and through a cache: for photos that are asked about again."""
    for start in range(0, len(sources), BATCH):
        photos = [load_image(source) for source in sources[start : start + BATCH]]
        yield _through(cache, "centre", backbone, photos, lambda photo: backbone.preprocess.centre(photo.image)[0])


def _encode(backbone: Backbone, pixels: Sequence[Tensor]) -> ImageFeatures:
    whole, regions = backbone.encode_image(torch.stack(list(pixels)))
    return ImageFeatures(whole.cpu(), regions.cpu())


def _through(
    cache: Cache | None, view: str, backbone: Backbone, photos: Sequence[Photo], pixels: Callable[[Photo], Tensor]
) -> ImageFeatures:
    """One view of the photos, in half precision: from the cache where it is there, the rest in one pass."""
    if cache is None:
        return _encode(backbone, [pixels(photo) for photo in photos]).half()
    keys = [feature_key(backbone, photo, view) for photo in photos]
    found = [cache.get(key) for key in keys]
    missing = [i for i, features in enumerate(found) if features is None]
    if missing:
        half = _encode(backbone, [pixels(photos[i]) for i in missing]).half()
        for row, i in enumerate(missing):
            features = half[row : row + 1]
            found[i] = features
            cache.put(keys[i], features)
    return ImageFeatures.cat([features for features in found if features is not None])


class TrainingViews:
    """Augmented views of the training photos, as features.

    View v of a photo is always the same picture for the same seed, wherever it comes from: memory, cache or the tower.
    Epoch e uses view ``e % views`` of every photo; with ``views`` = 0 every epoch sees a fresh one.

    Args:
        photos: n photos, or files that are read again whenever they are needed, so that a large folder fits.
        views: kept per photo; 0 streams.
        memory_limit: bytes; kept views that would not fit are streamed too, from the cache where it has them.
    """

    def __init__(
        self,
        backbone: Backbone,
        photos: Sequence[Photo | Path],
        *,
        views: int,
        seed: int,
        cache: Cache | None = None,
        memory_limit: int = DEFAULT_MEMORY_BYTES,
    ) -> None:
        self._backbone, self._photos, self._views, self._seed = backbone, photos, views, seed
        # Fresh views are used once each: keeping them would only fill the cache.
        self._cache = cache if views else None
        rows, columns = backbone.vision.grid
        values = len(photos) * views * rows * columns * backbone.vision.region_width
        self.kept = 0 < values * KEPT.itemsize <= memory_limit
        self._memory: list[ImageFeatures] = []  # one entry a view, each of all n photos

    def __len__(self) -> int:
        return len(self._photos)

    def encode(self) -> Iterator[int]:
        """Encode what is kept in memory, yielding how many of the ``len(self) * views`` are done after each batch."""
        if not self.kept:
            return
        done = 0
        for view in range(self._views):
            parts = []
            for start in range(0, len(self), BATCH):
                parts.append(self._compute(range(start, min(start + BATCH, len(self))), view))
                done += len(parts[-1])
                yield done
            self._memory.append(ImageFeatures.cat(parts))

    def batch(self, indices: Tensor, epoch: int) -> ImageFeatures:
        """Features of the photos ``indices`` as epoch ``epoch`` sees them, in half precision on the CPU."""
        view = epoch % self._views if self._views else epoch
        if self.kept:
            return self._memory[view][indices]
        chosen = indices.tolist()
        parts = [self._compute(chosen[start : start + BATCH], view) for start in range(0, len(chosen), BATCH)]
        return ImageFeatures.cat(parts)

    def _compute(self, chosen: Sequence[int], view: int) -> ImageFeatures:
        """One view of the chosen photos, in half precision."""

        def pixels(photo: Photo) -> Tensor:
            return self._backbone.preprocess.augment(photo.image, self._rng(photo, view))

        photos = [load_image(self._photos[i]) for i in chosen]
        return _through(self._cache, f"augmented {self._seed} {view}", self._backbone, photos, pixels)

    def _rng(self, photo: Photo, view: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, int(photo.sha256[:16], 16), view])
