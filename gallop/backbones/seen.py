"""A second look at a photo at a larger size (``detail``), as another view of the same backbone."""

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
    if detail == backbone.detail:
        return backbone
    own = backbone._base if isinstance(backbone, _Seen) else backbone
    if detail == own.detail:
        return own
    key = id(own), detail
    found = _made.get(key)
    if found is None:
        _made[key] = found = _Seen(own, detail)
    return found


class _Seen(Backbone):
    """Another view of a backbone: all but ``detail`` is that one's own."""

    def __init__(self, base: Backbone, detail: float) -> None:
        closer_grid(base.vision.grid, detail)
        self._base = base
        self.detail = detail

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return with_detail, (self._base, self.detail)

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
        return with_detail(self._base.copy_on(device), self.detail)

    def with_regions(self, kind: RegionKind) -> Backbone:
        """Return the same view of towers with region features of a kind."""
        return with_detail(self._base.with_regions(kind), self.detail)


_made: WeakValueDictionary[tuple[int, float], _Seen] = WeakValueDictionary()
"""By backbone and detail; each holds its backbone, whose id is its own as long."""
