"""The state of the page Explore: chosen there, set by what was taught or opened, and written in a link."""

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
from app.visitor.page_state import TAUGHT, ExploreState, remembered_values
from app.visitor.session import Session, Where
from gallop import Photo


def current_photo(session: Session) -> Photo | None:
    """Draw the choice of a photo; return the one chosen, None where there are only the samples."""
    photos, shown = compare.photos(session) | session.photos.shelf.photos, session.photos.shown(session.explore.photo)
    if shown is None:
        return None
    return photos[one_of("Photo", photos, ExploreState.photo, shown.sha256, compare.photo_names(session).__getitem__)]


def set_explore_widgets(state: ExploreState) -> None:
    """Set the widgets of Explore to a state, before any is drawn; what it does not name is unchanged."""
    for place, value in remembered_values(state):
        put(place, value)


def link(session: Session) -> None:
    st.markdown(
        "**A link** to *Explore* in its current state",
        help="It contains the backbone, names, templates, k and map settings, but no photo and no trained model. "
        "Anyone who opens it also needs a photo or the model's zip.",
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
    """Take over the state in the address once, before any widget is drawn, and clear it there."""
    fields = {field: st.query_params[field] for field in explore_as_text.ADDRESS_FIELDS if field in st.query_params}
    if not fields:
        return
    if explore_as_text.BACKBONE in fields:
        ask_for(session, fields[explore_as_text.BACKBONE])
    set_explore_widgets(explore_as_text.read_address(fields))
    for field in fields:
        del st.query_params[field]


_OPENING = "opening"


def show(session: Session, taught: Taught) -> None:
    """Use its backbone and classes on Explore, at the scales of Teach, before any widget is drawn.

    A sample is not asked about them: another photo is shown, and where there is none they wait for one.
    """
    choose(session, taught.backbone_name)
    set_explore_widgets(ExploreState(names="\n".join(taught.names), scales=session.training.scales()))
    put(ExploreState.prompts, TAUGHT)
    shown, samples = session.photos.shown(session.explore.photo), sample_answers()
    if shown is not None and shown.sha256 in samples:
        shown = session.photos.shown(None)
    chosen = shown.sha256 if shown is not None else next(iter(samples), None)
    if chosen is not None:
        put(ExploreState.photo, chosen)
        session.explore = session.explore.looking_at(chosen)


def open_on(session: Session, backbone_name: str, make: Callable[[Backbone], Opened], name: str, where: Where) -> None:
    """Open a model with the backbone that it was trained on, as a job of the page where that has to be loaded."""
    with session.telling(where):
        try:
            with holding(backbone_name) as backbone:
                adopt(session, make(backbone))
        except BackboneLoading:
            session.page_jobs.start(
                jobs(),
                OnBackbone(backbones(), backbone_name, lambda backbone: Steps(opening(lambda: make(backbone)))),
                _OPENING,
                f"Opening {text.markdown(name)} with its backbone",
            )


def settle_opening(session: Session) -> None:
    """Adopt what a job has opened, or report why it failed, before any widget is drawn."""
    problem = session.page_jobs.problem(_OPENING)
    opened: Opened | None = session.page_jobs.take(_OPENING)
    if opened is not None:
        adopt(session, opened)
    elif problem:
        for where in (Where.RUNS, Where.MODELS, Where.PROJECT):
            session.tell(where, problem, "info")


def adopt(session: Session, opened: Opened) -> None:
    """Use an opened model as the trained one; one that came as a file becomes a run."""
    taught, name, ledger = opened.taught, opened.name, session.training.ledger
    session.training.adopt(taught)
    session.teach = replace(session.teach, backbone_name=None)  # so that its form shows the model's k
    if opened.source != "project":  # of which the page says more
        session.training.end_with("success", f"Opened {name}{' from the page Compare' * (opened.source == 'run')}.")
    if opened.source == "file" and ledger is not None:
        ledger.save(taught, f"from {text.shorten(name, 60)}")
    session.limit.set_to(opened.limit)
    show(session, taught)
    if opened.source == "file":
        session.tell(
            Where.MODELS,
            f"{name} is in use: {text.joined(taught.names)}. Explore answers with it, and Compare lists it.",
        )
    elif opened.source == "run":
        session.tell(Where.RUNS, f"{name} is now in use. Explore answers with it, and Export saves it.")
