"""The limit as a track from strict to lenient, with what it does to every photo; all of it moves in the browser."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from numpy.typing import NDArray

_HERE = Path(__file__)
_draw = st.components.v2.component(
    "gallop_limit_track",
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
)


def limit_track(
    key: str,
    known: Sequence[float],
    unknown: Sequence[float],
    cuts: NDArray[Any],
    *,
    limit: float,
    moved: Callable[[float], None],
) -> None:
    """Draw it.

    Args:
        known, unknown: the scores of the photos.
        cuts: where the track can stand, the strictest first.
        limit: where it stands; it need be none of these.
        moved: told where a hand has left it: anything from below the strictest to above the most lenient.
    """

    def told() -> dict[str, Any]:
        found: Any = getattr(st.session_state.get(key), "limit", None)
        return found if isinstance(found, dict) else {}

    def heard() -> None:
        value = told().get("value")
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            moved(min(max(float(value), float(cuts[0])), float(cuts[-1])))

    turn = told().get("turn")
    data = {
        "known": sorted(map(float, known)),
        "unknown": sorted(map(float, unknown)),
        "cuts": cuts.tolist(),
        "limit": limit,
        "turn": turn if isinstance(turn, int) else 0,
    }
    _draw(key=key, data=data, on_limit_change=heard)
