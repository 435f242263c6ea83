"""Image features, as they are encoded, kept and asked about.

Shapes: B images, R regions, V region width, D joint width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
    """Features of B images, not normalised: ``global_`` (B, D) and ``regions`` (B, R, V).

    ``finer`` are those of a second look at a larger size, with more regions; None where there is one look alone.
    """

    global_: Tensor
    regions: Tensor
    finer: ImageFeatures | None = None

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
        finer = None if self.finer is None else self.finer._each(change)
        return ImageFeatures(change(self.global_), change(self.regions), finer)

    def copied(self) -> ImageFeatures:
        """Return them in memory of their own."""
        return self._each(torch.clone)

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """Those of the first look: the photos' own, and of regions."""
        return self.global_, self.regions

    @property
    def looks(self) -> tuple[ImageFeatures, ...]:
        """Those of each look alone."""
        return (self,) if self.finer is None else (replace(self, finer=None), self.finer)

    @staticmethod
    def of_looks(looks: Sequence[ImageFeatures]) -> ImageFeatures:
        """Return what one or two looks found of the same images, the finer one last."""
        first, *others = looks
        return replace(first, finer=others[0]) if others else first

    @property
    def bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(t.numel() * t.element_size() for look in self.looks for t in look.tensors)

    @property
    def sizes(self) -> tuple[int, ...]:
        """(R, V, D) of the first look."""
        return (*self.regions.shape[1:], *self.global_.shape[1:])

    def split(self, images: int) -> list[ImageFeatures]:
        """Return parts of at most so many images, in order."""
        return [self[start : start + images] for start in range(0, len(self), images)]

    @staticmethod
    def cat(parts: Sequence[ImageFeatures]) -> ImageFeatures:
        """Return all images of the parts, in order; all of them with as many looks."""
        finer = [part.finer for part in parts if part.finer is not None]
        return ImageFeatures(
            torch.cat([p.global_ for p in parts]),
            torch.cat([p.regions for p in parts]),
            ImageFeatures.cat(finer) if finer else None,
        )
