"""The classifier as files: a checkpoint folder as zip and back in, its card, ONNX."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import text
from app.photos.archives import MAX_ARCHIVE_BYTES
from app.runs.model_zip import (
    MOST_ZIP_BYTES,
    ZIP_TENSORS,
    Files,
    ModelProblem,
    classifier_of,
    files_of,
    unzipped,
    zipped,
)
from app.towers.work import OnTower
from app.ui.explanation import adopted
from app.ui.resources import towers
from app.ui.widgets import job_progress
from app.ui.widgets.notices import show_notice
from app.ui.widgets.uploads import listen
from app.views import compare, export
from app.views.opening import Opened, tower_of_files
from app.visitor.notices import Notice, Where
from app.visitor.question import Question
from app.visitor.session import Session
from gallop.errors import GallopError

if TYPE_CHECKING:
    from gallop import GalLoPClassifier
    from gallop.backbones import Backbone

CHECKED_WITH = 16
"""Photos of the visit that an ONNX file is checked with."""
MEGABYTES = 2 * MOST_ZIP_BYTES[ZIP_TENSORS] // 2**20
assert MEGABYTES * 2**20 <= MAX_ARCHIVE_BYTES


def files(session: Session, classifier: GalLoPClassifier, key: Hashable) -> Files:
    """The checkpoint as it would be saved, made once."""
    return session.answers.once(("files", key), lambda: files_of(classifier))


def model(session: Session, classifier: GalLoPClassifier, asked: Question, key: Hashable) -> None:
    from gallop.export.model_card import model_card

    names = text.markdown(text.joined(tuple(classifier.classes_.tolist())))
    taught = session.training.taught if asked.taught else None
    how = text.markdown(export.learned_from(taught)) if taught else "Zero-shot: nothing was learned"
    st.markdown(f"**{names}**. {how}.")
    card = model_card(
        classifier, export.measured(taught) if taught else (), export.learned_from(taught) if taught else ""
    )
    try:
        folder = files(session, classifier, key).as_folder(card)
    except ModelProblem as error:
        st.error(text.markdown(str(error)))
        return
    with st.container(horizontal=True):
        st.download_button(
            "Save the model as zip",
            zipped(folder),
            "model.zip",
            "application/zip",
            key="save model",
            icon=":material/folder_zip:",
            on_click="ignore",
        )
        st.download_button(
            "Save its card",
            card,
            "model card.md",
            "text/markdown",
            key="save card",
            icon=":material/badge:",
            on_click="ignore",
        )
    st.caption(
        "The zip holds a folder of two files: settings to read (JSON) and the learned prompts (safetensors). "
        "`GalLoPClassifier.load` and `gallop predict --model` read it, and so does this page."
    )


def onnx(session: Session, classifier: GalLoPClassifier, key: Hashable) -> None:
    """A file for other programs."""
    st.markdown(
        "**ONNX**: the classifier in one file that needs neither this program nor torch. Pixels in; probabilities, "
        "outlier score and maps out. It is checked against this classifier before you get it."
    )
    clicked = st.button(
        "Make the ONNX file",
        key="make onnx",
        disabled=session.page_jobs.running is not None,
        icon=":material/deployed_code:",
    )
    if clicked:
        photos = list(compare.photos(session).values())[:CHECKED_WITH]
        task = OnTower(towers(), session.training.tower, lambda _: export.Exporting(classifier, photos, key))
        job_progress.send(session, task, "onnx", "The ONNX file")
    job_progress.job_outcome(session, "onnx")
    made_for, made = session.page_jobs.result("onnx") or (None, None)
    if made is None or made_for != key:
        return
    st.success(
        f"Checked with onnxruntime on {made.parity.images} pictures: the same labels, and no number differs by more "
        f"than {made.parity.difference:.1e}.",
        icon=":material/check:",
    )
    st.download_button(
        f"Save the ONNX file ({len(made.data) / 2**20:.0f} MB)",
        made.data,
        "model.onnx",
        "application/octet-stream",
        key="save onnx",
        on_click="ignore",
    )
    st.caption(
        "In: `pixels` (images, 3, size, size). How a photo becomes them is written in the file's metadata, with the "
        "class names, the scale and the threshold."
    )


def back_in(session: Session) -> None:
    """A model that was saved before, here or on the command line."""

    def take(files: list[Any]) -> None:
        _take(session, files[0])

    st.file_uploader("A model's zip", key=listen("model zip", take), max_upload_size=MEGABYTES)
    show_notice(session, Where.MODELS)


def _take(session: Session, file: Any) -> None:
    try:
        found = unzipped(file, file.name)
    except GallopError as error:
        session.notices[Where.MODELS] = Notice("error", str(error))
        return

    def make(backbone: Backbone) -> Opened:
        taught = export.imported(session, classifier_of(found, backbone), backbone)
        return Opened(taught, file.name, from_file=True)

    tower = tower_of_files(towers(), found, session.training.tower)
    adopted.open_on(session, tower, make, file.name, Where.MODELS)
