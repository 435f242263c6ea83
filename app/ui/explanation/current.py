"""What the page Explore stands at: the photo shown, and what is asked about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.ui.widgets.remembered import one_of, put
from app.views import compare
from app.visitor.explore import ExploreState
from app.visitor.page_state import said
from app.visitor.session import Session
from gallop import Photo


def current_photo(session: Session) -> Photo | None:
    """Draw the choice of a photo; return the one chosen, None where there is none but the samples."""
    photos, shown = compare.photos(session) | session.photos.shelf.photos, session.photos.shown(session.explore.photo)
    if shown is None:
        return None
    names = compare.photo_names(session)
    return photos[one_of("Photo", photos, ExploreState.photo, shown.sha256, names.__getitem__)]


def stand_at(state: ExploreState) -> None:
    """Before any widget is drawn: let those of Explore stand as it says; of what it says nothing, as they are."""
    for place, value in said(state):
        put(place, value)


def put_scales(session: Session, topk: Sequence[int]) -> None:
    """Let the k of Explore stand at these."""
    session.explore = replace(session.explore, scales=tuple(topk))
