"""The classifier as a checkpoint folder in a zip, and back in."""

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
from app.ui.explanation import adopted
from app.ui.resources import towers
from app.ui.widgets.notices import show_notice
from app.ui.widgets.uploads import listen
from app.views import export
from app.views.opening import Opened, tower_of_files
from app.visitor.notices import Notice, Where
from app.visitor.question import Question
from app.visitor.session import Session
from gallop.errors import GallopError

if TYPE_CHECKING:
    from gallop import GalLoPClassifier
    from gallop.backbones import Backbone

MEGABYTES = 2 * MOST_ZIP_BYTES[ZIP_TENSORS] // 2**20
assert MEGABYTES * 2**20 <= MAX_ARCHIVE_BYTES


def files(session: Session, classifier: GalLoPClassifier, key: Hashable) -> Files:
    """The checkpoint as it would be saved, made once."""
    return session.answers.once(("files", key), lambda: files_of(classifier))


def model(session: Session, classifier: GalLoPClassifier, asked: Question, key: Hashable) -> None:
    from gallop.documents.model_card import model_card

    about = export.model_to_export(session, asked, classifier)
    names = text.markdown(text.joined(tuple(classifier.classes_.tolist())))
    how = text.markdown(about.learned_from) or "Zero-shot: nothing was learned"
    st.markdown(
        f"**{names}**",
        help=f"{how}. The zip holds settings (JSON), learned prompts (safetensors) and the model card. "
        "`GalLoPClassifier.load` and `gallop predict --model` read the folder in it, and so does this page.",
    )
    try:
        folder = files(session, classifier, key).as_folder(model_card(classifier, about.measured, about.learned_from))
    except ModelProblem as error:
        st.error(text.markdown(str(error)))
        return
    st.download_button(
        "Save the model as zip",
        zipped(folder),
        "model.zip",
        "application/zip",
        key="save model",
        type="primary",
        icon=":material/folder_zip:",
        on_click="ignore",
    )


def back_in(session: Session) -> None:
    """A model that was saved before, here or on the command line."""

    def take(files: list[Any], refused: tuple[str, ...]) -> None:
        if refused:
            session.notices[Where.MODELS] = Notice("error", refused[0])
        else:
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
        return Opened(taught, file.name, source="file")

    tower = tower_of_files(towers(), found, session.training.tower)
    adopted.open_on(session, tower, make, file.name, Where.MODELS)
