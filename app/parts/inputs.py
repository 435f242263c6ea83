"""What goes in: photos and class names."""

from __future__ import annotations

from typing import Any

import streamlit as st

import samples
import text
from gallop import Photo, load_image, parse_names
from gallop.classes import ClassNameError
from parts import kept
from parts.uploads import uploader
from photos import Verdicts
from resources import session
from session import DEFAULT_NAMES

MOST_CLASSES = 200


def photo() -> Photo | None:
    """Upload or pick a photo; the one that is shown."""
    st.subheader("1. A photo", anchor=False)
    uploader("Upload photos", "photos", _take)
    found = samples.available()
    if found:
        st.caption("Or take a sample:")
        with st.container(horizontal=True, gap="small"):
            for name in found:
                st.button(name, key=f"sample {name}", help=samples.credit(name), on_click=_take_sample, args=(name,))
    photos = session().shelf.photos
    if not photos:
        return None
    if st.session_state.get("photo") not in photos:
        st.session_state["photo"] = next(reversed(photos))
    chosen: str = st.selectbox("Photo shown", list(photos), key="photo", format_func=lambda key: photos[key].name)
    st.button("Take this photo away", on_click=_remove, type="tertiary", icon=":material/close:")
    return photos.get(chosen)


def names() -> tuple[str, ...] | None:
    """The class list; None, and a sentence on the screen, where it cannot be used."""
    st.subheader("2. Class names", anchor=False)
    kept.recall("names", "\n".join(DEFAULT_NAMES))
    typed = st.text_area(
        "One on each line, or with commas",
        key="names",
        height=150,
        help="Any words in English. Nothing needs to be learned for them: press Ctrl+Enter, or click elsewhere.",
    )
    kept.keep("names", typed)
    try:
        found = parse_names(typed)
    except ClassNameError as error:
        st.error(text.markdown(error), icon=":material/error:")
        return None
    if len(found) > MOST_CLASSES:
        st.error(f"These are {len(found)} class names; the most here is {MOST_CLASSES}.", icon=":material/error:")
        return None
    return found


def privacy() -> None:
    st.caption(
        ":material/lock: Photos and names stay with the program behind this page: kept in memory until you close it, "
        "written to no disk, sent to no other machine."
    )


def _take(files: list[Any]) -> Verdicts:
    verdicts = session().shelf.add(files)
    if verdicts.taken:
        st.session_state["photo"] = verdicts.taken[-1].sha256
    return verdicts


def _take_sample(name: str) -> None:
    shelf = session().shelf
    source = load_image(samples.available()[name], name=name)
    verdicts = shelf.add([source])
    session().verdicts.pop("photos", None)
    if verdicts.taken:
        st.session_state["photo"] = verdicts.taken[0].sha256
        return
    # It is here already, or there is no room.
    same = [key for key, kept in shelf.photos.items() if kept.name == name]
    if same:
        st.session_state["photo"] = same[0]
    else:
        session().verdicts["photos"] = verdicts


def _remove() -> None:
    session().shelf.photos.pop(st.session_state["photo"], None)
