from __future__ import annotations

import time

import pytest

from app.jobs.manager import State
from app.visitor.registry import TooManyVisitors, Visitors
from tests.app.test_jobs import Counting


class Open(set[str]):
    """The pages that are connected."""

    def visitors(self, grace: float) -> Visitors:
        return Visitors(self.__contains__, grace)


def test_a_token_of_128_bits_leads_to_one_session_and_no_other_token_does() -> None:
    visitors = Open().visitors(60)
    first, second = visitors.new(), visitors.new()
    assert first != second
    assert len(bytes.fromhex(first)) == 16
    assert visitors.find(first) is visitors.find(first)
    assert visitors.find(first) is not visitors.find(second)
    for guess in ("", "0" * 32, first.upper(), first[:-1]):
        assert visitors.find(guess) is None


def gone(visitors: Visitors, token: str, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if visitors.find(token) is None:
            return True
        time.sleep(0.005)
    return False


def test_a_reload_keeps_the_session_and_leaving_ends_it_after_the_grace_time() -> None:
    pages = Open({"first"})
    visitors = pages.visitors(0.2)
    token = visitors.new()
    visitors.lease(token, "first")
    session = visitors.find(token)
    assert not gone(visitors, token, 0.4), "it is open"
    pages.remove("first")
    pages.add("reloaded")
    visitors.lease(token, "reloaded")
    assert not gone(visitors, token, 0.4)
    assert visitors.find(token) is session
    pages.clear()
    assert visitors.find(token) is session, "not at once"
    assert gone(visitors, token, 5)


def test_two_tabs_hold_a_session_until_both_are_closed() -> None:
    pages = Open({"first", "second"})
    visitors = pages.visitors(0.1)
    token = visitors.new()
    for page in pages:
        visitors.lease(token, page)
    pages.remove("first")
    assert not gone(visitors, token, 0.3)
    pages.remove("second")
    assert gone(visitors, token, 5)


def test_a_page_holds_its_own_visitors_session_alone() -> None:
    pages = Open({"mine"})
    visitors = pages.visitors(0.1)
    mine, other = visitors.new(), visitors.new()
    visitors.lease(mine, "mine")
    visitors.lease("0" * 32, "mine")
    assert gone(visitors, other, 5)
    assert visitors.find(mine) is not None


def test_a_session_that_ends_cancels_its_training() -> None:
    from app.jobs.manager import JobManager

    manager, visitors = JobManager(), Open().visitors(0.1)
    token = visitors.new()
    session = visitors.find(token)
    assert session is not None
    session.training.job = manager.submit(Counting(1_000_000))
    assert gone(visitors, token, 5)
    end = time.monotonic() + 5
    while session.training.job.snapshot().active and time.monotonic() < end:
        time.sleep(0.005)
    assert session.training.job.snapshot().state is State.CANCELLED
    manager.close()


def test_there_is_a_limit_to_sessions_and_it_is_told() -> None:
    visitors = Visitors(Open().__contains__, most=2)
    visitors.new()
    visitors.new()
    with pytest.raises(TooManyVisitors, match="2 people"):
        visitors.new()
