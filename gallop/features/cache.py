"""Image features, and where they are stored, so that no view of a photo passes the image encoder twice.

A cache maps a key (photo, view, image encoder, number format) to the features of one view. There are two, with the same
two methods: ``FeatureCache`` on disk, for trainings that are repeated, and ``MemoryCache``, for an app that must not
write its visitors' photos to disk.

Shapes: B images, R regions, V region width, D joint width.
"""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gallop.backbones import Backbone
from gallop.runtime.writing import clear_drafts, write_quickly

STORED_DTYPE = torch.float16
"""The format in which features are stored, in memory and on disk, unless a cache names another.

It rounds a value by up to 5e-4 of it. That moves a step's gradients by 1e-4 of theirs, and those of local prompts by up
to 6e-3, where regions are so alike that another one enters a top-k (with ``mini`` on 100 flowers, 0.2 to 0.5% of them).
In small batches that is more: with ViT-B/16, four photos a step, one such region moved the change of five steps by 13%.
A cache that stores ``torch.float32`` rounds nothing and takes twice the room. Fresh views, with which the preset
"paper" trains, are not stored and not rounded.
"""

DEFAULT_CACHE_BYTES = 4 * 2**30
DEFAULT_MEMORY_BYTES = 2 * 2**30


@dataclass(frozen=True)
class ImageFeatures:
    """Features of B images, not normalised: ``global_`` (B, D) and ``regions`` (B, R, V) of the first look at them.

    Attributes:
        more: those of further looks at larger sizes, each with its regions.
        extras: further features of this look's regions, (B, R, E) by name, where a branch asks for some.
    """

    global_: Tensor
    regions: Tensor
    more: tuple[ImageFeatures, ...] = ()
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.global_)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in self.tensors.items())
        return f"ImageFeatures({shapes}, {self.global_.dtype}, looks: {len(self.looks)})"

    def __getitem__(self, images: slice | Tensor) -> ImageFeatures:
        return self.each(lambda tensor: tensor[images])

    def to(self, device: torch.device) -> ImageFeatures:
        """On a device, in the format they were stored in."""
        on_its_way = device.type != "cpu"  # what comes back from a GPU must be there before it is read
        return self.each(lambda tensor: tensor.to(device, non_blocking=on_its_way))

    def rounded(self, dtype: torch.dtype = STORED_DTYPE) -> ImageFeatures:
        """Return the features in the format in which they are stored."""
        return self.each(lambda tensor: tensor.to(dtype))

    def each(self, change: Callable[[Tensor], Tensor]) -> ImageFeatures:
        """Return the features with a change made to every tensor."""
        return ImageFeatures(
            change(self.global_),
            change(self.regions),
            more=tuple(look.each(change) for look in self.more),
            extras={name: change(extra) for name, extra in self.extras.items()},
        )

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Those of the first look by name: ``global``, ``regions`` and the extras."""
        return {"global": self.global_, "regions": self.regions, **dict(sorted(self.extras.items()))}

    @property
    def looks(self) -> tuple[ImageFeatures, ...]:
        """Those of each look alone."""
        return (replace(self, more=()), *self.more) if self.more else (self,)

    @staticmethod
    def of_looks(looks: Sequence[ImageFeatures]) -> ImageFeatures:
        """Return the features of one look or several at the same images."""
        first, *more = looks
        return replace(first, more=tuple(more)) if more else first

    @property
    def bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(t.numel() * t.element_size() for look in self.looks for t in look.tensors.values())

    @property
    def sizes(self) -> tuple[int, ...]:
        """(R, V, D) of the first look."""
        return (*self.regions.shape[1:], *self.global_.shape[1:])

    def split(self, images: int) -> list[ImageFeatures]:
        """Return parts of at most so many images, in order."""
        return [self[start : start + images] for start in range(0, len(self), images)]

    @staticmethod
    def cat(parts: Sequence[ImageFeatures]) -> ImageFeatures:
        """Return all images of the parts, in order; all of them with as many looks and the same extras."""
        first = parts[0]
        return ImageFeatures(
            torch.cat([part.global_ for part in parts]),
            torch.cat([part.regions for part in parts]),
            more=tuple(ImageFeatures.cat([part.more[i] for part in parts]) for i in range(len(first.more))),
            extras={name: torch.cat([part.extras[name] for part in parts]) for name in first.extras},
        )


class Cache(Protocol):
    """What is asked of a cache; a key is what ``feature_key`` gives.

    Attributes:
        dtype: the format in which it stores features.
    """

    dtype: torch.dtype

    def get(self, key: str) -> ImageFeatures | None:
        """Return the features of one look at one view (B = 1) in that format, or None."""

    def put(self, key: str, features: ImageFeatures) -> None:
        """Store one view (B = 1), in that format, if there is room."""


def feature_key(backbone: Backbone, content: str, view: str, dtype: torch.dtype = STORED_DTYPE) -> str:
    """Return text that differs with content, image encoder, view, and how features are computed and stored."""
    text = f"{content}|{view}|{backbone.preprocess.key()}|{dtype}"
    if backbone.feature_format != "fp32":
        text += f"|{backbone.feature_format}"
    return f"{backbone.vision_fingerprint[:16]}/{hashlib.sha256(text.encode()).hexdigest()[:40]}"


class FeatureCache:
    """Features of single views on disk, each in a file that is mapped into memory when read.

    Finite features alone are written, and beside them a checksum over their key and their bytes. An entry that does not
    match its checksum is damaged: it is ignored, encoded again and replaced. The first one is named in a warning.

    Args:
        root: folder; made when first written. ``default_cache_folder()`` is the usual one.
        max_bytes: nothing more is written above this size; what does not fit is computed again when needed.
        dtype: ``torch.float16``, or ``torch.float32`` for what a training must not round; one folder may hold both.
    """

    def __init__(self, root: Path, max_bytes: int = DEFAULT_CACHE_BYTES, dtype: torch.dtype = STORED_DTYPE) -> None:
        self.root = Path(root)
        self.max_bytes = max_bytes
        self.dtype = dtype
        self.full = False  # the last view that it was given did not fit, or the disk refused it
        for folder in self.root.glob("*/"):
            clear_drafts(folder)
        self._bytes = sum(_size(file) for file in self.root.glob("*/*.safetensors"))
        self._damaged = False
        self._refused = False

    def path(self, key: str) -> Path:
        """Return the file of a view."""
        return self.root / f"{key}.safetensors"

    def get(self, key: str) -> ImageFeatures | None:
        """Return the features of one view (B = 1), or None, as for a damaged file."""
        path = self.path(key)
        try:
            if not path.is_file():  # opening a pipe would wait for ever
                return None
            with safe_open(path, framework="pt") as file:
                written = (file.metadata() or {}).get(_CHECKSUM)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            features = ImageFeatures(tensors.pop("global"), tensors.pop("regions"), extras=tensors)
            if _checksum(key, features) == written:
                return features
        except FileNotFoundError:  # another process has just cleared the cache
            return None
        except (OSError, SafetensorError, KeyError):
            pass
        if not self._damaged:
            self._damaged = True
            warnings.warn(
                f"The cached features {path} are damaged. They are encoded again, and so are any others that are "
                "damaged.",
                stacklevel=2,
            )
        return None

    def put(self, key: str, features: ImageFeatures) -> None:
        """Store one view, unless the cap is reached or the disk refuses (one warning): no cache stops a training."""
        stored, path = features.rounded(self.dtype), self.path(key)
        room = self.max_bytes - self._bytes + _size(path)
        self.full = self._refused or stored.bytes > room
        # A sum is not finite where one of its terms is not; to check each term takes ten times as long.
        finite = all(bool(torch.isfinite(t.sum(dtype=torch.float32))) for t in stored.tensors.values())
        if self.full or not finite:  # half precision may overflow
            return
        tensors = {name: tensor.contiguous() for name, tensor in stored.tensors.items()}
        try:
            write_quickly(path, save(tensors, metadata={_CHECKSUM: _checksum(key, stored)}))
        except OSError as error:
            self._refused = self.full = True
            warnings.warn(
                f"No more features are cached in {self.root} ({error.strerror}), so they are encoded again each time. "
                "Free some space there, or set GALLOP_CACHE to a different folder.",
                stacklevel=2,
            )
            return
        self._bytes = self.max_bytes - room + stored.bytes


_CHECKSUM = "crc32"
"""Of the key and of all tensors' bytes: against decay, not against forgers. It takes 0.1 ms a view."""


def _checksum(key: str, features: ImageFeatures) -> str:
    checksum = zlib.crc32(key.encode())
    for tensor in features.tensors.values():
        checksum = zlib.crc32(tensor.contiguous().view(torch.uint8).numpy().data, checksum)
    return f"{checksum:08x}"


class MemoryCache:
    """Features of single views in memory; above ``max_bytes`` the least recently used are dropped. Thread-safe.

    One cache may serve many classifiers, such as those of all visitors of an app. It is lost with the process.

    Attributes:
        bytes: of all that it holds.
    """

    def __init__(self, max_bytes: int = DEFAULT_MEMORY_BYTES, dtype: torch.dtype = STORED_DTYPE) -> None:
        self.max_bytes = max_bytes
        self.dtype = dtype
        self._views: OrderedDict[str, ImageFeatures] = OrderedDict()  # the least recently used first
        self.bytes = 0
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: object) -> MemoryCache:
        # A store, not a value: scikit-learn's clone copies a classifier's settings, and the copy uses the same store.
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return MemoryCache, (self.max_bytes, self.dtype)  # empty: another process has a separate store

    def __len__(self) -> int:
        return len(self._views)

    def get(self, key: str) -> ImageFeatures | None:
        """Return the features of one view (B = 1), or None."""
        with self._lock:
            features = self._views.get(key)
            if features is not None:
                self._views.move_to_end(key)
            return features

    def put(self, key: str, features: ImageFeatures) -> None:
        """Store one view as the one used last; a view larger than the cache is not stored."""
        # A row of a batch would hold the entire batch in memory.
        copy = features.each(lambda tensor: tensor.to(self.dtype, copy=True))
        with self._lock:
            self._drop(key)
            if copy.bytes > self.max_bytes:
                return
            self._views[key] = copy
            self.bytes += copy.bytes
            while self.bytes > self.max_bytes:
                self._drop(next(iter(self._views)))

    def _drop(self, key: str) -> None:
        """Remove one view; the caller holds the lock."""
        gone = self._views.pop(key, None)
        if gone is not None:
            self.bytes -= gone.bytes


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # another process has just cleared the cache
        return 0


def open_cache(where: str | os.PathLike[str] | bool | Cache | None) -> Cache | None:
    """Return the cache in a folder; in the default one for None or True; None for False; a cache as it is."""
    if where is False:
        return None
    if where is None or where is True:
        return FeatureCache(default_cache_folder())
    return FeatureCache(Path(where)) if isinstance(where, str | os.PathLike) else where


def format_of(cache: Cache | None) -> torch.dtype:
    """Return the format in which features are stored, with a cache or without one."""
    return STORED_DTYPE if cache is None else cache.dtype


def default_cache_folder() -> Path:
    """Return ``$GALLOP_CACHE``, or ``gallop/features`` in the user's cache folder."""
    if chosen := os.environ.get("GALLOP_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gallop" / "features"
