"""Buttons for the label of a photo, wherever it is shown: another class, none of them, or remove the photo.

And for a test photo that is nearly the same picture as a training photo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from app import text
from app.backbones import BackboneLoading
from app.photos import shelf
from app.teaching.cards import other_pile
from app.ui.resources import backbones, holding, jobs
from app.ui.widgets.elements import image
from app.views.testing import Twins, twins
from app.visitor.session import Session, Where
from gallop import Photo

# Changes something, and returns a sentence about it.
Act = Callable[[], str]


@dataclass(frozen=True)
class Labels:
    """The buttons of one photo at one place of the screen.

    Attributes:
        where: the place of the screen at which a notice reports what was done.
        key: distinguishes these buttons from others of the same photo.
        allowed: called at the click, with what was clicked; returns whether it may act.
    """

    session: Session
    photo: Photo
    where: Where
    key: str
    allowed: Callable[[str], bool] = lambda _: True

    def menu(self) -> None:
        # No tertiary one: Streamlit writes its words nearly black on a dark page while it is open.
        with st.popover("Change the label", icon=":material/sell:"):
            self.offer([card.name for card in self.session.photos.deck.cards])

    def offer(self, names: Iterable[str]) -> None:
        """Draw a button for each class that the photo is not of, and for its other uses."""
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
            words = "Use for training" if other == "shots" else "Use for testing"
            with st.container(horizontal=True, gap="small"):
                self._button(words, f"to {other}", partial(photos.relabel, photo, card.name, other), type="tertiary")
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
        return f"{self.photo.name} was removed. Undo restores it."

    def act(self, act: Act, what: str) -> None:
        """Do it and report what was done, in a callback."""
        if not self.allowed(what):
            return
        with self.session.telling(self.where, "info"):
            self.session.tell(self.where, act())
            if (place := self.session.photos.place_of(self.photo)) is not None:
                card, pile = place
                self.session.training.encode_ahead(jobs(), backbones(), card.pile(pile)[-1:])


def point_out_twins(session: Session) -> None:
    """Draw the two photos that are most alike; nothing before their features are computed."""
    if not session.training.has_encoded:
        return
    try:
        with holding(session.training.backbone_name) as backbone:
            pairs = twins(session, backbone)
    except BackboneLoading:
        return
    if pairs:
        with st.container(border=True, key="twins"):
            _two(session, pairs[0], len(pairs) - 1)


def _two(session: Session, pair: Twins, more: int) -> None:
    tested, learned = pair.tested, pair.learned
    names = f"{tested.name} ({pair.tested_of}) and {learned.name} ({pair.learned_of})"
    st.markdown(
        ":material/warning: **Is the same picture in both the training and the test photos?**",
        help="Testing on a training photo says nothing about new photos. These two look the same to the backbone: one "
        "may be a copy, slightly cropped, brighter or mirrored."
        + (f" There are {more} more such pairs." if more else ""),
    )
    image(shelf.strip([tested, learned], side=120), alt=names)
    st.caption(f"{text.markdown(names)}.")
    with st.container(horizontal=True, gap="small"):
        for label, photo in (("Remove the test photo", tested), ("Remove the other", learned)):
            key = f"twins {tested.sha256} {learned.sha256} {label}"
            st.button(label, key=key, on_click=_remove, args=(session, photo))
        key = f"twins {tested.sha256} {learned.sha256} keep"
        st.button("Keep both", key=key, type="tertiary", on_click=session.photos.accepted_twins.add, args=(pair.key,))


def _remove(session: Session, photo: Photo) -> None:
    session.photos.deck.remove(photo.sha256)
