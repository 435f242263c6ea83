"""What all visitors share: the frozen backbone and the job manager; and the way to a visitor's own session."""

from __future__ import annotations

from typing import Any

import streamlit as st

from jobs import JobManager
from session import Session

BACKBONE = "mini"


class BackboneProblem(Exception):
    """The model cannot be loaded; the message says why and what to do."""


@st.cache_resource(max_entries=2, show_spinner="Loading the model, a few seconds the first time …")
def backbone(name: str = BACKBONE) -> Any:
    """A frozen backbone, loaded once for all visitors.

    Raises:
        BackboneProblem: its weights are missing or do not fit.
    """
    from gallop.backbones import BackboneError, UnsupportedTower, load_backbone

    try:
        return load_backbone(name)
    except (BackboneError, UnsupportedTower) as error:
        raise BackboneProblem(str(error)) from error


@st.cache_resource(show_spinner=False)
def jobs() -> JobManager:
    """One worker for the one processor; a second visitor's training waits."""
    return JobManager()


def session() -> Session:
    if "session" not in st.session_state:
        st.session_state["session"] = Session()
    found: Session = st.session_state["session"]
    return found
