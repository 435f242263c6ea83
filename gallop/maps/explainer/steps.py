"""What the steps of the method show of one photo: what an explainer holds, and how photo and prompts came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gallop.images import CropBox


@dataclass(frozen=True)
class Origins:
    """What an explanation does not tell of itself.

    Attributes:
        side: pixels of the square that the tower gets.
        templates: the words that prompts say, with ``{}`` for the name; none where prompts were learned.
        tokens: vectors of a learned prompt.
        kept: global prompts that take part for each photo while prompts are learned.
        notes: by step ("regions", "prompts", "cosines", "learning") a sentence more.
        notebooks: by the title of a step, the name and the address of what builds it in code.
    """

    side: int
    templates: Sequence[str] = ()
    tokens: int = 4
    kept: int = 1
    notes: Mapping[str, str] = field(default_factory=dict)
    notebooks: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def steps_data(shown: Mapping[str, Any], size: tuple[int, int], crop: CropBox, origins: Origins) -> dict[str, Any]:
    """Return everything that the steps show.

    Args:
        shown: what ``explainer_data`` made; where its ``stands`` stand, the steps begin.
        size: of the photo, width and height.
        crop: what the model saw, in the photo's pixels.
    """
    across, down = crop.right - crop.left, crop.bottom - crop.top
    method = {
        "pixels": list(size),
        "side": origins.side,
        "cut": [crop.left, crop.top, crop.right, crop.bottom],
        "squeezed": across == size[0] and down == size[1] and across != down,
        "texts": list(origins.templates) or None,
        "tokens": origins.tokens,
        "kept": origins.kept,
        "notes": {step: origins.notes.get(step, "") for step in ("regions", "prompts", "cosines", "learning")},
        "notebooks": {step: list(named) for step, named in origins.notebooks.items()},
    }
    return {**shown, "method": method}
