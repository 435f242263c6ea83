"""What the last training changed: photos that became right or wrong, their maps before and after, and the way back."""

from __future__ import annotations

from functools import partial

import streamlit as st

from app import text
from app.photos.shelf import strip
from app.teaching.tasks import check_photos
from app.teaching.training import Taught
from app.ui.resources import backbone
from app.ui.widgets.elements import folded
from app.ui.widgets.explainer import one_map
from app.ui.widgets.remembered import one_of, put
from app.views.changed import Changed, changed_photos, notes
from app.visitor.page_state import Question
from app.visitor.session import Session

# How many photos are shown, the pixels of each, and its width.
_SHOWN, _SIDE, _WIDE = 8, 120, 110


def outcome(session: Session) -> None:
    """Draw how the last training ended, what fell against the run before first, in the colour of that."""
    if session.training.outcome is not None:
        kind, lines = session.training.outcome
        *changed, ended = map(text.markdown, lines.split("\n"))
        figures = "\n- ".join([f"{changed[0]}:", *changed[1:]]) if changed else ""
        getattr(st, kind)(f"{figures}\n\n{ended}".strip())


def what_changed(session: Session, *, told: bool = False) -> None:
    """Draw what the last training changed, single photos among it, and the button that takes it back; nothing while
    one runs.

    Args:
        told: whether the page has drawn ``outcome``.
    """
    taught = session.training.taught
    if taught is None or session.training.run_before is None or session.training.job is not None:
        return
    if not told:
        outcome(session)
    photos = changed_photos(session, taught)
    with st.container(horizontal=True, gap="small", vertical_alignment="top", key="what changed"):
        for each in photos[:_SHOWN]:
            with st.container(width=_WIDE, gap="small"):
                st.image(strip([each.photo], side=_SIDE), width="stretch", alt=each.photo.name)
                st.caption(f"{text.markdown(text.shorten(each.name, 24))}: **{each.words}**")
    more = f"And {len(photos) - _SHOWN} more." * (len(photos) > _SHOWN)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Back to the run before",
            icon=":material/undo:",
            key="back to the run before",
            on_click=_go_back,
            args=(session,),
            help="Its prompts and settings answer again, and changes of the cards since then are undone.",
        )
        st.caption(text.markdown(" ".join(filter(None, [more, *notes(session, taught)]))))
    if photos:
        maps = partial(_maps, session, taught, photos)
        folded("Maps before and after", ":material/compare:", "changed maps", maps)


def train_now(session: Session) -> None:
    """Draw the button that trains with a photo that has just moved, where no change does so by itself."""
    training = session.training
    waits = training.job is None and not training.is_live and training.cards_changed()
    if waits and not check_photos(session.photos.shots()):
        words = f"Train now{' (' + takes + ')' if (takes := training.takes()) else ''}"
        st.button(words, icon=":material/school:", key="train now", on_click=setattr, args=(training, "asked", True))


def _go_back(session: Session) -> None:
    session.training.go_back()
    put("teach settings dropout", session.training.settings.dropout)
    session.form_of = None  # so that its form shows the settings of that run


def _maps(session: Session, taught: Taught, photos: list[Changed]) -> None:
    """Draw a photo's maps before and after."""
    by_hash = {each.photo.sha256: each for each in photos}
    shown = by_hash[one_of("Photo", by_hash, "teach changed", next(iter(by_hash)), lambda key: by_hash[key].label)]
    frozen, question = backbone(session.training.backbone_name), Question(taught.names, taught=True)
    before = session.answers.before(question)
    if not before.earlier:
        st.caption("The run before has other classes or another number of prompts, so its maps are not comparable.")
        return
    both = [session.answers.explain(frozen, shown.photo, each) for each in (before, question)]
    if not both[0].topk:
        st.caption("Without local prompts there is no map.")
        return
    name = shown.name if shown.name in taught.names else both[1].label
    for column, when, explanation in zip(st.columns(2, gap="large"), ("Before", "After"), both, strict=True):
        with column:
            chance = text.percent(explanation.probabilities[explanation.label])
            answered = "" if shown.held_out else f": {text.markdown(explanation.answer)}, {chance}"
            st.markdown(f"**{when}**{answered}")
            one_map(
                explanation,
                name,
                photo=shown.photo.sha256,
                beside=both,
                key=f"changed map {when}",
            )
    why = " It was answered by prompts that had not seen it; these are the ones in use." * shown.held_out
    st.caption(f"Where local prompt 1 looks for {text.markdown(name)}.{why}")
