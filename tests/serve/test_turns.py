"""Whose photo is decoded next: nobody waits for all the photos that another has sent."""

from __future__ import annotations

import asyncio

from gallop.service.http.bodies import Sent
from gallop.service.http.turns import Slots


def test_a_small_request_goes_before_the_large_photos_that_wait() -> None:
    async def served() -> list[str]:
        slots, order = Slots(1), list[str]()

        async def work(name: str, request: Sent, cost: float) -> None:
            async with slots.one(request, cost):
                order.append(name)
                await asyncio.sleep(0)

        greedy, small = Sent((b"large",) * 5, ()), Sent((b"large",), ())
        pieces = [asyncio.ensure_future(work("greedy", greedy, 40e6)) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.gather(*pieces, work("small", small, 1e5))
        return order

    order = asyncio.run(served())
    assert order.index("small") <= 2, "in the order of arrival it would be the sixth"
    assert order.count("greedy") == 5
