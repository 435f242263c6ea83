"""Which photo to label next, with a button for each class."""

from __future__ import annotations

import streamlit as st

from app.photos import thumbnails
from app.ui.explanation.labels import Labels
from app.ui.resources import backbone
from app.ui.widgets import media
from app.ui.widgets.notices import show_notice
from app.views.labels.missing import next_photos
from app.visitor.notices import Where
from app.visitor.session import Session

_SIDE = 144


def next_photo(session: Session) -> None:
    """Draw the one that is worth most, of the photos to try that have no label; nothing where there is no choice."""
    taught = session.training.taught
    if taught is None:
        return
    found = next_photos(session, backbone(session.training.tower))
    show_notice(session, Where.NEXT)
    if not found:
        return
    st.subheader(
        "Label next",
        anchor=False,
        help="Of the photos to try that have no label. Two rules take turns: the one that it can least decide between "
        "two classes, and the one least like any photo that has a label.",
    )
    first = found[0]
    with st.container(horizontal=True, vertical_alignment="center"):
        media.image(thumbnails.strip([first.photo], side=_SIDE), alt=first.photo.name, width=_SIDE)
        st.caption(first.why, width="stretch")
    Labels(session, first.photo, Where.NEXT, "next").offer(taught.names)
