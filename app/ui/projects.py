"""The sample project in one click; and the first line of a page, with a small menu to save the project or open one."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from app import text
from app.library import Backbone
from app.projects import Project, project_file, read_project
from app.runs.run import classifier_of, unzipped
from app.ui.explanation import current
from app.ui.resources import backbones
from app.ui.widgets.backbones import choose
from app.ui.widgets.elements import listen, show_notice, slot
from app.ui.widgets.remembered import forget
from app.views import compare
from app.views.export import imported
from app.views.project import (
    SAMPLE,
    Opened,
    backbone_of_files,
    is_offered,
    project_name,
    project_of,
    project_opened,
    sample_project,
    take_over,
)
from app.visitor.page_state import CompareState, EvidenceState, TestState
from app.visitor.session import Session, Where
from gallop.data.zip_files import MAX_ARCHIVE_BYTES
from gallop.errors import GallopError

_SAMPLE = (
    "Photos of candles, mugs, teapots and vases, and a model trained on them, so that every page has something to "
    "show. *Privacy*, *Remove everything* takes them away again."
)


def offer_sample(session: Session, *, narrow: bool = False) -> None:
    """Draw the button while the visitor has nothing to mix it with; afterwards, what went wrong.

    Args:
        narrow: whether what it brings is told only where the mouse rests on it.
    """
    if is_offered(session):
        st.button(
            "Load a sample project",
            key="take sample",
            icon=":material/redeem:",
            on_click=take_sample,
            args=(session,),
            width="stretch" if narrow else "content",
            help=_SAMPLE if narrow else None,
        )
        if not narrow:
            st.caption(_SAMPLE)
    elif session.training.taught is None:
        show_notice(session, Where.PROJECT)


def take_sample(session: Session) -> None:
    """Open the sample in a callback, where there is nothing to mix it with."""
    if is_offered(session):  # else a second click, or another tab has made a card
        session.asked = sample_project(session), SAMPLE
        _replace(session, *session.asked)


def menu(session: Session) -> None:
    """Draw a menu to save the project, or open one or a model."""
    # No tertiary one: Streamlit writes its words nearly black on a dark page while it is open.
    with st.popover("Project", icon=":material/folder:"):
        st.download_button(
            "Save project",
            partial(saved, session),
            project_name(session),
            "application/zip",
            key="save project",
            disabled=not session.has_anything,
            icon=":material/download:",
            on_click="ignore",
            help="One zip with the classes, photos, their runs and all settings. It contains the photos as shown "
            "here, without location and time.",
        )
        most = MAX_ARCHIVE_BYTES // 2**20
        st.file_uploader(
            "Open a project", key=listen("project", partial(_read, session)), max_upload_size=most, type="zip"
        )
        st.file_uploader("Open a model", key=listen("model zip", partial(_take_model, session)), max_upload_size=most)


def outcome(session: Session) -> None:
    """Draw what became of a project or a model that was opened."""
    with slot():
        _question(session)
    for where in (Where.PROJECT, Where.MODELS):
        show_notice(session, where)


def _take_model(session: Session, files: list[Any], refused: tuple[str, ...]) -> None:
    if refused:
        session.tell(Where.MODELS, refused[0], "error")
        return
    with session.telling(Where.MODELS):
        name, usual = files[0].name, session.training.backbone_name
        unpacked = unzipped(files[0], name)

        def make(backbone: Backbone) -> Opened:
            return Opened(imported(session, classifier_of(unpacked, backbone), backbone), name, source="file")

        on = backbone_of_files(backbones(), unpacked, usual)
        current.open_on(session, on, make, name, Where.MODELS)


def saved(session: Session) -> bytes:
    """Make the project file on a click. No page is drawn then, so a problem is shown on the next one."""
    try:
        return project_file(project_of(session))
    except GallopError as error:
        session.tell(Where.PROJECT, str(error), "error")
        raise


def _read(session: Session, files: list[Any], refused: tuple[str, ...]) -> None:
    """Open a file at once if there is nothing here; else ask first."""
    if refused:
        session.tell(Where.PROJECT, refused[0], "error")
        return
    with session.telling(Where.PROJECT):
        session.asked = read_project(files[0], files[0].name), text.shorten(files[0].name, 60)
        if not session.has_anything:
            _replace(session, *session.asked)


def _question(session: Session) -> None:
    if session.asked is None:
        return
    project, name = session.asked
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"Open **{text.markdown(name)}** and replace the current project?", width="content")
        key, args = f"project {id(project)}", (session, project, name)
        st.button("Replace", key=f"replace with {key}", type="primary", on_click=_replace, args=args)
        leave = (session, "asked", None)
        st.button("Cancel", key=f"leave {key}", type="tertiary", on_click=setattr, args=leave)


def _replace(session: Session, project: Project, name: str) -> None:
    """Open the project that the visitor was asked about: a click may come twice, or after another file."""
    if session.asked is None or session.asked[0] is not project:
        return
    session.asked = None
    with session.telling(Where.PROJECT):
        done = take_over(session, project, name)
        forget()
        session.test, session.evidence, session.compare = TestState(), EvidenceState(), CompareState()
        session.form_of = None
        if backbones().listing.seek(project.backbone_name) is not None:
            choose(session, project.backbone_name)
        session.notices.pop(Where.PROJECT, None)
        if project.taught is not None:
            with session.telling(Where.PROJECT):
                on = compare.backbone_of_run(backbones(), project.runs[project.taught].run)
                current.open_on(session, on, partial(project_opened, project, name), name, Where.PROJECT)
        problem = session.notices.pop(Where.PROJECT, None)
        words = f"{problem.words} To learn from its photos, train on Teach." if problem else ""
        session.tell(Where.PROJECT, f"{done} {words}".strip(), "error" if problem else "success")
        shots = (photo for card in project.cards if card.enabled for photo in card.shots)
        session.training.encode_later(shots)  # Explore's answer needs none of them
