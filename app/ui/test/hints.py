"""Photos whose label may be wrong."""

from __future__ import annotations

import streamlit as st

from app import text
from app.photos import thumbnails
from app.teaching.cards import CardProblem
from app.ui.explanation.labels import Labels
from app.ui.resources import jobs, towers
from app.ui.widgets import media
from app.ui.widgets.notices import show_notice
from app.views import testing
from app.views.testing import Doubt, Tested
from app.visitor.notices import Notice, Where
from app.visitor.session import Session
from gallop import Photo

_MOST = 8


def hints(session: Session, tested: Tested | None) -> None:
    """The most doubtful labels, and one click to put a photo to the class it looks like."""
    st.header(
        "Labels to look at again",
        anchor=False,
        help="A photo on the wrong card teaches the wrong thing. Each photo it learned from is judged by prompts that "
        "were taught without it: calibration splits the photos into parts and learns anew without each part in turn. A "
        "test photo is judged by the prompts in use, which never saw it either. The rule is that of confident learning "
        "(Northcutt and others, 2021): a label is doubted when another class is the most probable of those that this "
        "photo reaches as well as that class's own photos do on average. These are hints: a photo may also be hard, or "
        "the classes alike.",
    )
    taught = session.training.taught
    assert taught is not None
    if taught.after.cross_fit_ is None:
        st.caption("Only test photos are judged.", help="No photo it learned from was held out this time.")
    found = [doubt for doubt in testing.doubts(session, tested) if _still_there(session, doubt)]
    show_notice(session, Where.CORRECTION)
    if not found:
        st.markdown(":material/check: No label is in doubt.")
        return
    for start in range(0, min(len(found), _MOST), 4):
        for doubt, column in zip(found[start : min(start + 4, _MOST)], st.columns(4), strict=False):
            with column:
                _doubt(session, doubt)
    if len(found) > _MOST:
        st.caption(f"And {len(found) - _MOST} more, less doubtful.")


def _doubt(session: Session, doubt: Doubt) -> None:
    name, given, likely = (text.markdown(text.shorten(x)) for x in (doubt.photo.name, doubt.given, doubt.likely))
    media.image(thumbnails.strip([doubt.photo], side=144), width="stretch", alt=doubt.photo.name)
    where = "learned from" if doubt.learned else "test photo"
    st.caption(
        f"{name} ({where}): called {given} ({text.percent(doubt.of_given)}), looks like **{likely}** "
        f"({text.percent(doubt.of_likely)})."
    )
    key = f"relabel {doubt.photo.sha256} {doubt.likely}"
    st.button(f"It is {likely}", key=key, type="tertiary", on_click=_relabel, args=(session, doubt))
    Labels(session, doubt.photo, Where.CORRECTION, "doubt").menu()


def _still_there(session: Session, doubt: Doubt) -> bool:
    """Whether the photo still is where the doubt says: it may have been moved since."""
    card = session.photos.deck.find(doubt.given)
    photos: tuple[Photo, ...] = card.pile("shots" if doubt.learned else "tests") if card is not None else ()
    return any(photo.sha256 == doubt.photo.sha256 for photo in photos)


def _relabel(session: Session, doubt: Doubt) -> None:
    if not _still_there(session, doubt):
        return
    try:
        session.notices[Where.CORRECTION] = Notice("success", session.photos.relabel(doubt.photo, doubt.likely))
    except CardProblem as error:
        session.notices[Where.CORRECTION] = Notice("info", str(error))
        return
    session.training.encode_ahead(jobs(), towers(), [doubt.photo])
