"""The queue by itself: who is answered together, and who waits for whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
import torch

from gallop.service.http.batching import Batcher, PhotoQuestion
from gallop.service.http.refusals import Refusal
from tests.tiny import there
from tests.until import until

LONG = 30.0
"""Seconds that nobody waits in these tests: a batch that waited would fail them."""


class Work:
    """Answers by its number which batch a photo was in."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.may_go = threading.Event()
        self.may_go.set()

    def __call__(self, questions: Sequence[PhotoQuestion]) -> None:
        self.may_go.wait(LONG)
        self.batches.append(len(questions))
        for question in questions:
            question.answer.set_result(len(self.batches))


@contextmanager
def batcher(work: Work, most: int = 4, wait: float = LONG, room: int = 8) -> Iterator[Batcher]:
    made = Batcher(work, most=most, wait=wait, room=room)
    yield made
    work.may_go.set()
    made.close()


def question() -> PhotoQuestion:
    return PhotoQuestion("model", (torch.zeros(3, 2, 2),))


@pytest.mark.parametrize(
    ("places", "wait"), [(1, LONG), (2, 0.05)], ids=["who comes alone", "no longer than it was told"]
)
def test_nobody_is_waited_for_in_vain(places: int, wait: float) -> None:
    with batcher(Work(), wait=wait) as queue, queue.places(places):
        assert queue.ask(question()).result(LONG / 2) == 1


def test_a_batch_waits_for_what_is_on_its_way() -> None:
    """A place is taken when a request was read; its photo comes when it is decoded."""
    with batcher(Work()) as queue, queue.places(3):
        asked = [queue.ask(question()) for _ in range(2)]
        time.sleep(0.1)
        assert not any(one.done() for one in asked)
        asked.append(queue.ask(question()))
        assert [one.result(LONG / 2) for one in asked] == [1, 1, 1]


def test_nor_for_somebody_who_has_given_up() -> None:
    with batcher(Work()) as queue, ExitStack() as other, queue.places(1):
        other.enter_context(queue.places(1))
        asked = queue.ask(question())
        other.close()
        assert asked.result(LONG / 2) == 1


def test_photos_are_answered_in_the_order_in_which_they_came() -> None:
    work = Work()
    work.may_go.clear()
    with batcher(work, most=1) as queue, queue.places(4):
        asked = [queue.ask(question()) for _ in range(4)]
        work.may_go.set()
        assert [one.result(LONG / 2) for one in asked] == [1, 2, 3, 4]


def test_a_full_batch_goes_at_once_and_the_rest_in_the_next() -> None:
    work = Work()
    work.may_go.clear()
    with batcher(work, most=2) as queue, queue.places(5):
        asked = [queue.ask(question()) for _ in range(5)]
        cancelled = asked[3].cancel()
        work.may_go.set()
        until(lambda: all(one.done() for one in asked[:3]))
        assert cancelled
        assert asked[0].result() == asked[1].result() == 1
        assert asked[2].result() == asked[4].result(LONG / 2) == 2
    assert work.batches == [2, 2]


def test_there_are_so_many_places() -> None:
    with batcher(Work(), room=3) as queue, queue.places(2):
        assert queue.waiting == 2
        with (
            pytest.raises(Refusal, match="2 photos are waiting, and 2 more would exceed the limit of 3") as refused,
            queue.places(2),
        ):
            pass
        assert refused.value.status == 429
        assert there(refused.value.retry_after) >= 1
        with queue.places(1):
            assert queue.waiting == 3
    assert queue.waiting == 0
