"""What a visitor is told once, by the next page that has the place for it. Knows no Streamlit and no torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal


class Where(Enum):
    """Places on the screen."""

    CARDS = auto()
    CORRECTION = auto()
    OPENED = auto()
    NEXT = auto()
    RUNS = auto()
    MODELS = auto()
    TOWERS = auto()
    PROJECT = auto()


@dataclass(frozen=True)
class Notice:
    """How an action went, as a sentence."""

    kind: Literal["success", "info", "error"]
    words: str
