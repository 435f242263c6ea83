"""Image features, as they are encoded, kept and asked about.

Shapes: B images, R regions, V region width, D joint width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

STORED_DTYPE = torch.float16
"""The format in which features are kept, in memory and on disk, where a cache says no other.

It rounds a value by up to 5e-4 of it. That moves a step's gradients by 1e-4 of theirs, and those of local prompts by up
to 6e-3, where regions are so alike that another one enters a top-k (with ``mini`` on 100 flowers, 0.2 to 0.5% of them).
A cache that keeps ``torch.float32`` rounds nothing and takes twice the room.
"""


@dataclass(frozen=True)
class ImageFeatures:
    """Features of B images, not normalised: ``global_`` (B, D) and ``regions`` (B, R, V) of the first look at them.

    Attributes:
        more: those of further looks at larger sizes, each with regions of its own.
        extras: further features of this look's regions, (B, R, E) by name, where a branch asks for some.
    """

    global_: Tensor
    regions: Tensor
    more: tuple[ImageFeatures, ...] = ()
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.global_)

    def __getitem__(self, images: slice | Tensor) -> ImageFeatures:
        return self._each(lambda tensor: tensor[images])

    def to(self, device: torch.device) -> ImageFeatures:
        """On a device, in the format they were kept in."""
        on_its_way = device.type != "cpu"  # what comes back from a GPU must be there before it is read
        return self._each(lambda tensor: tensor.to(device, non_blocking=on_its_way))

    def rounded(self, kept: torch.dtype = STORED_DTYPE) -> ImageFeatures:
        """Return the features in the format in which they are kept."""
        return self._each(lambda tensor: tensor.to(kept))

    def _each(self, change: Callable[[Tensor], Tensor]) -> ImageFeatures:
        more, extras = tuple(look._each(change) for look in self.more), {k: change(v) for k, v in self.extras.items()}
        return ImageFeatures(change(self.global_), change(self.regions), more, extras)

    def copied(self) -> ImageFeatures:
        """Return them in memory of their own."""
        return self._each(torch.clone)

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
        """Return what one look or several found of the same images."""
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
        more = [ImageFeatures.cat([part.more[i] for part in parts]) for i in range(len(first.more))]
        extras = {name: torch.cat([part.extras[name] for part in parts]) for name in first.extras}
        whole, regions = torch.cat([p.global_ for p in parts]), torch.cat([p.regions for p in parts])
        return ImageFeatures(whole, regions, tuple(more), extras)
