"""The queues by themselves: who is answered together, who waits for whom, and whose photo is decoded next."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import torch
from PIL import Image

from gallop.service.http import service as module
from gallop.service.http.batching import Batcher, PhotoQuestion
from gallop.service.http.bodies import Sent
from gallop.service.http.refusals import Refusal
from gallop.service.http.turns import Slots, Turns
from tests.conftest import awaited
from tests.nasty_images import encode
from tests.serve.running import Running, photo
from tests.tiny import there
from tests.until import until

LONG = 30.0
"""Seconds that nobody waits in these tests: a batch that waited would fail them."""


class Work:
    """Answers by its number which batch a photo was in."""

    def __init__(self) -> None:
        self.batches, self.may_go = list[int](), threading.Event()
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
        assert asked.pop(3).cancel()
        work.may_go.set()
        assert [one.result(LONG / 2) for one in asked] == [1, 1, 2, 2]
    assert work.batches == [2, 2]


def test_there_are_so_many_places() -> None:
    with batcher(Work(), room=3) as queue, queue.places(2):
        assert queue.waiting == 2
        with (
            pytest.raises(Refusal, match="2 photos are waiting, and 2 more would exceed the limit of 3") as refused,
            queue.places(2),
        ):
            pass
        assert (refused.value.status, there(refused.value.retry_after) >= 1) == (429, True)
        with queue.places(1):
            assert queue.waiting == 3
    assert queue.waiting == 0


# Whose photo is decoded next: nobody waits for all the photos that another has sent ----------------------------------


def test_requests_take_turns_whoever_came_first() -> None:
    turns, first, second = Turns[str](), Sent((), ()), Sent((), ())
    for i in range(3):
        turns.add(first, 1.0, f"a{i}")
    for i in range(2):
        turns.add(second, 1.0, f"b{i}")
    assert [turns.take() for _ in range(len(turns))] == ["a0", "b0", "a1", "b1", "a2"]


def test_a_large_piece_has_its_turn_while_small_ones_keep_coming() -> None:
    turns, large, clients = Turns[str](), Sent((), ()), [Sent((), ()) for _ in range(8)]
    turns.add(large, 40.0, "large")
    taken = list[str]()
    while "large" not in taken and len(taken) < 1000:
        turns.add(clients[len(taken) % 8], 2.0, "small")
        taken.append(turns.take())
    assert (taken[-1], len(taken)) == ("large", pytest.approx(9 * 40 / 2, abs=40)), "its share of nine"


def test_a_slot_comes_back_whatever_happens_to_who_holds_or_awaits_it() -> None:
    async def all_of_it() -> list[str]:
        slots, done = Slots(1), list[str]()

        async def work(name: str, seconds: float) -> None:
            async with slots.one(Sent((), ()), 1.0):
                await asyncio.sleep(seconds)
                done.append(name)

        holds, waits, last = (asyncio.create_task(work(name, s)) for name, s in (("a", 60), ("b", 60), ("c", 0)))
        await asyncio.sleep(0)
        waits.cancel()
        holds.cancel()
        await asyncio.wait_for(last, 10)
        await asyncio.wait_for(work("d", 0), 10)
        return done

    assert awaited(all_of_it()) == ["c", "d"]


def test_a_bystander_passes_large_photos_that_came_before(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go, decoded = threading.Event(), list[tuple[int, int]]()
    decode = module.decode_image

    def gated(*words: Any) -> Any:
        may_go.wait(30)
        found = decode(*words)
        decoded.append(found.size)
        return found

    monkeypatch.setattr(module, "decode_image", gated)
    large = encode(Image.new("RGB", (2000, 2000)), "WEBP", lossless=True)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(service.post, "/predict", *[large] * 4)
        until(lambda: service.waiting == 4)
        bystander = pool.submit(service.post, "/predict", photo())
        until(lambda: service.waiting == 5)
        may_go.set()
        assert bystander.result().status_code == slow.result().status_code == 200
    assert [size == (2000, 2000) for size in decoded] == [True, False, True, True, True]
