"""What was taught, trained or opened, takes over the widgets of the page Explore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from app import text
from app.jobs.manager import PlainError
from app.photos.sample_answers import sample_answers
from app.teaching.progress import Taught
from app.towers.problems import TowerLoading
from app.towers.work import OnTower
from app.ui.explanation.current import stand_at
from app.ui.resources import holding, jobs, towers
from app.ui.widgets.remembered import put
from app.ui.widgets.towers import choose
from app.views.opening import Opened, Opening
from app.visitor.explore import TAUGHT, ExploreState
from app.visitor.notices import Notice, Where
from app.visitor.page_state import TunedScales
from app.visitor.session import Session
from gallop.errors import GallopError

if TYPE_CHECKING:
    from gallop.backbones import Backbone

_OPENING = "opening"


def show(session: Session, taught: Taught) -> None:
    """Before any widget is drawn: its tower answers, and its classes become the class list, at the scales of Teach.

    Nothing is asked of a sample about them: another photo is shown, and where there is none they wait for one.
    """
    choose(session, taught.tower)
    stand_at(ExploreState(names="\n".join(taught.names), scales=session.training.scales()))
    put(ExploreState.prompts, TAUGHT)
    shown, samples = session.photos.shown(session.explore.photo), sample_answers()
    if shown is not None and shown.sha256 in samples:
        shown = session.photos.shown(None)
    chosen = shown.sha256 if shown is not None else next(iter(samples), None)
    if chosen is not None:
        put(ExploreState.photo, chosen)
        session.explore = session.explore.looking_at(chosen)


def open_on(session: Session, tower: str, make: Callable[[Backbone], Opened], name: str, where: Where) -> None:
    """Open a model with the tower that it was taught on; where that has to be loaded first, as a job of the page."""
    try:
        with holding(tower) as backbone:
            adopt(session, make(backbone))
    except TowerLoading:
        try:
            task = OnTower(towers(), tower, lambda backbone: Opening(lambda: make(backbone)))
            session.page_jobs.start(jobs(), task, _OPENING, f"Opening {text.markdown(name)} on its tower")
        except PlainError as error:
            session.notices[where] = Notice("error", str(error))
    except GallopError as error:
        session.notices[where] = Notice("error", str(error))


def settle_opening(session: Session) -> None:
    """Before any widget is drawn: adopt what a job has opened, or tell why there is nothing."""
    session.page_jobs.settle()
    problem = session.page_jobs.problem(_OPENING)
    found: Opened | None = session.page_jobs.take(_OPENING)
    if found is not None:
        adopt(session, found)
    elif problem:
        for where in (Where.RUNS, Where.MODELS, Where.PROJECT):
            session.notices[where] = Notice("info", problem)


def adopt(session: Session, opened: Opened) -> None:
    """Let a model that was opened be what was taught; one that came as a file becomes a run."""
    taught, name, ledger = opened.taught, opened.name, session.training.ledger
    session.training.adopt(taught, opened.settings)
    session.teach = replace(session.teach, tower=None)  # its form is to show the model's k
    source = " from the page Compare." if opened.source == "run" else "."
    session.training.end_with("success", f"Opened {name}{source}")
    if opened.source == "file" and ledger is not None:
        ledger.keep(taught, f"from {text.shorten(name, 60)}")
    if opened.source == "project":  # Explore stands as it stood when the project was saved
        choose(session, taught.tower)
        session.limit.set_by_hand(opened.limit)
        tuned = None if opened.tuned is None else TunedScales(session.training.version, *opened.tuned)
        session.test = replace(session.test, tuned=tuned)
    else:
        show(session, taught)
    if opened.source == "file":
        words = f"{name} is in use: {text.joined(taught.names)}. It answers on Explore, and Compare lists it."
        session.notices[Where.MODELS] = Notice("success", words)
    elif opened.source == "run":
        words = f"{name} is in use now: it answers on Explore, and Export saves it."
        session.notices[Where.RUNS] = Notice("success", words)
