"""``gallop serve`` under load, on this machine's loopback alone: errors, waiting, photos a second, and memory.

    python -m benchmarks.serve [--clients 1 8 64] [--seconds 60] [--write]

The service answers the sample's photos with the sample's model. As many clients as are named, of another process on the
same cores, send one photo after the other for so long. A loop without a service, which asks about one file after the
other with nothing else running, is timed before them.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import asyncio
import datetime
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import machine
from benchmarks.report import README, replace_between
from gallop import GalLoPClassifier
from gallop.sample import sample_folder, sample_photos

BEGIN, END = "<!-- serve: begin -->", "<!-- serve: end -->"
HERE = "127.0.0.1"
REST = 8.0
"""Seconds after which the service has given its memory back."""
LOOP = 10.0
"""Seconds of the loop without a service."""
HEADS = (
    "clients",
    "errors",
    "p50",
    "p95",
    "photos a second",
    "a direct loop",
    "memory before",
    "at its largest",
    "after",
)


@contextmanager
def served() -> Iterator[tuple[int, int]]:
    """Yield the port and the process of a service of the sample's model."""
    with socket.socket() as free:
        free.bind((HERE, 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "gallop", "serve", str(sample_folder() / "model"), "--port", str(port)]
    process = subprocess.Popen([*command, "--device", "cpu"], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection((HERE, port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def resident(pid: int, key: str = "VmRSS") -> float:
    """MB of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def load(port: int, clients: int, seconds: float) -> dict[str, Any]:
    """Return what clients of another process see."""
    command = [sys.executable, "-m", "benchmarks.serve", "--as-clients", str(port), str(clients), str(seconds)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


async def load_of(port: int, clients: int, seconds: float) -> dict[str, Any]:
    """Send photos, as so many clients; return how often each status came, photos a second, and p50 and p95 in ms.

    "lost" is a request without an answer.
    """
    requests = [request(photo.path.read_bytes()) for photo in sample_photos()]
    began, statuses, taken = time.monotonic(), Counter[str](), list[float]()
    each = (_client(port, requests[i % 7 :], began + seconds, statuses, taken) for i in range(clients))
    await asyncio.gather(*each)
    rate = statuses["200"] / (time.monotonic() - began)
    p50, p95 = (1000 * float(value) for value in np.percentile(taken or [np.nan], [50, 95]))
    return {"statuses": dict(statuses), "rate": rate, "p50": p50, "p95": p95}


async def _client(port: int, requests: list[bytes], end: float, statuses: Counter[str], taken: list[float]) -> None:
    """One after the other on one connection, as long as there is time."""
    reader, writer = await asyncio.open_connection(HERE, port)
    for data in cycle(requests):
        if time.monotonic() > end:
            break
        start = time.perf_counter()
        try:
            writer.write(data)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        except (OSError, asyncio.IncompleteReadError):
            statuses["lost"] += 1
            break
        statuses[head.split()[1]] += 1
        if head.split()[1] == "200":
            taken.append(time.perf_counter() - start)
    writer.close()


def request(photo: bytes) -> bytes:
    """Return a complete request."""
    part = 'content-disposition: form-data; name="photo"; filename="photo"\r\n\r\n'
    body = f"--part\r\n{part}".encode() + photo + b"\r\n--part--\r\n"
    lines = ["POST /predict HTTP/1.1", f"host: {HERE}", "content-type: multipart/form-data; boundary=part"]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def direct() -> float:
    """Return photos a second of a loop that asks a loaded model about one file after the other."""
    classifier = GalLoPClassifier.load(sample_folder() / "model", device="cpu")
    files = [photo.path.read_bytes() for photo in sample_photos()]
    classifier.predict_all(files[:1])
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < LOOP:
        classifier.predict_all([files[done % len(files)]])
        done += 1
    return done / (time.perf_counter() - began)


def rows(counts: list[int], seconds: float) -> Iterator[str]:
    """Measure, and yield the lines of the table."""
    yield f"| {' | '.join(HEADS)} |\n{'|---' * len(HEADS)}|"
    alone = direct()
    with served() as (port, pid):
        load(port, 8, 2.0)  # the first photos take longer
        for count in counts:
            time.sleep(REST)
            before = resident(pid)
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # from now on, VmHWM is the largest since now
            seen, largest = load(port, count, seconds), resident(pid, "VmHWM")
            time.sleep(REST)
            asked = sum(seen["statuses"].values())
            cells = [str(count), f"{asked - seen['statuses'].get('200', 0)} of {asked:,}"]
            cells += [f"{seen['p50']:.0f} ms", f"{seen['p95']:.0f} ms", f"{seen['rate']:.1f}", f"{alone:.1f}"]
            cells += [f"{size:.0f} MB" for size in (before, largest, resident(pid))]
            yield f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--as-clients", nargs=3, type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_clients:
        port, clients, seconds = options.as_clients
        print(json.dumps(asyncio.run(load_of(int(port), int(clients), seconds))))
        return
    lines = list(rows(options.clients, options.seconds))
    head = f"{datetime.date.today()}, {machine()}; `mini`, {options.seconds:g} s each."
    print(text := "\n".join([head, "", *lines]))
    if options.write:
        replace_between(README, BEGIN, END, text)


if __name__ == "__main__":
    main()
