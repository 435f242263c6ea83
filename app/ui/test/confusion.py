"""What is taken for what: a grid whose cells open their photos, with the maps of what decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import text
from app.photos import thumbnails
from app.ui.explanation.labels import Labels
from app.ui.explanation.opened_photo import show_opened
from app.ui.widgets import media
from app.ui.widgets.notices import show_notice
from app.ui.widgets.remembered import one_of, put
from app.views.testing import Tested
from app.visitor.notices import Where
from app.visitor.page_state import TestState
from app.visitor.session import Session

_Cell = tuple[int, int]
RIGHT, WRONG = "15, 133, 121", "213, 94, 0"
"""Of the cells, told apart with any colour vision."""
WEAKEST, STRONGEST = 0.12, 0.5
"""How much of the colour a cell has: one photo is seen, and text is read in both themes."""


def confusion(session: Session, tested: Tested) -> None:
    """The grid, and the photos of the cell that was chosen."""
    found = tested.evaluation
    st.header(
        "Confusions",
        anchor=False,
        help="Rows: what it is. Columns: what it said. Green is right, orange wrong. With the keyboard: Tab to the "
        "grid, then the arrow keys.",
    )
    cells, key = _filled(tested), f"confusion {session.training.number}"
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**Choose a cell:**")
        st.dataframe(
            _table(tested),
            key=key,
            on_select=lambda: _choose(key, found.class_names, cells),
            selection_mode="single-cell",
            column_config={"_index": st.column_config.TextColumn("really", width=_width(found.class_names))},
            width="content",
        )
    with right:
        cell = one_of("Photos of the cell", cells, TestState.cell, cells[0], _named(tested))
        photos = [tested.answers.photos[i] for i in found.cell(*cell)]
        names = ", ".join(text.shorten(photo.name) for photo in photos)
        media.image(thumbnails.strip(photos), alt=f"{_named(tested)(cell)}: {names}")
        places = range(len(photos))
        photo = photos[
            one_of("Photo opened", places, TestState.photo, 0, lambda place: text.shorten(photos[place].name, 60))
        ]
        Labels(session, photo, Where.OPENED, "opened").menu()
        show_notice(session, Where.OPENED, undo=True)
    show_opened(session, photo, really=found.class_names[cell[0]])


def _filled(tested: Tested) -> list[_Cell]:
    """The cells that hold photos: wrong answers first, the fullest first."""
    matrix = tested.evaluation.confusion
    filled = [(int(i), int(j)) for i, j in np.argwhere(matrix)]
    return sorted(filled, key=lambda cell: (cell[0] == cell[1], -matrix[cell]))


def _named(tested: Tested) -> Callable[[_Cell], str]:
    """What a cell is called in the list."""
    names, matrix = tested.evaluation.class_names, tested.evaluation.confusion

    def words(cell: _Cell) -> str:
        really, said = (text.shorten(names[k]) for k in cell)
        count = "1 photo" if matrix[cell] == 1 else f"{matrix[cell]} photos"
        return f"{really}, rightly said: {count}" if cell[0] == cell[1] else f"{really}, said {said}: {count}"

    return words


def _table(tested: Tested) -> Any:
    """Counts, coloured by their share of the row; an empty cell stays empty."""
    matrix, names = tested.evaluation.confusion, list(tested.evaluation.class_names)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    strength = np.where(matrix > 0, WEAKEST + (STRONGEST - WEAKEST) * share, 0)
    colours = [
        [f"background-color: rgba({RIGHT if i == j else WRONG}, {value:.3f})" for j, value in enumerate(row)]
        for i, row in enumerate(strength)
    ]
    table = pd.DataFrame(matrix, index=pd.Index(names, name="really"), columns=names)
    styles = pd.DataFrame(colours, index=table.index, columns=names)
    # A name of its own: with the random one of every run the browser would draw the grid anew and forget the cell.
    styled = table.style.set_uuid("confusion").apply(lambda _: styles, axis=None)
    return styled.format(lambda count: str(count) if count else "")


def _width(names: tuple[str, ...]) -> int:
    """Pixels that the longest name needs, up to 200."""
    return min(24 + 8 * max(map(len, names)), 200)


def _choose(key: str, names: tuple[str, ...], cells: list[_Cell]) -> None:
    """A cell of the grid was chosen: the list goes there, if it holds photos. The browser may send anything."""
    for row, column in st.session_state[key]["selection"]["cells"][:1]:
        cell = (row, names.index(column)) if column in names else None
        if cell in cells:
            put(TestState.cell, cell)
            put(TestState.photo, 0)
