"""The mistakes, looked through: a matrix of confusions, photos with their maps, what is done with them, one opened."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import streamlit as st

from app import charts, text
from app.ui.explanation import changes
from app.ui.explanation.answer import shots_that_voted
from app.ui.explanation.labels import Labels
from app.ui.resources import backbone
from app.ui.widgets.elements import chart, photo_strip, show_notice
from app.ui.widgets.explainer import photo_explained
from app.ui.widgets.remembered import one_of, put
from app.views import testing
from app.visitor.page_state import Group
from app.visitor.session import Session, Where
from gallop.maps.explainer.state import ExplainerState
from gallop.wording import counted

# Classes of a matrix that has the photos beside it.
_BESIDE = 25
_PAGE = 12
# Pixels.
_PAGE_MENU = 160
_MATRIX = (
    "Rows: the true class. Columns: the answer. Green is right, orange is wrong. Click a square to see its photos. "
    "“Called none of these” and photos of none of the classes follow the threshold in the next tab."
)
_KINDS = {
    testing.MISTAKES: "All mistakes",
    testing.CALLED_NONE: "Called none of these",
    testing.CALLED_A_CLASS: "Of none of these, called a class",
}


def mistakes(session: Session, tested: testing.Tested) -> None:
    groups = testing.groups(session, backbone(session.training.backbone_name), tested)
    few = len(tested.evaluation.class_names) <= _BESIDE
    left, right = st.columns([2, 3], gap="large") if few else (st.container(), st.container())
    words = _in_words(tested, groups)
    with right:
        with st.container(horizontal=True):
            usual, back = next(iter(groups)), {"on_change": put, "args": ("test page", 0)}
            group = one_of("Photos shown", groups, "test group", usual, words.__getitem__, help=_MATRIX, **back)
            shown = _page_of(groups[group])
        opened = _gallery(session, groups[group], shown, sure=not tested.elsewhere)
    with left:
        _matrix(session, tested, {pair: words[pair] for pair in groups if not isinstance(pair, str)}, group)
    _show_opened(session, opened)


def _in_words(tested: testing.Tested, groups: Mapping[Group, Sequence[object]]) -> dict[Group, str]:
    names = [text.shorten(name) for name in tested.evaluation.class_names]
    called = {
        group: _KINDS[group]
        if isinstance(group, str)
        else f"{names[group[0]]}, answered {'correctly' if group[0] == group[1] else names[group[1]]}"
        for group in groups
    }
    return {group: f"{called[group]}: {counted(len(photos), 'photo')}" for group, photos in groups.items()}


def _matrix(session: Session, tested: testing.Tested, pairs: Mapping[tuple[int, int], str], chosen: Group) -> None:
    evaluation = tested.evaluation
    # In another key the browser has nothing selected, so that a second click on the same square is one too.
    key = f"confusions {session.training.number} {chosen}"
    chart(
        charts.confusions(evaluation.confusion, evaluation.class_names, pairs, chosen),
        key=key,
        alt=f"Confusions. {'; '.join([*pairs.values()][:20])}.",
        on_select=lambda: choose(key, pairs),
        selection_mode="points",
    )
    if len(evaluation.class_names) > charts.MOST_CONFUSED:
        st.caption(
            f"The {charts.MOST_CONFUSED} of {len(evaluation.class_names)} classes that are confused most often, the "
            "most confused first."
        )


def choose(key: str, pairs: Collection[Group]) -> None:
    """Show the photos of the square that was clicked, in a callback. The browser may send anything."""
    for point in st.session_state[key]["selection"]["points"][:1]:
        for pair in pairs:
            if point.get("customdata") == f"{pair[0]} {pair[1]}":
                put("test group", pair)
                put("test page", 0)


def _page_of(photos: Sequence[testing.TestedPhoto]) -> Sequence[testing.TestedPhoto]:
    pages = range(math.ceil(len(photos) / _PAGE))
    words = [f"{_PAGE * page + 1} to {min(_PAGE * (page + 1), len(photos))} of {len(photos)}" for page in pages]
    page = one_of("Page", pages, "test page", 0, words.__getitem__, width=_PAGE_MENU) if len(pages) > 1 else 0
    return photos[_PAGE * page : _PAGE * (page + 1)]


def _gallery(
    session: Session, photos: Sequence[testing.TestedPhoto], shown: Sequence[testing.TestedPhoto], *, sure: bool
) -> testing.TestedPhoto:
    """Draw the photos shown, and what can be done with them or those selected; return the one that is opened."""
    hashes = {tested.photo.sha256 for tested in shown}
    opened = next((tested for tested in shown if tested.photo.sha256 == session.test.opened), shown[0])
    selected = [tested.photo for tested in photos if tested.photo.sha256 in session.test.selected]

    def select(chosen: set[str]) -> None:
        session.test = replace(session.test, selected=session.test.selected - hashes | (chosen & hashes))

    tiles = testing.tiles(session, backbone(session.training.backbone_name), shown, selected, sure=sure)
    photo_strip("tested photos", tiles, opened.photo.sha256, lambda photo: _open(session, photo), select=select)
    labels = Labels(session, selected or [opened.photo], Where.OPENED, "opened")
    with st.container(horizontal=True, vertical_alignment="center"):
        one = f"**{text.markdown(text.shorten(opened.photo.name, 40))}**, really {text.markdown(opened.really)}"
        st.markdown(f"**{len(selected)} selected**" if selected else one, width="content")
        words = "Learn from these" if len(selected) > 1 else "Learn from this"
        replace(labels, key="learn").use_for("shots", words, icon=":material/school:")
        labels.menu("Labelled wrongly")
        every = not hashes <= session.test.selected
        if len(shown) > 1:
            words = f"Select all {len(shown)}" if every else "Select none"
            st.button(words, key="select", type="tertiary", on_click=select, args=(hashes if every else set(),))
    show_notice(session, Where.OPENED, undo=True)
    changes.train_now(session)
    return opened


def _open(session: Session, photo: str) -> None:
    session.test = replace(session.test, opened=photo)


def _show_opened(session: Session, tested: testing.TestedPhoto) -> None:
    frozen, question, photo = backbone(session.training.backbone_name), testing.taught_question(session), tested.photo
    explanation = session.answers.explain(frozen, photo, question).with_topk(session.training.scales())
    usual = tuple(explanation.topk)

    def moved(state: ExplainerState) -> None:
        # If k was not moved it continues to be that of Teach.
        session.test = replace(
            session.test,
            explainer_state=replace(state, topk=() if state.topk == usual else state.topk),
            explainer_photo=photo.sha256,
        )

    state = session.test.explainer_state_for(photo.sha256)
    photo_explained(explanation, state, moved)
    shots_that_voted(photo, question, lambda: explanation, state.class_name)
