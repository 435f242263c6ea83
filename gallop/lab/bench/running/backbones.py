"""The backbones of a benchmark: each loaded when a run first needs it, one in memory at a time."""

from __future__ import annotations

from gallop.backbones import Backbone, load_backbone, pick_regions


class Backbones:
    """Backbones by name and kind of region features.

    Args:
        device: as ``load_backbone`` takes it.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._loaded: dict[tuple[str, str], Backbone] = {}  # of one name, by kind; they share their weights
        self._fingerprints: dict[tuple[str, str], str] = {}

    def get(self, name: str, regions: str) -> Backbone:
        """Return a backbone, loaded where the last one was another; whoever still holds that one keeps it in memory.

        Raises:
            BackboneError, UnsupportedBackbone: as ``load_backbone``.
        """
        if name not in {loaded for loaded, _ in self._loaded}:
            self._loaded.clear()  # the last one leaves the memory before the next one is loaded
            found = load_backbone(name, device=self._device)
            self._loaded[name, found.region_kind] = found
        if (name, regions) not in self._loaded:
            self._loaded[name, regions] = next(iter(self._loaded.values())).with_regions(pick_regions(regions))
        return self._loaded[name, regions]

    def fingerprint(self, name: str, regions: str) -> str:
        """Return the fingerprint of everything that figures depend on; computed once, with the backbone loaded for it.

        A GPU computes in half precision, text for answers aside, so its figures are of its own.
        """
        if (name, regions) not in self._fingerprints:
            found = self.get(name, regions)
            other = "" if found.feature_format == "fp32" else f"|{found.feature_format}, text fp32"
            self._fingerprints[name, regions] = found.fingerprint + other
        return self._fingerprints[name, regions]
