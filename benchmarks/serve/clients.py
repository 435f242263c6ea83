"""Clients that send one photo after the other, in a separate process, and what they see.

python -m benchmarks.serve.clients PORT CLIENTS SECONDS
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import asyncio
import json
import math
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import cycle

from benchmarks.serve.processes import HERE
from gallop.sample import sample_photos

MOST_REQUESTS = 500_000


@dataclass(frozen=True)
class Load:
    """What so many clients saw.

    Attributes:
        statuses: how often each came; "lost" is a request without an answer.
        rate: photos a second.
        p50, p95: milliseconds from the request's first byte to its answer's last.
        alone, direct: photos a second of the backbone alone, and of a loop without a service; means of before and
            after.
        before, largest, after: resident MB of the service: at rest, at its largest, at rest again.
    """

    clients: int
    statuses: dict[str, int]
    rate: float
    p50: float
    p95: float
    alone: float = math.nan
    direct: float = math.nan
    before: float = math.nan
    largest: float = math.nan
    after: float = math.nan

    @property
    def errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if status != "200")


def start(port: int, clients: int, seconds: float) -> subprocess.Popen[str]:
    """Clients of another process, which prints what they saw."""
    command = [sys.executable, "-m", "benchmarks.serve.clients", str(port), str(clients), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def seen(clients: subprocess.Popen[str]) -> Load:
    """What they saw, when they have ended."""
    output, _ = clients.communicate()
    return Load(**json.loads(output))


def load(port: int, clients: int, seconds: float) -> Load:
    """What clients of another process see."""
    return seen(start(port, clients, seconds))


async def load_of(port: int, clients: int, seconds: float) -> Load:
    requests = [request(path.read_bytes()) for path in (photo.path for photo in sample_photos())]
    end, statuses = time.monotonic() + seconds, Counter[str]()
    taken: list[float] = []
    began = time.monotonic()
    await asyncio.gather(*(_client(port, requests[i % 7 :], end, statuses, taken) for i in range(clients)))
    lasted = time.monotonic() - began
    ordered = sorted(taken) or [math.nan]
    p50, p95 = (1000 * ordered[int(rank * (len(ordered) - 1))] for rank in (0.5, 0.95))
    return Load(clients, dict(statuses), statuses["200"] / lasted, p50, p95)


async def _client(port: int, requests: list[bytes], end: float, statuses: Counter[str], taken: list[float]) -> None:
    """One after the other on one connection, as long as there is time; and until the service answers that it stops."""
    stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for data in cycle(requests):
        if time.monotonic() > end or sum(statuses.values()) > MOST_REQUESTS:
            break
        try:
            reader, writer = stream = stream or await asyncio.open_connection(HERE, port)
        except OSError:
            statuses["not accepted"] += 1
            break
        start = time.perf_counter()
        try:
            writer.write(data)
            status, closes, wait = await answered(reader)
        except (OSError, asyncio.IncompleteReadError):
            statuses["lost"] += 1
            break
        statuses[status] += 1
        if status == "200":
            taken.append(time.perf_counter() - start)
        if closes:
            writer.close()
            stream = None
        if status == "503":
            break
        if wait:
            await asyncio.sleep(wait)
    if stream is not None:
        stream[1].close()


async def answered(reader: asyncio.StreamReader) -> tuple[str, bool, float]:
    """The status, whether the connection ends, and the seconds after which one may come back."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    await reader.readexactly(int(headers["content-length"]))
    return head.split()[1], headers.get("connection") == "close", float(headers.get("retry-after", 0))


def request(*photos: bytes, length: int | None = None, path: str = "/predict") -> bytes:
    """A complete request; ``length`` is what it claims."""
    part = 'content-disposition: form-data; name="photo"; filename="photo"\r\n\r\n'
    body = b"".join(f"--part\r\n{part}".encode() + photo + b"\r\n" for photo in photos) + b"--part--\r\n"
    lines = [f"POST {path} HTTP/1.1", f"host: {HERE}", "content-type: multipart/form-data; boundary=part"]
    lines += [f"content-length: {len(body) if length is None else length}", "", ""]
    return "\r\n".join(lines).encode() + body


if __name__ == "__main__":
    port, clients, seconds = sys.argv[1:]
    print(json.dumps(asdict(asyncio.run(load_of(int(port), int(clients), float(seconds))))))
