"""Photos whose label may be wrong."""

from __future__ import annotations

from functools import partial

import streamlit as st

from app import text
from app.photos import thumbnails
from app.ui.explanation.labels import Labels
from app.ui.widgets import media
from app.ui.widgets.notices import show_notice
from app.views import testing
from app.views.testing import Doubt, Tested
from app.visitor.notices import Where
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
    doubts, judged = testing.doubts(session, tested)
    found = [doubt for doubt in doubts if _still_there(session, doubt)]
    show_notice(session, Where.CORRECTION, undo=True)
    if not judged:
        st.caption("No label was judged: none was held out while teaching, and there are no test photos.")
        return
    if not found:
        st.markdown(f":material/check: Of {judged} labels that were judged, none is in doubt.")
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
    st.caption(f"{name} ({where}), called **{given}**. Wrong, or merely hard?")
    key = f"{doubt.photo.sha256} {doubt.likely}"
    with st.popover(f"Is it {likely}?"):
        by = "by prompts that learned without it" if doubt.learned else "by the prompts in use"
        st.markdown(
            f"Judged {by}: {likely} {text.percent(doubt.of_likely)}, {given} {text.percent(doubt.of_given)}. Photos of "
            f"{likely} have {text.percent(doubt.usual)} on average. That is all this rests on: look at the photo."
        )
        kept = session.photos.labels_kept
        st.button(f"No, it is {given}", key=f"keep {key}", on_click=kept.add, args=(doubt.label,))
        st.button(f"Yes, put it to {likely}", key=f"relabel {key}", on_click=_relabel, args=(session, doubt))
    Labels(session, doubt.photo, Where.CORRECTION, "doubt").menu()


def _still_there(session: Session, doubt: Doubt) -> bool:
    """Whether the photo still is where the doubt says: it may have been moved since."""
    card = session.photos.deck.find(doubt.given)
    photos: tuple[Photo, ...] = card.pile("shots" if doubt.learned else "tests") if card is not None else ()
    return any(photo.sha256 == doubt.photo.sha256 for photo in photos)


def _relabel(session: Session, doubt: Doubt) -> None:
    if _still_there(session, doubt):
        put = partial(session.photos.relabel, doubt.photo, doubt.likely)
        Labels(session, doubt.photo, Where.CORRECTION, "doubt").act(put, doubt.likely)
