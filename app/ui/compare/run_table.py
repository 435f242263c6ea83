"""The table of runs, with zero-shot and CoOp, and the choice of two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd
import streamlit as st

from app import text
from app.runs import run as of
from app.runs.run import Run
from app.ui.resources import session
from app.ui.widgets.remembered import one_of, put
from app.visitor.page_state import CompareState


def show_runs(rows: Sequence[Run], *, coop_missing: bool) -> None:
    """One line a run.

    Args:
        coop_missing: whether CoOp was not trained on these photos yet.
    """
    lines = [_line(run, tower) for run, tower in zip(rows, of.towers_of(rows), strict=True)]
    if coop_missing:
        lines.insert(1, {"run": "CoOp", "method": "not trained yet"})
    told = {
        "right": "Of the test photos, by the nearest class, with the interval that holds the true value 19 times of 20 "
        "for so many photos.",
        "gain": "Points on zero-shot, on the same photos.",
        "prompts": "Global and local ones.",
        "beside": "What it has that is not in the paper.",
    }
    columns = {name: st.column_config.TextColumn(help=words) for name, words in told.items()}
    st.dataframe(pd.DataFrame(lines).fillna("-"), hide_index=True, key="runs", column_config=columns)


def _line(run: Run, tower: str) -> dict[str, str]:
    found, before = of.on_tests(run), of.on_tests(of.zero_shot_run(run))
    line = {
        "run": run.name,
        **({"tower": tower} if tower else {}),
        "method": run.method + (" (cancelled)" if run.stopped_early else ""),
        "right": right(run),
        "gain": f"{100 * (found.value - before.value):+.0f}" if found and before and run.settings else "-",
        "classes": text.shorten(", ".join(sorted(run.class_names)), 60),
    }
    if run.settings is None:
        return line
    return line | {
        "seed": str(run.settings.seed),
        "prompts": f"{run.settings.global_prompts} + {len(run.settings.topk)}",
        "beside": run.beside or "-",
        "rounds": str(run.settings.epochs),
        "photos": str(run.shots or "-"),
        "made": datetime.fromtimestamp(run.made).strftime("%Y-%m-%d %H:%M"),
    }


def right(run: Run) -> str:
    """Such as "71.2 % of 80 (60 to 80)"."""
    found = of.on_tests(run)
    if found is None:
        return "no test photos"
    low, high = found.interval
    return f"{100 * found.value:.1f} % of {found.of} ({100 * low:.0f} to {100 * high:.0f})"


def pins(rows: Sequence[Run]) -> tuple[Run, Run]:
    """The two runs that are compared: A and B."""
    by_id = {run.id: run for run in rows}
    # Beside B one without figures would say nothing, so the newest that has some is shown first.
    newest = max((run.id for run in rows[1:] if of.fair(run, rows[0])), default=max(by_id))
    state = session().compare
    if state.newest not in (None, newest) and state.pin_a == state.newest:
        put(CompareState.pin_a, newest)  # A stood at the newest run, and goes on to do so
    session().compare = replace(session().compare, newest=newest)
    labels = {run.id: _label(run, tower) for run, tower in zip(rows, of.towers_of(rows), strict=True)}
    left, right = st.columns(2)
    with left:
        a = one_of("Pin A", by_id, CompareState.pin_a, newest, labels.__getitem__)
    with right:
        b = one_of("Pin B", by_id, CompareState.pin_b, of.ZERO_SHOT, labels.__getitem__)
    return by_id[a], by_id[b]


def pin_names(pinned: tuple[Run, Run]) -> dict[str, str]:
    """What A and B are called beside each other, plain: with their towers where these differ."""
    towers = of.towers_of(pinned)
    short = [text.shorten(run.name) for run in pinned]
    return {
        label: f"{name} on {tower}" if tower else name for label, name, tower in zip("AB", short, towers, strict=True)
    }


def _label(run: Run, tower: str) -> str:
    found = of.on_tests(run)
    more = [tower] if tower else []
    more += [f"seed {run.settings.seed}"] if run.settings else []
    more += [f"{found.value:.0%} right"] if found else []
    return f"{run.name} ({', '.join(more)})" if more else run.name


def name(run: Run) -> str:
    """A run's name inside Markdown."""
    return text.markdown(text.shorten(run.name))
