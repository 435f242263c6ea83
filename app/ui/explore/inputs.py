"""What goes in: photos, class names, templates, and which prompts answer."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import text
from app.photos import samples
from app.photos.shelf import Verdicts
from app.ui.resources import session
from app.ui.widgets.remembered import keep, one_of, one_of_few, put, recall, stands_at
from app.ui.widgets.uploads import camera, uploader
from app.visitor.explore import TAUGHT, UNTAUGHT, ExploreState
from app.visitor.question import DEFAULT_NAMES, DEFAULT_TEMPLATES
from app.visitor.session import Session
from gallop import Photo, load_image, parse_names
from gallop.errors import ClassNameError, TemplateError
from gallop.names.templates import parse_templates

_MOST_CLASSES = 200
MOST_TEMPLATES = 4
"""As many as there are global prompts in zero-shot."""
FILES, _FOLDER, _WEBCAM = "Files", "Folder", "Webcam"


def choose_photo() -> Photo | None:
    """Upload, take or pick a photo; the one that is shown."""
    st.header("1. A photo", anchor=False)
    sources = [FILES, _FOLDER, _WEBCAM]
    source = one_of_few("From", sources, ExploreState.source, FILES)
    if source == _WEBCAM:
        camera("Take a photo", "webcam", _take)
    elif source == _FOLDER:
        uploader("Upload a folder of photos", "folder", _take, accept_multiple_files="directory")
    else:
        uploader("Upload photos", "photos", _take)
    found = samples.available_samples()
    if found:
        st.caption("Or take a sample:")
        with st.container(horizontal=True, gap="small"):
            for name in found:
                st.button(name, key=f"sample {name}", help=samples.credit(name), on_click=_take_sample, args=(name,))
    photos = session().photos.shelf.photos
    if not photos:
        return None
    chosen = one_of("Photo shown", photos, ExploreState.photo, next(reversed(photos)), lambda key: photos[key].name)
    icon, key = ":material/close:", f"take away {chosen}"
    st.button("Take this photo away", on_click=_remove, args=(chosen,), type="tertiary", icon=icon, key=key)
    return photos.get(chosen)


def choose_names() -> tuple[str, ...] | None:
    """The class list; None, and a sentence on the screen, where it cannot be used."""
    st.header("2. Class names", anchor=False)
    shown = recall(ExploreState.names, "\n".join(DEFAULT_NAMES))
    typed = st.text_area(
        "One on each line, or with commas",
        shown,
        key=ExploreState.names.key,
        height=150,
        help="Any words in English. Nothing needs to be learned for them: press Ctrl+Enter, or click elsewhere.",
    )
    keep(ExploreState.names, typed)
    try:
        found = parse_names(typed)
    except ClassNameError as error:
        st.error(text.markdown(error), icon=":material/error:")
        return None
    if len(found) > _MOST_CLASSES:
        st.error(f"These are {len(found)} class names; the most here is {_MOST_CLASSES}.", icon=":material/error:")
        return None
    return found


def templates() -> tuple[str, ...] | None:
    """The sentences that names are put into while nothing is learned; None, and a sentence, where they are none."""
    shown = recall(ExploreState.templates, "\n".join(DEFAULT_TEMPLATES))
    with st.expander("Templates: the words around a name", icon=":material/edit:"):
        typed = st.text_area(
            f"One on each line, up to {MOST_TEMPLATES}",
            shown,
            key=ExploreState.templates.key,
            height=100,
            help="{} is where the name goes. Each prompt is one template; with fewer of them they are counted round.",
        )
        keep(ExploreState.templates, typed)
        st.caption("Try `a drawing of a {}`, or `{} on a table`. Learned prompts take the place of templates.")
    try:
        found = parse_templates(typed)
    except TemplateError as error:
        st.error(text.markdown(error), icon=":material/error:")
        return None
    if len(found) > MOST_TEMPLATES:
        st.error(f"These are {len(found)} templates; the most here is {MOST_TEMPLATES}.", icon=":material/error:")
        return None
    return found


def taught_prompts(session: Session, names: tuple[str, ...]) -> bool:
    """Zero-shot or taught; whether the taught prompts answer."""
    if session.training.taught is None:
        return False
    if not session.training.knows(names):
        missing = [name for name in session.training.taught.names if name not in names]
        st.info(
            "Back to zero-shot: what was taught needs all its classes on the list, and "
            f"{text.markdown(text.joined(missing))} {'is' if len(missing) == 1 else 'are'} not. "
            "Put the name back to use what was learned, or teach again.",
            icon=":material/info:",
        )
        return False
    chosen = one_of_few("Prompts", [UNTAUGHT, TAUGHT], ExploreState.prompts, UNTAUGHT)
    added = [name for name in names if name not in session.training.taught.names]
    if chosen == TAUGHT and added:
        st.caption(
            f"Added without training again: {text.markdown(text.joined(added))}. "
            "The learned prompts are put before a new name too."
        )
    return chosen == TAUGHT


def _take(files: list[Any]) -> Verdicts:
    verdicts = session().photos.shelf.add(files)
    if verdicts.taken:
        put(ExploreState.photo, verdicts.taken[-1].sha256)
    return verdicts


def _take_sample(name: str) -> None:
    shelf = session().photos.shelf
    source = load_image(samples.available_samples()[name], name=name)
    verdicts = shelf.add([source])
    session().photos.verdicts.pop("photos", None)
    if verdicts.taken:
        put(ExploreState.photo, verdicts.taken[0].sha256)
        return
    # It is here already, or there is no room.
    same = [key for key, kept in shelf.photos.items() if kept.name == name]
    if same:
        put(ExploreState.photo, same[0])
    else:
        session().photos.verdicts["photos"] = verdicts


def _remove(shown: str) -> None:
    # A second click may come from a page that another has replaced, and a click just after another photo was chosen.
    if stands_at(ExploreState.photo) == shown:
        session().photos.shelf.photos.pop(shown, None)
