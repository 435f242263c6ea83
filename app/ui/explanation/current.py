"""The state of the page Explore: chosen there, and set by what was taught or opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

import streamlit as st

from app import text
from app.backbones import BackboneLoading, on_backbone
from app.jobs import Counted, Work
from app.library import Backbone
from app.photos.sample_answers import sample_answers
from app.runs.run import Run, backbone_of, classifier_of
from app.teaching.tasks import opened
from app.teaching.training import Taught
from app.ui.resources import backbones, holding, jobs, session
from app.ui.widgets.backbones import choose
from app.ui.widgets.remembered import one_of, put
from app.views.export import imported
from app.visitor.page_state import TAUGHT
from app.visitor.session import Session, Where
from gallop import Photo


def current_photo(session: Session) -> Photo | None:
    """Draw the choice of a photo; return the one chosen, None where there are only the samples."""
    photos, shown = session.photos.all | session.photos.shelf.photos, session.photos.shown(session.explore.photo)
    if shown is None:
        return None
    return photos[one_of("Photo", photos, "explore photo", shown.sha256, session.photos.names.__getitem__)]


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


def open_model(
    session: Session,
    files: Mapping[str, bytes],
    name: str,
    where: Where,
    run: Run | None = None,
    limit: float | None = None,
) -> None:
    """Open a checkpoint with the backbone that it was trained on, as a job of the page where that has to be loaded.

    Args:
        run: what is known of it; one without is tested on the cards.
        limit: for "none of these", where it was set by hand.
    """

    def make(backbone: Backbone) -> Callable[[], None]:
        model = classifier_of(files, backbone)
        taught = imported(session, model, backbone) if run is None else opened(model, backbone, run.settings, run)
        return partial(_adopt, session, taught, name, where, limit)

    def steps(backbone: Backbone) -> Work:
        yield Counted(0.5, "Reading the file")
        return make(backbone)

    with session.telling(where):
        on = backbone_of(backbones(), files)
        try:
            with holding(on) as backbone:
                make(backbone)()
        except BackboneLoading:
            session.page_jobs.start(
                jobs(),
                on_backbone(backbones(), on, steps),
                _OPENING,
                f"Opening {text.markdown(name)} with its backbone",
            )


def settle_opening(session: Session) -> None:
    """Adopt what a job has opened, or report why it failed, before any widget is drawn."""
    problem = session.page_jobs.problem(_OPENING)
    adopt: Callable[[], None] | None = session.page_jobs.take(_OPENING)
    if adopt is not None:
        adopt()
    elif problem:
        for where in (Where.RUNS, Where.MODELS, Where.PROJECT):
            session.tell(where, problem, "info")


def _adopt(session: Session, taught: Taught, name: str, where: Where, limit: float | None) -> None:
    """Use an opened model as the trained one; one that came as a file becomes a run."""
    ledger = session.training.ledger
    session.training.adopt(taught)
    session.form_of = None  # so that its form shows the model's k
    session.limit.set_to(limit)
    show(session, taught)
    if where is Where.PROJECT:  # of which the page says more
        return
    session.training.end_with("success", f"Opened {name}{' from the runs on Test' * (where is Where.RUNS)}.")
    words = f"{name} is in use: {text.joined(taught.names)}. Explore answers with it"
    if where is Where.MODELS and ledger is not None:
        ledger.save(taught, f"from {text.shorten(name, 60)}", session.photos.project_name)
        words += ", and it is a run on Test"
    session.tell(where, f"{words}.")
