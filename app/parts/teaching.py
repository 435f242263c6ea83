"""The "teach it" box: classes, a few photos of each, and a training beside the page."""

from __future__ import annotations

import streamlit as st

import teach
import text
import view
from gallop import parse_names
from gallop.classes import ClassNameError
from jobs import JobManager, PlainError, Snapshot, State
from parts import kept, media
from parts.uploads import uploader
from photos import MAX_SHOTS
from resources import backbone
from session import DEFAULT_NAMES, Session
from teach import Settings

MOST_TAUGHT = 20
COLUMNS = 3
POLL_SECONDS = 0.5


def box(session: Session, manager: JobManager) -> None:
    st.markdown(
        "Show it a few photos of each of your own classes, 4 to 16 are usually enough. It learns prompts for "
        "them, here: two classes take well under a minute, ten a few."
    )
    classes = _classes(session)
    if classes:
        _shots(session, classes)
        _train(session, manager, classes)
    if session.job is not None:
        _progress(session)
    elif session.notice is not None:
        kind, sentence = session.notice
        {"error": st.error, "info": st.info, "success": st.success}[kind](text.markdown(sentence))


def _classes(session: Session) -> tuple[str, ...]:
    """The classes to teach; empty, with a sentence, where there are none."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    kept.recall("taught names", "")
    typed = left.text_area(
        "Classes to teach, two or more, one on each line",
        key="taught names",
        height=100,
        placeholder="for example\nant\nbee",
    )
    right.button("Take the names from Explore", on_click=_copy_names, args=(session,))
    kept.keep("taught names", typed)
    if not typed.strip():
        st.caption("Name two or more classes; a place for the photos of each appears here.")
        return ()
    try:
        classes = parse_names(typed)
    except ClassNameError as error:
        st.error(text.markdown(error), icon=":material/error:")
        return ()
    if len(classes) > MOST_TAUGHT:
        st.error(f"These are {len(classes)} classes; the most to teach here is {MOST_TAUGHT}.")
        return ()
    return classes


def _copy_names(session: Session) -> None:
    kept.put("taught names", session.kept.get("names", "\n".join(DEFAULT_NAMES)))


def _shots(session: Session, classes: tuple[str, ...]) -> None:
    """A place for each class's photos."""
    for start in range(0, len(classes), COLUMNS):
        for name, column in zip(classes[start : start + COLUMNS], st.columns(COLUMNS), strict=False):
            with column.container(border=True):
                _card(session, name)


def _card(session: Session, name: str) -> None:
    label = text.markdown(text.shorten(name, 60))
    uploader(f"Photos of {label}", f"shots {name}", lambda files: session.add_shots(name, files))
    photos = list(session.shelf_of(name).photos.values())
    if not photos:
        st.caption(f"No photos yet; up to {MAX_SHOTS}.")
        return
    media.image(view.encoded(view.strip(photos)), alt=f"The first of the {len(photos)} photos of {name}")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{len(photos)} photo{'s' if len(photos) > 1 else ''}")
        st.button("Take them away", key=f"clear {name}", type="tertiary", on_click=_clear, args=(session, name))


def _clear(session: Session, name: str) -> None:
    session.shots.pop(name, None)
    session.verdicts.pop(f"shots {name}", None)


def _train(session: Session, manager: JobManager, classes: tuple[str, ...]) -> None:
    defaults = teach.default_settings()
    epochs, seed, button = st.columns([1, 1, 2], vertical_alignment="bottom")
    chosen = Settings(
        epochs=int(
            epochs.number_input(
                "Epochs", 1, 200, defaults.epochs, key="epochs", help="How often it goes through all the photos."
            )
        ),
        seed=int(
            seed.number_input(
                "Seed", 0, 10_000, defaults.seed, key="seed", help="The same seed and photos give the same prompts."
            )
        ),
    )
    problem = teach.check(session.shots_by_class(classes))
    if button.button("Train", type="primary", disabled=bool(problem) or session.job is not None, width="stretch"):
        try:
            session.start(manager, backbone(), classes, chosen)
        except PlainError as error:
            session.notice = ("error", str(error))
        st.rerun()
    if problem:
        st.caption(f":material/info: {text.markdown(problem)}")


def _progress(session: Session) -> None:
    """Look at the training twice a second, without running the rest of the page; at its end run all of it once."""

    @st.fragment(run_every=POLL_SECONDS)
    def look() -> None:
        if session.job is None:
            return
        snapshot = session.job.snapshot()
        if not snapshot.active:
            st.rerun()
        share, words = _words(snapshot, stopping=session.job.stopping)
        st.progress(share, text=words)
        st.button("Cancel, and keep what has been learned", on_click=session.job.cancel, disabled=session.job.stopping)

    look()


def _words(snapshot: Snapshot, *, stopping: bool) -> tuple[float, str]:
    if snapshot.state is State.QUEUED:
        before = "one other training is" if snapshot.ahead == 1 else f"{snapshot.ahead} other trainings are"
        return 0.0, f"Waiting: {before} before yours. It starts by itself."
    if stopping:
        return (snapshot.progress.share if snapshot.progress else 0.0), "Stopping after the step in hand"
    if snapshot.progress is None:
        return 0.0, "Starting"
    return snapshot.progress.share, snapshot.progress.sentence
