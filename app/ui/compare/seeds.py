"""The same training with other seeds: few-shot results move by points with the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from app import text
from app.charts import run_charts
from app.runs import run as of
from app.runs.run import Run
from app.teaching import tasks
from app.teaching.settings import Settings
from app.towers.problems import TowerProblem
from app.ui.compare.run_table import pin_names
from app.ui.resources import towers
from app.ui.widgets import job_progress, media
from app.views import compare
from app.visitor.session import Session

_FURTHER = 4


def train_seeds(session: Session, pinned: tuple[Run, Run], everything: list[Run]) -> None:
    """Mean and spread of the pinned runs over their seeds, and a button for more of them."""
    a, b = pinned
    # Two seeds of the same training are one line, and one button.
    together = a.id == b.id or b.id in {run.id for run in of.siblings(a, everything)}
    sides = {"A": a} if together else {"A": a, "B": b}
    names, spreads = pin_names(pinned), {}
    for label, run in sides.items():
        found = of.spread(of.siblings(run, everything))
        if found is not None:
            spreads[f"{label}: {names[label]}"] = found
            st.markdown(f"{label}, {text.markdown(names[label])}: {text.markdown(run_charts.spread_in_words(found))}.")
    if spreads:
        media.chart(run_charts.seeds_chart(spreads), key="seeds", alt=run_charts.seeds_in_words(spreads))
    for label, run in sides.items():
        if run.settings is not None:
            _more(session, label, run, everything)


def _more(session: Session, label: str, run: Run, everything: list[Run]) -> None:
    problem = compare.cannot_repeat(session, run)
    clicked = st.button(
        f"Train {label} with {_FURTHER} more seeds",
        key=f"seeds {label} {run.id}",
        disabled=bool(problem) or session.page_jobs.running is not None,
        icon=":material/casino:",
        help="Which photos are drawn, how they are cropped and which prompts sit out is chance: one seed can be ten "
        "points off, so judge by several. A dot for each; the bar is the 95 % interval of their mean.",
    )
    if problem:
        st.caption(f"{label}: {text.markdown(problem)}")
    if clicked and run.settings is not None:
        settings = [replace(run.settings, seed=seed) for seed in of.further_seeds(run, everything, _FURTHER)]
        train_like(session, run, settings, "seeds", f"{label} with {_FURTHER} more seeds")


def train_like(session: Session, run: Run, settings: Sequence[Settings], job: str, words: str) -> None:
    """Train the cards as they are on the tower of a run, once with each of these settings, as a job of the page."""
    try:
        tower = compare.tower_of_run(towers(), run)
    except TowerProblem as error:
        st.error(text.markdown(error), icon=":material/error:")
        return
    job_progress.send(session, compare.series(session, towers(), tower, settings), job, words)


def compare_with_coop(session: Session) -> None:
    """A button that trains CoOp on the cards as they are."""
    problem = tasks.check_photos(session.photos.shots())
    clicked = st.button(
        "Train CoOp",
        key="coop",
        disabled=bool(problem) or session.page_jobs.running is not None,
        icon=":material/model_training:",
        help="CoOp (Zhou et al. 2022) learns one global prompt and looks at no regions. What GalLoP has on it is what "
        "local prompts, dropout and, where there is one, the head add.",
    )
    if problem:
        st.caption(text.markdown(problem))
    if clicked:
        settings = [compare.coop_settings(session.training.settings)]
        task = compare.series(session, towers(), session.training.tower, settings)
        job_progress.send(session, task, "seeds", "CoOp on the cards")
