"""What was seen and taught, taken away as files: pictures, tables, export formats, the model in a zip, and its code."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path

import streamlit as st

from app import text
from app.library import GalLoPClassifier
from app.runs.run import files_of, model_zip
from app.shared_backbones import DEFAULT_BACKBONE, on_backbone
from app.ui import projects
from app.ui.resources import backbone, backbones
from app.ui.widgets.elements import made_on_click, problems_shown
from app.ui.widgets.remembered import one_of
from app.views import export, snippets
from app.views.testing import taught_question
from app.visitor.page_state import Question
from app.visitor.session import Session
from gallop.data.zip_files import zipped
from gallop.export.formats import Exportable, ExportFormat, ModelToExport, PhotoToExport, formats_of
from gallop.runtime.writing import free_names

# Whose page has the dialog open; the page whose answer comes first.
TAKE_AWAY, EXPLORE = "taken away", "Explore"
# The number of photos in the session that a file is checked with.
CHECKED_WITH = 16
# The name of files of the classifier, and of the code.
MODEL, CODE = "model", "code.py"


def button(session: Session, page: str) -> None:
    """Draw the button that opens the dialog, where there is something to take away."""
    if _anything(session):
        st.button("Take away", key="take away", icon=":material/download:", on_click=ask, args=(page,))


def _anything(session: Session) -> bool:
    return bool(session.photos.shelf.photos or session.photos.deck.cards or session.training.taught)


def ask(page: str = "") -> None:
    """Open the dialog on a page; without one, close it."""
    st.session_state[TAKE_AWAY] = page


def shown(session: Session, page: str) -> None:
    """Draw the dialog if it is open on this page, at its end: a dialog may not lie inside another part."""
    if st.session_state.get(TAKE_AWAY) == page and _anything(session):
        _offered(session, page)
    else:
        ask()


@st.dialog("Take away", width="large", on_dismiss=ask)
@problems_shown()
def _offered(session: Session, page: str) -> None:
    frozen = backbone(session.training.backbone_name)
    taught = page != EXPLORE and session.training.taught is not None
    asked = taught_question(session) if taught else export.exported_question(session)
    with st.spinner("Looking at the photo …", show_time=False):
        classifier = export.exported_classifier(session, frozen, asked)
        screen = export.screen(session, frozen) if page == EXPLORE else None
    version = export.version(session, asked, classifier.model_.config.topk)
    if screen is not None:
        st.subheader("This answer", anchor=False)
        offer_pictures(session, screen)
        offer_photo_formats(session, screen)
    st.subheader("This model", anchor=False)
    model(session, classifier, asked, version)
    offer_model_formats(session, classifier, asked, version)
    if (running := session.page_jobs.running) is not None:
        st.caption(f"{running.words} is being made.")
    if session.photos.deck.cards:
        with st.expander("The training as code", icon=":material/code:", key="training as code"):
            code(session)


def model(session: Session, classifier: GalLoPClassifier, asked: Question, key: Hashable) -> None:
    from gallop.documents.model_card import model_card

    about = export.model_to_export(session, asked, classifier)
    names = text.markdown(text.joined(tuple(classifier.classes_.tolist())))
    how = text.markdown(about.learned_from) or "Zero-shot: nothing was learned"
    st.markdown(
        f"**{names}**",
        help=f"{how}. The zip contains the settings (JSON), learned prompts (safetensors) and the model card. "
        "`GalLoPClassifier.load` and `gallop predict --model` read the folder inside it, and *Project* opens the zip.",
    )
    files = session.answers.once(("files", key), lambda: files_of(classifier))
    st.download_button(
        "Save the model as zip",
        model_zip(files, model_card(classifier, about.measured, about.learned_from)),
        "model.zip",
        "application/zip",
        key="save model",
        type="primary",
        icon=":material/folder_zip:",
        on_click="ignore",
    )


def offer_photo_formats(session: Session, screen: export.Screen) -> None:
    facts = export.facts(session, screen.question)
    photo = PhotoToExport(screen.explanation, screen.class_name, screen.photo.name, facts, screen.style)
    for key, format_ in formats_of(PhotoToExport).items():
        _save(key, format_, free_names([Path(screen.photo.name).stem])[0], partial(_made, format_, photo))


def offer_model_formats(session: Session, classifier: GalLoPClassifier, asked: Question, version: Hashable) -> None:
    """Draw a button for the classifier in each format; slow ones are made in the background."""
    for key, format_ in formats_of(ModelToExport).items():
        model = export.model_to_export(
            session, asked, classifier, list(session.photos.all.values())[:CHECKED_WITH] if format_.checked else []
        )
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
    made = made_on_click(
        session,
        key,
        version,
        lambda: on_backbone(
            backbones(), session.training.backbone_name, lambda _: export.exporting(format_, model, version)
        ),
        f"The {format_.name}",
        f"Make the {format_.name}",
        key=f"make {key}",
        icon=":material/deployed_code:",
        help=_about(format_),
    )
    if made is None:
        return
    for sentence in made.notes:
        st.success(sentence, icon=":material/check:")
    _save(key, format_, MODEL, made.data, f" ({len(made.data) / 2**20:.0f} MB)")


def _made(format_: ExportFormat[Exportable], what: Exportable) -> bytes:
    """Make a file when its button is clicked, not before."""
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


def offer_pictures(session: Session, screen: export.Screen) -> None:
    explanation = screen.explanation
    st.markdown(
        f"**{text.markdown(screen.photo.name)}**, explained for {text.markdown(screen.class_name)}",
        help="Class, k and colours are those set on the page *Explore*.",
    )
    if not explanation.topk:
        st.caption("Without local prompts there is no map.")
        return
    prompt = one_of(
        "Map of local prompt",
        range(len(explanation.topk)),
        "export map",
        0,
        lambda n: f"{n + 1}, k = {explanation.topk[n]}",
    )
    version = export.version(session, screen.question, explanation.topk)
    picture = session.answers.once(
        ("map", version, screen.photo.sha256, screen.class_name, screen.style, prompt), lambda: screen.picture(prompt)
    )
    st.image(
        picture,
        alt=f"Map of local prompt {prompt + 1} for {screen.class_name}: "
        f"{explanation.describe(screen.class_name, prompt)}",
    )
    st.download_button(
        "Save this map as PNG",
        picture,
        f"{free_names([screen.class_name])[0]} local prompt {prompt + 1}.png",
        "image/png",
        key="save map",
        icon=":material/image:",
        on_click="ignore",
    )


def code(session: Session) -> None:
    status = backbones().status(session.training.backbone_name)
    made = snippets.backbone_code(status.known.name, status.precision or "fp32", status.regions)
    recipe = snippets.teach(session.training.fitting, tests=any(session.photos.tests().values()), backbone=made)
    st.code(recipe, language="python", wrap_lines=True)  # else it scrolls, which no key does
    if status.known.name != DEFAULT_BACKBONE:
        st.caption(
            f"The code uses the backbone {text.markdown(status.known.name)}, whose weights are not in the zip. A file "
            "or folder must be on the machine that runs the code. A backbone from open_clip is downloaded once."
        )
    st.download_button(
        "Save the code and its photos",
        lambda: zipped({CODE: recipe.encode(), snippets.PROJECT: projects.saved(session)}),  # packed on demand
        "teach.zip",
        "application/zip",
        key="save code",
        icon=":material/folder_zip:",
        on_click="ignore",
    )
    st.caption(
        "The code runs on any machine with gallop installed and, in the same precision, gives the same numbers.",
        help=f"In the zip: {CODE} and {snippets.PROJECT}. Photos are saved losslessly at the size this page keeps (at "
        "most 512 pixels).",
    )
