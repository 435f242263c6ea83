"""What the page Explore stands at: chosen there, set by what was taught or opened, and written in a link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from app import text
from app.backbones import BackboneLoading, OnBackbone
from app.jobs import Steps
from app.library import Backbone
from app.photos.sample_answers import sample_answers
from app.teaching.training import Taught
from app.ui.resources import backbones, holding, jobs
from app.ui.widgets.backbones import ask_for, choose
from app.ui.widgets.remembered import one_of, put
from app.views import compare, explore_as_text
from app.views.project import Opened, opening
from app.visitor.page_state import TAUGHT, ExploreState, TunedScales, said
from app.visitor.session import Session, Where
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


def link(session: Session) -> None:
    st.markdown(
        "**A link** to *Explore* as it stands",
        help="It holds the backbone, names, templates, k, and how the maps are drawn, but no photo and nothing that "
        "was taught: whoever opens it needs a photo, or the model's zip, as well.",
    )
    st.code(
        explore_as_text.address(
            st.context.url or "",
            replace(session.explore, names=session.explore.names_on(session.photos) or None),
            session.training.backbone_name,
        ),
        language=None,
        wrap_lines=True,
    )


def follow(session: Session) -> None:
    """Before any widget is drawn: take over what the address says, once, and clear it from there."""
    fields = {field: st.query_params[field] for field in explore_as_text.ADDRESS_FIELDS if field in st.query_params}
    if not fields:
        return
    if explore_as_text.BACKBONE in fields:
        ask_for(session, fields[explore_as_text.BACKBONE])
    stand_at(explore_as_text.read_address(fields))
    for field in fields:
        del st.query_params[field]


_OPENING = "opening"


def show(session: Session, taught: Taught) -> None:
    """Before any widget is drawn: its backbone answers, and its classes become the class list, at the scales of Teach.

    Nothing is asked of a sample about them: another photo is shown, and where there is none they wait for one.
    """
    choose(session, taught.backbone_name)
    stand_at(ExploreState(names="\n".join(taught.names), scales=session.training.scales()))
    put(ExploreState.prompts, TAUGHT)
    shown, samples = session.photos.shown(session.explore.photo), sample_answers()
    if shown is not None and shown.sha256 in samples:
        shown = session.photos.shown(None)
    chosen = shown.sha256 if shown is not None else next(iter(samples), None)
    if chosen is not None:
        put(ExploreState.photo, chosen)
        session.explore = session.explore.looking_at(chosen)


def open_on(session: Session, backbone_name: str, make: Callable[[Backbone], Opened], name: str, where: Where) -> None:
    """Open a model with the backbone that it was taught on; where that has to be loaded first, as a job of the page."""
    with session.telling(where):
        try:
            with holding(backbone_name) as backbone:
                adopt(session, make(backbone))
        except BackboneLoading:
            session.page_jobs.start(
                jobs(),
                OnBackbone(backbones(), backbone_name, lambda backbone: Steps(opening(lambda: make(backbone)))),
                _OPENING,
                f"Opening {text.markdown(name)} on its backbone",
            )


def settle_opening(session: Session) -> None:
    """Before any widget is drawn: adopt what a job has opened, or tell why there is nothing."""
    session.page_jobs.settle()
    problem = session.page_jobs.problem(_OPENING)
    found: Opened | None = session.page_jobs.take(_OPENING)
    if found is not None:
        adopt(session, found)
    elif problem:
        for where in (Where.RUNS, Where.MODELS, Where.PROJECT):
            session.tell(where, problem, "info")


def adopt(session: Session, opened: Opened) -> None:
    """Let a model that was opened be what was taught; one that came as a file becomes a run."""
    taught, name, ledger = opened.taught, opened.name, session.training.ledger
    session.training.adopt(taught, opened.settings)
    session.teach = replace(session.teach, backbone_name=None)  # its form is to show the model's k
    source = " from the page Compare." if opened.source == "run" else "."
    session.training.end_with("success", f"Opened {name}{source}")
    if opened.source == "file" and ledger is not None:
        ledger.keep(taught, f"from {text.shorten(name, 60)}")
    if opened.source == "project":  # Explore stands as it stood when the project was saved
        choose(session, taught.backbone_name)
        session.limit.set_to(opened.limit)
        session.test = replace(
            session.test, tuned=None if opened.tuned is None else TunedScales(session.training.version, *opened.tuned)
        )
    else:
        show(session, taught)
    if opened.source == "file":
        words = f"{name} is in use: {text.joined(taught.names)}. It answers on Explore, and Compare lists it."
        session.tell(Where.MODELS, words)
    elif opened.source == "run":
        words = f"{name} is in use now: it answers on Explore, and Export saves it."
        session.tell(Where.RUNS, words)
