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
        self._loaded: dict[str, Backbone] = {}
        self._fingerprints: dict[tuple[str, str], str] = {}

    def get(self, name: str, regions: str) -> Backbone:
        """Return a backbone, loaded if it is not the last one. That one is freed unless something still refers to it.

        Raises:
            BackboneError, UnsupportedBackbone: as ``load_backbone``.
        """
        if name not in self._loaded:
            self._loaded.clear()  # the last one leaves the memory before the next one is loaded
            self._loaded[name] = load_backbone(name, device=self._device)
        return self._loaded[name].with_regions(pick_regions(regions))

    def fingerprint(self, name: str, regions: str) -> str:
        """Return the fingerprint of everything that figures depend on; computed once, with the backbone loaded for it.

        A GPU computes in half precision, text for answers aside, so its figures differ and get another fingerprint.
        """
        if (name, regions) not in self._fingerprints:
            backbone = self.get(name, regions)
            self._fingerprints[name, regions] = f"{backbone.fingerprint}|{backbone.feature_format}"
        return self._fingerprints[name, regions]
