"""What whoever starts the app says of its towers. Knows no Streamlit and no torch."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_TOWER = "mini"
"""The one that ships: whoever chooses none has it, and runs that were kept before there was a choice are of it."""


@dataclass(frozen=True)
class TowerOptions:
    """As given on the command line.

    Attributes:
        named: towers on this machine, as ``gallop.backbones.weights.known.named_tower`` takes them.
        memory: bytes that towers may take together; None is half of what the device has.
        downloads: whether visitors may have weights downloaded.
        device: where towers compute, as ``load_backbone`` takes it.
        precision: of the towers on a CPU, as ``load_backbone`` takes it; the one that ships has its own.
        regions: the kind of region features that the towers which have several give unless a visitor chooses another.
    """

    named: tuple[str, ...] = ()
    memory: int | None = None
    downloads: bool = False
    device: str = "auto"
    precision: str = "fp32"
    regions: str = "value"


_given = TowerOptions()


def start_with(options: TowerOptions) -> None:
    """Say it, before the first visitor comes."""
    global _given
    _given = options


def started_with() -> TowerOptions:
    """Return what was said; where nothing was, what that means."""
    return _given
