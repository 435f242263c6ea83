"""Every training is a run: the table of runs, two of them side by side, and what can be done with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from app import charts, text
from app.runs import run as of
from app.runs.run import Run
from app.runs.store import Ledger
from app.teaching.training import Answer
from app.ui import projects
from app.ui.resources import visitors
from app.ui.widgets.elements import problems_shown, show_notice
from app.ui.widgets.remembered import one_of, put
from app.views.saved_project import about_these_photos
from app.visitor.session import Session, Where
from gallop.evaluation.changes import Flips
from gallop.evaluation.intervals import Paired, Proportion
from gallop.runtime.writing import free_names

# The choice of zero-shot, which is no run; runs have their numbers.
_ZERO_SHOT = 0


def all_runs(session: Session) -> None:
    """Draw them, those of the open project first; nothing where there are none, and nothing to say of them."""
    ledger = session.training.ledger
    assert ledger is not None  # every session of this app has one
    show_notice(session, Where.RUNS)
    saved: list[Run] = []
    with problems_shown():
        saved = ledger.runs()
    warned = st.container()
    for sentence in filter(None, (ledger.note, ledger.problem)):
        warned.warning(text.markdown(sentence), icon=":material/warning:")
    if not saved:
        return
    whose = (
        f"They stay on this machine, for everybody who opens this app on it, in {ledger.folder}."
        if ledger.of_this_machine
        else f"They are deleted {text.roughly(visitors().keep)} after you close the page: export what you need."
    )
    about = (
        f"Every training is saved as a run. {whose} No photo is among them, only their fingerprints. Those about the "
        "photos that are here come first."
    )
    st.header("Runs", anchor=False, help=text.markdown(about))
    here = {run.id for run in about_these_photos(session, saved)}
    saved.sort(key=lambda run: run.id not in here)
    _table(saved)
    a, b = _pair(session, saved)
    _versus(a, b)
    _answered_differently(session, a, b)
    with problems_shown():
        _actions(session, ledger, a)


def _table(runs: Sequence[Run]) -> None:
    about = {
        "right": "Of the test photos, by the nearest class, with the interval that holds the true value 19 times of 20 "
        "for so many photos.",
        "zero-shot": "Right before the training, on the same photos.",
        "project": "The file that was open, or its name when it is saved.",
    }
    lines = [
        {
            "run": f"{run.name}{' (cancelled)' * run.stopped_early}",
            "right": _right(run.answers),
            "zero-shot": _right(run.answers_before),
            "classes": text.shorten(", ".join(sorted(run.class_names)), 60),
            "photos": str(run.shots or "-"),
            "made": datetime.fromtimestamp(run.made).strftime("%Y-%m-%d %H:%M"),
            "project": run.project or "-",
            "backbone": run.backbone_name,
        }
        for run in runs
    ]
    columns = {name: st.column_config.TextColumn(help=words) for name, words in about.items()}
    st.dataframe(pd.DataFrame(lines), hide_index=True, key="runs", column_config=columns)


def _right(answers: Mapping[str, Answer]) -> str:
    tested = of.tested(answers)
    return charts.proportion_in_words(Proportion(sum(tested.values()), len(tested))) if tested else "no test photos"


def _pair(session: Session, runs: Sequence[Run]) -> tuple[Run, Run | None]:
    """Draw the choice of two, of which the second may be zero-shot: at first and after a training the newest run with
    figures, and the last one before it with the same classes.
    """
    newest = next((run for run in runs if of.tested(run.answers)), runs[0])
    last = of.before(newest, runs)
    other = _ZERO_SHOT if last is None else last.id
    if session.newest_run not in (None, newest.id):
        put("compare pin_a", newest.id)
        put("compare pin_b", other)
    session.newest_run = newest.id
    by_id, names = {run.id: run for run in runs}, {run.id: run.name for run in runs}
    left, right = st.columns(2)
    with left:
        a = one_of("Pin A", by_id, "compare pin_a", newest.id, names.__getitem__)
    names[_ZERO_SHOT] = "Zero-shot, as A began"
    with right:
        b = one_of("Pin B", names, "compare pin_b", other, names.__getitem__)
    return by_id[a], by_id.get(b)


def _versus(a: Run, b: Run | None) -> None:
    """Draw what was set differently, and how right both are on the test photos that they share."""
    if b is not None:
        st.markdown("**Settings that differ**")
        if lines := of.differences(a, b):
            st.dataframe(pd.DataFrame(lines, columns=["what", "A", "B"]), hide_index=True, key="differences")
        else:
            st.caption("None: A and B have the same settings, classes and photos.")
    mine, other = of.tested(a.answers), of.tested(b.answers if b else a.answers_before)
    shared = mine.keys() & other.keys()
    if not shared:
        st.markdown(
            "A and B have no test photos in common. Add test photos to the class cards on *Teach*, then train both "
            "again."
        )
        return
    right = [Proportion(sum(side[digest] for digest in shared), len(shared)) for side in (mine, other)]
    gains = text.gain(100 * (right[0].value - right[1].value), "B", 1), None
    names = f"A: {a.name}", f"B: {b.name if b else 'Zero-shot'}"
    for column, name, share, gain in zip(st.columns(2, gap="large"), names, right, gains, strict=True):
        words = f"{text.markdown(text.shorten(name))}, right on {share.of} test photos"
        column.metric(words, f"{100 * share.value:.1f} %", gain)
        column.caption("Likely {:.0f} to {:.0f} %.".format(*(100 * bound for bound in share.interval)))
    flips = Flips.between(other, mine)
    test = Paired(len(flips.now_right), len(flips.now_wrong))
    st.markdown(
        f"Only A is right on **{test.only_first}** of the shared test photos, only B on **{test.only_second}**. This "
        f"split {test.chance}."
        if test.only_first + test.only_second
        else "A and B get the same test photos right and the same ones wrong.",
        help=f"If both were equally good, a split this uneven would occur in {text.percent(test.p)} of cases "
        "(McNemar's exact test). More test photos or seeds would tell.",
    )


def _answered_differently(session: Session, a: Run, b: Run | None) -> None:
    """Draw the photos to which A and B give different classes, those that neither learned from first."""
    photos, answers = session.photos.all, b.answers if b else a.answers_before
    both = [(key, photos.get(key), mine, answers[key]) for key, mine in a.answers.items() if key in answers]
    flips = [line for line in both if line[2].label != line[3].label]
    if not flips:
        st.caption(
            f"A and B have the same nearest class for all {len(both)} photos that they share. Whether a photo is none "
            "of these is not compared."
        )
        return
    lines = [
        {
            "picture": session.answers.thumbnail(photo) if photo else None,
            "photo": photo.name if photo else f"not here ({digest[:8]})",
            "really": mine.truth,
            "A says": f"{mine.label}, {text.percent(mine.probability)}",
            "B says": f"{other.label}, {text.percent(other.probability)}",
            "who is right": "A" if mine.right else "B" if other.right else "neither",
            "used to": "learn" if mine.seen or other.seen else "test",
        }
        for digest, photo, mine, other in flips
    ]
    says = st.column_config.TextColumn(help="The most probable class; the threshold for none of these is not used.")
    columns = {"picture": st.column_config.ImageColumn(), "A says": says, "B says": says}
    lines.sort(key=lambda line: (line["used to"] == "learn", line["who is right"]))
    st.dataframe(pd.DataFrame(lines), hide_index=True, key="flips", row_height=64, column_config=columns)
    if gone := sum(photo is None for _, photo, _, _ in flips):
        st.caption(
            f"{gone} of these {len(flips)} photos cannot be shown.",
            help="A run stores no photos, only its answers. Add the photos to the class cards on *Teach* to see them.",
        )


def _actions(session: Session, ledger: Ledger, run: Run) -> None:
    """Draw what can be done with a run; each key names it, so that a click acts on the run that was shown."""
    key, name = f"name of {run.id} {run.made}", text.markdown(text.shorten(run.name))
    rename = (session, lambda: ledger.rename(run.id, st.session_state[key]))
    st.text_input("Name of A", run.name, max_chars=of.MOST_NAME, key=key, on_change=_try, args=rename)
    with st.container(horizontal=True):
        st.button(
            "Open A",
            on_click=_try,
            args=(session, lambda: projects.open_model(session, ledger.files(run.id), run.name, Where.RUNS, run)),
            icon=":material/folder_open:",
            key=f"open run {run.id}",
            help=f"{name} becomes the classifier of this session, as if it had just been trained. It answers with the "
            f"backbone it was trained on, {text.markdown(run.backbone_name)}.",
        )
        st.download_button(
            "Export A as zip",
            session.answers.once(("zip", run.id, run.made), lambda: of.model_zip(ledger.files(run.id))),
            f"{free_names([run.name])[0]}.zip",
            "application/zip",
            key=f"export run {run.id}",
            icon=":material/download:",
            on_click="ignore",
        )
        with st.popover("Delete A", icon=":material/delete:"):
            st.markdown(f"{name} cannot be brought back.")
            delete = (session, lambda: ledger.delete(run.id))
            st.button("Delete it", on_click=_try, args=delete, key=f"delete run {run.id} {run.made}")


def _try(session: Session, act: Callable[[], object]) -> None:
    with session.telling(Where.RUNS):
        act()
