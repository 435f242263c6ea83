"""The first line of a page, and at its end a small menu: save the project, open one."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from app import text
from app.photos.archives import MAX_ARCHIVE_BYTES
from app.projects.content import Project, project_file
from app.projects.reading import read_project
from app.ui.explanation import current
from app.ui.resources import jobs, towers
from app.ui.widgets.elements import show_notice, slot
from app.ui.widgets.remembered import forget
from app.ui.widgets.towers import choose
from app.ui.widgets.uploads import listen
from app.views import compare
from app.views.explore_as_text import explore_of
from app.views.project import add_to, project_name, project_of, project_opened, take_over
from app.visitor.page_state import CompareState, ExploreState, ExportState, PromptsState, TeachState, TestState
from app.visitor.session import Notice, Session, Where
from gallop.errors import GallopError


def title_with_project(session: Session, title: str, words: str) -> None:
    """Draw title, words and menu in a line, and below it what is asked and told of a project."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.title(title, anchor=False, width="content")
        st.markdown(words, width="content")
        # No tertiary one: Streamlit writes its words nearly black on a dark page while it is open.
        with st.popover("Project", icon=":material/folder:"):
            _menu(session)
    with slot():
        _question(session)
    show_notice(session, Where.PROJECT)


def _menu(session: Session) -> None:
    st.download_button(
        "Save project",
        partial(_saved, session),
        project_name(session),
        "application/zip",
        key="save project",
        disabled=not session.has_anything,
        icon=":material/download:",
        on_click="ignore",
        help="Classes, photos, the runs about them and how things are set, in one zip. Whoever has the file has the "
        "photos: as they are seen here, without place and time.",
    )
    st.file_uploader(
        "Open a project",
        key=listen("project", partial(_read, session)),
        max_upload_size=MAX_ARCHIVE_BYTES // 2**20,
        type="zip",
    )


def _saved(session: Session) -> bytes:
    """What stands behind the button. No page is drawn then, so a problem waits for the next."""
    try:
        return project_file(project_of(session))
    except GallopError as error:
        session.notices[Where.PROJECT] = Notice("error", str(error))
        raise


def _read(session: Session, files: list[Any], refused: tuple[str, ...]) -> None:
    """Open a file at once where nothing is here; else ask first."""
    if refused:
        session.notices[Where.PROJECT] = Notice("error", refused[0])
        return
    file = files[0]
    try:
        found = read_project(file, file.name)
    except GallopError as error:
        session.notices[Where.PROJECT] = Notice("error", str(error))
        return
    session.asked = found, text.shorten(file.name, 60)
    if not session.has_anything:
        _replace(session, *session.asked)


def _question(session: Session) -> None:
    if session.asked is None:
        return
    project, name = session.asked
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"Open **{text.markdown(name)}** in place of what is here?", width="content")
        which, args = f"project {id(project)}", (session, project, name)
        st.button("Replace", key=f"replace with {which}", type="primary", on_click=_replace, args=args)
        st.button("Add to it", key=f"add {which}", on_click=_add, args=args)
        st.button("Leave it", key=f"leave {which}", type="tertiary", on_click=_leave, args=args)


def _leave(session: Session, project: Project, _: str) -> None:
    _answered(session, project)


def _answered(session: Session, project: Project) -> bool:
    """Ask no more; whether this project was the one in question: a click may come twice, or after another file."""
    asked = session.asked is not None and session.asked[0] is project
    session.asked = None if asked else session.asked
    return asked


def _add(session: Session, project: Project, name: str) -> None:
    if not _answered(session, project):
        return
    try:
        session.notices[Where.PROJECT] = Notice("success", add_to(session, project, name))
    except GallopError as error:
        session.notices[Where.PROJECT] = Notice("error", str(error))
    session.training.encode_ahead(jobs(), towers(), _shots(project))


def _replace(session: Session, project: Project, name: str) -> None:
    if not _answered(session, project):
        return
    try:
        done = take_over(session, project, name)
    except GallopError as error:
        session.notices[Where.PROJECT] = Notice("error", str(error))
        return
    forget(ExploreState, TeachState, TestState, PromptsState, CompareState, ExportState)
    session.explore, session.teach, session.test = explore_of(project.explore), TeachState(), TestState()
    session.prompts, session.compare, session.export = PromptsState(), CompareState(), ExportState()
    if towers().listing.seek(project.tower) is not None:
        choose(session, project.tower)
    problem = _model(session, project, name)
    session.notices[Where.PROJECT] = Notice("error" if problem else "success", f"{done} {problem}".strip())
    session.training.encode_ahead(jobs(), towers(), _shots(project))


def _model(session: Session, project: Project, name: str) -> str:
    """Let the model of the project answer; why it does not, as a sentence."""
    if project.taught is None:
        return ""
    session.notices.pop(Where.PROJECT, None)
    try:
        tower = compare.tower_of_run(towers(), project.runs[project.taught].run)
    except GallopError as error:
        return str(error)
    current.open_on(session, tower, partial(project_opened, project, name), name, Where.PROJECT)
    told = session.notices.pop(Where.PROJECT, None)
    return told.words if told is not None else ""


def _shots(project: Project) -> tuple[Any, ...]:
    return tuple(photo for card in project.cards if card.enabled for photo in card.shots)
