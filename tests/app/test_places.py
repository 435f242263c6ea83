"""Tabs, and the dialog *Take away*: what is open, what is computed for it, and what stays open."""

from __future__ import annotations

from unittest import mock

import pytest
from streamlit.testing.v1 import AppTest

from app.jobs import JobManager
from app.ui.export.dialog import TAKE_AWAY
from tests.app_pages import (
    EVIDENCE,
    EXPLORE,
    LABELS,
    METHOD,
    MISTAKES,
    NONE_OF_THESE,
    PAGES,
    PLACES,
    PROMPTS,
    REGIONS,
    RUNS,
    SORT,
    TEACH,
    TEST,
    Open,
    button,
    cards,
    everything,
    fine,
    finish,
    go,
    session_of,
    train,
    with_photo,
)
from tests.until import until

DRAWN = {
    MISTAKES: "app.ui.test.mistakes.mistakes",
    NONE_OF_THESE: "app.ui.test.unknown.unknown",
    LABELS: "app.ui.test.known.hints",
    RUNS: "app.ui.test.runs.all_runs",
    REGIONS: "app.ui.widgets.elements.made_by_job",
    PROMPTS: "app.ui.evidence.prompt_cards.each_prompt",
}
"""By the tab, what draws or computes all that is in it."""


def taught(open_app: Open) -> AppTest:
    return train(cards(with_photo(open_app), {"red": 3, "green": 3}, tests=2))


def offers(at: AppTest) -> bool:
    return any(found.label == "Take away" for found in at.button)


def test_only_the_tab_that_is_open_is_computed(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    at = taught(tiny_app)
    asked = {tab: mock.Mock(side_effect=RuntimeError("drawn")) for tab in DRAWN}
    for tab, name in DRAWN.items():
        monkeypatch.setattr(name, asked[tab])
    for tab in DRAWN:
        go_there(at, tab)
        assert [each for each in DRAWN if asked[each].called] == [tab]
        asked[tab].reset_mock()


def test_no_page_starts_a_job_when_it_is_opened(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    at = taught(tiny_app)
    monkeypatch.setattr(JobManager, "submit", mock.Mock(side_effect=AssertionError("a job")))
    for place in (*PAGES, *PLACES):
        go(at, place)
    with pytest.raises(AssertionError, match="a job"):
        fine(button(go(at, REGIONS), "Find what each class relies on").click().run())


def test_photos_of_an_opened_project_are_encoded_once_its_page_is_drawn(tiny_app: Open) -> None:
    at = taught(tiny_app)
    training = session_of(at).training
    training.encode_later(session_of(at).photos.shots()["red"])
    assert training._encoding is None
    fine(at.run())
    assert until(lambda: training._encoding is not None and training.has_encoded)


def go_there(at: AppTest, place: tuple[str, str, str]) -> None:
    """As ``go``, though the page may fail."""
    page, key, tab = place
    at.session_state[key] = tab
    at.switch_page(page).run()


def test_a_tab_stays_open_over_a_change_of_page(tiny_app: Open) -> None:
    at = taught(tiny_app)
    for tab, others, choice in ((RUNS, (EXPLORE, EVIDENCE), "Pin A"), (PROMPTS, (TEST, METHOD), "Words for the class")):
        go(at, tab)
        for other in others:
            go(go(at, other), tab[0])
            assert choice in [found.label for found in at.selectbox]


def test_what_is_taken_away_is_offered_where_there_is_something_and_closes(tiny_app: Open) -> None:
    at = fine(tiny_app())
    for page in (EXPLORE, TEACH, TEST):
        assert not offers(go(at, page)), "there is nothing yet"
    at = finish(taught(tiny_app))
    assert [page for page in (EXPLORE, TEACH, TEST, EVIDENCE, SORT, METHOD) if offers(go(at, page))] == [
        EXPLORE,
        TEACH,
        TEST,
    ]
    for page, heads in ((EXPLORE, ["This answer", "This model"]), (TEACH, ["This model"]), (TEST, ["This model"])):
        fine(button(go(at, page), "Take away").click().run())
        assert [found.value for found in at.subheader if found.value.startswith("This ")] == heads
        at.session_state[TAKE_AWAY] = False  # as a click on its cross does
        assert "This model" not in everything(fine(at.run()))


def test_without_anything_to_take_away_its_old_address_opens_no_dialog(tiny_app: Open) -> None:
    assert "This model" not in everything(go(fine(tiny_app()), (TEACH, TAKE_AWAY, True)))
