"""The answer for one photo: the explainer, what is said of none of these, and what teaching changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import text
from app.charts import score_charts
from app.ui.widgets import media
from app.ui.widgets.explainer import explainer
from app.visitor.session import Session
from gallop.maps.photo import photo_url

if TYPE_CHECKING:
    from gallop import Explanation


def show_answer(session: Session, found: Explanation, before: Explanation | None, photo: str, note: str) -> None:
    """The photo explained: its map, the most probable class and the probabilities.

    Args:
        found: at the model's own scales; so is ``before``, the same before teaching.
        photo: content hash.
        note: how the limit for none of these came about.
    """
    explainer(found, before, photo=photo, picture=session_photo_url(session, found))
    _limit(found, note)
    if len(found.class_names) == 1:
        st.caption("With one class there is nothing to choose between. Name a second one.")


def session_photo_url(session: Session, explanation: Explanation) -> str:
    """The photo for the grids, made once: a browser that has it does not load it again."""
    return session.answers.picture(explanation, "photo", lambda: photo_url(explanation))


def change(session: Session, before: Explanation, after: Explanation) -> None:
    """What teaching changed for this photo, and for those it learned from."""
    taught = session.training.taught
    assert taught is not None
    st.header("What teaching changed", anchor=False)
    left, right = st.columns([1, 2], gap="large")
    with left:
        best = after.label
        was, now = before.probabilities[best], after.probabilities[best]
        st.metric(
            f"This photo is {text.markdown(best)}",
            text.percent(now),
            f"{100 * (now - was):+.1f} points on zero-shot",
            help="Zero-shot: before anything was learned.",
        )
        unseen = bool(taught.on_tests.photos)
        score = taught.on_tests if unseen else taught.on_shots
        if score.before is not None and score.after is not None:
            gain = 100 * (score.after - score.before)
            which = "test photos" if unseen else "photos it learned from"
            st.metric(f"Right on the {score.photos} {which}", f"{score.after:.0%}", f"{gain:+.0f} points on zero-shot")
            if not unseen:
                st.caption("It has seen these photos: to judge it, show it others.")
    with right:
        figure = score_charts.before_after(before.probabilities, after.probabilities)
        alt = f"Before: {_in_words(before.probabilities)} After: {_in_words(after.probabilities)}"
        media.chart(figure, key="change", alt=alt)


def _limit(explanation: Explanation, note: str) -> None:
    """What there is to say of the limit for none of these beside its number, which stands with the answer."""
    if explanation.threshold is None:
        st.caption("Whether it is none of these cannot be said yet: the limit for that is found while teaching.")
    elif note:
        st.caption(f"{text.markdown(note[0].upper() + note[1:])}.")


def _in_words(found: dict[str, float]) -> str:
    names = score_charts.strongest(found)
    return ", ".join(f"{text.shorten(name)} {text.percent(found[name])}" for name in names) + "."
