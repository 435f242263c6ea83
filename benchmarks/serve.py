"""``gallop serve`` under load, on this machine's loopback alone: errors, waiting, photos a second, memory; and a stop.

    python -m benchmarks.serve [--clients 1 8 64] [--seconds 60] [--write]

The service answers the sample's photos with the sample's model. As many clients as are named send one photo after the
other for so long; the tower's own rate, on the same photos with nothing else running, is taken before and after each
number of clients. Then come hostile photos, bodies of 200 MB, senders that stop and senders that hang up; at last the
service is told to stop while eight clients send. Clients are a process of their own, on the same cores.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import asyncio
import datetime
import json
import math
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from gallop.sample import sample_folder, sample_photos

BEGIN, END = "<!-- serve: begin -->", "<!-- serve: end -->"
HERE = "127.0.0.1"
MOST_SECONDS, MOST_CLIENTS, MOST_REQUESTS = 600, 256, 500_000
TOWER_SECONDS = 10.0
REST = 8.0
"""Seconds after which the service has given its memory back."""


@dataclass(frozen=True)
class Load:
    """What so many clients saw.

    Attributes:
        statuses: how often each came; "lost" is a request without an answer.
        rate: photos a second.
        p50, p95: milliseconds from the request's first byte to its answer's last.
        tower: photos a second of the tower alone, the mean of before and after.
        before, largest, after: resident MB of the service: at rest, at its largest, at rest again.
    """

    clients: int
    statuses: dict[str, int]
    rate: float
    p50: float
    p95: float
    tower: float = math.nan
    before: float = math.nan
    largest: float = math.nan
    after: float = math.nan

    @property
    def errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if status != "200")


def measure(clients: Sequence[int], seconds: float) -> dict[str, Any]:
    """Everything, one after the other."""
    found: dict[str, Any] = {"seconds": seconds, "loads": [], "rough": []}
    tower = tower_rate()
    with served() as (port, process):
        load(port, 8, 2.0)  # the first photos take longer
        for count in clients:
            time.sleep(REST)
            before = resident(process.pid)
            forget_largest(process.pid)
            one = load(port, count, seconds)
            largest = resident(process.pid, "VmHWM")
            time.sleep(REST)
            after, then = resident(process.pid), tower_rate()
            facts = {"tower": (tower + then) / 2, "before": before, "largest": largest, "after": after}
            found["loads"].append(Load(**(asdict(one) | facts)))
            tower = then
            print(found["loads"][-1], flush=True)
        found["rough"] = [rough(port, process.pid, kind) for kind in ROUGH]
        for row in found["rough"]:
            print(row, flush=True)
        found["stop"] = stop(port, process)
    print(found["stop"], flush=True)
    return found


@contextmanager
def served() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The port and the process of a service of the sample's model."""
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
        yield port, process
    finally:
        process.kill()
        process.wait()


def tower_rate() -> float:
    """Photos a second that pass the tower in batches as full as the service's, prepared before, and nothing else."""
    command = [sys.executable, "-m", "benchmarks.serve", "--tower"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _tower() -> float:
    import torch

    from gallop import GalLoPClassifier, load_image
    from gallop.features.encoding import BATCH, encode_pixels

    backbone = GalLoPClassifier.load(sample_folder() / "model", device="cpu").model_.backbone
    pixels = [backbone.preprocess.centre(load_image(photo.path).image)[0] for photo in sample_photos()]
    batches = cycle([torch.stack(pixels[i : i + BATCH]) for i in range(0, len(pixels) // BATCH * BATCH, BATCH)])
    encode_pixels(backbone, next(batches))
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < TOWER_SECONDS:
        encode_pixels(backbone, next(batches))
        done += BATCH
    return done / (time.perf_counter() - began)


def load(port: int, clients: int, seconds: float) -> Load:
    """What clients of another process see."""
    command = [sys.executable, "-m", "benchmarks.serve", "--load", str(port), str(clients), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Load(**json.loads(done.stdout))


async def _load(port: int, clients: int, seconds: float) -> Load:
    requests = [request(path.read_bytes()) for path in (photo.path for photo in sample_photos())]
    end, statuses = time.monotonic() + seconds, Counter[str]()
    taken: list[float] = []
    began = time.monotonic()
    await asyncio.gather(*(_client(port, requests[i % 7 :], end, statuses, taken) for i in range(clients)))
    lasted = time.monotonic() - began
    ordered = sorted(taken) or [math.nan]
    p50, p95 = (1000 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.95))
    return Load(clients, dict(statuses), statuses["200"] / lasted, p50, p95)


async def _client(port: int, requests: list[bytes], end: float, statuses: Counter[str], taken: list[float]) -> None:
    """One after the other on one connection, as long as there is time; and until the service says that it stops."""
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
            status, closes, wait = await _answer(reader)
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


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool, float]:
    """The status, whether the connection ends, and the seconds after which one may come back."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    await reader.readexactly(int(headers["content-length"]))
    return head.split()[1], headers.get("connection") == "close", float(headers.get("retry-after", 0))


def request(*photos: bytes, length: int | None = None, path: str = "/predict") -> bytes:
    """A whole request; ``length`` is what it claims."""
    part = 'content-disposition: form-data; name="photo"; filename="photo"\r\n\r\n'
    body = b"".join(f"--part\r\n{part}".encode() + photo + b"\r\n" for photo in photos) + b"--part--\r\n"
    lines = [f"POST {path} HTTP/1.1", f"host: {HERE}", "content-type: multipart/form-data; boundary=part"]
    lines += [f"content-length: {len(body) if length is None else length}", "", ""]
    return "\r\n".join(lines).encode() + body


def _hostile(port: int) -> Counter[str]:
    from tests.serve.test_answers import HOSTILE

    statuses = Counter[str]()
    for data, *_ in HOSTILE.values():
        for path in ("/predict", "/explain"):
            with socket.create_connection((HERE, port), 60) as connection:
                connection.sendall(request(data, path=path))
                statuses[_told(connection)] += 1
    return statuses


def _large(port: int) -> Counter[str]:
    """Bodies of 200 MB, five at a time."""
    statuses = Counter[str]()
    connections = [socket.create_connection((HERE, port), 60) for _ in range(5)]
    for connection in connections:
        connection.sendall(request(length=200 * 2**20))
    for _ in range(200):
        for connection in connections:
            connection.sendall(bytes(2**20))
    for connection in connections:
        statuses[_told(connection)] += 1
        connection.close()
    return statuses


def _slow(port: int) -> Counter[str]:
    """Fifty senders that stop in the middle."""
    whole = request(sample_photos()[0].path.read_bytes())
    connections = [socket.create_connection((HERE, port), 60) for _ in range(50)]
    for i, connection in enumerate(connections):
        connection.sendall(whole[: 20 if i % 2 else len(whole) // 2])
    statuses = Counter(_told(connection) for connection in connections)
    for connection in connections:
        connection.close()
    return statuses


def _gone(port: int) -> Counter[str]:
    """Two hundred that hang up: in the middle of what they send, or before they are answered."""
    whole = request(sample_photos()[0].path.read_bytes())
    for i in range(200):
        with socket.create_connection((HERE, port), 60) as connection:
            connection.sendall(whole[: len(whole) // 2 if i % 2 else len(whole)])
    return Counter({"hung up": 200})


ROUGH = {"hostile photos": _hostile, "bodies of 200 MB": _large, "senders that stop": _slow, "that hang up": _gone}


def rough(port: int, pid: int, kind: str) -> dict[str, Any]:
    """What a rough kind of sender is told, and the service's memory before, at its largest and after."""
    time.sleep(REST)
    before = resident(pid)
    forget_largest(pid)
    statuses = ROUGH[kind](port)
    largest = resident(pid, "VmHWM")
    time.sleep(REST)
    good = load(port, 1, 2.0)
    time.sleep(REST)
    facts = {"before": before, "largest": largest, "after": resident(pid), "errors after": good.errors}
    return {"kind": kind, "statuses": dict(statuses), **facts}


def _told(connection: socket.socket) -> str:
    """The status of an answer that has a sentence; the connection's end otherwise."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
            top, _, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", top.lower())
            if length and len(body) >= int(length[1]):
                assert json.loads(body)["error"]["message"]
                return top.split()[1].decode()
    except ConnectionError:
        pass
    return "cut off"


def stop(port: int, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Tell the service to stop while eight clients send: what each request got, and how long the end took."""
    command = [sys.executable, "-m", "benchmarks.serve", "--load", str(port), "8", "30"]
    clients = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    time.sleep(5)
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    seconds = time.monotonic() - start
    said, _ = clients.communicate(timeout=60)
    return {"statuses": json.loads(said)["statuses"], "seconds": seconds}


def resident(pid: int, key: str = "VmRSS") -> float:
    """MB of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def forget_largest(pid: int) -> None:
    """From now on, VmHWM is the largest since now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def table(found: dict[str, Any]) -> str:
    """Markdown of all of it."""
    heads = ["clients", "errors", "p50", "p95", "photos a second", "the tower alone", "ratio"]
    heads += ["memory before", "at its largest", "after"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for one in found["loads"]:
        cells = [
            str(one.clients),
            f"{one.errors} of {sum(one.statuses.values()):,}",
            f"{one.p50:.0f} ms",
            f"{one.p95:.0f} ms",
        ]
        cells += [f"{one.rate:.1f}", f"{one.tower:.1f}", f"{one.rate / one.tower:.2f}"]
        cells += [f"{size:.0f} MB" for size in (one.before, one.largest, one.after)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| rough senders | told | memory before | at its largest | after | errors of a good one after |"]
    lines.append("|---" * 6 + "|")
    for row in found["rough"]:
        sizes = [f"{row[key]:.0f} MB" for key in ("before", "largest", "after")]
        lines.append(f"| {row['kind']} | {_counted(row['statuses'])} | {' | '.join(sizes)} | {row['errors after']} |")
    stopped = found["stop"]
    lost = stopped["statuses"].get("lost", 0)
    told = f"Told to stop while eight clients sent: {_counted(stopped['statuses'])}; {lost} of the accepted lost"
    return "\n".join([*lines, "", f"{told}; ended after {stopped['seconds']:.1f} s."])


def _counted(statuses: dict[str, int]) -> str:
    return ", ".join(f"{count:,} x {status}" for status, count in sorted(statuses.items()))


def write(found: dict[str, Any]) -> None:
    """Put the table into the README."""
    from benchmarks.measure import machine
    from benchmarks.report import README, replace_between

    head = f"{datetime.date.today().isoformat()}, {machine()}; `mini`, {found['seconds']:g} s each."
    replace_between(README, BEGIN, END, f"{head}\n\n{table(found)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--tower", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--load", nargs=3, type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not 0 < options.seconds <= MOST_SECONDS or not all(0 < count <= MOST_CLIENTS for count in options.clients):
        parser.error(f"at most {MOST_SECONDS} seconds and {MOST_CLIENTS} clients")
    if options.tower:
        print(_tower())
    elif options.load:
        port, clients, seconds = options.load
        print(json.dumps(asdict(asyncio.run(_load(int(port), int(clients), seconds)))))
    else:
        found = measure(options.clients, options.seconds)
        print(table(found))
        if options.write:
            write(found)


if __name__ == "__main__":
    main()
