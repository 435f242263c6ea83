"""What a photo might be: class names as chips, as a list to paste, and suggestions where nobody has said anything."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from app import text
from app.ui.resources import holding, session
from app.ui.slot import slot
from app.ui.widgets.remembered import drawn, keep, let_stand, recall
from app.views import exploring
from app.visitor.explore import ExploreState
from gallop import Photo

_MOST_CLASSES = 200
_CHIPS, _LIST = "class name chips", ExploreState.names.key
_SEVERAL = 3
"""Names, from which on nothing is suggested."""


@dataclass
class _Drawn:
    """What a widget of this page was drawn with. A photo that is chosen brings names of its own, and a browser that has
    not heard of them yet, or has the widget folded away, still sends those that it left behind.
    """

    last: Any = None
    behind: list[Any] = field(default_factory=list)

    def by_hand(self, held: Any) -> bool:
        """Whether what the browser holds is what a hand made of it."""
        if held == self.last:
            self.behind.clear()
        return held is not None and held != self.last and held not in self.behind

    def draw(self, value: Any, held: Any) -> None:
        """It is drawn with this now."""
        if value == held:
            self.behind.clear()
        elif self.last is not None and value != self.last:
            self.behind.append(self.last)
        self.behind = [old for old in self.behind if old != value]
        self.last = value


def choose_names() -> tuple[str, ...]:
    """The class names, as chips. None is left where nobody has said yet what the photo might be."""
    held = st.session_state.get(_CHIPS)
    if _drawn(_LIST).by_hand(st.session_state.get(_LIST)):
        session().explore = replace(session().explore, names=st.session_state[_LIST])
        typed = [st.session_state[_LIST]]
    elif _drawn(_CHIPS).by_hand(None if held is None else list(held)):
        typed = list(held or ())
        session().explore = replace(session().explore, names="\n".join(exploring.merged_names(typed)[0]))
    else:
        typed = [session().explore.names_on(session().photos)]
    names, said = exploring.merged_names(typed)
    if len(names) > _MOST_CLASSES:
        said.append(f"These are {len(names)} names; the first {_MOST_CLASSES} are asked.")
    names = names[:_MOST_CLASSES]
    _set(_CHIPS, list(names))
    st.multiselect(
        "What might it be?",
        [*names, *(name for name in exploring.EVERYDAY if name not in names)],
        key=_CHIPS,
        accept_new_options=True,
        placeholder="A name, then Enter",
    )
    drawn(_CHIPS)
    told = slot()
    for sentence in said:
        told.caption(f":material/info: {text.markdown(sentence)}")
    return names


def names_as_list() -> None:
    """The same names as lines of text, to paste many at once."""
    place = ExploreState.names
    _set(_LIST, session().explore.names_on(session().photos))
    shown = recall(place, st.session_state[_LIST])
    st.text_area(
        "Class names, one on each line or with commas", shown, key=place.key, height=150, help="Any words in English."
    )
    keep(place, session().explore.names)


def _drawn(key: str) -> _Drawn:
    found: _Drawn = st.session_state.setdefault(f"{key} as drawn", _Drawn())
    return found


def _set(key: str, value: Any) -> None:
    """Before a widget is drawn."""
    _drawn(key).draw(value, st.session_state.get(key))
    let_stand(key, value)


def suggestions(photo: Photo, names: tuple[str, ...]) -> None:
    """What a photo of the visitor's may be, for a click each, while few names are there."""
    if len(names) >= _SEVERAL:
        return
    with st.spinner("Looking at the photo …", show_time=False), holding(session().training.tower) as backbone:
        found = [name for name in exploring.suggested(session(), backbone, photo) if name not in names]
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Perhaps", width="content")
        for name in found:
            st.button(text.markdown(name), key=f"perhaps {name}", on_click=_put_names, args=((*names, name),))
        st.button("All of these", key="perhaps all", type="tertiary", on_click=_put_names, args=((*names, *found),))


def _put_names(names: tuple[str, ...]) -> None:
    session().explore = replace(session().explore, names="\n".join(names))
