"""The table of runs, with zero-shot and CoOp, the choice of two, and what can be done with one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd
import streamlit as st

from app import text
from app.library import Backbone
from app.runs import run as of
from app.runs.run import Run, file_name, zipped
from app.runs.store import Ledger
from app.ui.explanation import current
from app.ui.resources import backbones, session
from app.ui.widgets.elements import show_notice, slot
from app.ui.widgets.remembered import one_of, put, value_in_browser
from app.views import compare
from app.views.project import Opened
from app.visitor.page_state import CompareState
from app.visitor.session import Session, Where


def show_runs(rows: Sequence[Run], *, coop_missing: bool) -> None:
    """Draw a table with one line for each run.

    Args:
        coop_missing: whether CoOp was not trained on these photos yet.
    """
    lines = [_line(run, name) for run, name in zip(rows, of.backbones_of(rows), strict=True)]
    if coop_missing:
        lines.insert(1, {"run": "CoOp", "method": "not trained yet"})
    about = {
        "right": "Of the test photos, by the nearest class, with the interval that holds the true value 19 times of 20 "
        "for so many photos.",
        "gain": "Points on zero-shot, on the same photos.",
        "prompts": "Global and local ones.",
        "additions": "What it has that is not in the paper.",
    }
    columns = {name: st.column_config.TextColumn(help=words) for name, words in about.items()}
    st.dataframe(pd.DataFrame(lines).fillna("-"), hide_index=True, key="runs", column_config=columns)


def _line(run: Run, name: str) -> dict[str, str]:
    accuracy, before = of.on_tests(run), of.on_tests(of.zero_shot_run(run))
    line = {
        "run": run.name,
        **({"backbone": name} if name else {}),
        "method": run.method + (" (cancelled)" if run.stopped_early else ""),
        "right": right(run),
        "gain": f"{100 * (accuracy.value - before.value):+.0f}" if accuracy and before and run.settings else "-",
        "classes": text.shorten(", ".join(sorted(run.class_names)), 60),
    }
    if run.settings is None:
        return line
    return line | {
        "seed": str(run.settings.seed),
        "prompts": f"{run.settings.global_prompts} + {len(run.settings.topk)}",
        "additions": run.beside or "-",
        "rounds": str(run.settings.epochs),
        "photos": str(run.shots or "-"),
        "made": datetime.fromtimestamp(run.made).strftime("%Y-%m-%d %H:%M"),
    }


def right(run: Run) -> str:
    """Return a text such as "71.2 % of 80 (60 to 80)"."""
    accuracy = of.on_tests(run)
    if accuracy is None:
        return "no test photos"
    low, high = accuracy.interval
    return f"{100 * accuracy.value:.1f} % of {accuracy.of} ({100 * low:.0f} to {100 * high:.0f})"


def pins(rows: Sequence[Run]) -> tuple[Run, Run]:
    """Draw the choice of two; at first, and after a training, the newest run and the one before it."""
    by_id = {run.id: run for run in rows}
    # A run without figures cannot be compared with B, so the newest that has some is shown first.
    newest = max((run.id for run in rows[1:] if of.fair(run, rows[0])), default=max(by_id))
    last = of.before(by_id[newest], rows)
    other = of.ZERO_SHOT if last is None else last.id
    taught, drawn_at = session().training.taught, session().compare.newest
    # A run trained on Teach meanwhile is pinned; more seeds or dropouts, trained here, leave the pins unchanged.
    if drawn_at not in (None, newest) and taught is not None and by_id[newest].settings == taught.settings:
        put(CompareState.pin_a, newest)
        put(CompareState.pin_b, other)
    session().compare = replace(session().compare, newest=newest)
    labels = {run.id: _label(run, name) for run, name in zip(rows, of.backbones_of(rows), strict=True)}
    left, right = st.columns(2)
    with left:
        a = one_of("Pin A", by_id, CompareState.pin_a, newest, labels.__getitem__)
    with right:
        b = one_of("Pin B", by_id, CompareState.pin_b, other, labels.__getitem__)
    return by_id[a], by_id[b]


def pin_names(pinned: tuple[Run, Run]) -> dict[str, str]:
    """Return the names of A and B in plain text, with their backbones where these differ."""
    names = of.backbones_of(pinned)
    short = [text.shorten(run.name) for run in pinned]
    return {label: f"{run} on {name}" if name else run for label, run, name in zip("AB", short, names, strict=True)}


def _label(run: Run, backbone: str) -> str:
    accuracy = of.on_tests(run)
    seed = f"seed {run.settings.seed}" if run.settings else ""
    more = ", ".join(filter(None, [backbone, seed, f"{accuracy.value:.0%} right" if accuracy else ""]))
    return f"{run.name} ({more})" if more else run.name


def name(run: Run) -> str:
    return text.markdown(text.shorten(run.name))


def keeping(session: Session, ledger: Ledger, runs: Sequence[Run]) -> None:
    by_id = {run.id: run for run in runs}
    run = by_id[one_of("Run", by_id, CompareState.run, max(by_id), lambda at: by_id[at].name)]
    with st.form(f"rename {run.id}", border=False):
        typed = st.text_input("New name", run.name, max_chars=80, key=f"name of {run.id}")
        if st.form_submit_button("Rename"):
            ledger.rename(run.id, typed)
            st.rerun()
    with st.container(horizontal=True):
        about = f"{name(run)} becomes the classifier of this session, as if it had just been trained."
        if run.backbone_name != session.training.backbone_name:
            about += f" It answers with the backbone it was trained on, {text.markdown(run.backbone_name)}."
        st.button(
            "Open this run",
            on_click=_open,
            args=(session, run),
            icon=":material/folder_open:",
            key=f"open run {run.id}",
            help=about,
        )
        st.download_button(
            "Export as zip",
            session.answers.once(("zip", run.id), lambda: zipped(ledger.files(run.id).as_folder())),
            f"{file_name(run.name)}.zip",
            "application/zip",
            key=f"export run {run.id}",
            icon=":material/download:",
            on_click="ignore",
        )
        st.button(
            "Delete",
            on_click=_delete,
            args=(session, run, ledger),
            icon=":material/delete:",
            key=f"delete run {run.id}",
        )


def show_notices(session: Session, ledger: Ledger) -> None:
    last = slot()
    if session.compare.deleted is not None:
        number, words = session.compare.deleted
        left, right = last.columns([4, 1], vertical_alignment="center")
        left.caption(f"Deleted {text.markdown(words)}. It can be restored until the next one is deleted.")
        right.button(
            "Undo", on_click=_undo, args=(session, ledger, number), icon=":material/undo:", key=f"undelete run {number}"
        )
    show_notice(session, Where.RUNS)


def _chosen(session: Session, run: Run, done: str) -> bool:
    """Return whether the run whose button was clicked is still selected; another may have been chosen just before."""
    if value_in_browser(CompareState.run) == run.id:
        return True
    session.tell(
        Where.RUNS,
        f"Another run was just chosen, so {run.name} was not {done}. Check which one is chosen, and click again.",
        "info",
    )
    return False


def _open(session: Session, run: Run) -> None:
    if not _chosen(session, run, "opened"):
        return

    def make(backbone: Backbone) -> Opened:
        return Opened(compare.taught_of_run(session, backbone, run), run.name, source="run")

    with session.telling(Where.RUNS):
        current.open_on(session, compare.backbone_of_run(backbones(), run), make, run.name, Where.RUNS)


def _delete(session: Session, run: Run, ledger: Ledger) -> None:
    if _chosen(session, run, "deleted"):
        with session.telling(Where.RUNS):
            ledger.delete(run.id)
            session.compare = replace(session.compare, deleted=(run.id, run.name))


def _undo(session: Session, ledger: Ledger, number: int) -> None:
    if session.compare.deleted is not None and session.compare.deleted[0] == number:
        session.compare = replace(session.compare, deleted=None)
        with session.telling(Where.RUNS):
            ledger.undelete(number)
