"""What few change, folded: the words around names, many names at once, and the tower where there is one alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import text
from app.ui.explore import names
from app.ui.resources import session
from app.ui.widgets import towers
from app.ui.widgets.notices import show_notice
from app.ui.widgets.remembered import keep, recall
from app.visitor.explore import ExploreState
from app.visitor.notices import Where
from app.visitor.question import DEFAULT_TEMPLATES
from gallop.errors import TemplateError
from gallop.names.templates import parse_templates

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

MOST_TEMPLATES = 4
"""As many as there are global prompts in zero-shot."""


def folded_settings() -> tuple[DeltaGenerator, tuple[str, ...] | None]:
    """Draw them; the place of what is said of the tower, and the templates, or None where they cannot be used."""
    show_notice(session(), Where.TOWERS)  # within it, nobody would see it
    at_hand = towers.choose_tower(session()) if towers.is_choice() else None
    with st.expander("Settings", icon=":material/tune:", key="explore settings"):
        place = at_hand or towers.choose_tower(session())
        found = _templates()
        _finer()
        names.names_as_list()
    problem = "" if isinstance(found, tuple) else found
    if problem:
        st.error(text.markdown(problem), icon=":material/error:")
    return place, found if isinstance(found, tuple) else None


def _finer() -> None:
    place = ExploreState.finer
    shown = bool(recall(place, False))
    found = st.toggle(
        "Finer maps",
        shown,
        key=place.key,
        help="Each photo is looked at once more at twice the size, for four times as many regions. The answer stays as "
        "it is and comes first; the map follows, after four times its work with the tower that ships and nine times "
        "with others. To answer from both looks, choose detail 2 in Teach.",
    )
    keep(place, found)


def _templates() -> tuple[str, ...] | str:
    """The sentences that names are put into while nothing is learned, or why what was typed is none."""
    place = ExploreState.templates
    shown = recall(place, "\n".join(DEFAULT_TEMPLATES))
    typed = st.text_area(
        f"Templates: one on each line, up to {MOST_TEMPLATES}",
        shown,
        key=place.key,
        height=100,
        help="{} is where the name goes. Try `a drawing of a {}`. Each prompt is one template; with fewer of them they "
        "are counted round. Learned prompts take the place of templates.",
    )
    keep(place, typed)
    try:
        found = parse_templates(typed)
    except TemplateError as error:
        return str(error)
    return found if len(found) <= MOST_TEMPLATES else f"These are {len(found)} templates; the most is {MOST_TEMPLATES}."
