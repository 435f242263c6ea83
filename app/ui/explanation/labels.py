"""Buttons for the label of photos, wherever they are shown: another class, none of them, or remove them.

And for a test photo that is nearly the same picture as a training photo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import streamlit as st

from app import text
from app.photos import shelf
from app.shared_backbones import BackboneLoading
from app.teaching.cards import Pile
from app.ui.resources import holding
from app.views.testing import Twins, twins
from app.visitor.session import Session, Where
from gallop import Photo

# Changes the label of a photo, and returns a sentence about it.
Act = Callable[[Photo], str]


@dataclass(frozen=True)
class Labels:
    """The buttons of one or several photos at one place of the screen.

    Attributes:
        where: the place of the screen at which a notice reports what was done.
        key: distinguishes these buttons from others of the same photos.
        allowed: called at the click, with what was clicked; returns whether it may act.
    """

    session: Session
    photos: Sequence[Photo]
    where: Where
    key: str
    allowed: Callable[[str], bool] = lambda _: True

    def menu(self, words: str = "Change the label") -> None:
        # No tertiary one: Streamlit writes its words nearly black on a dark page while it is open.
        with st.popover(words, icon=":material/sell:"):
            self.offer([card.name for card in self.session.photos.deck.cards])

    def offer(self, names: Iterable[str], *, folded: bool = False) -> None:
        """Draw a button for each class that a photo is not of, and for their other uses.

        Args:
            folded: whether the other uses are in a menu; a menu cannot be in another one.
        """
        photos = self.session.photos
        places = [(photo, photos.place_of(photo)) for photo in self.photos]
        with st.container(horizontal=True, gap="small"):
            for name in names:
                others = [photo for photo, place in places if place is None or place[0].name != name]
                self._button(text.markdown(text.shorten(name)), name, partial(photos.relabel, name=name), others)
            self._button("None of these", "none of these", photos.set_aside, self.photos, icon=":material/block:")
            rest = st.popover("Another class") if folded else None
        with rest or st.container():
            self._another()
            with st.container(horizontal=True, gap="small"):
                self.use_for("shots", "Use for training", type="tertiary")
                self.use_for("tests", "Use for testing", type="tertiary")
                on_cards = [photo for photo, place in places if place is not None]
                self._button("Remove", "away", self._remove, on_cards, type="tertiary")

    def use_for(self, pile: Pile, label: str, **drawn: Any) -> None:
        """Draw a button that moves photos to the other pile of their class; nothing where none is to be moved."""
        places = {photo: self.session.photos.place_of(photo) for photo in self.photos}
        movable = [photo for photo, place in places.items() if place is not None and place[1] != pile]

        def move(photo: Photo) -> str:
            place = places[photo]
            assert place is not None
            return self.session.photos.relabel(photo, place[0].name, pile)

        self._button(label, f"to {pile}", move, movable, **drawn)

    def _another(self) -> None:
        with st.form(f"{self._mine} form", border=False):
            line = st.container(horizontal=True, vertical_alignment="bottom")
            typed = line.text_input("New class", key=f"{self._mine} name").strip()
            if line.form_submit_button("Add", key=f"{self._mine} add") and typed:
                self.act(partial(self.session.photos.relabel, name=typed), typed)
                st.rerun()

    @property
    def _mine(self) -> str:
        return " ".join([self.key, *(photo.sha256 for photo in self.photos)])

    def _button(self, label: str, what: str, act: Act, photos: Sequence[Photo], **drawn: Any) -> None:
        if photos:
            on_click = replace(self, photos=photos).act
            st.button(label, key=f"{self._mine} {what}", on_click=on_click, args=(act, what), **drawn)

    def _remove(self, photo: Photo) -> str:
        self.session.photos.deck.remove(self.session.photos.as_on_card(photo))
        return f"{photo.name} was removed. Undo restores it."

    def act(self, act: Act, what: str) -> None:
        """Do it with every photo and report what was done, in a callback."""
        if not self.allowed(what):
            return
        photos = self.session.photos
        with self.session.telling(self.where, "info"):
            self.session.tell(self.where, photos.change(self.photos, act))
            hashes = {photos.as_on_card(photo) for photo in self.photos}
            moved = [photo for card in photos.deck.cards for photo in card.all if photo.sha256 in hashes]
            self.session.training.encode_later(moved)


def point_out_twins(session: Session) -> None:
    """Draw the two photos that are most alike; nothing before their features are computed."""
    if not session.training.has_encoded:
        return
    with suppress(BackboneLoading), holding(session.training.backbone_name) as backbone:
        if pairs := twins(session, backbone):
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
    st.image(shelf.strip([tested, learned], side=120), alt=names)
    st.caption(f"{text.markdown(names)}.")
    with st.container(horizontal=True, gap="small"):
        for label, photo in (("Remove the test photo", tested), ("Remove the other", learned)):
            key = f"twins {tested.sha256} {learned.sha256} {label}"
            st.button(label, key=key, on_click=session.photos.deck.remove, args=(photo.sha256,))
        key = f"twins {tested.sha256} {learned.sha256} keep"
        st.button("Keep both", key=key, type="tertiary", on_click=session.photos.accepted_twins.add, args=(pair.key,))
