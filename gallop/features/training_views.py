"""Augmented views of training photos, as features that are kept in memory where there is room.

Shapes: B images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.features.cache import DEFAULT_MEMORY_BYTES, Cache, format_of
from gallop.features.image_features import ImageFeatures
from gallop.features.looks import ONCE, KeptViews, KnownPhoto, Sight, View, in_batches, with_hashes
from gallop.images import Photo

VIEWS_AT_ONCE = 4
"""Views of a photo that are made when it is decoded: as many as a training keeps by default. The pixels of a batch of
all would fill the memory where they are many."""


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
        sight: what is encoded of each view.

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
        sight: Sight = ONCE,
    ) -> None:
        self._rank, self._processes = share
        self.backbone, self._sight = backbone, sight
        self._photos, self.count, self._seed = with_hashes(photos, hashes), views, seed
        self.format = format_of(cache)
        # Fresh views are used once each: keeping them would only fill the cache.
        self._cache = cache if views else None
        values = len(photos) * views * sight.regions(backbone) * backbone.vision.region_width
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

    def _encode(self, views: Iterable[int], photos: Sequence[KnownPhoto]) -> Iterator[ImageFeatures]:
        made = tuple(map(self._view, views))
        return KeptViews(self.backbone, self._cache, self.format, made, self._sight).encode(in_batches(photos))

    def _view(self, view: int) -> View:
        def pixels(photo: Photo, times: float) -> Tensor:
            return self.backbone.preprocess.augment(photo.image, self._rng(photo, view), times)

        return View(f"augmented {self._seed} {view}", pixels)

    def _rng(self, photo: Photo, view: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, int(photo.sha256[:16], 16), view])
