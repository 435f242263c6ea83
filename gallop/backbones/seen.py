"""What of a photo towers give beside its own regions: those of a second look at a larger size (``detail``), and the
cells of which they make their regions (``cells``).
"""

from __future__ import annotations

from typing import Any, SupportsIndex
from weakref import WeakValueDictionary

from gallop.backbones.clip import Backbone
from gallop.backbones.vision import closer_grid
from gallop.config import RegionKind


def with_detail(backbone: Backbone, detail: float) -> Backbone:
    """Return the same towers with a second look at ``detail`` times the size; 1 takes it away.

    The same object as long as somebody has it. Weights are shared, those that are let go and come back as well.

    Raises:
        BackboneError: regions of this size have no place in the tower's grid.
    """
    return seeing(backbone, detail, backbone.cells)


def seeing(backbone: Backbone, detail: float, cells: bool) -> Backbone:
    """Return the same towers as ``with_detail`` does, with features that have cells beside the regions, or without.

    A tower that has none gives none (``gallop.backbones.vision.cells``).

    Raises:
        BackboneError: as ``with_detail``.
    """
    if (detail, cells) == (backbone.detail, backbone.cells):
        return backbone
    own = backbone._base if isinstance(backbone, _Seen) else backbone
    if (detail, cells) == (own.detail, own.cells):
        return own
    key = id(own), detail, cells
    found = _made.get(key)
    if found is None:
        _made[key] = found = _Seen(own, detail, cells)
    return found


class _Seen(Backbone):
    """Another view of a backbone: all but ``detail`` and ``cells`` is that one's own."""

    def __init__(self, base: Backbone, detail: float, cells: bool) -> None:
        closer_grid(base.vision.grid, detail)
        self._base = base
        self.detail, self.cells = detail, cells

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return seeing, (self._base, self.detail, self.cells)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_base" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._base, name)

    @property
    def fingerprint(self) -> str:
        """Of the weights: what is seen of a photo changes none."""
        return self._base.fingerprint

    @property
    def vision_fingerprint(self) -> str:
        """Of the vision tower's weights."""
        return self._base.vision_fingerprint

    @property
    def loaded(self) -> bool:
        """Whether it has its weights."""
        return self._base.loaded

    def let_go(self) -> None:
        """Drop the weights of both."""
        self._base.let_go()

    def take_weights(self, other: Backbone) -> None:
        """Take those of another backbone for both."""
        self._base.take_weights(other)

    def to(self, device: Any) -> Backbone:
        """Move both; returns self."""
        self._base.to(device)
        return self

    def copy_on(self, device: Any) -> Backbone:
        """Return the same towers on another device, which give the same of a photo."""
        return seeing(self._base.copy_on(device), self.detail, self.cells)

    def with_regions(self, kind: RegionKind) -> Backbone:
        """Return the same view of towers with region features of a kind."""
        return seeing(self._base.with_regions(kind), self.detail, self.cells)


_made: WeakValueDictionary[tuple[int, float, bool], _Seen] = WeakValueDictionary()
"""By backbone, detail and cells; each holds its backbone, whose id is its own as long."""
