"""What is asked: a photo of the strip, class names as chips or as a list, templates, and which prompts answer. And the
ways on from an answer that is a guess.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import text
from app.library import Backbone, Explanation
from app.photos.sample_answers import sample_answers
from app.ui.explanation.current import photo_in_browser, show_photo, take
from app.ui.resources import session
from app.ui.widgets import backbone_choice
from app.ui.widgets.elements import camera, problems_shown, show_notice, uploader
from app.ui.widgets.remembered import drawn, keep, one_of_few, recall, remember, set_widget
from app.views import exploring
from app.visitor.page_state import TAUGHT, UNTAUGHT, usual_templates
from app.visitor.session import Session, Where
from gallop import Photo
from gallop.errors import TemplateError
from gallop.names.likely import likely_names
from gallop.names.templates import parse_templates
from gallop.wording import time_in_words

FOLDER, WEBCAM = "Folder", "Webcam"


def upload() -> None:
    with st.container(width=180):
        uploader("Upload photos", "photos", take, verdicts_here=False, label_visibility="collapsed")


def more_ways() -> None:
    with st.popover("Webcam, folder", width="stretch"):
        if one_of_few("Photos from", [FOLDER, WEBCAM], "photos from", FOLDER) == WEBCAM:
            camera("Take a photo", "webcam", take)
        else:
            uploader(
                "Upload a folder of photos", "folder", take, verdicts_here=False, accept_multiple_files="directory"
            )


def take_away(photo: str) -> None:
    """Remove the photo with this content hash, in a callback; one that is not there does nothing."""
    session().photos.shelf.photos.pop(photo, None)
    if photo_in_browser() == photo and (left := session().photos.shelf.photos):
        show_photo(next(reversed(left)))


_MOST_CLASSES = 200
_CHIPS, _LIST = "class name chips", "explore names"


def _by_hand(key: str, held: Any) -> bool:
    """Return whether the visitor has changed what the browser holds of a widget.

    Choosing a photo sets the names that go with it, and a browser that has not received them yet, or whose widget is in
    a closed expander, still sends what was drawn before.
    """
    drawn = _drawn(key)
    if held in drawn[-1:]:  # the browser is up to date
        del drawn[:-1]
    return held is not None and held not in drawn


def names_by_hand() -> list[str]:
    """Take over what the visitor has made of the class names, and return it; empty where that is nothing new."""
    held = st.session_state.get(_CHIPS)
    if _by_hand(_LIST, st.session_state.get(_LIST)):
        session().explore = replace(session().explore, names=st.session_state[_LIST])
        return [st.session_state[_LIST]]
    if _by_hand(_CHIPS, None if held is None else list(held)):
        names, _ = exploring.merged_names(held or ())
        session().explore = replace(session().explore, names="\n".join(names))
        return list(held or ())
    return []


def choose_names(typed: list[str]) -> tuple[str, ...]:
    """Draw the class names as chips, and return them; there are none where the photo has none.

    Args:
        typed: ``names_by_hand``.
    """
    names, notes = exploring.merged_names(typed or [session().explore.names_on(session().photos)])
    if len(names) > _MOST_CLASSES:
        notes.append(f"These are {len(names)} names; the first {_MOST_CLASSES} are asked.")
    names = names[:_MOST_CLASSES]
    if session().explore.names is None and names in session().photos.suggested.values():
        notes.append("These names are suggested: remove what does not fit, and add your own.")
    _set(_CHIPS, list(names))
    st.multiselect(
        "What might it be?",
        names,  # and none to complete: Enter would take the first of those instead of what was typed
        key=_CHIPS,
        accept_new_options=True,
        placeholder="A name, then Enter",
    )
    drawn(_CHIPS)
    place = st.container()
    for sentence in notes:
        place.caption(f":material/info: {text.markdown(sentence)}")
    return names


def names_as_list() -> None:
    _set(_LIST, session().explore.names_on(session().photos))
    st.text_area(
        "Class names, one on each line or with commas",
        recall(_LIST, st.session_state[_LIST]),
        key=_LIST,
        height=150,
        help="Any words in English.",
    )
    keep(_LIST, session().explore.names)


def _drawn(key: str) -> list[Any]:
    """Return what a widget was drawn with that the browser may still send, the last at the end."""
    return cast("list[Any]", st.session_state.setdefault(f"{key} as drawn", []))


def _set(key: str, value: Any) -> None:
    before = [] if value == st.session_state.get(key) else [old for old in _drawn(key) if old != value]
    st.session_state[f"{key} as drawn"] = [*before, value]
    set_widget(key, value)


# As many as there are global prompts in zero-shot.
MOST_TEMPLATES = 4


def folded_settings() -> tuple[DeltaGenerator, tuple[str, ...] | None]:
    """Draw them; return the place of the backbone's description, and the templates, or None if they cannot be used."""
    show_notice(session(), Where.BACKBONES)  # in the expander it could be hidden
    at_hand = backbone_choice.choose_backbone(session()) if backbone_choice.is_choice() else None
    with st.expander("Settings", icon=":material/tune:", key="explore settings"):
        place = at_hand or backbone_choice.choose_backbone(session())
        typed = remember(
            st.text_area,
            f"Templates: one on each line, up to {MOST_TEMPLATES}",
            "explore templates",
            "",
            height=100,
            placeholder="\n".join(usual_templates(session().training.backbone_name)),
            help="{} is where the name goes. Try `a drawing of a {}`. Each prompt is one template; with fewer of them "
            "they are repeated. Learned prompts replace templates.",
        )
        remember(
            st.toggle,
            "Finer maps",
            "explore second_look",
            False,
            help="A second look at each photo, at twice the size, for four times as many regions. The answer does not "
            "change and comes first; the map follows, after four times the work with mini and nine times with other "
            "backbones. To answer from both looks, choose detail 2 in Teach.",
        )
        names_as_list()
    templates: tuple[str, ...] | None = None
    with problems_shown():
        templates = _templates(typed)
    return place, templates


def _templates(typed: str) -> tuple[str, ...]:
    """Return the templates for zero-shot. Raises TemplateError where what was typed cannot be used."""
    templates = parse_templates(typed) if typed.strip() else usual_templates(session().training.backbone_name)
    if len(templates) > MOST_TEMPLATES:
        raise TemplateError(f"These are {len(templates)} templates; the maximum is {MOST_TEMPLATES}.")
    return templates


def taught_prompts(session: Session, names: tuple[str, ...], photo: Photo | None) -> bool:
    """Draw the choice of zero-shot or taught for the photo shown; return whether the taught prompts answer."""
    if session.training.taught is None:
        return False
    if photo is not None and photo.sha256 in sample_answers() and session.explore.names is None:
        st.caption(
            "This sample photo comes with its own class names and is answered zero-shot. Your own photos are compared "
            "with your classes."
        )
        return False
    if not session.training.knows(names):
        missing = [name for name in session.training.taught.names if name not in names]
        st.info(
            "The answers are zero-shot: the taught prompts need all their classes on the list, and "
            f"{text.markdown(text.joined(missing))} {'is' if len(missing) == 1 else 'are'} missing. "
            f"Add the missing name{'s' * (len(missing) > 1)} to use the taught prompts, or train again.",
            icon=":material/info:",
        )
        return False
    chosen = one_of_few("Prompts", [UNTAUGHT, TAUGHT], "explore prompts", UNTAUGHT, label_visibility="collapsed")
    added = [name for name in names if name not in session.training.taught.names]
    if chosen == TAUGHT and added:
        st.caption(
            f"Added without retraining: {text.markdown(text.joined(added))}. "
            "The learned prompts are used for new names too."
        )
    return chosen == TAUGHT


def way_on(session: Session, photo: Photo, explanation: Explanation) -> None:
    """Draw that an answer without training is a guess, where it is one, and the button that begins to teach."""
    if not exploring.is_guess(explanation):
        return
    with st.container(horizontal=True, vertical_alignment="center", key="guess"):
        name = explanation.label
        st.markdown("A guess: the model was not shown any photos of these.", width="content")
        words = f"Show it a few photos of {text.markdown(text.shorten(name, 40))}"
        if st.button(words, key="begin class", icon=":material/school:"):
            exploring.begin_class(session, photo, name)
            st.switch_page("ui/teach/page.py")


def more_names(session: Session, backbone: Backbone) -> None:
    """Draw the button to suggest from the full name list, if this backbone has read only everyday words so far."""
    seconds = exploring.seconds_for_all_names(backbone)
    if not seconds or session.explore.names is not None or session.photos.deck.cards:
        return
    if st.button(f"Suggest from {len(likely_names()):,} names ({time_in_words(seconds)})", key="more names"):
        bar = st.progress(0.0, "Reading the names …")
        for fraction in exploring.read_all_names(session, backbone):
            bar.progress(fraction, "Reading the names …")
        st.rerun()
