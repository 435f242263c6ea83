"""The class cards: names, photos, every change undone, and which photo to label next."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import text
from app.photos import shelf
from app.photos.archives import sorted_out
from app.photos.shelf import Verdicts
from app.teaching.cards import Card, Pile
from app.ui import projects
from app.ui.explanation.labels import Labels, point_out_twins
from app.ui.resources import backbone, backbones, jobs
from app.ui.widgets.elements import camera, cells, image, show_notice, slot, uploader
from app.views import testing
from app.visitor.session import Session, Where
from gallop import Photo, parse_names
from gallop.data.project import MOST_CARDS, MOST_PHOTOS
from gallop.data.zip_files import MAX_ARCHIVE_BYTES
from gallop.wording import counted

# Pixels of a column; if three do not fit side by side they are stacked.
_NARROWEST = 280


def three_columns() -> list[Any]:
    """Return the columns. Streamlit before 1.66 puts them below each other on a phone alone."""
    if not hasattr(st, "grid"):
        return list(st.columns(3, gap="medium"))
    grid = st.grid(3, min_column_width=_NARROWEST, gap="medium", key="teach")
    return [grid.cell() for _ in range(3)]


def heading(words: str, anchor: str | None = None) -> DeltaGenerator:
    """Draw it; return the place to its right. In a line it has no margin above, so all columns begin at one height.

    Args:
        anchor: for a link on the page that leads to it.
    """
    line = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    line.header(words, anchor=anchor or False, width="content")
    return line


ZIP_MEGABYTES = MAX_ARCHIVE_BYTES // 2**20
TESTS, _WEBCAM = "Test photos", "Webcam"
ZIP, FOLDER = "class zip", "class folder"
# The anchor of that column: where the columns are stacked, it begins after all cards.
TRAIN_ANCHOR = "train"
# Pixels: a button and what it takes.
_UPLOADER = 180
_BESIDE_UNDO = 200
_LIST_HIGH = 420
# Cards at a time: more classes are rows of a list.
MOST_DRAWN = 12


def cards(session: Session) -> None:
    with heading("Collect"):
        if session.photos.deck.cards:
            st.markdown(f"[On to training](#{TRAIN_ANCHOR})", width="content")
    start = slot()
    if not session.photos.deck.cards:
        start.info("**Start here:** name two or more classes.", icon=":material/school:")
    _new_class(session)
    _from_folders(session)
    _notices(session)
    with slot():
        point_out_twins(session)
    shown = session.photos.deck.cards
    if len(shown) > MOST_DRAWN:
        shown = _from_list(session)
    for card in shown:
        with st.container(border=True, key=f"card {card.id}", gap="small"):
            _card(session, card)
    projects.offer_sample(session)


def _from_list(session: Session) -> tuple[Card, ...]:
    """Draw many classes as a list of rows; return the card of the selected row, none of several."""
    deck = session.photos.deck
    find = st.text_input("Find a class", key="find a class", placeholder="part of its name").strip()
    found = [card for card in deck.cards if find.casefold() in card.name.casefold()]
    table = {
        "": [session.photos.thumbnail(card) for card in found],
        "Class": [card.name for card in found],
        "Learn": [len(card.shots) for card in found],
        "Test": [len(card.tests) for card in found],
        "In use": [card.enabled for card in found],
    }
    counts = f"{len(found)} of {len(deck.cards)} classes" if find else f"{len(found)} classes"
    st.caption(
        f"{counts}, {counted(sum(len(card.all) for card in found), 'photo')}. Select one to see its card, or several "
        "to change them at once."
    )
    # Rows are selected by their place: after a change it is another row's.
    drawn: Any = st.dataframe(
        table,
        key=f"classes {deck.changes} {find}",
        column_config={"": st.column_config.ImageColumn(width=48)},
        on_select="rerun",
        selection_mode="multi-row",
        height=_LIST_HIGH,
    )
    chosen = tuple(found[row] for row in drawn.selection.rows if row < len(found))
    if len(chosen) < 2:
        return chosen
    ids = tuple(card.id for card in chosen)
    st.caption(f"{len(chosen)} classes selected, with {counted(sum(len(card.all) for card in chosen), 'photo')}.")
    with st.container(horizontal=True, gap="small"):
        st.button("Leave out of training", key="turn off", on_click=deck.enable, args=(False, *ids))
        st.button("Take into training", key="turn on", on_click=deck.enable, args=(True, *ids))
        st.button("Delete", key="delete several", on_click=deck.delete, args=ids)
    return ()


def _new_class(session: Session) -> None:
    with st.form("new class", clear_on_submit=True, border=False):
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
            with session.telling(Where.CARDS):
                session.photos.deck.add(*parse_names(typed))
            if Where.CARDS not in session.notices:  # one is shown below, by this run alone
                st.rerun()


def _from_folders(session: Session) -> None:
    with st.expander("All classes at once", icon=":material/folder_zip:", key="bulk"):
        st.caption(
            "Name each folder after the class of its photos: `ant/1.jpg`, `bee/7.jpg`. Photos under a folder named "
            f"`test` become test photos. Up to {ZIP_MEGABYTES} MB per zip, {MOST_CARDS} classes, and {MOST_PHOTOS} "
            "photos per class."
        )
        bulk = partial(uploader, take=_taking(session, None, None), verdicts_here=False)
        bulk("A zip of class folders", ZIP, megabytes=ZIP_MEGABYTES, type="zip")
        bulk("A folder of class folders", FOLDER, accept_multiple_files="directory")


def _notices(session: Session) -> None:
    show_notice(session, Where.CARDS)
    last, place = session.photos.deck.last_change, slot()
    if last is not None:
        with place.container(horizontal=True, vertical_alignment="center", gap="small"):
            change = session.photos.deck.changes
            st.button(
                "Undo",
                key=f"undo {change}",
                type="tertiary",
                icon=":material/undo:",
                on_click=session.photos.undo,
                args=(change,),
            )
            st.caption(text.markdown(text.shorten(last, 80)), width=_BESIDE_UNDO)


def _taking(session: Session, card: Card | None, pile: Pile | None) -> Callable[[list[Any]], Verdicts]:
    """Return what takes an uploader's files: to the card, or sorted by their folders; then they are encoded ahead."""

    def take(files: list[Any]) -> Verdicts:
        added = session.photos.deck.add_photos(sorted_out(files, card.name if card else None), pile)
        session.training.encode_ahead(jobs(), backbones(), added.taken)  # if that fails, the training reports why
        return added

    return take


def _card(session: Session, card: Card) -> None:
    name = text.markdown(text.shorten(card.name, 60))
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader(name, anchor=False, width="content")
        _changes(session, card)
    shown, strip = card.all, slot()
    if shown:
        with strip:
            image(shelf.strip(shown), alt=f"The first of the {len(shown)} photos of {card.name}")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        counts = f"{len(card.shots)} to learn from" + (f", {len(card.tests)} to test with" if card.tests else "")
        st.caption(counts if card.enabled else f":material/visibility_off: Turned off. {counts}", width="content")
        if shown:
            st.button("Look through", key=f"look {card.id}", type="tertiary", on_click=_look_through, args=(card.id,))
    with st.container(horizontal=True, vertical_alignment="top"):
        with st.container(width=_UPLOADER):
            uploader(
                f"Photos of {name}",
                f"shots {card.id}",
                _taking(session, card, "shots"),
                label_visibility="collapsed",
            )
        with st.popover("Test, webcam", width="content"):
            _more_ways(session, card, name)


def _more_ways(session: Session, card: Card, name: str) -> None:
    what = st.radio(
        f"What to add to {name}", [TESTS, _WEBCAM], key=f"what {card.id}", horizontal=True, label_visibility="collapsed"
    )
    if what == _WEBCAM:
        camera(f"Take photos of {name}", f"webcam {card.id}", _taking(session, card, "shots"))
        return
    uploader(
        f"Test photos of {name}",
        f"tests {card.id}",
        _taking(session, card, "tests"),
        help="Never trained on: they show how good it is on photos it has not seen.",
    )


def _changes(session: Session, card: Card) -> None:
    deck = session.photos.deck
    # No tertiary one: Streamlit writes its words nearly black on a dark page while it is open.
    with st.popover("Edit"):
        with st.form(f"rename {card.id}", border=False):
            # A form: what is only typed, or comes late from the browser, renames nothing.
            typed = st.text_input("New name", card.name, key=f"name {card.id} {card.name}")
            if st.form_submit_button("Rename"):
                with session.telling(Where.CARDS):
                    deck.rename(card.id, typed)
                st.rerun()
        # One key for both labels: a new button would be beside the old one for a moment, and move Delete away from a
        # click.
        st.button(
            "Leave out of training" if card.enabled else "Take into training",
            key=f"turn {card.id}",
            type="tertiary",
            on_click=deck.enable,
            args=(not card.enabled, card.id),
        )
        st.button("Delete", key=f"delete {card.id}", type="tertiary", on_click=deck.delete, args=(card.id,))


def _look_through(card_id: int = 0) -> None:
    """Open the dialog of a card; without one, close it."""
    st.session_state["looked through"] = card_id


def dialogs(session: Session) -> None:
    """Return the open dialog, if there is one; drawn by the page itself, since a dialog may not lie inside a column."""
    card = session.photos.deck.get(st.session_state.get("looked through", 0))
    if card is None:
        return

    @st.dialog(f"Photos of {text.markdown(text.shorten(card.name))}", width="large", on_dismiss=_look_through)
    def look() -> None:
        if (now := session.photos.deck.get(card.id)) is not None:
            _gallery(session, now)

    look()


def _gallery(session: Session, card: Card) -> None:
    show_notice(session, Where.CARDS)
    piles: tuple[Pile, ...] = ("shots", "tests")
    for pile in piles:
        photos = card.pile(pile)
        if not photos:
            continue
        st.markdown("**To learn from**" if pile == "shots" else "**To test with**")
        for photo, cell in zip(photos, cells(len(photos), 4), strict=True):
            with cell:
                _photo(session, photo)


def _photo(session: Session, photo: Photo) -> None:
    image(shelf.strip([photo], side=144), width="stretch", alt=photo.name)
    st.caption(text.markdown(text.shorten(photo.name, 24)))
    Labels(session, [photo], Where.CARDS, "look").menu()


_SIDE = 144


def next_photo(session: Session) -> None:
    """Draw the photo to try without a label that is worth most; nothing if there is no choice."""
    taught = session.training.taught
    if taught is None:
        return
    found = testing.next_photo(session, backbone(session.training.backbone_name))
    show_notice(session, Where.NEXT)
    if found is None:
        return
    st.subheader(
        "Label next",
        anchor=False,
        help="Of the photos to try that have no label, the one that it can least decide between two classes.",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        image(shelf.strip([found[0]], side=_SIDE), alt=found[0].name, width=_SIDE)
        st.caption(found[1], width="stretch")
    Labels(session, [found[0]], Where.NEXT, "next").offer(taught.names)
