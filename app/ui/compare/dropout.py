"""What dropout changes: whether the global prompts differ, and whether many are better than the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from app import text
from app.charts import prompt_charts
from app.runs.run import Run
from app.ui.compare.run_table import name
from app.ui.compare.seeds import train_like
from app.ui.resources import holding, towers
from app.ui.widgets import job_progress, media
from app.ui.widgets.problems import ProblemsTold
from app.views import compare
from app.views.compare import GlobalPrompts
from app.views.prompts import pair
from app.visitor.session import Session
from gallop import Photo

JOB = "dropout"
_MOST_SHOWN = 4
_DIGITS = 3
_HELP = (
    "In each step of a training a random share of the global prompts is dropped for each photo, so that the prompts "
    "learn to differ (paper, section 3.1). Squares: cosines of what two of them say of a class; 1 is the same. Global "
    "together: right by the mean of a run's global prompts alone; the figures above count local prompts and head too. "
    "Best global: by the best single one, picked on these photos, so the figure is optimistic. Spread: the standard "
    "deviation of the prompts' scores of the true class, averaged over the photos."
)


def what_dropout_changes(
    session: Session, pinned: tuple[Run, Run], kept: Sequence[Run], photos: Mapping[str, Photo]
) -> None:
    """The pinned run beside those that differ from it in dropout, and a button that trains them."""
    st.header(
        "What dropout changes",
        anchor=False,
        help=_HELP,
    )
    job_progress.job_outcome(session, JOB)
    shown = compare.dropout_runs(pinned, kept)
    if not shown:
        st.caption("Pin a run with several global prompts.")
        return
    shown = shown[:_MOST_SHOWN]
    pairs = compare.both_tested(shown, photos)
    with ProblemsTold(), st.spinner("Looking at the prompts …", show_time=False):
        found = {run.id: _found(session, run, pairs) for run in shown}
        for run, column in zip(shown, st.columns(_MOST_SHOWN, gap="medium"), strict=False):
            with column:
                _matrix(run, found[run.id])
        lines = [_line(run, found[run.id], len(pairs)) for run in shown]
        st.dataframe(pd.DataFrame(lines).fillna("-"), hide_index=True, key="dropout")
        if not pairs:
            st.caption("None of their test photos is here.")
    _errand(session, shown[0], kept)


def _found(session: Session, run: Run, pairs: Sequence[tuple[Photo, str]]) -> GlobalPrompts:
    """With the run's own tower, one after the other: there may not be room for all."""
    with holding(compare.tower_of_run(towers(), run)) as backbone:
        return compare.global_prompts_of(session, backbone, run, pairs)


def _keeps(run: Run) -> str:
    assert run.settings is not None
    return f"{run.settings.kept_prompts} of {run.settings.global_prompts}"


def _matrix(run: Run, found: GlobalPrompts) -> None:
    names = [str(m) for m in range(1, len(found.says) + 1)]
    st.markdown(f"**{name(run)}** keeps {_keeps(run)}")
    i, j, value = pair(found.says)
    media.chart(
        prompt_charts.cosines(found.says, names),
        key=f"dropout {run.id}",
        alt=f"Cosines of the global prompts of {run.name}; the closest are {i + 1} and {j + 1}, {value:.3f}.",
    )


def _line(run: Run, found: GlobalPrompts, photos: int) -> dict[str, str]:
    assert run.settings is not None
    line = {
        "run": run.name,
        "dropout": f"{run.settings.dropout:g}",
        "kept": _keeps(run),
        "closest two": f"{pair(found.says)[2]:.{_DIGITS}f}",
    }
    if found.ensembling is None:
        return line
    each = found.ensembling
    return line | {
        "spread": f"{each.spread:.4f}",
        "disagree on": f"{each.disagree} of {photos}",
        "best global": f"{each.best} right",
        "global together": f"{each.together} right",
    }


def _errand(session: Session, run: Run, kept: Sequence[Run]) -> None:
    """A button that trains what is missing, one after the other."""
    left = compare.dropouts_left(run, kept)
    if not left or run.settings is None:
        return
    which = text.joined([f"{each.dropout:g}" for each in left])
    keeping = text.joined([str(each.kept_prompts) for each in left])
    problem = compare.cannot_repeat(session, run)
    clicked = st.button(
        f"Train with dropout {which}",
        key=f"dropout {run.id} {which}",
        disabled=bool(problem) or session.page_jobs.running is not None,
        icon=":material/model_training:",
        help=f"Seed, photos and all else as in {name(run)}. Of its {run.settings.global_prompts} global prompts "
        f"{keeping} are kept for each photo. A dropout that keeps as many as another is the same training: left out.",
    )
    if problem:
        st.caption(text.markdown(problem))
    if clicked:
        train_like(session, run, left, JOB, f"Dropout {which}")
