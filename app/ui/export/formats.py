"""Files of every export format that gallop knows: of the classifier, and of the photo that Explore shows."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from app import text
from app.runs.model_zip import file_name
from app.towers.work import OnTower
from app.ui.resources import towers
from app.ui.widgets import job_progress
from app.views import compare, export
from app.views.export import Screen
from app.visitor.question import Question
from app.visitor.session import Session
from gallop.export.formats import Exportable, ExportFormat, ModelToExport, PhotoToExport, formats_of

if TYPE_CHECKING:
    from gallop import GalLoPClassifier

CHECKED_WITH = 16
"""Photos of the visit that a file is checked with."""
MODEL = "model"
"""What files of the classifier are called."""


def offer_photo_formats(session: Session, screen: Screen) -> None:
    """What is known of the photo as a file of each format."""
    photo = export.photo_to_export(session, screen)
    for key, format_ in formats_of(PhotoToExport).items():
        _save(key, format_, file_name(screen.photo.name), partial(_made, format_, photo))


def offer_model_formats(session: Session, classifier: GalLoPClassifier, asked: Question, version: Hashable) -> None:
    """The classifier as a file of each format; what takes long is made beside the page."""
    for key, format_ in formats_of(ModelToExport).items():
        photos = list(compare.photos(session).values())[:CHECKED_WITH] if format_.checked else []
        model = export.model_to_export(session, asked, classifier, photos)
        if format_.seconds:
            _make_beside(session, key, format_, model, version)
        else:
            _save(key, format_, MODEL, partial(_made, format_, model))


def _about(format_: ExportFormat[ModelToExport] | ExportFormat[PhotoToExport]) -> str:
    check = " It is checked against this classifier before you get it." if format_.checked else ""
    details = f"\n\n{text.markdown(format_.details)}" if format_.details else ""
    return f"**{format_.title}**: {format_.help}.{check}{details}"


def _make_beside(
    session: Session, key: str, format_: ExportFormat[ModelToExport], model: ModelToExport, version: Hashable
) -> None:
    clicked = st.button(
        f"Make the {format_.name}",
        key=f"make {key}",
        disabled=session.page_jobs.running is not None,
        icon=":material/deployed_code:",
        help=_about(format_),
    )
    if clicked:
        task = OnTower(towers(), session.training.tower, lambda _: export.Exporting(format_, model, version))
        job_progress.send(session, task, key, f"The {format_.name}")
    job_progress.job_outcome(session, key)
    made_for, made = session.page_jobs.result(key) or (None, None)
    if made is None or made_for != version:
        return
    for sentence in made.told:
        st.success(sentence, icon=":material/check:")
    _save(key, format_, MODEL, made.data, f" ({len(made.data) / 2**20:.0f} MB)")


def _made(format_: ExportFormat[Exportable], what: Exportable) -> bytes:
    """What stands behind a button: nothing is made before somebody asks for it."""
    return format_.make(what).data


def _save(
    key: str,
    format_: ExportFormat[ModelToExport] | ExportFormat[PhotoToExport],
    stem: str,
    data: bytes | Callable[[], bytes],
    size: str = "",
) -> None:
    st.download_button(
        f"Save the {format_.name}{size}",
        data,
        f"{stem}{format_.suffix}",
        format_.media_type,
        key=f"save {key}",
        on_click="ignore",
        help=_about(format_),
    )
