"""``gallop serve`` under load, on this machine's loopback alone: errors, waiting, photos a second, memory; and a stop.

    python -m benchmarks.serve [--clients 1 8 64] [--seconds 60] [--write]

The service answers the sample's photos with the sample's model. As many clients as are named send one photo after the
other for so long; what the backbone and a loop without a service do on the same photos, with nothing else running, is
taken before and after each number of clients. Then come hostile photos, bodies of 200 MB, senders that stop, senders
that hang up; at last the service is stopped while eight clients send. Clients are a separate process on the same cores.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import datetime
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.measure import machine
from benchmarks.report import README, replace_between
from benchmarks.serve.backbone import rates
from benchmarks.serve.clients import Load, load, seen, start
from benchmarks.serve.processes import REST, forget_largest, resident, served
from benchmarks.serve.rough import ROUGH, rough
from benchmarks.serve.table import table

BEGIN, END = "<!-- serve: begin -->", "<!-- serve: end -->"
MOST_SECONDS, MOST_CLIENTS = 600, 256


def measure(clients: Sequence[int], seconds: float) -> dict[str, Any]:
    """Everything, one after the other."""
    measured: dict[str, Any] = {"seconds": seconds, "loads": [], "rough": []}
    earlier = rates()
    with served() as (port, process):
        load(port, 8, 2.0)  # the first photos take longer
        for count in clients:
            time.sleep(REST)
            before = resident(process.pid)
            forget_largest(process.pid)
            one = load(port, count, seconds)
            largest = resident(process.pid, "VmHWM")
            time.sleep(REST)
            after, later = resident(process.pid), rates()
            alone, direct = (sum(pair) / 2 for pair in zip(earlier, later, strict=True))
            facts = {"alone": alone, "direct": direct, "before": before, "largest": largest, "after": after}
            measured["loads"].append(Load(**(asdict(one) | facts)))
            earlier = later
            print(measured["loads"][-1], flush=True)
        measured["rough"] = [rough(port, process.pid, kind) for kind in ROUGH]
        for row in measured["rough"]:
            print(row, flush=True)
        measured["stop"] = stop(port, process)
    print(measured["stop"], flush=True)
    return measured


def stop(port: int, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Stop the service while eight clients send: what each request got, and how long the end took."""
    clients = start(port, 8, 30)
    time.sleep(5)
    stopped = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    seconds = time.monotonic() - stopped
    return {"statuses": seen(clients).statuses, "seconds": seconds}


def write(measured: dict[str, Any]) -> None:
    """Put the table into the README."""
    head = f"{datetime.date.today().isoformat()}, {machine()}; `mini`, {measured['seconds']:g} s each."
    replace_between(README, BEGIN, END, f"{head}\n\n{table(measured)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    if not 0 < options.seconds <= MOST_SECONDS or not all(0 < count <= MOST_CLIENTS for count in options.clients):
        parser.error(f"at most {MOST_SECONDS} seconds and {MOST_CLIENTS} clients")
    measured = measure(options.clients, options.seconds)
    print(table(measured))
    if options.write:
        write(measured)


if __name__ == "__main__":
    main()
