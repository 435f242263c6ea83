"""The state of the page Explore: chosen there, and set by what was taught or opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import streamlit as st

from app import text
from app.backbones import BackboneLoading, on_backbone
from app.library import Backbone
from app.photos.sample_answers import sample_answers
from app.teaching.training import Taught
from app.ui.resources import backbones, holding, jobs, session
from app.ui.widgets.backbones import choose
from app.ui.widgets.remembered import one_of, put
from app.views import compare
from app.views.project import Opened, opening
from app.visitor.page_state import TAUGHT
from app.visitor.session import Session, Where
from gallop import Photo


def current_photo(session: Session) -> Photo | None:
    """Draw the choice of a photo; return the one chosen, None where there are only the samples."""
    photos, shown = compare.photos(session) | session.photos.shelf.photos, session.photos.shown(session.explore.photo)
    if shown is None:
        return None
    return photos[one_of("Photo", photos, "explore photo", shown.sha256, compare.photo_names(session).__getitem__)]


def photo_in_browser() -> str | None:
    """Return the content hash of the photo that the browser shows, in a callback: it may be ahead of the last run."""
    return cast("str | None", st.session_state.get("explore photo", session().explore.photo))


_OPENING = "opening"


def show(session: Session, taught: Taught) -> None:
    """Use its backbone and classes on Explore, at the scales of Teach, before any widget is drawn.

    A sample is not asked about them: another photo is shown, and where there is none they wait for one.
    """
    choose(session, taught.backbone_name)
    put("explore names", "\n".join(taught.names))
    session.explore = session.explore.with_scales(session.training.scales())
    put("explore prompts", TAUGHT)
    shown, samples = session.photos.shown(session.explore.photo), sample_answers()
    if shown is not None and shown.sha256 in samples:
        shown = session.photos.shown(None)
    chosen = shown.sha256 if shown is not None else next(iter(samples), None)
    if chosen is not None:
        put("explore photo", chosen)
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
                on_backbone(backbones(), backbone_name, lambda backbone: opening(lambda: make(backbone))),
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
    session.form_of = None  # so that its form shows the model's k
    if opened.source != "project":  # of which the page says more
        session.training.end_with("success", f"Opened {name}{' from the runs on Test' * (opened.source == 'run')}.")
    if opened.source == "file" and ledger is not None:
        ledger.save(taught, f"from {text.shorten(name, 60)}")
    session.limit.set_to(opened.limit)
    show(session, taught)
    if opened.source == "file":
        session.tell(
            Where.MODELS,
            f"{name} is in use: {text.joined(taught.names)}. Explore answers with it, and it is a run on Test.",
        )
    elif opened.source == "run":
        session.tell(Where.RUNS, f"{name} is now in use. Explore answers with it, and *Take away* saves it.")
