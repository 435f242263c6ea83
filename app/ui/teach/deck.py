"""The classes, a row each: names, photos, every change undone, and which photo to label next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import text
from app.photos import shelf
from app.photos.archives import sorted_out
from app.photos.shelf import Verdicts
from app.teaching.cards import PILES, Card, Pile
from app.ui import projects
from app.ui.explanation.labels import Labels, point_out_twins
from app.ui.resources import backbone
from app.ui.widgets.elements import camera, cells, show_notice, uploader, verdicts_of
from app.views import testing
from app.visitor.session import Session, Where
from gallop import Photo, parse_names
from gallop.data.project_file import MOST_CARDS, MOST_PHOTOS
from gallop.data.zip_files import MAX_ARCHIVE_BYTES
from gallop.wording import counted


def heading(words: str, anchor: str | None = None) -> DeltaGenerator:
    """Draw it; return the place to its right. In a line it has no margin above, so both columns begin at one height.

    Args:
        anchor: for a link on the page that leads to it.
    """
    line = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    line.header(words, anchor=anchor or False, width="content")
    return line


ZIP_MEGABYTES = MAX_ARCHIVE_BYTES // 2**20
ZIP, FOLDER = "class zip", "class folder"
# The anchor of that column: on a phone it begins after all rows.
TRAIN_ANCHOR = "train"
# Pixels: a name, the button that takes files, and lists that are scrolled in.
_NAME, UPLOAD, _LIST_HIGH, _FORM = 130, 96, 420, 420
# Pixels of a photo in a row, and how many are shown; of one alone, and of one in the list.
_SHOT, _MOST_SHOTS, _SIDE, _LISTED = 40, 8, 144, 64
# Rows at a time: more classes are lines of a list.
MOST_DRAWN = 12
_ROWS = Path(__file__).with_name("rows.css")


def cards(session: Session) -> None:
    st.html(_ROWS)
    with heading("Collect"):
        if session.photos.deck.cards:
            _last_change(session)
            st.markdown(f"[On to training](#{TRAIN_ANCHOR})", width="content")
    start = st.container()
    if not session.photos.deck.cards:
        start.info("**Start here:** name two or more classes.", icon=":material/school:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _new_class(session)
        _from_folders(session)
    show_notice(session, Where.CARDS)
    with st.container():
        point_out_twins(session)
    shown = by_name(session)
    if len(shown) > MOST_DRAWN:
        shown = _from_list(session)
    for card in shown:
        with st.container(key=f"card {card.id}", gap="small"):
            _row(session, card)
    projects.offer_sample(session)


def by_name(session: Session) -> Sequence[Card]:
    """Return the cards as a training orders their classes, however they came."""
    return sorted(session.photos.deck.cards, key=attrgetter("name"))


def _from_list(session: Session) -> Sequence[Card]:
    """Draw many classes as a list of rows; return the card of the selected row, none of several."""
    deck = session.photos.deck
    find = st.text_input("Find a class", key="find a class", placeholder="part of its name").strip()
    found = [card for card in by_name(session) if find.casefold() in card.name.casefold()]
    firsts = [(card.all or (None,))[0] for card in found]
    table = {
        "": [photo and session.answers.thumbnail(photo, partial(_small, photo), of=_LISTED) for photo in firsts],
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


def _small(photo: Photo) -> str:
    return shelf.thumbnail_url(photo.image, (_LISTED, _LISTED))


def _new_class(session: Session) -> None:
    with st.form("new class", clear_on_submit=True, border=False, width=_FORM):
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
    with st.popover("All classes at once", icon=":material/folder_zip:"):
        st.caption(
            "Name each folder after the class of its photos: `ant/1.jpg`, `bee/7.jpg`. Photos under a folder named "
            f"`test` become test photos. Up to {ZIP_MEGABYTES} MB per zip, {MOST_CARDS} classes, and {MOST_PHOTOS} "
            "photos per class."
        )
        bulk = partial(uploader, take=_taking(session, None, None), verdicts_here=False)
        bulk("A zip of class folders", ZIP, megabytes=ZIP_MEGABYTES, type="zip")
        bulk("A folder of class folders", FOLDER, accept_multiple_files="directory")


def _last_change(session: Session) -> None:
    last, change = session.photos.deck.last_change, session.photos.deck.changes
    if last is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        st.button(
            "Undo",
            key=f"undo {change}",
            type="tertiary",
            icon=":material/undo:",
            on_click=session.photos.undo,
            args=(change,),
        )
        st.caption(text.markdown(text.shorten(last, 80)), width="content")


def _taking(session: Session, card: Card | None, pile: Pile | None) -> Callable[[list[Any]], Verdicts]:
    """Return what takes an uploader's files: to the card, or sorted by their folders; then they are encoded ahead."""

    def take(files: list[Any]) -> Verdicts:
        added = session.photos.deck.add_photos(sorted_out(files, card.name if card else None), pile)
        session.training.encode_later(added.taken)  # if that fails, the training reports why
        return added

    return take


def _row(session: Session, card: Card) -> None:
    name, shown = text.markdown(text.shorten(card.name, 60)), card.all
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(name, anchor=False, width=_NAME)
        counts = counted(len(card.shots), "photo") + (f" · {len(card.tests)} test" if card.tests else "")
        st.caption(counts if card.enabled else f":material/visibility_off: Left out. {counts}", width=_NAME)
        strip = st.container(width="content")  # there without photos, too: what follows stays what it is
        if shown:
            wide, alt = _SHOT * min(len(shown), _MOST_SHOTS), f"The first of the {len(shown)} photos of {card.name}"
            with strip:
                st.image(shelf.strip(shown, most=_MOST_SHOTS), alt=alt, width=wide)
        take, adds = f"shots {card.id}", _taking(session, card, "shots")
        quiet: Any = {"label_visibility": "collapsed", "verdicts_here": False}
        with st.container(width=UPLOAD):
            uploader(f"Photos of {name}", take, adds, **quiet)
        with st.popover("Camera", icon=":material/photo_camera:"):
            camera(f"Take photos of {name}", f"webcam {card.id}", adds)
        with st.popover("More", icon=":material/more_vert:"):
            _more(session, card, name)
    verdicts_of(take, f"webcam {card.id}", f"tests {card.id}")


def _more(session: Session, card: Card, name: str) -> None:
    deck = session.photos.deck
    if card.all:
        st.button("Look through", key=f"look {card.id}", type="tertiary", on_click=_show_photos, args=(card.id,))
    with st.form(f"rename {card.id}", border=False):
        # A form: what is only typed, or comes late from the browser, renames nothing.
        typed = st.text_input("New name", card.name, key=f"name {card.id} {card.name}")
        if st.form_submit_button("Rename"):
            with session.telling(Where.CARDS):
                deck.rename(card.id, typed)
            st.rerun()
    uploader(
        f"Test photos of {name}",
        f"tests {card.id}",
        _taking(session, card, "tests"),
        help="Never trained on: they show how good it is on photos it has not seen.",
        verdicts_here=False,
    )
    # One key for both labels: a new button would be beside the old one for a moment, and move Delete away from a click.
    st.button(
        "Leave out of training" if card.enabled else "Take into training",
        key=f"turn {card.id}",
        type="tertiary",
        on_click=deck.enable,
        args=(not card.enabled, card.id),
    )
    st.button("Delete", key=f"delete {card.id}", type="tertiary", on_click=deck.delete, args=(card.id,))


def _show_photos(card_id: int = 0) -> None:
    """Open the dialog of a card; without one, close it."""
    st.session_state["looked through"] = card_id


def dialogs(session: Session) -> None:
    """Return the open dialog, if there is one; drawn by the page itself, since a dialog may not lie inside a column."""
    card = session.photos.deck.get(st.session_state.get("looked through", 0))
    if card is None:
        return

    @st.dialog(f"Photos of {text.markdown(text.shorten(card.name))}", width="large", on_dismiss=_show_photos)
    def look() -> None:
        if (now := session.photos.deck.get(card.id)) is not None:
            _gallery(session, now)

    look()


def _gallery(session: Session, card: Card) -> None:
    show_notice(session, Where.CARDS)
    for pile in (pile for pile in PILES if card.pile(pile)):
        photos = card.pile(pile)
        st.markdown("**To learn from**" if pile == "shots" else "**To test with**")
        for photo, cell in zip(photos, cells(len(photos), 4), strict=True):
            with cell:
                st.image(shelf.strip([photo], side=_SIDE), width="stretch", alt=photo.name)
                st.caption(text.markdown(text.shorten(photo.name, 24)))
                Labels(session, [photo], Where.CARDS, "look").menu()


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
        st.image(shelf.strip([found[0]], side=_SIDE), alt=found[0].name, width=_SIDE)
        st.caption(found[1], width="stretch")
    Labels(session, [found[0]], Where.NEXT, "next").offer(taught.names)
