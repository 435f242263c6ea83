"""Views of photos through a vision tower, at every size that it looks at, from a cache where they are there.

Shapes: B images.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypeVar

import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.features.cache import Cache, feature_key
from gallop.features.image_features import ImageFeatures
from gallop.images import Photo, load_image
from gallop.runtime.ahead import ahead

BATCH = 16
"""Photos that pass the vision tower together: enough to fill two cores, small enough to show progress."""

READERS = 8
"""The most threads that decode photos for a GPU, which waits for one: that prepares some two hundred a second."""

_CPU = torch.device("cpu")

T = TypeVar("T")
KnownPhoto = tuple[Any, str]
"""A photo, and the hash of its content; empty where it is not known."""
_Prepared = tuple[list[str], list[ImageFeatures | None], list[Tensor]]
"""Of one look of a batch: the keys, what the cache knows of them, and the pixels of the others."""


def with_hashes(sources: Sequence[Any], hashes: Sequence[str] | None) -> list[KnownPhoto]:
    """Return photos with the hashes of their content, as far as those are known."""
    return list(zip(sources, repeat("") if hashes is None else hashes, strict=hashes is not None))


def in_batches(sources: Sequence[T]) -> list[Sequence[T]]:
    """Return a list in parts that pass the tower together."""
    return [sources[start : start + BATCH] for start in range(0, len(sources), BATCH)]


def readers(device: torch.device) -> int:
    """Return threads that decode photos for a tower there: one on a CPU, where the tower wants the cores for itself."""
    return 1 if device.type == "cpu" else min(os.cpu_count() or 1, READERS)


@dataclass(frozen=True)
class Extra:
    """Features of regions that a branch wants beside the backbone's, encoded and cached with these.

    Attributes:
        name: of the features; other numbers have another name, which is part of their key in a cache.
        of: pixels (B, 3, H, W), normalised as the backbone takes them, and (rows, columns) -> (B, R, E).
    """

    name: str
    of: Callable[[Tensor, tuple[int, int]], Tensor]


@dataclass(frozen=True)
class Sight:
    """What is encoded of a photo.

    Attributes:
        times: how many times the input size it is looked at, once for each; the first is 1.
        extras: what is encoded of every look beside the backbone's features.
    """

    times: tuple[float, ...] = (1.0,)
    extras: tuple[Extra, ...] = ()

    def grids(self, backbone: Backbone) -> tuple[tuple[int, int], ...]:
        """Return rows and columns of the regions of each look.

        Raises:
            BackboneError: regions of a size have no place in the backbone's grid.
        """
        return tuple(backbone.grid_at(times) for times in self.times)

    def regions(self, backbone: Backbone) -> int:
        """Return how many regions a photo has in all looks: what its features take in memory goes with them."""
        return sum(rows * columns for rows, columns in self.grids(backbone))


ONCE = Sight()
"""One look, at the backbone's own input size."""


def encode_look(backbone: Backbone, pixels: Tensor, extras: Sequence[Extra] = ()) -> ImageFeatures:
    """Return features of one look, where the backbone is."""
    whole, regions = backbone.encode_image(pixels)
    grid = backbone.grid_at(pixels.shape[-1] / backbone.preprocess.size) if extras else (0, 0)
    more = {extra.name: extra.of(pixels.to(whole.device), grid) for extra in extras}
    return ImageFeatures(whole, regions, extras=more)


def encode_looks(backbone: Backbone, pixels: Sequence[Tensor], sight: Sight = ONCE) -> ImageFeatures:
    """Return features, where the backbone is, of pixels (B, 3, H, W) for each look."""
    return ImageFeatures.of_looks([encode_look(backbone, look, sight.extras) for look in pixels])


@dataclass(frozen=True)
class View:
    """What is seen of any photo.

    Attributes:
        name: for its key.
        pixels: (3, H, W) of a photo with so many times the pixels a side as usual.
    """

    name: str
    pixels: Callable[[Photo, float], Tensor]


@dataclass(frozen=True)
class _Look:
    """One view at one size, which is kept by itself: those of the usual size serve every ``detail``."""

    view: View
    times: float

    @property
    def name(self) -> str:
        return self.view.name if self.times == 1 else f"{self.view.name} times {self.times:g}"

    def pixels(self, photo: Photo) -> Tensor:
        return self.view.pixels(photo, self.times)


@dataclass(frozen=True)
class KeptViews:
    """Views of photos, as they are kept: from the cache where they are there, the rest of a batch in one pass a view.

    Attributes:
        kept: the format.
        views: made of a photo when it is decoded, once for all of them.
    """

    backbone: Backbone
    cache: Cache | None
    kept: torch.dtype
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

    @property
    def _extras(self) -> list[str]:
        return [extra.name for extra in self.sight.extras]

    @property
    def _looks(self) -> list[_Look]:
        """Of one view after the other."""
        return [_Look(view, times) for view in self.views for times in self.sight.times]

    def _prepare(self, sources: Sequence[KnownPhoto]) -> list[_Prepared]:
        looks = self._looks
        prepared: list[_Prepared] = [([], [], []) for _ in looks]
        for source, content in sources:
            known = [self._look_up(content, look) for look in looks] if content else [("", None)]
            if None in (features for _, features in known):
                photo = load_image(source)
                if photo.sha256 != content:  # it was not known, or the file has changed since
                    known = [self._look_up(photo.sha256, look) for look in looks]
            for look, (key, features), (keys, found, missing) in zip(looks, known, prepared, strict=True):
                keys.append(key)
                found.append(features)
                if features is None:
                    missing.append(look.pixels(photo))
        return prepared

    def _look_up(self, content: str, look: _Look) -> tuple[str, ImageFeatures | None]:
        """The key of a look, and what the cache has of it."""
        if self.cache is None:
            return "", None
        key = feature_key(self.backbone, content, "|".join([look.name, *self._extras]), self.kept)
        found = self.cache.get(key)
        if found is None or found.sizes == self.backbone.feature_sizes_of(look.times):
            return key, found
        warnings.warn(f"The features kept as {key} are of another size; they are encoded anew.", stacklevel=2)
        return key, None

    def _finish(self, prepared: _Prepared) -> ImageFeatures:
        keys, found, pixels = prepared
        if pixels:
            encoded = encode_look(self.backbone, torch.stack(pixels), self.sight.extras)
            fresh = iter(encoded.rounded(self.kept).to(_CPU).split(1))
            for i, known in enumerate(found):
                if known is None:
                    features = found[i] = next(fresh)
                    if self.cache is not None:
                        self.cache.put(keys[i], features)
        return ImageFeatures.cat([features for features in found if features is not None])
