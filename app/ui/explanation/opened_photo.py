"""One photo of the test, opened: its answer, and the maps of what decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import text
from app.charts import score_charts
from app.ui.explanation.answer import session_photo_url
from app.ui.explanation.ask import alone
from app.ui.resources import backbone
from app.ui.widgets import media
from app.ui.widgets.region_grid import asked, region_grid
from app.ui.widgets.remembered import one_of_few
from app.views import testing
from app.visitor.page_state import TestState
from app.visitor.session import Session
from gallop import Photo
from gallop.maps.look import Subject, scale_of
from gallop.maps.region_grid.panel import answer_panel, map_panel

if TYPE_CHECKING:
    from gallop import Explanation

SAID, REALLY, DIFFERENCE = "What it said", "What it is", "The first minus the second"


def show_opened(session: Session, photo: Photo, *, really: str) -> None:
    """Draw it. ``really`` is the class it has."""
    tower, question = backbone(session.training.tower), testing.taught_question(session)
    found = session.answers.explain(tower, photo, question).with_topk(session.training.scales())
    region = asked(found.grid)
    left, right = st.columns([1, 3], gap="large")
    with left:
        region_grid(answer_panel(found, selected=region, photo=session_photo_url(session, found)), key="opened photo")
        if region is not None:
            st.caption(alone(found, region))
        said, name = found.label, text.markdown(really)
        verdict = (
            f"It said **{text.markdown(said)}** ({text.percent(found.probabilities[said])}), and that is right."
            if said == really
            else f"It said **{text.markdown(said)}** ({text.percent(found.probabilities[said])}); it is **{name}** "
            f"({text.percent(found.probabilities[really])})."
        )
        st.markdown(verdict)
        if found.is_ood:
            st.warning("By its outlier score perhaps none of these.", icon=":material/help:")
        listed = ", ".join(f"{text.shorten(n)} {text.percent(found.probabilities[n])}" for n in _best(found))
        media.chart(
            score_charts.probabilities(found.probabilities), key="opened", alt=f"Bars of the probabilities: {listed}."
        )
    with right:
        _maps(session, found, really, region)


def _best(found: Explanation) -> list[str]:
    return score_charts.strongest(found.probabilities)


def _maps(session: Session, found: Explanation, really: str, region: int | None) -> None:
    """A map for each local prompt: of the answer, of the true class, or what speaks for one against the other."""
    if not found.topk:
        st.caption("Without local prompts there are no maps.")
        return
    subject, minus = Subject(found, found.label), None
    if found.label != really:
        which = one_of_few("Maps of", [SAID, REALLY, DIFFERENCE], TestState.maps, SAID)
        if which == REALLY:
            subject = Subject(found, really)
        elif which == DIFFERENCE:
            minus = Subject(found, really)
    of = text.markdown(subject.class_name)
    st.markdown(
        f"**Where it looked for {of}**, the k best regions outlined"
        if minus is None
        else f"**{of} minus {text.markdown(really)}**: orange regions speak for the first, violet ones for the second"
    )
    prompts = range(len(found.topk))
    scale = scale_of([subject.scores(n, minus) for n in prompts], signed=minus is not None)
    photo = session_photo_url(session, found)
    for start in range(0, len(prompts), 4):
        for n, column in zip(prompts[start : start + 4], st.columns(4), strict=False):
            with column:
                panel = map_panel(subject, n, minus=minus, scale=scale, selected=region, photo=photo)
                region_grid(panel, key=f"opened map {n}")
                where = found.describe(subject.class_name, n)
                st.caption(f"Local prompt {n + 1}, k = {found.topk[n]}: {where}.")
