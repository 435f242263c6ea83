"""The class cards: names, photos, and every change undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from app import text
from app.photos import thumbnails
from app.photos.archives import MAX_ARCHIVE_BYTES, sorted_out
from app.photos.shelf import Verdicts
from app.teaching.cards import MOST_CARDS, MOST_PHOTOS, Card, CardProblem, Pile, other_pile
from app.ui.resources import jobs, towers
from app.ui.sample import offer
from app.ui.widgets import media
from app.ui.widgets.notices import show_notice
from app.ui.widgets.uploads import camera, uploader
from app.visitor.notices import Notice, Where
from app.visitor.session import Session
from gallop import Photo, parse_names
from gallop.errors import ClassNameError, GallopError

_COLUMNS = 3
ZIP_MEGABYTES = MAX_ARCHIVE_BYTES // 2**20
_PHOTOS, TESTS, _WEBCAM = "Photos", "Test photos", "Webcam"


def cards(session: Session) -> None:
    """All cards, and the ways to make new ones."""
    _making(session)
    deck = session.photos.deck
    for start in range(0, len(deck.cards), _COLUMNS):
        for card, column in zip(deck.cards[start : start + _COLUMNS], st.columns(_COLUMNS), strict=False):
            with column.container(border=True, key=f"card {card.id}"):
                _card(session, card)


def _making(session: Session) -> None:
    left, right = st.columns(2)
    with left.form("new class", clear_on_submit=True, border=False):
        line = st.container(horizontal=True, vertical_alignment="bottom")  # the button is as wide as its words
        typed = line.text_input(
            "New class",
            key="new class name",
            placeholder="for example: ant, bee",
            help=f"One name, or several with commas; up to {MOST_CARDS} classes. English words work best.",
        )
        # Coloured while it is what there is to do; with cards that is the training's button.
        added = line.form_submit_button(
            "Add class",
            type="secondary" if session.photos.deck.cards else "primary",
            icon=":material/add:",
            key="add class",
        )
        if added and typed.strip():
            _add_classes(session, typed)
            if Where.CARDS not in session.notices:  # one is shown below, by this run alone
                st.rerun()
    # Opening it starts no run: a file that is dropped just as a run begins is lost, for Streamlit forgets to answer it.
    with right, st.expander("All classes at once, from a folder or a zip", icon=":material/folder_zip:", key="bulk"):
        st.caption(
            "The folder that a photo lies in is its class: `ant/1.jpg`, `bee/7.jpg`. What lies below a folder called "
            f"`test` is kept to test with. Up to {ZIP_MEGABYTES} MB a zip, {MOST_PHOTOS} photos a class."
        )
        take = _taking(session, None, None)
        uploader("A zip of class folders", "class zip", take, megabytes=ZIP_MEGABYTES, type="zip")
        uploader("A folder of class folders", "class folder", take, accept_multiple_files="directory")
    _notices(session)


def _add_classes(session: Session, typed: str) -> None:
    try:
        for name in parse_names(typed):
            session.photos.deck.add(name)
    except GallopError as error:
        session.notices[Where.CARDS] = Notice("error", str(error))


def _notices(session: Session) -> None:
    show_notice(session, Where.CARDS)
    last = session.photos.deck.last_change
    if last is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            change = session.photos.deck.changes
            st.button("Undo", key=f"undo {change}", icon=":material/undo:", on_click=_undo, args=(session, change))
            st.caption(f"Last change: {text.markdown(text.shorten(last, 80))}")
            offer.offer_removal(session)


def _undo(session: Session, change: int) -> None:
    """Take back the change that the button spoke of: a second click is not for the one before."""
    if session.photos.deck.changes == change:
        session.photos.deck.undo()


def _taking(session: Session, card: Card | None, pile: Pile | None) -> Callable[[list[Any]], Verdicts]:
    """What an uploader does with its files: to the card, or sorted by their folders; then they are encoded ahead."""

    def take(files: list[Any]) -> Verdicts:
        found = session.photos.deck.add_photos(sorted_out(files, card.name if card else None), pile)
        session.training.encode_ahead(jobs(), towers(), found.taken)  # where that fails, the training will say why
        return found

    return take


def _card(session: Session, card: Card) -> None:
    name = text.markdown(text.shorten(card.name, 60))
    st.subheader(name, anchor=False)
    counts = f"{len(card.shots)} to learn from" + (f", {len(card.tests)} to test with" if card.tests else "")
    st.caption(counts if card.enabled else f":material/visibility_off: Turned off: left out of training. {counts}.")
    shown = [*card.shots, *card.tests]
    if shown:
        media.image(thumbnails.strip(shown), alt=f"The first of the {len(shown)} photos of {card.name}")
    what = st.radio(
        f"What to add to {name}",
        [_PHOTOS, TESTS, _WEBCAM],
        key=f"what {card.id}",
        horizontal=True,
        label_visibility="collapsed",
    )
    if what == _WEBCAM:
        camera(f"Take photos of {name}", f"webcam {card.id}", _taking(session, card, "shots"))
    elif what == TESTS:
        label = f"Test photos of {name}"
        hint = "Never learned from: they show how good it is on photos it has not seen."
        uploader(label, f"tests {card.id}", _taking(session, card, "tests"), help=hint)
    else:
        label = f"Photos of {name}"
        uploader(label, f"shots {card.id}", _taking(session, card, "shots"))
    _actions(session, card)


def _actions(session: Session, card: Card) -> None:
    deck = session.photos.deck
    with st.container(horizontal=True, gap="small"):
        if card.shots or card.tests:
            st.button("Look through", key=f"look {card.id}", type="tertiary", on_click=_open, args=(session, card.id))
        with st.popover("Rename", type="tertiary"), st.form(f"rename {card.id}", border=False):
            # A form: what is only typed, or comes late from the browser, renames nothing.
            typed = st.text_input("New name", card.name, key=f"name {card.id} {card.name}")
            if st.form_submit_button("Rename it"):
                _rename(session, card.id, typed)
                st.rerun()
        words = "Turn off" if card.enabled else "Turn on"
        # One key for both words: a new button would stand beside the old one for a moment, and push Delete from under a
        # click.
        st.button(words, key=f"turn {card.id}", type="tertiary", on_click=deck.enable, args=(card.id, not card.enabled))
        st.button("Delete", key=f"delete {card.id}", type="tertiary", on_click=deck.delete, args=(card.id,))


def _rename(session: Session, card_id: int, name: str) -> None:
    try:
        session.photos.deck.rename(card_id, name)
    except ClassNameError as error:
        session.notices[Where.CARDS] = Notice("error", str(error))


def _open(session: Session, card_id: int) -> None:
    st.session_state["looked through"] = card_id


def dialogs(session: Session) -> None:
    """The open dialog, if there is one; drawn by the page itself, since a dialog may not lie inside a column."""
    card = session.photos.deck.get(st.session_state.get("looked through", 0))
    if card is None:
        return

    @st.dialog(f"Photos of {text.markdown(text.shorten(card.name))}", width="large", on_dismiss=_close)
    def look() -> None:
        now = session.photos.deck.get(card.id)
        if now is not None:
            _gallery(session, now)

    look()


def _close() -> None:
    st.session_state["looked through"] = 0


def _move(session: Session, card_id: int, pile: Pile, photo: Photo) -> None:
    try:
        session.photos.deck.move(card_id, pile, photo)
    except CardProblem as error:
        session.notices[Where.CARDS] = Notice("error", str(error))


def _gallery(session: Session, card: Card) -> None:
    show_notice(session, Where.CARDS)
    piles: tuple[Pile, ...] = ("shots", "tests")
    for pile in piles:
        photos = card.pile(pile)
        if not photos:
            continue
        st.markdown("**To learn from**" if pile == "shots" else "**To test with**")
        for start in range(0, len(photos), 4):
            for photo, column in zip(photos[start : start + 4], st.columns(4), strict=False):
                with column:
                    _photo(session, card, pile, photo)


def _photo(session: Session, card: Card, pile: Pile, photo: Photo) -> None:
    media.image(thumbnails.strip([photo], side=144), width="stretch", alt=photo.name)
    st.caption(text.markdown(text.shorten(photo.name, 24)))
    key, deck = f"{card.id} {pile} {photo.sha256}", session.photos.deck
    move = "To tests" if other_pile(pile) == "tests" else "To learning"
    st.button(move, key=f"move {key}", type="tertiary", on_click=_move, args=(session, card.id, pile, photo))
    st.button("Remove", key=f"away {key}", type="tertiary", on_click=deck.take_away, args=(card.id, pile, photo))
