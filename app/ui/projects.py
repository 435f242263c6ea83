"""The sample project in one click; and the first line of a page, with a small menu to save the project or open one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from app import text
from app.projects import Project, project_file, read_project
from app.teaching.tasks import check_photos
from app.ui.explanation import current
from app.ui.resources import backbones, jobs
from app.ui.widgets.backbones import choose
from app.ui.widgets.elements import listen, show_notice, slot
from app.ui.widgets.remembered import forget
from app.views import compare
from app.views.explore_as_text import explore_of
from app.views.project import (
    SAMPLE_RUN,
    add_to,
    is_offered,
    is_there,
    project_name,
    project_of,
    project_opened,
    put_in,
    sample_opened,
    sample_run,
    take_out,
    take_over,
)
from app.visitor.page_state import CompareState, ExploreState, ExportState, PromptsState, TeachState, TestState
from app.visitor.session import Notice, Session, Where
from gallop.data.zip_files import MAX_ARCHIVE_BYTES
from gallop.errors import GallopError

_SAMPLE = (
    "Photos of candles, mugs, teapots and vases, and a model trained on them, so that every page has something to "
    "show. You can remove the sample on *Teach*."
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
    elif session.training.taught is None and is_there(session):
        show_notice(session, Where.CARDS)


def offer_removal(session: Session) -> None:
    if is_there(session):
        st.button(
            "Remove the sample",
            key="remove sample",
            type="tertiary",
            icon=":material/delete_sweep:",
            on_click=_remove,
            args=(session,),
        )


def take_sample(session: Session) -> None:
    """Put the sample in, in a callback, where there is nothing to mix it with."""
    if not is_offered(session):  # a second click, or another tab has made a card
        return
    with session.telling(Where.CARDS):
        taken = put_in(session)
        current.open_on(
            session,
            compare.backbone_of_run(backbones(), sample_run()),
            sample_opened,
            SAMPLE_RUN,
            Where.CARDS,
        )
        session.training.encode_ahead(jobs(), backbones(), taken)


def _remove(session: Session) -> None:
    if session.explore.names == "\n".join(sample_run().class_names):
        session.explore = replace(session.explore, names=None, typed_names=None)
    with session.telling(Where.CARDS):
        take_out(session)


def title_with_project(session: Session, title: str, words: str) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.title(title, anchor=False, width="content")
        st.markdown(words, width="content")
        # No tertiary one: Streamlit writes its words nearly black on a dark page while it is open.
        with st.popover("Project", icon=":material/folder:"):
            st.download_button(
                "Save project",
                partial(_saved, session),
                project_name(session),
                "application/zip",
                key="save project",
                disabled=not session.has_anything,
                icon=":material/download:",
                on_click="ignore",
                help="One zip with the classes, photos, their runs and all settings. It contains the photos as shown "
                "here, without location and time.",
            )
            st.file_uploader(
                "Open a project",
                key=listen("project", partial(_read, session)),
                max_upload_size=MAX_ARCHIVE_BYTES // 2**20,
                type="zip",
            )
    with slot():
        _question(session)
    notice = session.notices.get(Where.PROJECT)
    show_notice(session, Where.PROJECT)
    if notice is not None and notice.trains:
        words, icon = "Train on the project's photos", ":material/model_training:"
        asks = (session.training, "asked", True)
        st.button(words, key="train project", type="primary", icon=icon, on_click=setattr, args=asks)


def _saved(session: Session) -> bytes:
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
        which, args = f"project {id(project)}", (session, project, name)
        st.button("Replace", key=f"replace with {which}", type="primary", on_click=_replace, args=args)
        st.button("Add to it", key=f"add {which}", on_click=_add, args=args)
        st.button("Cancel", key=f"leave {which}", type="tertiary", on_click=_leave, args=args)


def _leave(session: Session, project: Project, _: str) -> None:
    _answered(session, project)


def _answered(session: Session, project: Project) -> bool:
    """Stop asking; return whether it was about this project: a click may come twice, or after another file."""
    asked = session.asked is not None and session.asked[0] is project
    session.asked = None if asked else session.asked
    return asked


def _add(session: Session, project: Project, name: str) -> None:
    if not _answered(session, project):
        return
    with session.telling(Where.PROJECT):
        session.tell(Where.PROJECT, add_to(session, project, name))
    session.training.encode_ahead(jobs(), backbones(), _shots(project))


def _replace(session: Session, project: Project, name: str) -> None:
    if not _answered(session, project):
        return
    done = ""
    with session.telling(Where.PROJECT):
        done = take_over(session, project, name)
    if not done:
        return
    forget(ExploreState, TeachState, TestState, PromptsState, CompareState, ExportState)
    session.explore, session.teach, session.test = explore_of(project.explore), TeachState(), TestState()
    session.prompts, session.compare, session.export = PromptsState(), CompareState(), ExportState()
    if backbones().listing.seek(project.backbone_name) is not None:
        choose(session, project.backbone_name)
    problem = _model(session, project, name)
    trains = bool(problem) and not check_photos(session.photos.shots())
    session.notices[Where.PROJECT] = Notice("error" if problem else "success", f"{done} {problem}".strip(), trains)
    session.training.encode_ahead(jobs(), backbones(), _shots(project))


def _model(session: Session, project: Project, name: str) -> str:
    """Use the project's model; return why that failed, as a sentence."""
    if project.taught is None:
        return ""
    session.notices.pop(Where.PROJECT, None)
    try:
        backbone_name = compare.backbone_of_run(backbones(), project.runs[project.taught].run)
    except GallopError as error:
        return str(error)
    current.open_on(session, backbone_name, partial(project_opened, project, name), name, Where.PROJECT)
    notice = session.notices.pop(Where.PROJECT, None)
    return notice.words if notice is not None else ""


def _shots(project: Project) -> tuple[Any, ...]:
    return tuple(photo for card in project.cards if card.enabled for photo in card.shots)
