"""The photos of the set: groups that fail, a map to choose from, and one photo opened."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from app import charts, text
from app.library import Backbone, Evidence
from app.ui.evidence.clusters import open_tile
from app.ui.explanation.answer import labelled_photo
from app.ui.widgets.elements import chart
from app.ui.widgets.remembered import one_of_few
from app.ui.widgets.strip import photo_strip
from app.views import evidence as view
from app.visitor.page_state import EvidenceState
from app.visitor.session import Session
from gallop.maps.explainer.state import ExplainerState

_MOST = 24  # photos of a gallery
_LAYOUTS = {"PCA": "pca", "t-SNE (slower)": "tsne"}


def groups(session: Session, found: Evidence) -> None:
    from gallop.evaluation.failing_groups import LEAST

    st.header(
        "Groups that fail",
        anchor=False,
        help="Dark or pale photos, photos that look alike, and those that hold a cluster: those with more mistakes and "
        "near mistakes than the others (Fisher's exact test, corrected for the number of groups). Nothing is said of "
        f"groups of fewer than {LEAST} photos.",
    )
    failing = found.groups
    if not failing.found:
        none = f"None of {failing.looked_at} groups fails more often than the others, beyond chance."
        st.markdown(none if failing.looked_at else "There are too few photos to say anything of groups.")
    for number, group in enumerate(failing.found):
        common = f" In common: {text.markdown(', '.join(group.common))}." if group.common else ""
        st.markdown(
            f"**{text.markdown(group.name)}:** {charts.proportion_in_words(group.accuracy)}; the others "
            f"{charts.proportion_in_words(group.rest)}.{common}"
        )
        tiles = view.photo_tiles(found, group.photos[:_MOST])
        photo_strip(f"group {number}", tiles, session.evidence.opened, lambda tile: open_tile(session, tile))


def set_map(session: Session, found: Evidence, key: Hashable) -> None:
    """Draw all photos as points, and those chosen there."""
    st.header(
        "Map of the set",
        anchor=False,
        help="Photos whose features are alike are near each other. Draw around some, or click one, to see them below.",
    )
    left, right = st.columns(2)
    with left:
        how = one_of_few("Laid out by", _LAYOUTS, EvidenceState.layout, "PCA")
    with right:
        colour = one_of_few("Coloured by", view.COLOURS, EvidenceState.colour, view.COLOURS[0])
    with st.spinner("Laying out the photos …", show_time=True):
        places = view.layout(session, found, _LAYOUTS[how], key)
    named, name = [text.shorten(getattr(photo, "name", "")) for photo in found.data.photos], f"set map {how} {colour}"
    chart(
        charts.set_map(places, view.coloured_by(found, colour), named),
        key=name,
        alt=f"{len(named)} photos as points, by {how}, coloured by {colour}. All are in the galleries above.",
        on_select=lambda: _select(session, name, len(named)),
        selection_mode=["points", "lasso"],
    )
    if session.evidence.selected:
        tiles = view.photo_tiles(found, [i for i in session.evidence.selected if i < len(named)][:_MOST])
        photo_strip("chosen on the map", tiles, session.evidence.opened, lambda tile: open_tile(session, tile))


def _select(session: Session, key: str, count: int) -> None:
    """Take the points that were chosen, in a callback. The browser may send anything."""
    sent = [point.get("customdata") for point in st.session_state[key]["selection"]["points"]]
    session.evidence = choosing(session.evidence, sent, count)


def choosing(state: EvidenceState, sent: Sequence[Any], count: int) -> EvidenceState:
    """Return the state with the photos chosen that a browser has sent, of so many; what is no photo is ignored."""
    chosen = [i for i in sent if type(i) is int and 0 <= i < count]
    return replace(state, selected=tuple(dict.fromkeys(chosen)))


def opened(session: Session, backbone: Backbone, found: Evidence, class_name: str) -> None:
    """Draw the photo of the tile that was opened, with its maps."""
    photo, region = session.evidence.place
    if photo is None or photo >= len(found.data):
        return
    place, grid = found.place(region or 0)
    shown = None if region is None or grid != found.grids[-1] else place
    name = found.data.names[photo]
    kept = session.evidence.explainer_state or ExplainerState(class_name if name == class_name else name, region=shown)

    def moved(state: ExplainerState) -> None:
        session.evidence = replace(session.evidence, explainer_state=state)

    labelled_photo(session, backbone, found.data.photos[photo], name, kept, moved)  # type: ignore[arg-type]
