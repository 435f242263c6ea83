"""Photos to features: centre crops to ask about, and augmented views to learn from. Nothing kept is encoded twice.

The image side is frozen, so a photo (or one augmented view of it) is encoded once, and kept in memory while training
and in a cache beyond that (``gallop.features.cache``).

Shapes: B images, R regions, V region width, D joint width.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, repeat
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.features.cache import (
    DEFAULT_MEMORY_BYTES,
    Cache,
    FeatureCache,
    ImageFeatures,
    MemoryCache,
    default_cache_folder,
    feature_key,
    format_of,
    open_cache,
)
from gallop.images import CropBox, Photo, load_image
from gallop.runtime.ahead import ahead

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
    "encode_pixels",
    "encode_sources",
    "open_cache",
    "readers",
]

BATCH = 16
"""Photos that pass the vision tower together: enough to fill two cores, small enough to show progress."""

READERS = 8
"""The most threads that decode photos for a GPU, which waits for one: that prepares some two hundred a second."""

_CPU = torch.device("cpu")

VIEWS_AT_ONCE = 4
"""Views of a photo that are made when it is decoded: as many as a training keeps by default. The pixels of a batch of
all would fill the memory where they are many."""

T = TypeVar("T")
_Known = tuple[Any, str]
"""A photo, and the hash of its content; empty where it is not known."""
_Prepared = tuple[list[str], list[ImageFeatures | None], list[Tensor]]
"""Of one view of a batch: the keys, what the cache knows of them, and the pixels of the others."""


def encode_photos(backbone: Backbone, photos: Sequence[Photo]) -> tuple[ImageFeatures, list[CropBox]]:
    """Return features of the centre crops, fp32 on the CPU, and what was cropped of each photo."""
    prepared = [backbone.preprocess.centre(photo.image) for photo in photos]
    batches = [encode_pixels(backbone, torch.stack([pixels for pixels, _ in some])) for some in _batches(prepared)]
    return ImageFeatures.cat(batches), [crop for _, crop in prepared]


def encode_pixels(backbone: Backbone, pixels: Tensor) -> ImageFeatures:
    """Return features of a batch of centre crops (B, 3, H, W), fp32 on the CPU."""
    return _encode(backbone, pixels).to(_CPU)


def encode_sources(backbone: Backbone, sources: Sequence[Any]) -> Iterator[ImageFeatures]:
    """Yield features of centre crops, a batch at a time, so that the photos of a long list are never in
    memory at once.
    """

    def pixels(some: Sequence[Any]) -> Tensor:
        return torch.stack([backbone.preprocess.centre(load_image(source).image)[0] for source in some])

    for batch in ahead(pixels, _batches(sources), readers(backbone.device)):
        yield encode_pixels(backbone, batch)


def encode_centres(
    backbone: Backbone, sources: Sequence[Any], cache: Cache | None, hashes: Sequence[str] | None = None
) -> Iterator[ImageFeatures]:
    """Yield the same as they are kept, rounded and through a cache: for photos that are asked about again.

    Args:
        hashes: of the photos' content, where it is known: those of which the cache has all are not decoded.
    """
    centre = _View("centre", lambda photo: backbone.preprocess.centre(photo.image)[0])
    return _Views(backbone, cache, format_of(cache), (centre,)).encode(_batches(_known_as(sources, hashes)))


def _known_as(sources: Sequence[Any], hashes: Sequence[str] | None) -> list[_Known]:
    return list(zip(sources, repeat("") if hashes is None else hashes, strict=hashes is not None))


def _batches(sources: Sequence[T]) -> list[Sequence[T]]:
    return [sources[start : start + BATCH] for start in range(0, len(sources), BATCH)]


def readers(device: torch.device) -> int:
    """Return threads that decode photos for a tower there: one on a CPU, where the tower wants the cores for itself."""
    return 1 if device.type == "cpu" else min(os.cpu_count() or 1, READERS)


def _encode(backbone: Backbone, pixels: Tensor) -> ImageFeatures:
    """Where the backbone is."""
    return ImageFeatures(*backbone.encode_image(pixels))


@dataclass(frozen=True)
class _View:
    """What is seen of any photo.

    Attributes:
        name: for its key.
        pixels: (3, H, W) of a photo.
    """

    name: str
    pixels: Callable[[Photo], Tensor]


@dataclass(frozen=True)
class _Views:
    """Views of photos, as they are kept: from the cache where they are there, the rest of a batch in one pass a view.

    Attributes:
        kept: the format.
        views: made of a photo when it is decoded, once for all of them.
    """

    backbone: Backbone
    cache: Cache | None
    kept: torch.dtype
    views: Sequence[_View]

    def encode(self, batches: Iterable[Sequence[_Known]]) -> Iterator[ImageFeatures]:
        """Features of the first batch of sources, in one view after the other, then of the next batch."""
        if self.cache is not None:
            self.backbone.vision_fingerprint  # noqa: B018 - part of every key; all readers would compute it at once
        for prepared in ahead(self._prepare, batches, readers(self.backbone.device)):
            yield from map(self._finish, prepared)

    def _prepare(self, sources: Sequence[_Known]) -> list[_Prepared]:
        prepared: list[_Prepared] = [([], [], []) for _ in self.views]
        for source, content in sources:
            known = [self._look_up(content, view) for view in self.views] if content else [("", None)]
            if None in (features for _, features in known):
                photo = load_image(source)
                if photo.sha256 != content:  # it was not known, or the file has changed since
                    known = [self._look_up(photo.sha256, view) for view in self.views]
            for view, (key, features), (keys, found, missing) in zip(self.views, known, prepared, strict=True):
                keys.append(key)
                found.append(features)
                if features is None:
                    missing.append(view.pixels(photo))
        return prepared

    def _look_up(self, content: str, view: _View) -> tuple[str, ImageFeatures | None]:
        """The key of a view, and what the cache has of it."""
        if self.cache is None:
            return "", None
        key = feature_key(self.backbone, content, view.name, self.kept)
        found = self.cache.get(key)
        if found is None or found.sizes == self.backbone.feature_sizes:
            return key, found
        warnings.warn(f"The features kept as {key} are of another size; they are encoded anew.", stacklevel=2)
        return key, None

    def _finish(self, prepared: _Prepared) -> ImageFeatures:
        keys, found, pixels = prepared
        if pixels:
            fresh = iter(_encode(self.backbone, torch.stack(pixels)).rounded(self.kept).to(_CPU).split(1))
            for i, known in enumerate(found):
                if known is None:
                    features = found[i] = next(fresh)
                    if self.cache is not None:
                        self.cache.put(keys[i], features)
        return ImageFeatures.cat([features for features in found if features is not None])


class TrainingViews:
    """Augmented views of the training photos, as features.

    View v of a photo is always the same picture for the same seed, wherever it comes from: memory, cache or the tower.
    Epoch e uses view ``e % views`` of every photo; with ``views`` = 0 every epoch sees a fresh one.

    Args:
        photos: n photos, or files that are read again whenever they are needed, so that a large folder fits.
        hashes: of their content, as for ``encode_centres``.
        views: kept per photo; 0 streams.
        cache: of views; all are rounded to the format in which it keeps them.
        memory_limit: bytes; kept views that would not fit are streamed too, from the cache where it has them.
        share: (rank, processes) of a training in several processes, each of which encodes and keeps its share alone.

    Attributes:
        backbone: whose features they are.
        count: views of each photo; 0 where every one is fresh.
        kept: whether its views are kept in memory.
        format: in which they are rounded.
    """

    def __init__(
        self,
        backbone: Backbone,
        photos: Sequence[Photo | Path],
        hashes: Sequence[str] | None = None,
        *,
        views: int,
        seed: int,
        cache: Cache | None = None,
        memory_limit: int = DEFAULT_MEMORY_BYTES,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self._rank, self._processes = share
        self.backbone = backbone
        self._photos, self.count, self._seed = _known_as(photos, hashes), views, seed
        self.format = format_of(cache)
        # Fresh views are used once each: keeping them would only fill the cache.
        self._cache = cache if views else None
        rows, columns = backbone.vision.grid
        values = len(photos) * views * rows * columns * backbone.vision.region_width
        self.kept = 0 < values * self.format.itemsize <= memory_limit
        self._own = self._photos[self._rank :: self._processes]
        self._memory: list[ImageFeatures] = []  # one entry a view, each of all own photos

    def __len__(self) -> int:
        return len(self._own)

    def encode(self) -> Iterator[int]:
        """Encode what is kept in memory, yielding how many of the ``len(self) * views`` are done after each batch."""
        if not self.kept or not self._own:
            return
        done = 0
        for first in range(0, self.count, VIEWS_AT_ONCE):
            parts: dict[int, list[ImageFeatures]] = {
                view: [] for view in range(first, min(first + VIEWS_AT_ONCE, self.count))
            }
            for view, part in zip(cycle(parts), self._encode(parts, self._own), strict=False):
                parts[view].append(part)
                done += len(part)
                yield done
            self._memory += [ImageFeatures.cat(some) for some in parts.values()]

    def part(self, indices: Tensor) -> Tensor:
        """Return which photos of a batch (B,) are this process' part, as positions in it: all of them where it is
        alone.

        Where views are kept, those that it keeps; else an equal share, since encoding is what takes the time then.
        """
        if self.kept and self._processes > 1:
            return (indices % self._processes == self._rank).nonzero()[:, 0]
        return torch.arange(len(indices))[self._rank :: self._processes]

    def batch(self, indices: Tensor, epoch: int) -> ImageFeatures:
        """Return features of photos of its part as epoch ``epoch`` sees them, as they are kept, on the CPU."""
        view = epoch % self.count if self.count else epoch
        if self.kept:
            return self._memory[view][indices // self._processes]
        chosen = [self._photos[i] for i in indices.tolist()]
        return ImageFeatures.cat(list(self._encode([view], chosen)))

    def _encode(self, views: Iterable[int], photos: Sequence[_Known]) -> Iterator[ImageFeatures]:
        made = tuple(map(self._view, views))
        return _Views(self.backbone, self._cache, self.format, made).encode(_batches(photos))

    def _view(self, view: int) -> _View:
        def pixels(photo: Photo) -> Tensor:
            return self.backbone.preprocess.augment(photo.image, self._rng(photo, view))

        return _View(f"augmented {self._seed} {view}", pixels)

    def _rng(self, photo: Photo, view: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, int(photo.sha256[:16], 16), view])
