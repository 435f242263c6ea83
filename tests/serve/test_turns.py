"""Whose photo is decoded next: nobody waits for all the photos that another has sent."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from gallop.service.http import service as module
from gallop.service.http.bodies import Sent
from gallop.service.http.turns import Slots, Turns
from tests.conftest import awaited
from tests.nasty_images import encode
from tests.serve.running import Running, photo
from tests.until import until


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
    taken = ""
    for i in range(1000):
        turns.add(clients[i % 8], 2.0, "small")
        taken = turns.take()
        if taken == "large":
            break
    assert taken == "large"
    assert i == pytest.approx(9 * 40 / 2, abs=40)  # its share of nine


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
        until(lambda: len(service.service._reading._turns) == 3)
        bystander = pool.submit(service.post, "/predict", photo())
        until(lambda: len(service.service._reading._turns) == 4)
        may_go.set()
        assert bystander.result().status_code == slow.result().status_code == 200
    assert [size == (2000, 2000) for size in decoded] == [True, False, True, True, True]
