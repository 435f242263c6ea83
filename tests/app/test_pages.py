"""What holds for every page: what it says while it is empty, what is coloured, and that names stay text."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app.ui import resources
from gallop import load_image
from tests import tiny
from tests.app_pages import (
    EVIDENCE,
    EXPLORE,
    HOSTILE,
    METHOD,
    PLACES,
    REGIONS,
    SORT,
    TAKEN_AWAY,
    TEACH,
    TEST,
    Open,
    button,
    cards,
    everything,
    fine,
    finish,
    go,
    grid,
    hand,
    session_of,
    train,
    unsaid,
    uploader,
    with_photo,
)


def coloured(at: AppTest) -> list[str]:
    """The primary buttons of a page; one that cannot be clicked yet is grey."""
    protos = [found.proto for kind in (at.button, at.get("download_button")) for found in kind]
    return [proto.label for proto in protos if proto.type == "primary" and not proto.disabled]


def test_an_empty_page_says_what_to_do_has_one_coloured_button_and_leads_on(tiny_app: Open) -> None:
    at = fine(tiny_app())
    for page, words, leads in (
        (TEACH, "name two or more classes", "Add class"),
        (TEST, "teach some classes first", "On to teaching"),
        (EVIDENCE, "teach some classes", "On to teaching"),
        (SORT, "teach some classes first", "Try it with sample photos"),
    ):
        assert words in go(at, page).info[0].value
        assert (coloured(at), len(at.get("plotly_chart")), len(at.metric)) == ([leads], 0, 0), page
        assert not unsaid(at, "not sent anywhere else", "never writes them to disk")
    assert uploader(go(at, TEACH), "Open a model")
    assert not [found for found in at.button if found.label == "Take away"], "there is nothing yet"
    assert go(at, TEACH).button(key="train").disabled
    fine(button(go(at, TEST), "On to teaching").click().run())
    assert at.title[0].value == "Teach"


def test_a_page_after_teaching_has_one_coloured_button_at_most(tiny_app: Open) -> None:
    at = cards(with_photo(tiny_app), {"red": 2, "green": 2}, tests=1)
    assert coloured(go(at, TEACH)) == ["Train"]
    train(at)
    assert coloured(go(at, TEACH)) == ["Train again"]
    page, dialog = coloured(go(at, EXPLORE)), coloured(go(at, TAKEN_AWAY))
    assert (page, dialog) == (["Back to your classes"], [*page, "Save the model as zip"]), "a dialog has its own"
    asked = (EVIDENCE, REGIONS)
    assert {label for place in asked for label in coloured(go(at, place))} == {
        "Find what each class relies on in 2 photos"
    }
    others = (*(place for place in PLACES if place not in (EXPLORE, TAKEN_AWAY, TEACH, SORT, *asked)),)
    assert [place for place in others if coloured(go(at, place))] == []


def test_hostile_names_are_text_on_every_page(tiny_app: Open) -> None:
    """Of classes and of photos; charts have Plotly's own markup."""
    at = with_photo(tiny_app, "\n".join(HOSTILE))
    shown = "".join(everything(hand(at, class_name=name)) for name in HOSTILE)
    assert grid(at, "explainer")["names"] == HOSTILE, "the explainer takes them as they are, and as text"
    assert grid(go(at, METHOD), "steps")["names"] == HOSTILE
    shown += everything(at) + everything(go(at, TAKEN_AWAY))
    session = session_of(cards(at, dict.fromkeys(HOSTILE, 2), tests=1))
    session.photos.deck.delete(session.photos.deck.cards[0].id)
    shown += everything(go(at, TEACH))
    session.photos.deck.undo()
    train(at)
    session.photos.shelf.add([load_image(tiny.picture(77), name=f"{HOSTILE[0]}.png")])
    charts = []
    for page in PLACES:
        shown += everything(finish(go(at, page)))
        charts += [chart.proto.spec.replace("\\u003c", "<").split('"template"')[0] for chart in at.get("plotly_chart")]
    assert [raw for raw in ("![x](", "<b>", ":red[", "`code`", "$x$", "http://") if raw in shown] == []
    assert ("!\\[x\\]" in shown, "\\<b\\>bold" in shown) == (True, True)
    assert {"<b>bold" in chart for chart in charts} == {False}


def test_a_page_that_was_closed_before_it_is_drawn_is_not_drawn(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "connected", lambda page: False)
    assert not fine(tiny_app()).title
