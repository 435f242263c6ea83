"""Projects and models: the sample in one click, and a small menu of a page to save the project or open one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from app import text
from app.jobs import Counted, Work
from app.library import Backbone
from app.runs.run import Run, backbone_of, classifier_of, unzipped
from app.shared_backbones import BackboneLoading, on_backbone
from app.teaching.tasks import opened
from app.teaching.training import Taught
from app.ui.explanation import current
from app.ui.resources import backbones, holding, jobs
from app.ui.widgets.backbone_choice import choose
from app.ui.widgets.elements import listen, show_notice
from app.ui.widgets.remembered import forget
from app.views.export import imported
from app.views.saved_project import SAMPLE, opened_project, project_of, sample_project, take_over
from app.visitor.session import Session, Where
from gallop.data.project_file import Project, project_file
from gallop.data.zip_files import MAX_ARCHIVE_BYTES
from gallop.errors import GallopError, sentence_of
from gallop.runtime.writing import free_names

_SAMPLE = (
    "Photos of candles, mugs, teapots and vases, and a model trained on them, so that every page has something to "
    "show. *Privacy*, *Remove everything* takes them away again."
)
_OPENING = "opening"


def offer_sample(session: Session, *, narrow: bool = False) -> None:
    """Draw the button while the visitor has nothing to mix it with; afterwards, what went wrong.

    Args:
        narrow: whether what it brings is told only where the mouse rests on it.
    """
    if session.takes_sample:
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
    if session.takes_sample:  # else a second click, or another tab has made a card
        session.asked = *sample_project(session), SAMPLE
        _replace(session, *session.asked)


def menu(session: Session) -> None:
    """Draw a menu to save the project, or open one or a model."""
    # No tertiary one: Streamlit writes its words nearly black on a dark page while it is open.
    with st.popover("Project", icon=":material/folder:"):
        st.download_button(
            "Save project",
            partial(saved, session),
            f"{free_names([session.photos.project_name])[0]}.zip",
            "application/zip",
            key="save project",
            disabled=not session.has_anything,
            icon=":material/download:",
            on_click="ignore",
            help="One zip with the classes, photos, their runs and all settings. It contains the photos as shown "
            "here, without location and time.",
        )
        most = MAX_ARCHIVE_BYTES // 2**20
        for label, where, kind in (("Open a project", Where.PROJECT, "zip"), ("Open a model", Where.MODELS, None)):
            key = listen(label, partial(_open, session, where))
            st.file_uploader(label, key=key, max_upload_size=most, type=kind)


def outcome(session: Session) -> None:
    """Draw what became of a project or a model that was opened."""
    with st.container():
        if session.asked is not None:
            _question(session, *session.asked)
    for where in (Where.PROJECT, Where.MODELS):
        show_notice(session, where)


def saved(session: Session) -> bytes:
    """Make the project file on a click. That draws no page, so the next page shows any problem."""
    try:
        return project_file(project_of(session))
    except (GallopError, OSError) as error:
        session.tell(Where.PROJECT, sentence_of(error) or "", "error")
        raise


def _open(session: Session, where: Where, files: list[Any]) -> None:
    """Open a file; a project at once if there is nothing here, else after a question."""
    file, name = files[0], files[0].name
    with session.telling(where):
        if where is Where.MODELS:
            return open_model(session, unzipped(file, name), name, where)
        session.asked = *opened_project(file, name), text.shorten(name, 60)
        if not session.has_anything:
            _replace(session, *session.asked)
    return None


def _question(session: Session, project: Project, runs: Sequence[Run], name: str) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"Open **{text.markdown(name)}** and replace the current project?", width="content")
        key, args = f"project {id(project)}", (session, project, runs, name)
        st.button("Replace", key=f"replace with {key}", type="primary", on_click=_replace, args=args)
        leave = (session, "asked", None)
        st.button("Cancel", key=f"leave {key}", type="tertiary", on_click=setattr, args=leave)


def _replace(session: Session, project: Project, runs: Sequence[Run], name: str) -> None:
    """Open the project that the visitor was asked about: a click may come twice, or after another file."""
    if session.asked is None or session.asked[0] is not project:
        return
    session.asked = None
    with session.telling(Where.PROJECT):
        done = take_over(session, project, runs, name)
        forget()
        session.begin_pages()
        if backbones().listing.seek(project.backbone_name) is not None:
            choose(session, project.backbone_name)
        session.notices.pop(Where.PROJECT, None)
        if project.taught is not None:
            run, files = runs[project.taught], project.runs[project.taught].files
            open_model(session, files, name, Where.PROJECT, run, project.limit)
        problem = session.notices.pop(Where.PROJECT, None)
        words = f"{problem.words} To learn from its photos, train on Teach." if problem else ""
        session.tell(Where.PROJECT, f"{done} {words}".strip(), "error" if problem else "success")
        shots = (photo for each in project.classes if each.enabled for photo in each.shots)
        session.training.encode_later(shots)  # Explore's answer needs none of them


def open_model(
    session: Session,
    files: Mapping[str, bytes],
    name: str,
    where: Where,
    run: Run | None = None,
    limit: float | None = None,
) -> None:
    """Open a checkpoint with the backbone that it was trained on, as a job of the page where that has to be loaded.

    Args:
        run: what is known of it; one without is tested on the cards.
        limit: for "none of these", where it was set by hand.
    """

    def make(backbone: Backbone) -> Callable[[], None]:
        model = classifier_of(files, backbone)
        taught = imported(session, model, backbone) if run is None else opened(model, backbone, run.settings, run)
        return partial(_adopt, session, taught, name, where, limit)

    def steps(backbone: Backbone) -> Work:
        yield Counted(0.5, "Reading the file")
        return make(backbone)

    with session.telling(where):
        on = backbone_of(backbones(), files)
        try:
            with holding(on) as backbone:
                make(backbone)()
        except BackboneLoading:
            session.page_jobs.start(
                jobs(),
                on_backbone(backbones(), on, steps),
                _OPENING,
                f"Opening {text.markdown(name)} with its backbone",
            )


def settle_opening(session: Session) -> None:
    """Adopt what a job has opened, or report why it failed, before any widget is drawn."""
    problem = session.page_jobs.problem(_OPENING)
    adopt: Callable[[], None] | None = session.page_jobs.result(_OPENING)
    session.page_jobs.ended.pop(_OPENING, None)
    if adopt is not None:
        adopt()
    elif problem:
        for where in (Where.RUNS, Where.MODELS, Where.PROJECT):
            session.tell(where, problem, "info")


def _adopt(session: Session, taught: Taught, name: str, where: Where, limit: float | None) -> None:
    """Use an opened model as the trained one; one that came as a file becomes a run."""
    ledger = session.training.ledger
    session.training.adopt(taught)
    session.form_of = None  # so that its form shows the model's k
    session.limit.set_to(limit)
    current.show(session, taught)
    if where is Where.PROJECT:  # of which the page says more
        return
    session.training.end_with("success", f"Opened {name}{' from the runs on Test' * (where is Where.RUNS)}.")
    words = f"{name} is in use: {text.joined(taught.names)}. Explore answers with it"
    if where is Where.MODELS and ledger is not None:
        ledger.save(taught, f"from {text.shorten(name, 60)}", session.photos.project_name)
        words += ", and it is a run on Test"
    session.tell(where, f"{words}.")
