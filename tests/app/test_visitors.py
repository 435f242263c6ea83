from __future__ import annotations

import pytest

from app import options
from app.jobs import JobManager, PlainError, State
from app.options import Options
from app.teaching.cards import MOST_ALTOGETHER, MOST_HELD
from app.visitor import session as sessions
from app.visitor.session import GRACE_SECONDS, LOCAL_SECONDS, Visitors, session_seconds
from gallop import Photo, load_image
from gallop.data.project_file import ProjectClass
from tests import tiny
from tests.app.test_jobs import counting, wait
from tests.app_pages import there
from tests.until import until


def test_a_token_of_128_bits_leads_the_browser_that_began_a_session_to_it_and_none_else() -> None:
    visitors = Visitors(set().__contains__, 60)
    first, second = visitors.new(), visitors.new()
    assert (first == second, len(bytes.fromhex(first))) == (False, 16)
    assert there(visitors.find(first)) is visitors.find(first) is not visitors.find(second)
    assert [visitors.find(guess) for guess in ("", "0" * 32, first.upper(), first[:-1])] == [None] * 4
    mine, other = "a" * 32, "b" * 32
    token = visitors.new(mine)
    found = visitors.find(token, mine), visitors.find(token, other), visitors.find(token), visitors.find(first, mine)
    assert [session is not None for session in found] == [True, False, False, False]


def test_a_page_holds_its_own_visitors_session_alone_and_one_that_ends_cancels_its_training() -> None:
    manager, visitors = JobManager(), Visitors({"mine"}.__contains__, 0.1)
    mine, other = visitors.new(), visitors.new()
    visitors.lease(mine, "mine")
    visitors.lease("0" * 32, "mine")
    training = there(visitors.find(other)).training
    training.job = manager.submit(counting(10**12))
    assert until(lambda: visitors.find(other) is None)
    assert wait(training.job).state is State.CANCELLED
    assert visitors.find(mine) is not None
    manager.close()


HOUR = 3600.0


class Clock:
    """The time, as the test has it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float, visitors: Visitors) -> None:
        """Let time pass, and have the registry look as often as it does."""
        for _ in range(4):
            self.now += seconds / 4
            visitors.clear_out()


def photo(seed: int, side: int = 32) -> Photo:
    return load_image(tiny.picture(seed, "red", (side, side)), name=f"{seed}.png")


def with_photos(visitors: Visitors, *seeds: int, side: int = 32) -> str:
    """A visitor with such photos on the shelf."""
    token = visitors.new()
    there(visitors.find(token)).photos.shelf.add(photo(seed, side) for seed in seeds)
    return token


def test_an_address_finds_everything_while_a_page_is_open_and_for_hours_after_the_last_was_closed() -> None:
    pages, clock = {"page"}, Clock()
    visitors = Visitors(pages.__contains__, keep=8 * HOUR, clock=clock)
    token = with_photos(visitors, 1, 2)
    session = there(visitors.find(token))
    visitors.lease(token, "page")
    clock.after(20 * HOUR, visitors)
    assert visitors.find(token) is session, "its page is open"
    pages.clear()
    clock.after(7.9 * HOUR, visitors)
    pages |= {"again", "tab"}
    for page in pages:
        visitors.lease(token, page)
    assert visitors.find(token) is session
    assert [each.name for each in session.photos.shelf.photos.values()] == ["1.png", "2.png"]
    pages.remove("tab")
    clock.after(20 * HOUR, visitors)
    assert visitors.find(token) is session, "one of two tabs"
    pages.clear()
    clock.after(7.9 * HOUR, visitors)
    assert visitors.find(token) is session, "counted from the last time that it was open"
    clock.after(0.2 * HOUR, visitors)
    assert visitors.find(token) is None


def test_where_photos_without_a_page_find_no_room_those_left_first_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_RESTING_BYTES", 2 * 4 * 32 * 32)
    pages, clock = {"open"}, Clock()
    visitors = Visitors(pages.__contains__, keep=8 * HOUR, clock=clock)
    shown = with_photos(visitors, *range(20))
    visitors.lease(shown, "open")
    empty, first = visitors.new(), with_photos(visitors, 21)
    clock.after(10, visitors)
    second, third = with_photos(visitors, 22), with_photos(visitors, 23)
    clock.after(GRACE_SECONDS - 5, visitors)
    assert visitors.find(first) is not None, "the others still have their grace time"
    clock.after(20, visitors)
    assert [each for each in (first, shown, empty, second, third) if visitors.find(each) is None] == [first]


def test_a_new_visitor_has_the_place_of_one_who_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_SESSIONS", 3)
    pages, clock = {"open"}, Clock()
    visitors = Visitors(pages.__contains__, keep=8 * HOUR, clock=clock)
    shown = visitors.new()
    visitors.lease(shown, "open")
    with_one, with_two = with_photos(visitors, 1), with_photos(visitors, 2)
    with pytest.raises(PlainError, match="3 people"):
        visitors.new()
    clock.after(GRACE_SECONDS - 1, visitors)
    visitors.lease(with_two, "closed at once")
    clock.after(2, visitors)
    empty = visitors.new()
    assert [each for each in (with_one, shown, with_two) if visitors.find(each) is None] == [with_one], (
        "left longest ago"
    )
    visitors.new()
    assert visitors.find(empty) is None, "nothing is in it"


def test_everything_is_removed_at_once_when_that_is_said() -> None:
    visitors = Visitors(set().__contains__, keep=8 * HOUR)
    token, other = with_photos(visitors, 1), with_photos(visitors, 2)
    for gone in (token, token, "0" * 32):
        visitors.remove(gone)
    assert (visitors.find(token), visitors.find(other) is None) == (None, False)


def test_hours_are_for_ones_own_machine_unless_something_else_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert session_seconds("127.0.0.1") == session_seconds("localhost") == LOCAL_SECONDS == 8 * HOUR
    assert session_seconds("0.0.0.0") == session_seconds("192.168.1.5") == session_seconds(None) == GRACE_SECONDS
    monkeypatch.setattr(options, "started", Options(keep=HOUR))
    assert session_seconds("127.0.0.1") == session_seconds(None) == HOUR
    monkeypatch.setattr(options, "started", Options(keep=1.0))
    assert session_seconds(None) == GRACE_SECONDS, "a reload takes its time"


def test_what_undo_brings_back_is_bounded_too() -> None:
    """Thirty times 1,600 photos of 512 pixels would be forty gigabytes."""
    visitors = Visitors(set().__contains__)
    found = there(visitors.find(visitors.new()))
    deck, image = found.photos.deck, photo(1).image
    for turn in range(5):
        shots = tuple(Photo(image, f"{n}", f"{turn} {n}") for n in range(MOST_ALTOGETHER))
        deck.lay_out([ProjectClass("red", True, shots)], f"turn {turn}")
    assert len(deck.held()) == MOST_HELD == 2 * MOST_ALTOGETHER
    assert (found.photos.size, deck.last_change) == (MOST_HELD * 4 * 32 * 32, "turn 4")
    deck.undo()
    assert (deck.cards[0].shots[0].sha256, deck.last_change) == ("3 0", None)
    assert Options().visitor_memory <= sessions.MOST_RESTING_BYTES, "no visitor's photos go for their size alone"
