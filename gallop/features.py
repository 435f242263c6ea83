"""Image features, how they are extracted, and where they are kept.

The image side is frozen, so a photo (or one augmented view of it) is encoded once: in memory while training, and on
disk keyed by the photo's content, the backbone, the view and the number format.

Shapes: B images, R regions, V region width, D joint width.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gallop.backbones import Backbone, CropBox
from gallop.images import Photo, load_image

BATCH = 16
"""Photos that pass the vision tower together: enough to fill two cores, small enough to show progress."""

KEPT = torch.float16
"""The format in which features are kept, in memory and on disk."""

DEFAULT_CACHE_BYTES = 4 * 2**30
DEFAULT_MEMORY_BYTES = 2 * 2**30


@dataclass(frozen=True)
class ImageFeatures:
    """Features of B images, not normalised: ``global_`` (B, D) and ``regions`` (B, R, V)."""

    global_: Tensor
    regions: Tensor

    def __len__(self) -> int:
        return len(self.global_)

    def __getitem__(self, images: slice | Tensor) -> ImageFeatures:
        return ImageFeatures(self.global_[images], self.regions[images])

    def to(self, device: torch.device) -> ImageFeatures:
        """In fp32 on a device, whatever the format they were kept in."""
        return ImageFeatures(
            self.global_.to(device, torch.float32, non_blocking=True),
            self.regions.to(device, torch.float32, non_blocking=True),
        )

    def half(self) -> ImageFeatures:
        """As they are kept: rounding is 5e-4 of a value, and they take half the room."""
        return ImageFeatures(self.global_.to(KEPT), self.regions.to(KEPT))

    @staticmethod
    def cat(parts: Sequence[ImageFeatures]) -> ImageFeatures:
        """All images of the parts, in order."""
        return ImageFeatures(torch.cat([p.global_ for p in parts]), torch.cat([p.regions for p in parts]))


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


def _encode(backbone: Backbone, pixels: Sequence[Tensor]) -> ImageFeatures:
    whole, regions = backbone.encode_image(torch.stack(list(pixels)))
    return ImageFeatures(whole.cpu(), regions.cpu())


class FeatureCache:
    """Features of single views on disk, in half precision (rounding is 5e-4 of a value).

    Args:
        root: folder; made when first written. ``default_cache_folder()`` is the usual one.
        max_bytes: nothing more is written above this size; what does not fit is computed again when needed.
    """

    dtype = KEPT

    def __init__(self, root: Path, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self.root = Path(root)
        self.max_bytes = max_bytes
        self._bytes = sum(_size(file) for file in self.root.glob("*/*.safetensors"))

    def path(self, backbone: Backbone, photo: Photo, view: str) -> Path:
        """Where a view of a photo is kept; differs with content, vision tower, view, number format and device."""
        text = f"{photo.sha256}|{view}|{backbone.preprocess.key()}|{self.dtype}"
        if backbone.device.type != "cpu":  # its towers run in another precision
            text += f"|{backbone.device.type}"
        return (
            self.root
            / backbone.vision_fingerprint[:16]
            / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.safetensors"
        )

    def get(self, path: Path) -> ImageFeatures | None:
        """The features of one view (B = 1), or None; a damaged file counts as none."""
        try:
            tensors = load_file(path)
            return ImageFeatures(tensors["global"], tensors["regions"])
        except (OSError, SafetensorError, KeyError):
            return None

    def put(self, path: Path, features: ImageFeatures) -> None:
        """Keep one view, unless the cap is reached or the disk refuses (a cache must never stop a training)."""
        kept = features.half()
        tensors = {"global": kept.global_.contiguous(), "regions": kept.regions.contiguous()}
        size = sum(t.numel() * t.element_size() for t in tensors.values())
        if self._bytes + size > self.max_bytes:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent) as staging:  # leaves nothing behind on a full disk
                save_file(tensors, Path(staging, path.name))
                os.replace(Path(staging, path.name), path)
        except (OSError, SafetensorError):
            return
        self._bytes += size


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # another process has just cleared the cache
        return 0


def open_cache(where: str | os.PathLike[str] | bool | None) -> FeatureCache | None:
    """The cache in a folder; in ``default_cache_folder()`` for None or True; none at all for False."""
    if where is False:
        return None
    return FeatureCache(default_cache_folder() if where is None or where is True else Path(where))


def default_cache_folder() -> Path:
    """``$GALLOP_CACHE``, or ``gallop/features`` in the user's cache folder."""
    chosen = os.environ.get("GALLOP_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gallop" / "features"


class TrainingViews:
    """Augmented views of the training photos, as features.

    View v of a photo is always the same picture for the same seed, wherever it comes from: memory, disk or the tower.
    Epoch e uses view ``e % views`` of every photo; with ``views`` = 0 every epoch sees a fresh one.

    Args:
        photos: n photos, or files that are read again whenever they are needed, so that a large folder fits.
        views: kept per photo; 0 streams.
        memory_limit: bytes; kept views that would not fit are streamed too, from the disk cache where it has them.
    """

    def __init__(
        self,
        backbone: Backbone,
        photos: Sequence[Photo | Path],
        *,
        views: int,
        seed: int,
        cache: FeatureCache | None = None,
        memory_limit: int = DEFAULT_MEMORY_BYTES,
    ) -> None:
        self._backbone, self._photos, self._views, self._seed, self._cache = backbone, photos, views, seed, cache
        rows, columns = backbone.vision.grid
        values = len(photos) * views * rows * columns * backbone.vision.region_width
        self.kept = 0 < values * FeatureCache.dtype.itemsize <= memory_limit
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
        """One view of the chosen photos: from disk where it is there, the rest through the tower in one pass."""
        photos = [load_image(self._photos[i]) for i in chosen]
        paths = [self._path(photo, view) for photo in photos]
        found = [self._cache.get(path) if self._cache and path else None for path in paths]
        missing = [i for i, features in enumerate(found) if features is None]
        if missing:
            pixels = [self._backbone.preprocess.augment(photos[i].image, self._rng(photos[i], view)) for i in missing]
            half = _encode(self._backbone, pixels).half()
            for row, i in enumerate(missing):
                found[i] = half[row : row + 1]
                path = paths[i]
                if self._cache and path:
                    self._cache.put(path, half[row : row + 1])
        return ImageFeatures.cat([features for features in found if features is not None])

    def _path(self, photo: Photo, view: int) -> Path | None:
        # Fresh views are used once each: keeping them would only fill the disk.
        if self._cache is None or self._views == 0:
            return None
        return self._cache.path(self._backbone, photo, f"augmented {self._seed} {view}")

    def _rng(self, photo: Photo, view: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, int(photo.sha256[:16], 16), view])
