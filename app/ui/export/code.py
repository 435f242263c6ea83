"""What is on the screen of Explore or of Teach as code, and a zip of all that the code reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from app import text
from app.runs.model_zip import zipped
from app.towers.options import DEFAULT_TOWER
from app.ui.export.model_files import files
from app.ui.resources import towers
from app.ui.widgets.remembered import one_of_few
from app.views import export, snippets
from app.views.export import Screen
from app.views.snippets import LANGUAGES, Snippet, SnippetProblem, UsedTower
from app.visitor.page_state import ExportState
from app.visitor.session import Session

if TYPE_CHECKING:
    from gallop.backbones import Backbone

PAGES = ("Explore", "Teach")


def code(session: Session, backbone: Backbone, screen: Screen | None) -> None:
    there = [
        page for page, can in zip(PAGES, (screen is not None, bool(session.photos.deck.cards)), strict=True) if can
    ]
    left, right = st.columns(2)
    of, language = ExportState.code_of, ExportState.code_as
    with left:
        page = one_of_few("What", there, of, there[0])
    with right:
        way = one_of_few("As", LANGUAGES, language, LANGUAGES[0])
    standing = towers().standing(session.training.tower)
    tower = UsedTower(standing.tower.name, standing.precision or "fp32", standing.regions)
    beside: Callable[[], dict[str, bytes]]
    if page == "Explore" and screen is not None:
        asked, topk, finer = screen.question, screen.explanation.topk, screen.finer
        classifier = export.exported_classifier(session, backbone, asked)
        recipe = snippets.explain_snippet(
            asked.names, asked.templates, topk, screen.class_name, taught=asked.taught, tower=tower, finer=finer
        )
        folder = files(session, classifier, export.version(session, asked, topk)).as_folder()
        beside = partial(snippets.photo_beside, screen.photo, folder)
    else:
        shots, tests = session.photos.shots(), session.photos.tests()
        try:
            recipe = snippets.teach(shots, session.training.settings, tests=any(tests.values()), tower=tower)
        except SnippetProblem as error:
            st.info(text.markdown(error), icon=":material/info:")
            return
        beside = partial(snippets.photo_folder, shots, tests)
    _show(recipe, way)
    if tower.name != DEFAULT_TOWER:
        st.caption(_other_tower(tower))
    st.download_button(
        "Save the code and all that it reads",
        lambda: zipped({**recipe.files(), **beside()}),  # photos are packed when somebody asks for them
        f"{page.lower()}.zip",
        "application/zip",
        key="save code",
        icon=":material/folder_zip:",
        on_click="ignore",
    )
    st.caption(
        "It gives the same numbers, wherever gallop is installed.",
        help=f"In the zip: code.py, code.sh, code.ipynb and {'photo.png, model/' if page == 'Explore' else 'photos/'}. "
        "Photos are saved without loss, as this page keeps them (shrunk to 1024 or 512 pixels).",
    )


def _other_tower(tower: UsedTower) -> str:
    words = f"The code names the tower {text.markdown(tower.name)}, whose weights are not in the zip: a file or folder "
    words += "has to lie where the code is run; a pair of open_clip is downloaded, once."
    if tower.precision != "fp32":
        words += f" This page computes in {tower.precision}; the command line in single precision, so its numbers "
        words += "differ in the third digit or so."
    return words


def _show(recipe: Snippet, way: str) -> None:
    if way == LANGUAGES[1]:
        st.code(recipe.shell, language="bash")
    elif way == LANGUAGES[2]:
        st.code(recipe.notebook, language="json", height=320)
        st.caption("Save it as code.ipynb, or take it from the zip.")
    else:
        st.code(recipe.python, language="python")
