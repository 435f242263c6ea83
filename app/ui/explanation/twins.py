"""A test photo that is nearly the same picture as one that is learned from, and what to do about it."""

from __future__ import annotations

import streamlit as st

from app import text
from app.photos import thumbnails
from app.towers.problems import TowerLoading
from app.ui.resources import holding
from app.ui.widgets import media
from app.views.labels.twice import Twins, twins
from app.visitor.session import Session
from gallop import Photo


def point_out_twins(session: Session) -> None:
    """Draw the two that are most alike; nothing before their features are there."""
    if not session.training.has_encoded:
        return
    try:
        with holding(session.training.tower) as backbone:
            found = twins(session, backbone)
    except TowerLoading:
        return
    if found:
        with st.container(border=True, key="twins"):
            _two(session, found[0], len(found) - 1)


def _two(session: Session, found: Twins, more: int) -> None:
    tested, learned = found.tested, found.learned
    names = f"{tested.name}, of {found.tested_of}, and {learned.name}, of {found.learned_of}"
    st.markdown(
        ":material/warning: **The same picture to test with and to learn from?**",
        help="A test on a photo that was learned from tests nothing. These two look the same to the tower: saved anew, "
        "cut a little, brighter or mirrored." + (f" There are {more} more such pairs." if more else ""),
    )
    media.image(thumbnails.strip([tested, learned], side=120), alt=names)
    st.caption(f"{text.markdown(names)}.")
    with st.container(horizontal=True, gap="small"):
        for label, photo in (("Remove the test photo", tested), ("Remove the other", learned)):
            key = f"twins {tested.sha256} {learned.sha256} {label}"
            st.button(label, key=key, on_click=_remove, args=(session, photo))
        key = f"twins {tested.sha256} {learned.sha256} keep"
        st.button("Keep both", key=key, type="tertiary", on_click=session.photos.both_kept.add, args=(found.key,))


def _remove(session: Session, photo: Photo) -> None:
    session.photos.deck.remove(photo.sha256)
