"""What each class stands on, drawn: its clusters, groups of photos that fail, a map of the set, one photo opened."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from app import charts, text
from app.backbones import OnBackbone
from app.jobs import Steps
from app.library import Backbone, Evidence, WhatIf
from app.teaching.cards import photos_counted
from app.ui.explanation.answer import labelled_photo
from app.ui.resources import backbones
from app.ui.widgets.elements import chart, job_outcome, start_job
from app.ui.widgets.remembered import one_of_few
from app.ui.widgets.strip import photo_strip
from app.views import evidence as view
from app.views.exploring import PhotoTile
from app.visitor.page_state import EvidenceState
from app.visitor.session import Session
from gallop.maps.explainer.state import ExplainerState

_MOST = 24  # photos of a gallery
_LAYOUTS = {"PCA": "pca", "t-SNE (slower)": "tsne"}
_HELP = (
    "The score of a class is what it has above the mean of all classes, averaged over its photos. It is taken apart "
    "into what each region adds, exactly; regions that look alike are one cluster, and what the clusters add and the "
    "rest is the score. A cluster takes part in a photo where it has one of the regions that decide. Words: the "
    "nearest of a small dictionary, where one is near enough. A click opens the photo."
)
_WHAT_IF_HELP = (
    "Covers the cluster in up to 100 photos that hold it and lets the backbone look again, beside as many regions "
    "covered elsewhere, five times. Only this shows whether answers depend on it."
)


def start(session: Session, steps: Callable[[Backbone], Iterator[Any]], name: str, words: str, key: Hashable) -> None:
    """Do some work as a job of the page; its result is kept with the key."""
    task = OnBackbone(
        backbones(), session.training.backbone_name, lambda backbone: Steps(view.counted(steps(backbone), key))
    )
    start_job(session, task, name, words)


def result(session: Session, name: str, key: Hashable) -> Any:
    """Return what a job has made for this key; None where there is nothing. Its failure is drawn."""
    job_outcome(session, name)
    made_for, made = session.page_jobs.result(name) or (None, None)
    return made if made_for == key else None


def clusters(session: Session, backbone: Backbone, found: Evidence, class_name: str, key: Hashable) -> None:
    from gallop.evaluation.evidence import LARGE_REST

    each = found.of(class_name)
    st.header("What it stands on", anchor=False, help=_HELP)
    if each.rest_share > LARGE_REST:
        st.warning(
            f"**{each.rest_share:.0%} of the score is in no cluster:** it is of the entire photo, so the clusters are "
            "a part of the evidence only.",
            icon=":material/warning:",
        )
    else:
        st.caption(f"Mean score {each.score:.4f}, {each.rest_share:.1%} of it in no cluster.")
    for number, cluster in enumerate(each.clusters):
        st.subheader(f"{number + 1}. {text.markdown(cluster.called)}: {cluster.share:.0%}", anchor=False)
        mistakes = f"{len(cluster.mistakes)} mistake{'' if len(cluster.mistakes) == 1 else 's'}"
        st.caption(f"Takes part in {len(cluster.photos)} of {photos_counted(len(each.photos))} and in {mistakes}.")
        _gallery(session, f"cluster {number}", view.cluster_tiles(backbone, found, class_name, number))
        if cluster.photos:
            _what_if(session, found, class_name, number, key)


def _gallery(session: Session, key: str, tiles: Sequence[PhotoTile]) -> None:
    def open_tile(tile: str) -> None:
        session.evidence = session.evidence.opening(tile)

    photo_strip(key, tiles, session.evidence.opened, open_tile)


def _photos(session: Session, key: str, found: Evidence, photos: Sequence[int]) -> None:
    shown = [(i, view.picture_of(found, i), "", str(i)) for i in photos[:_MOST]]
    _gallery(session, key, view.tiles(found, shown))


def _what_if(session: Session, found: Evidence, class_name: str, number: int, key: Hashable) -> None:
    name, mark = f"what if {number} {class_name}", (class_name, number)
    made: WhatIf | None = result(session, name, key)
    if made is None:
        words, busy = "What if it were not there?", session.page_jobs.running is not None
        if st.button(words, key=name, disabled=busy, icon=":material/hide_image:", help=_WHAT_IF_HELP):
            work = f"Covering cluster {number + 1} of {text.markdown(class_name)}"
            start(session, lambda frozen: view.covering(session, frozen, found, class_name, number), name, work, key)
        return
    off_thing = st.checkbox(
        "This is not the thing itself",
        value=mark in session.evidence.background,
        key=f"background {number} {class_name}",
        help="Look at the regions: background, a caption or a mark. Then an answer that depends on it is an alarm.",
    )
    marked = session.evidence.background - {mark} | ({mark} if off_thing else set())
    session.evidence = replace(session.evidence, background=frozenset(marked))
    words = text.markdown(made.words[0].upper() + made.words[1:])
    if made.stands_out and off_thing:
        st.error(f"**Alarm.** {words}.", icon=":material/warning:")
    else:
        st.markdown(f"{words}.")


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
        right, others = map(charts.proportion_in_words, (group.accuracy, group.rest))
        common = f" In common: {text.markdown(', '.join(group.common))}." if group.common else ""
        st.markdown(f"**{text.markdown(group.name)}:** {right}; the others {others}.{common}")
        _photos(session, f"group {number}", found, group.photos)


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
        places = session.answers.once(("layout", key, how), lambda: found.layout(_LAYOUTS[how]))
    count, name = len(found.data), f"set map {how} {colour}"

    def select() -> None:
        sent = [point.get("customdata") for point in st.session_state[name]["selection"]["points"]]
        session.evidence = session.evidence.choosing(sent, count)

    chart(
        charts.set_map(places, view.coloured_by(found, colour), [getattr(p, "name", "") for p in found.data.photos]),
        key=name,
        alt=f"{count} photos as points, by {how}, coloured by {colour}.",
        on_select=select,
        selection_mode=["points", "lasso"],
    )
    if chosen := [i for i in session.evidence.selected if i < count]:
        _photos(session, "chosen on the map", found, chosen)


def opened(session: Session, backbone: Backbone, found: Evidence) -> None:
    """Draw the photo of the tile that was opened, with its maps."""
    photo, region = session.evidence.place
    if photo is None or photo >= len(found.data):
        return
    place, grid = found.place(region or 0)
    name, there = found.data.names[photo], region is not None and grid == found.grids[-1]
    state = session.evidence.explainer_state or ExplainerState(name, region=place if there else None)

    def moved(state: ExplainerState) -> None:
        session.evidence = replace(session.evidence, explainer_state=state)

    shown: Any = found.data.photos[photo]
    labelled_photo(session, backbone, shown, name, state, moved)
