"""The answer for one photo: what the model saw, the probabilities of each branch, and none of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import text
from app.charts import score_charts
from app.ui.widgets import media
from app.ui.widgets.region_grid import asked, region_grid
from app.visitor.session import Session
from gallop.maps.photo import photo_url
from gallop.maps.region_grid import panel

if TYPE_CHECKING:
    from gallop import Explanation


def show_answer(session: Session, explanation: Explanation, note: str) -> None:
    """The photo, the most probable class and the probabilities."""
    left, right = st.columns(2)
    with left:
        shown = panel.answer_panel(
            explanation, selected=asked(explanation.grid), photo=session_photo_url(session, explanation)
        )
        region_grid(shown, key="photo grid")
        if _cropped(explanation):
            st.caption("The bright part is what the model sees.")
        if asked(explanation.grid) is not None:
            st.caption("More about this region below, under *Ask a region*.")
    with right:
        found = explanation.probabilities
        best = explanation.label
        st.metric("Most probable", f"{text.markdown(best)}: {text.percent(found[best])}")
        _verdict(explanation, note)
        branches = {"ensemble": found, "global prompts": explanation.global_probabilities}
        if explanation.local_probabilities is not None:
            branches["local prompts"] = explanation.local_probabilities
        alt = " ".join(f"{label}: {_in_words(shares)}" for label, shares in branches.items())
        media.chart(score_charts.branches(branches), key="probabilities", alt=f"Bars of the probabilities. {alt}")
        if len(found) > score_charts.MOST_GROUPS:
            st.caption(f"The {score_charts.MOST_GROUPS} most probable of {len(found)} classes.")
        if len(found) == 1:
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


def _verdict(explanation: Explanation, note: str) -> None:
    """None of these, or not, or why that cannot be said."""
    threshold, out = explanation.threshold, explanation.is_ood
    if threshold is None or out is None:
        st.caption(
            f"Of the {len(explanation.class_names)} names on the list. Whether it is none of these cannot be said yet: "
            "the limit for that is found while teaching."
        )
        return
    scores = f"outlier score {explanation.ood_score:.3f}, limit {threshold:.3f}"
    more = f" {text.markdown(note[0].upper() + note[1:])}." if note else ""
    if out:
        st.warning(f"Perhaps none of these: {scores}.{more}", icon=":material/help:")
    else:
        st.caption(f":material/check: It is one of these, by its {scores}.{more}")


def _cropped(explanation: Explanation) -> bool:
    crop, (width, height) = explanation.crop, explanation.image.size
    return crop.left > 1 or crop.top > 1 or crop.right < width - 1 or crop.bottom < height - 1


def _in_words(found: dict[str, float]) -> str:
    names = score_charts.strongest(found)
    return ", ".join(f"{text.shorten(name)} {text.percent(found[name])}" for name in names) + "."
