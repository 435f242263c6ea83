"""The clusters of one class: their share, their regions, and what answers would be without each."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import streamlit as st

from app import text
from app.backbones import OnBackbone
from app.jobs import Steps
from app.library import Backbone, Cluster, Evidence, WhatIf
from app.teaching.cards import photos_counted
from app.ui.resources import backbones
from app.ui.widgets.elements import job_outcome, start_job
from app.ui.widgets.strip import photo_strip
from app.views import evidence as view
from app.visitor.session import Session

_HELP = (
    "The score of a class is what it has above the mean of all classes, averaged over its photos. It is taken apart "
    "into what each region adds, exactly; regions that look alike are one cluster, and what the clusters add and the "
    "rest is the score. A cluster takes part in a photo where it has one of the regions that decide. Words: the "
    "nearest of a small dictionary, where one is near enough."
)
_WHAT_IF_HELP = (
    "Covers the cluster in up to 100 photos that hold it and lets the backbone look again, beside as many regions "
    "covered elsewhere, five times. Only this shows whether answers depend on it."
)


def show(session: Session, backbone: Backbone, found: Evidence, class_name: str, key: Hashable) -> None:
    each = found.of(class_name)
    from gallop.evaluation.evidence import LARGE_REST

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
        words = text.markdown(cluster.called)
        st.subheader(f"{number + 1}. {words}: {cluster.share:.0%}", anchor=False)
        mistakes = f"{len(cluster.mistakes)} mistake{'' if len(cluster.mistakes) == 1 else 's'}"
        st.caption(f"Takes part in {len(cluster.photos)} of {photos_counted(len(each.photos))} and in {mistakes}.")
        tiles = view.cluster_tiles(backbone, found, class_name, cluster)
        photo_strip(f"cluster {number}", tiles, session.evidence.opened, lambda tile: open_tile(session, tile))
        if cluster.photos:
            _what_if(session, found, class_name, number, cluster, key)


def open_tile(session: Session, tile: str) -> None:
    session.evidence = session.evidence.opening(tile)


def _what_if(session: Session, found: Evidence, class_name: str, number: int, cluster: Cluster, key: Hashable) -> None:
    name = view.what_if_name(class_name, number)
    job_outcome(session, name)
    made_for, made = session.page_jobs.result(name) or (None, None)
    if made_for == key:
        _outcome(session, class_name, number, made)
        return
    clicked = st.button(
        "What if it were not there?",
        key=name,
        disabled=session.page_jobs.running is not None,
        icon=":material/hide_image:",
        help=_WHAT_IF_HELP,
    )
    if clicked:
        task = OnBackbone(
            backbones(),
            session.training.backbone_name,
            lambda backbone: Steps(view.covering(session, backbone, found, class_name, number, key)),
        )
        start_job(session, task, name, f"Covering cluster {number + 1} of {text.markdown(class_name)}")


def _outcome(session: Session, class_name: str, number: int, made: WhatIf) -> None:
    mark = (class_name, number)
    with st.container(horizontal=True, vertical_alignment="center"):
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
