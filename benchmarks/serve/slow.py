"""A bystander who sends one photo after the other, alone and beside senders of photos that take long to decode."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
from collections import Counter
from typing import Any

from PIL import Image

from benchmarks.serve.clients import answered, request
from benchmarks.serve.processes import HERE
from gallop.sample import sample_photos

SENDERS, PHOTOS, SIDE = 8, 4, 6320
"""A file of some 100 bytes or kilobytes that is 40 megapixels of decoding."""
PAUSE = 0.25
"""Seconds between an answer and the bystander's next photo."""


def beside_slow(port: int, seconds: float, senders: int = SENDERS) -> dict[str, Any]:
    """What the bystander and the slow senders see in so many seconds."""
    return asyncio.run(_beside_slow(port, seconds, senders))


def slow_photo() -> bytes:
    """A lossless WebP of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (90, 120, 60)).save(file, "WEBP", lossless=True, method=0)
    return file.getvalue()


async def _beside_slow(port: int, seconds: float, senders: int) -> dict[str, Any]:
    good, slow = request(sample_photos()[0].path.read_bytes()), request(*[slow_photo()] * PHOTOS)
    slow_statuses, good_statuses, taken = Counter[str](), Counter[str](), list[float]()
    sending = [asyncio.create_task(_again(port, slow, slow_statuses, [])) for _ in range(senders)]
    await asyncio.sleep(2.0)  # until all of them are at work
    bystander = asyncio.create_task(_again(port, good, good_statuses, taken, PAUSE))
    await asyncio.sleep(seconds)
    waited = time.perf_counter() - taken.pop() if len(taken) % 2 else 0.0  # in the middle of a request
    for task in (*sending, bystander):
        task.cancel()
    await asyncio.gather(*sending, bystander, return_exceptions=True)
    found = sorted([after - before for before, after in zip(taken[::2], taken[1::2], strict=True)] + [waited])
    p50, p95 = (found[int(share * (len(found) - 1))] for share in (0.5, 0.95))
    return {"senders": senders, "p50": p50, "p95": p95, "longest": found[-1]} | {
        "statuses": dict(good_statuses),
        "slow": dict(slow_statuses),
    }


async def _again(port: int, data: bytes, statuses: Counter[str], times: list[float], pause: float = 0.0) -> None:
    """Send the same until cancelled; ``times`` has the start and the end of each request in turn."""
    while True:
        reader, writer = await asyncio.open_connection(HERE, port)
        with contextlib.closing(writer):
            times.append(time.perf_counter())
            writer.write(data)
            status, _, wait = await answered(reader)
            times.append(time.perf_counter())
        statuses[status] += 1
        await asyncio.sleep(max(pause, wait))
