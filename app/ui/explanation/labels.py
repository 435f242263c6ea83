"""What can be done about the label of a photo, wherever it is shown: another class, none of them, away with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from app import text
from app.teaching.cards import other_pile
from app.ui.resources import jobs, towers
from app.visitor.notices import Notice, Where
from app.visitor.session import Session
from gallop import Photo
from gallop.errors import GallopError

Act = Callable[[], str]
"""Changes something, and says what, as a sentence."""


@dataclass(frozen=True)
class Labels:
    """The buttons of one photo at one place of the screen.

    Attributes:
        where: the place at which it is told what was done.
        key: tells these buttons from others of the same photo.
        allowed: asked at the click, with what was clicked, whether it may act.
    """

    session: Session
    photo: Photo
    where: Where
    key: str
    allowed: Callable[[str], bool] = lambda _: True

    def menu(self) -> None:
        """Draw it folded, with the classes of the cards."""
        # No tertiary one: Streamlit writes its words nearly black on a dark page while it is open.
        with st.popover("Change the label", icon=":material/sell:"):
            self.offer([card.name for card in self.session.photos.deck.cards])

    def offer(self, names: Iterable[str]) -> None:
        """Draw a button for each class that the photo is not of, and for all else that may become of it."""
        photos, photo = self.session.photos, self.photo
        place = photos.place_of(photo)
        with st.container(horizontal=True, gap="small"):
            for name in names:
                if place is None or place[0].name != name:
                    self._button(text.markdown(text.shorten(name)), name, partial(photos.relabel, photo, name))
            self._button("None of these", "none of these", partial(photos.set_aside, photo), icon=":material/block:")
        self._another()
        if place is not None:
            card, other = place[0], other_pile(place[1])
            words = "Learn from it" if other == "shots" else "Test with it"
            with st.container(horizontal=True, gap="small"):
                act = partial(photos.relabel, photo, card.name, other)
                self._button(words, f"to {other}", act, type="tertiary")
                self._button("Remove", "away", self._remove, type="tertiary")

    def _another(self) -> None:
        mine = f"{self.key} {self.photo.sha256}"
        with st.form(f"{mine} form", border=False):
            line = st.container(horizontal=True, vertical_alignment="bottom")
            typed = line.text_input("New class", key=f"{mine} name").strip()
            if line.form_submit_button("Add", key=f"{mine} add") and typed:
                self.act(partial(self.session.photos.relabel, self.photo, typed), typed)
                st.rerun()

    def _button(self, label: str, what: str, act: Act, **drawn: Any) -> None:
        st.button(label, key=f"{self.key} {self.photo.sha256} {what}", on_click=self.act, args=(act, what), **drawn)

    def _remove(self) -> str:
        self.session.photos.deck.remove(self.session.photos.as_on_card(self.photo))
        return f"{self.photo.name} was removed; Undo brings it back."

    def act(self, act: Act, what: str) -> None:
        """In a callback: do it, and tell what was done."""
        if not self.allowed(what):
            return
        try:
            self.session.notices[self.where] = Notice("success", act())
        except GallopError as error:
            self.session.notices[self.where] = Notice("info", str(error))
            return
        place = self.session.photos.place_of(self.photo)
        if place is not None:
            card, pile = place
            self.session.training.encode_ahead(jobs(), towers(), card.pile(pile)[-1:])
