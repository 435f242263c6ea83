"""Links to what is on the page Explore: words and numbers, there and back, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui import resources
from app.views import explore_as_text as address_module
from app.visitor.page_state import ExploreState, remembered_values
from gallop.maps.look import Style
from tests.app_pages import (
    EXPLORE,
    EXPORT,
    HOSTILE,
    Open,
    answer,
    fine,
    go,
    grid,
    hand,
    png,
    session_of,
    uploader,
    with_photo,
)

BASE = "http://localhost:8501/explorer/export?session=5ec2e7"
words = st.text(min_size=1, max_size=60)


@given(
    st.builds(
        ExploreState,
        names=words,
        scales=st.lists(st.integers(1, 200), max_size=8).map(tuple),
        **dict.fromkeys(["templates", "class_name", "against"], st.none() | words),
    )
)
def test_what_is_linked_comes_back(shown: ExploreState) -> None:
    address = address_module.address(BASE, replace(shown, photo="aunt.jpg"))
    assert address.startswith("http://localhost:8501/explorer/?")
    assert [secret for secret in ("5ec2e7", "aunt") if secret in address] == []
    assert address_module.read_address(dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))) == shown


def test_what_is_shown_is_where_the_widgets_stand() -> None:
    shown = ExploreState(names="a\nb", class_name="b", drawn="Cells", scales=(5, 40))
    assert {place.key: value for place, value in remembered_values(shown)} == {
        "explore names": "a\nb",
        "explore class_name": "b",
        "explore drawn": "Cells",
        "explore scales 0": 5,
        "explore scales 1": 40,
    }
    # What hangs on a visit or a photo is in no link.
    assert address_module.address(BASE, replace(shown, before=True, region=3, prompt=1)) == address_module.address(
        BASE, shown
    )
    assert (shown.scales_of((1, 2, 3)), shown.scales_of((1,)), shown.style.drawn) == ((5, 40, 3), (5,), "Cells")
    assert ExploreState().style == Style()


@pytest.mark.parametrize(
    "fields",
    [
        {"names": ""},
        {"names": "x" * 4001},
        {"k": "5-ten"},
        {"k": "-5"},
        {"k": "0-3"},
        {"k": "99999"},
        {"k": "٣"},
        {"session": "5ec2e7", "model": "Taught"},
    ],
)
def test_what_makes_no_sense_is_left_out(fields: dict[str, str]) -> None:
    assert address_module.read_address(fields) == ExploreState()


def test_a_link_opens_the_page_as_it_stood_for_another_visitor(tiny_app: Open) -> None:
    at = with_photo(tiny_app, "red\nblue & green\nyellow")
    said = answer(hand(at, k={1: 3}, class_name="yellow"))
    address = next(found.value for found in go(at, EXPORT).code if "names=" in found.value)
    assert [secret for secret in (at.session_state[resources.STATE], "photo.png") if secret in address] == []

    other = tiny_app()
    other.query_params.update(parse_qsl(urlsplit(address).query))
    assert session_of(fine(other.run())) is not session_of(at)
    assert set(other.query_params) == {resources.ADDRESS}
    assert other.text_area(key="explore names").value == "red\nblue & green\nyellow"
    fine(uploader(other, "Upload photos").upload("same.png", png(1)).run())
    stands = grid(other, "explainer")["state"]
    assert (answer(other), stands["topk"][1], stands["class_name"]) == (said, 3, "yellow")


@pytest.mark.parametrize(
    "fields",
    [{"names": "\n".join(HOSTILE)}, {"names": ",,,"}, {"templates": "no braces"}, {"class": "x"}],
)
def test_a_hostile_link_is_no_more_than_typing_it(tiny_app: Open, fields: dict[str, str]) -> None:
    at = tiny_app()
    at.query_params.update(fields)
    fine(go(fine(uploader(fine(at.run()), "Upload photos").upload("photo.png", png(1)).run()), EXPLORE))
    assert not [found.value for found in at.markdown if "![x](" in found.value or "<b>" in found.value]


def test_a_page_that_was_closed_before_it_is_drawn_is_not_drawn(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "connected", lambda page: False)
    assert not fine(tiny_app()).title
