"""The options that the app was started with. Knows no Streamlit and no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """The options of the command line, except the folder of saved runs.

    Attributes:
        named: backbones on this machine, as ``gallop.backbones.weights.named_backbone`` takes them.
        memory: bytes that backbones may take together; None is half of what the device has.
        downloads: whether visitors may have weights downloaded.
        device: where backbones compute, as ``load_backbone`` takes it.
        precision: of the backbones on a CPU, as ``load_backbone`` takes it; the built-in one always uses fp32.
        regions: the kind of region features that the backbones which have several give unless a visitor chooses
            another.
        keep: seconds that sessions outlive their pages; None is the usual time.
        visitor_memory: bytes that the photos of each visitor may take.
    """

    named: tuple[str, ...] = ()
    memory: int | None = None
    downloads: bool = False
    device: str = "auto"
    precision: str = "fp32"
    regions: str = "value"
    keep: float | None = None
    # More than the photos that fit on all cards and shelves take, with those that an undo brings back.
    visitor_memory: int = 1536 * 2**20


started = Options()
"""Those of this server, which ``app.main`` sets."""
