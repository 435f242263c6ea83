"""Whatever goes wrong on a page that a person can be told of: a sentence, and the rest of the page goes on."""

from __future__ import annotations

from types import TracebackType

import streamlit as st

from app import text
from app.towers.problems import TowerLoading, TowerProblem
from app.ui.resources import towers
from gallop.errors import sentence_of

_POLL_SECONDS = 0.5
_HALF_WAY = 5.0
"""Seconds after which the bar of a tower that is loaded stands in the middle: nothing tells how long it will take."""


class ProblemsTold:
    """Tell what goes wrong inside, on this place of the page; a tower that is loaded is watched till it is there."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, TowerLoading):
            _watched(error.tower)
            return True
        sentence = sentence_of(error) if isinstance(error, Exception) else None
        if sentence is None:
            return False
        st.error(text.markdown(sentence), icon=":material/error:")
        if isinstance(error, TowerProblem) and error.tower:
            again, name = towers().try_again, error.tower
            st.button("Try again", key=f"try again {name}", on_click=again, args=(name,), icon=":material/refresh:")
        return True


def _watched(name: str) -> None:
    @st.fragment(run_every=_POLL_SECONDS)
    def look() -> None:
        if not towers().busy(name):
            st.rerun()
        standing = towers().standing(name)
        seconds = standing.seconds or 0.0
        st.progress(seconds / (seconds + _HALF_WAY), text=text.markdown(standing.sentence))

    look()
