"""Photos to features: centre crops to ask about, and augmented views to learn from. Nothing stored is encoded twice.

The image side is frozen, so a photo (or one augmented view of it) is encoded once for each look, and its features are
held in memory while training and in a cache beyond that (``gallop.features.cache``).

Shapes: B images, R regions, V region width, D joint width.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, repeat
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.data import many
from gallop.errors import DataError
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
from gallop.features.given import EncodedPhoto, as_features
from gallop.features.preparing import Draws, prepare
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

BATCH = 16
"""Photos that pass the image encoder together: enough to fill two cores, small enough to show progress."""

READERS = 8
"""The most threads that decode photos for a GPU, which would wait for a single one: they prepare some two hundred a
second."""

_CPU = torch.device("cpu")

T = TypeVar("T")
KnownPhoto = tuple[Any, str]
"""A photo, and the hash of its content; empty where it is not known."""
_Prepared = tuple[list[str], list[ImageFeatures | None], list[Tensor]]
"""Of one look at a batch: the keys, the features that the cache has of them, and the pixels of the others."""

VIEWS_AT_ONCE = 4
"""Views of a photo that are made when it is decoded: as many as a training stores by default. With many views, the
pixels of all of them for a batch would fill the memory."""


def with_hashes(sources: Sequence[Any], hashes: Sequence[str] | None) -> list[KnownPhoto]:
    """Return photos with the hashes of their content, as far as those are known."""
    return list(zip(sources, repeat("") if hashes is None else hashes, strict=hashes is not None))


def in_batches(sources: Sequence[T]) -> list[Sequence[T]]:
    """Return a list in parts that pass the encoder together."""
    return [sources[start : start + BATCH] for start in range(0, len(sources), BATCH)]


def readers(device: torch.device) -> int:
    """Return how many threads decode photos for an encoder there: one on a CPU, where the encoder needs the cores."""
    return 1 if device.type == "cpu" else min(os.cpu_count() or 1, READERS)


@dataclass(frozen=True)
class Extra:
    """Features of regions that a branch needs in addition to the backbone's, encoded and cached with these.

    Attributes:
        name: of the features, part of their key in a cache; features with other values need another name.
        of: pixels (B, 3, H, W), normalised as the backbone takes them, and (rows, columns) -> (B, R, E).
    """

    name: str
    of: Callable[[Tensor, tuple[int, int]], Tensor]


@dataclass(frozen=True)
class Sight:
    """What is encoded of a photo.

    Attributes:
        times: the size of each look as a multiple of the input size; the first is 1.
        extras: what is encoded of every look in addition to the backbone's features.
    """

    times: tuple[float, ...] = (1.0,)
    extras: tuple[Extra, ...] = ()

    def grids(self, backbone: Backbone) -> tuple[tuple[int, int], ...]:
        """Return rows and columns of the regions of each look.

        Raises:
            BackboneError: regions of a size do not fit the backbone's grid.
        """
        return tuple(backbone.grid_at(times) for times in self.times)

    def regions(self, backbone: Backbone) -> int:
        """Return how many regions a photo has in all looks; the memory of its features is proportional to it."""
        return sum(rows * columns for rows, columns in self.grids(backbone))

    def check(self, features: ImageFeatures, backbone: Backbone, named: str = "These features") -> None:
        """Refuse features of other looks, widths or regions than the backbone gives of photos that are seen so.

        Raises:
            DataError: they are; of regions there are rows x columns of the grid.
        """
        if len(features.looks) != len(self.times):
            raise DataError(
                f"The number of looks per photo is {len(features.looks)} in these features, but this model "
                f"(detail={self.times[-1]:g}) needs {len(self.times)}. Encode the photos with sight=model.sight."
            )
        _, width, joint = backbone.feature_sizes
        for look, (rows, columns) in zip(features.looks, self.grids(backbone), strict=True):
            shapes = tuple(look.global_.shape[1:]), tuple(look.regions.shape[1:])
            if shapes != ((joint,), (rows * columns, width)):
                raise DataError(
                    f"{named} have the shape {shapes[0]} for each photo and {shapes[1]} for its regions, but "
                    f"{backbone.name} gives ({joint},) and ({rows * columns}, {width}), a grid of {rows} x {columns} "
                    "regions. Encode the photos with that backbone, or fit on one that gives such features."
                )


ONCE = Sight()
"""One look, at the backbone's input size."""


def checked(features: ImageFeatures, backbone: Backbone, sight: Sight, name: str = "") -> ImageFeatures:
    """Return features that were given in place of photos, where answers and trainings can take them: all pass here.

    Args:
        name: of the only image; without one, images are counted from 0.

    Raises:
        DataError: as ``Sight.check``, or a value that is not finite.
    """
    sight.check(features, backbone, f"The features of {name}" if name else "These features")
    for tensor in (tensor for look in features.looks for tensor in look.tensors.values()):
        # A sum is not finite where one of its terms is not, and takes no memory.
        finite = torch.isfinite(tensor.flatten(1).sum(dim=1, dtype=torch.float32))
        if not finite.all():
            raise DataError(
                f"The features of {name or f'image {int(finite.int().argmin())}'} contain a value that is not finite. "
                "Encode that image again, or leave it out."
            )
    return features


def encode_looks(backbone: Backbone, pixels: Sequence[Tensor], sight: Sight = ONCE) -> ImageFeatures:
    """Return features, on the backbone's device, of pixels (B, 3, H, W) for each look."""
    looks = []
    for look in pixels:
        global_, regions = backbone.encode_image(look)
        grid = backbone.grid_at(look.shape[-1] / backbone.preprocess.size) if sight.extras else (0, 0)
        extras = {extra.name: extra.of(look.to(global_.device), grid) for extra in sight.extras}
        looks.append(ImageFeatures(global_, regions, extras=extras))
    return ImageFeatures.of_looks(looks)


@dataclass(frozen=True)
class View:
    """What is seen of any photo.

    Attributes:
        name: for its key.
        draws: as in ``prepare``.
    """

    name: str
    draws: Draws | None = None


@dataclass(frozen=True)
class ViewEncoder:
    """Encodes views of photos: it takes those in the cache from there, and the rest of a batch in one pass per view.

    Attributes:
        dtype: the format of the features.
        views: made of a photo when it is decoded, once for all of them.
    """

    backbone: Backbone
    cache: Cache | None
    dtype: torch.dtype
    views: Sequence[View]
    sight: Sight = ONCE

    def encode(self, batches: Iterable[Sequence[KnownPhoto]]) -> Iterator[ImageFeatures]:
        """Yield features of the first batch of sources, in one view after the other, then of the next batch."""
        if self.cache is not None:
            self.backbone.vision_fingerprint  # noqa: B018 - part of every key; all readers would compute it at once
        sizes = len(self.sight.times)
        for prepared in ahead(self._prepare, batches, readers(self.backbone.device)):
            for first in range(0, len(prepared), sizes):
                yield ImageFeatures.of_looks([self._finish(look) for look in prepared[first : first + sizes]])

    def _prepare(self, sources: Sequence[KnownPhoto]) -> list[_Prepared]:
        looks = [(view, times) for view in self.views for times in self.sight.times]
        prepared: list[_Prepared] = [([], [], []) for _ in looks]
        for source, content in sources:
            if isinstance(source, EncodedPhoto):
                given = cycle(checked(source.features, self.backbone, self.sight, source.name).looks)
                for (keys, cached, _), look_features in zip(prepared, given, strict=False):
                    keys.append("")
                    cached.append(look_features)
                continue
            known = [self._look_up(content, *look) for look in looks] if content else [("", None)]
            if None in (features for _, features in known):
                photo = load_image(source)
                if self.cache is None:
                    known = [("", None)] * len(looks)
                elif photo.sha256 != content:  # the hash was not known, or the file has changed since
                    known = [self._look_up(photo.sha256, *look) for look in looks]
            for (view, times), (key, features), (keys, cached, missing) in zip(looks, known, prepared, strict=True):
                keys.append(key)
                cached.append(features)
                if features is None:
                    missing += prepare([photo], self.backbone.preprocess, [times], draws=view.draws).looks[0]
        return prepared

    def _look_up(self, content: str, view: View, times: float) -> tuple[str, ImageFeatures | None]:
        """The key of a look, and its features where the cache has them."""
        if self.cache is None:
            return "", None
        look = view.name if times == 1 else f"{view.name} times {times:g}"  # the usual size serves every ``detail``
        names = [look, *(extra.name for extra in self.sight.extras)]
        key = feature_key(self.backbone, content, "|".join(names), self.dtype)
        features = self.cache.get(key)
        sizes = prod(self.backbone.grid_at(times)), *self.backbone.feature_sizes[1:]
        if features is None or features.sizes == sizes:
            return key, features
        warnings.warn(f"The cached features {key} have a different size. They are encoded again.", stacklevel=2)
        return key, None

    def _finish(self, prepared: _Prepared) -> ImageFeatures:
        keys, known, pixels = prepared
        if pixels:
            encoded = encode_looks(self.backbone, [torch.stack(pixels)], self.sight)
            fresh = iter(encoded.rounded(self.dtype).to(_CPU).split(1))
            for i, cached in enumerate(known):
                if cached is None:
                    features = known[i] = next(fresh)
                    if self.cache is not None:
                        self.cache.put(keys[i], features)
        return ImageFeatures.cat([features for features in known if features is not None])


def encode_photos(
    backbone: Backbone, photos: Sequence[ImageSource], sight: Sight = ONCE
) -> tuple[ImageFeatures, list[CropBox]]:
    """Return features of the centre crops, fp32 on the CPU, and what was cropped of each photo.

    All photos are in memory at once; ``encode_sources`` takes any number.
    """
    prepared = [_centres(some, backbone, sight) for some in in_batches(photos)]
    return (
        ImageFeatures.cat([encode_pixels(backbone, pixels, sight) for pixels, _ in prepared]),
        [crop for _, crops in prepared for crop in crops],
    )


def _centres(
    sources: Sequence[Any], backbone: Backbone, sight: Sight
) -> tuple[list[Tensor] | ImageFeatures, list[CropBox]]:
    """Centre crops of photos as pixels (B, 3, H, W) for each look, and what was cropped, the same in all looks; of
    photos that are encoded their features.
    """
    encoded = [source for source in sources if isinstance(source, EncodedPhoto)]
    if encoded:
        if len(encoded) != len(sources):
            raise DataError("Photos and features cannot be mixed in one call. Use a separate call for each.")
        features = ImageFeatures.cat([checked(each.features, backbone, sight, each.name) for each in encoded])
        return features, [CropBox(0, 0, photo.width, photo.height) for photo in encoded]
    prepared = prepare(sources, backbone.preprocess, sight.times)
    return prepared.looks, prepared.crops


def encode_pixels(backbone: Backbone, pixels: Sequence[Tensor] | ImageFeatures, sight: Sight = ONCE) -> ImageFeatures:
    """Return features of a batch of centre crops, fp32 on the CPU; (B, 3, H, W) for each look."""
    encoded = pixels if isinstance(pixels, ImageFeatures) else encode_looks(backbone, pixels, sight)
    return encoded.to(_CPU)


def encode_sources(backbone: Backbone, images: Any, sight: Sight = ONCE) -> Iterator[ImageFeatures]:
    """Yield features of centre crops of one image or many, a batch at a time, so that the photos of a long list are
    never in memory at once; features encoded before as they are.

    Raises:
        DataError: features that the backbone does not give (``checked``).
        ImageError: an image that cannot be read.
    """
    images = as_features(images)
    if isinstance(images, ImageFeatures):
        yield from checked(images, backbone, sight).split(BATCH)
        return
    centres = partial(_centres, backbone=backbone, sight=sight)
    for pixels, _ in ahead(centres, in_batches(many(images)), readers(backbone.device)):
        yield encode_pixels(backbone, pixels, sight)


def encode_centres(
    backbone: Backbone,
    sources: Sequence[Any],
    cache: Cache | None,
    hashes: Sequence[str] | None = None,
    sight: Sight = ONCE,
) -> Iterator[ImageFeatures]:
    """Yield the same, rounded and through a cache: for photos that are asked about again.

    Args:
        hashes: of the photos' content, where it is known: photos whose looks are all in the cache are not decoded.
    """
    views = ViewEncoder(backbone, cache, format_of(cache), (View("centre"),), sight)
    return views.encode(in_batches(with_hashes(sources, hashes)))


class TrainingViews:
    """Augmented views of the training photos, as features.

    View v of a photo is always the same picture for the same seed, wherever it comes from: memory, cache or encoder.
    Epoch e uses view ``e % views`` of every photo; with ``views`` = 0 every epoch sees a fresh one.

    Args:
        photos: n photos, or files that are read again whenever they are needed, so that a large folder fits.
        hashes: of their content, as for ``encode_centres``.
        views: stored per photo; 0 streams.
        cache: of views; those that are stored are rounded to the format in which it stores them.
        memory_limit: bytes; stored views that would not fit are streamed too, from the cache where it has them.
        sight: what is encoded of each view.

    Attributes:
        backbone: whose features they are.
        count: views of each photo; 0 where every one is fresh.
        in_memory: whether its views are held in memory.
        format: to which they are rounded: single precision for fresh ones, which take no more memory than a batch.
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
        sight: Sight = ONCE,
    ) -> None:
        self.backbone, self._sight = backbone, sight
        if any(isinstance(photo, EncodedPhoto) for photo in photos):
            views = 1  # features cannot be augmented
        self._photos, self.count, self._seed = with_hashes(photos, hashes), views, seed
        # Fresh views, the paper's, are used once each: storing them would only fill the cache, and rounding them would
        # save nothing.
        self.format = format_of(cache) if views else torch.float32
        self._cache = cache if views else None
        values = len(photos) * views * sight.regions(backbone) * backbone.vision.region_width
        self.in_memory = 0 < values * self.format.itemsize <= memory_limit
        self._memory: list[ImageFeatures] = []  # one entry a view, each of all photos

    def __len__(self) -> int:
        return len(self._photos)

    def encode(self) -> Iterator[int]:
        """Encode the views held in memory, yielding how many of the ``len(self) * views`` are done after each batch."""
        if not self.in_memory:
            return
        done = 0
        for first in range(0, self.count, VIEWS_AT_ONCE):
            parts: dict[int, list[ImageFeatures]] = {
                view: [] for view in range(first, min(first + VIEWS_AT_ONCE, self.count))
            }
            for view, part in zip(cycle(parts), self._encode(parts, self._photos), strict=False):
                parts[view].append(part)
                done += len(part)
                yield done
            self._memory += [ImageFeatures.cat(some) for some in parts.values()]

    def batch(self, indices: Tensor, epoch: int) -> ImageFeatures:
        """Return features of photos as epoch ``epoch`` sees them, in the stored format, on the CPU."""
        view = epoch % self.count if self.count else epoch
        if self.in_memory:
            return self._memory[view][indices]
        return ImageFeatures.cat(list(self._encode([view], [self._photos[i] for i in indices.tolist()])))

    def _encode(self, views: Iterable[int], photos: Sequence[KnownPhoto]) -> Iterator[ImageFeatures]:
        def draws(photo: Photo, view: int) -> np.random.Generator:
            return np.random.default_rng([self._seed, int(photo.sha256[:16], 16), view])

        made = [View(f"augmented {self._seed} {view}", partial(draws, view=view)) for view in views]
        return ViewEncoder(self.backbone, self._cache, self.format, made, self._sight).encode(in_batches(photos))
