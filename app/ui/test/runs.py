"""Every training is a run: the table of runs, two side by side, and what can be done with one."""

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
from app.ui.resources import backbones, visitors
from app.ui.test import pair
from app.ui.widgets.elements import problems_shown, show_notice, slot
from app.ui.widgets.remembered import one_of, put
from app.views import compare
from app.views.project import Opened
from app.visitor.session import Session, Where


def all_runs(session: Session) -> None:
    """Draw them; nothing where there are none, and nothing to say of them."""
    ledger = session.training.ledger
    assert ledger is not None  # every session of this app has one
    show_notice(session, Where.RUNS)
    saved: list[Run] = []
    with problems_shown():
        saved = ledger.runs()
    warned = slot()
    for sentence in (ledger.note, ledger.problem):
        if sentence:
            warned.warning(text.markdown(sentence), icon=":material/warning:")
    if not saved:
        return
    st.header("Runs", anchor=False, help=_whose(ledger))
    show_runs(saved)
    a, b = pins(session, saved)
    pair.versus(a, b, saved)
    pair.flipped(session, a, b, compare.photos(session))
    with problems_shown():
        keeping(session, ledger, a)


def _whose(ledger: Ledger) -> str:
    whose = (
        f"They stay on this machine, for everybody who opens this app on it, in {ledger.folder}."
        if ledger.of_this_machine
        else f"They are deleted {text.roughly(visitors().keep)} after you close the page: export what you need."
    )
    return text.markdown(f"Every training is saved as a run. {whose} No photo is among them, only their fingerprints.")


def show_runs(runs: Sequence[Run]) -> None:
    """Draw a table with one line for each run."""
    about = {
        "right": "Of the test photos, by the nearest class, with the interval that holds the true value 19 times of 20 "
        "for so many photos.",
        "zero-shot": "Right before the training, on the same photos.",
    }
    lines = [
        {
            "run": f"{run.name}{' (cancelled)' * run.stopped_early}",
            **({"backbone": backbone} if backbone else {}),
            "right": right(run),
            "zero-shot": right(of.zero_shot_run(run)),
            "classes": text.shorten(", ".join(sorted(run.class_names)), 60),
            "photos": str(run.shots or "-"),
            "made": datetime.fromtimestamp(run.made).strftime("%Y-%m-%d %H:%M"),
        }
        for run, backbone in zip(runs, of.backbones_of(runs), strict=True)
    ]
    columns = {name: st.column_config.TextColumn(help=words) for name, words in about.items()}
    st.dataframe(pd.DataFrame(lines), hide_index=True, key="runs", column_config=columns)


def right(run: Run) -> str:
    """Return a text such as "71.2 % of 80 (60 to 80)"."""
    accuracy = of.on_tests(run)
    if accuracy is None:
        return "no test photos"
    low, high = accuracy.interval
    return f"{100 * accuracy.value:.1f} % of {accuracy.of} ({100 * low:.0f} to {100 * high:.0f})"


def pins(session: Session, runs: Sequence[Run]) -> tuple[Run, Run]:
    """Draw the choice of two: at first and after a training the newest run with figures, and the one before it with the
    same classes, or zero-shot.
    """
    newest = next((run for run in runs if of.tests(run)), runs[0])
    last = of.before(newest, [run for run in runs if set(run.class_names) == set(newest.class_names)])
    other = of.ZERO_SHOT if last is None else last.id
    if session.compare.newest not in (None, newest.id):
        put("compare pin_a", newest.id)
        put("compare pin_b", other)
    session.compare = replace(session.compare, newest=newest.id)
    by_id = {run.id: run for run in runs}
    labels = {run.id: _label(run, backbone) for run, backbone in zip(runs, of.backbones_of(runs), strict=True)}
    left, right = st.columns(2)
    with left:
        a = by_id[one_of("Pin A", by_id, "compare pin_a", newest.id, labels.__getitem__)]
    by_id[of.ZERO_SHOT] = of.zero_shot_run(a)
    labels[of.ZERO_SHOT] = "Zero-shot, as A began"
    with right:
        return a, by_id[one_of("Pin B", by_id, "compare pin_b", other, labels.__getitem__)]


def _label(run: Run, backbone: str) -> str:
    accuracy = of.on_tests(run)
    more = ", ".join(filter(None, [backbone, f"{text.share(accuracy.value)} right" if accuracy else ""]))
    return f"{run.name} ({more})" if more else run.name


def keeping(session: Session, ledger: Ledger, run: Run) -> None:
    """Draw what can be done with a run; each key names it, so that a click acts on the run that was shown."""
    key = f"name of {run.id} {run.made}"
    st.text_input("Name of A", run.name, max_chars=80, key=key, on_change=_rename, args=(session, ledger, run, key))
    about = f"{text.markdown(text.shorten(run.name))} becomes the classifier of this session, as if it had just been "
    about += "trained."
    if run.backbone_name != session.training.backbone_name:
        about += f" It answers with the backbone it was trained on, {text.markdown(run.backbone_name)}."
    with st.container(horizontal=True):
        st.button(
            "Open A",
            on_click=_open,
            args=(session, run),
            icon=":material/folder_open:",
            key=f"open run {run.id}",
            help=about,
        )
        st.download_button(
            "Export A as zip",
            session.answers.once(("zip", run.id, run.made), lambda: zipped(ledger.files(run.id).as_folder())),
            f"{file_name(run.name)}.zip",
            "application/zip",
            key=f"export run {run.id}",
            icon=":material/download:",
            on_click="ignore",
        )
        with st.popover("Delete A", icon=":material/delete:"):
            st.markdown(f"{text.markdown(text.shorten(run.name))} cannot be brought back.")
            st.button("Delete it", on_click=_delete, args=(session, ledger, run), key=f"delete run {run.id} {run.made}")


def _rename(session: Session, ledger: Ledger, run: Run, key: str) -> None:
    with session.telling(Where.RUNS):
        ledger.rename(run.id, st.session_state[key])


def _open(session: Session, run: Run) -> None:
    def make(backbone: Backbone) -> Opened:
        return Opened(compare.taught_of_run(session, backbone, run), run.name, source="run")

    with session.telling(Where.RUNS):
        current.open_on(session, compare.backbone_of_run(backbones(), run), make, run.name, Where.RUNS)


def _delete(session: Session, ledger: Ledger, run: Run) -> None:
    with session.telling(Where.RUNS):
        ledger.delete(run.id)
