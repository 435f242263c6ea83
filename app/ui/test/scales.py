"""Accuracy at every k without learning anew, and k that are right more often."""

from __future__ import annotations

import streamlit as st

from app.charts import test_charts
from app.ui.resources import backbone
from app.ui.widgets import media
from app.views import testing
from app.views.testing import Tested
from app.visitor.session import Session


def other_scales(session: Session, tested: Tested) -> None:
    """Folded away: nothing of it is worked out before somebody opens it."""
    topk = session.training.scales()
    if not topk:
        return
    words, icon = "Other k", ":material/tune:"
    with st.expander(words, icon=icon, key="k sweep", on_change="rerun") as fold:
        if not fold.open:
            return
        found, now = testing.swept(session, backbone(session.training.tower), tested), tested.evaluation.accuracy
        media.chart(
            test_charts.k_sweep(found.sweep, topk),
            key="accuracy by k",
            alt=f"Right at every k: {test_charts.k_sweep_in_words(found.sweep, topk)}",
        )
        st.caption(
            "One k moved, the others as they stand (rings). Dashed: the same k for all. Nothing is learned anew."
        )
        if found.right == now.right:
            st.markdown(f":material/check: None that was found: {now.right} of {now.of} are right as they stand.")
            return
        words = ", ".join(map(str, found.best))
        st.markdown(f"**k = {words}**: {found.right} of {now.of} right, now {now.right}.")
        can, key = testing.can_use_scales(session), f"use k {session.training.number} {words}"
        args = (session, found.best, tested)
        st.button("Use these k", on_click=testing.use_scales, args=args, key=key, disabled=not can)
        st.caption(
            "Chosen on the test photos, they look better there than they are: test them on others."
            if can
            else "The next training is set to another number of local prompts: set it back on *Teach* first."
        )


def tuned_note(session: Session, tested: Tested) -> None:
    """Beside a figure that k were chosen for."""
    if testing.are_tuned(session, tested):
        st.caption(":material/warning: Its k were chosen on these photos, so the figures are optimistic.")
