"""``gallop serve`` as a process: how it starts, and that a stop answers what was accepted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gallop.service.http.server import bound_socket
from tests import warm
from tests.cli.test_cli import call
from tests.conftest import ROOT, free_port, serving
from tests.serve.running import Gate, head, photo, refusal, running
from tests.until import until


@contextmanager
def started(folder: Path, *words: object) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address and the process of ``gallop serve``."""
    command = [*warm.python(), "-m", "gallop", "serve", *map(str, words), "--device", "cpu", "--port"]
    with serving(folder, command, ROOT, health="health") as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stop_under_load_loses_nothing_that_was_accepted(
    model: Path, tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    """Every request that the service says it has answered, a client has; the others were refused, or never taken."""
    outcomes: Counter[object] = Counter()
    with started(tmp_path, model) as (address, process), ThreadPoolExecutor(8) as pool:

        def client(number: int) -> None:
            with httpx.Client(trust_env=False, timeout=30) as session:
                for i in range(10_000):
                    try:
                        files = {"photo": ("x.png", photo(number * 10_000 + i))}
                        answer = session.post(f"{address}/predict", files=files)
                    except httpx.TransportError:  # refused, or sent when the connection had just been closed
                        outcomes["not taken"] += 1
                        return
                    outcomes[answer.status_code] += 1
                    if answer.status_code == 200:
                        assert len(answer.json()["photos"]) == 1
                    else:
                        assert answer.json()["error"]["code"] == "stopping"
                        return

        clients = [pool.submit(client, number) for number in range(8)]
        until(lambda: outcomes[200] > 30)
        process.send_signal(sent)
        for one in clients:
            one.result()
        assert process.wait(20) == status
        lines = (tmp_path / "log.txt").read_text().splitlines()
    assert set(outcomes) <= {200, 503, "not taken"}
    said = [json.loads(line) for line in lines if line.startswith("{")]
    assert [one["event"] for one in said][-1] == "stop"
    answered = Counter(one["status"] for one in said if one["event"] == "request" and "health" not in one["route"])
    assert answered == {status: count for status, count in outcomes.items() if status != "not taken"}
    assert not [line for line in lines if "Traceback" in line or "x.png" in line]


def test_what_waits_is_answered_before_the_end(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    with running(model) as service, ThreadPoolExecutor(6) as pool:
        gate.opened.clear()
        held = [pool.submit(service.post, "/predict", photo(i)) for i in range(5)]
        until(lambda: service.waiting == 5)
        service.server.should_exit = True
        until(lambda: service.service.stopping)
        assert refusal(service.post("/predict", photo())) == (503, "stopping")
        assert service.get("/health/live").status_code == 200
        assert service.get("/health/ready").json() == {"status": "stopping", "live": True, "ready": False}
        gate.opened.set()
        assert [one.result().status_code for one in held] == [200] * 5


def test_a_stop_does_not_wait_for_ever(model: Path) -> None:
    with running(model, stop_within=0.2) as service, service.connect() as connection:
        connection.sendall(
            head("/predict", {"content-type": "multipart/form-data; boundary=x", "content-length": "1000"})
        )
        until(lambda: service.service.here == 1)
        service.server.should_exit = True
        until(lambda: not any(thread.name == "gallop-serving" for thread in threading.enumerate()), seconds=8)


@pytest.mark.slow
def test_a_service_says_where_it_is_and_whom_it_answers(model: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a-key-that-is-long-enough")
    with started(tmp_path, model, "--key-file", tmp_path / "key") as (address, process):
        assert httpx.get(f"{address}/classes", trust_env=False).status_code == 401
        named = {"authorization": "Bearer a-key-that-is-long-enough"}
        assert httpx.get(f"{address}/classes", headers=named, trust_env=False).json()["model"] == "colours"
        process.terminate()
        process.wait(20)
    lines = (tmp_path / "log.txt").read_text()
    told = f"gallop: Serving colours at {address}; the API is described in /openapi.json.\n"
    assert (told in lines, "warning" in lines) == (True, False), lines


def test_who_serves_others_without_a_key_is_warned(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gallop.service.http.server.serve", lambda service, listening: service.close())
    warning, key = "gallop: warning: Anyone who can reach this machine", "a-key-that-is-long-enough"
    for words, known, warned in (
        ("", "", []),
        ("--host 0.0.0.0 --allowed-host lab-pc", "", [warning]),
        ("--host 0.0.0.0", key, []),
    ):
        monkeypatch.setenv("GALLOP_API_KEY", known)
        outcome = call("serve", model, "--device", "cpu", "--port", free_port(), *words.split())
        found = [line[: len(warning)] for line in outcome.err.splitlines() if "warning" in line]
        assert (outcome.code, found, "GALLOP_API_KEY" in os.environ) == (0, warned, False)


def test_a_port_that_is_taken_is_a_sentence(model: Path) -> None:
    with bound_socket("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        refused = call("serve", model, "--port", port)
    assert (refused.code, f"cannot listen on 127.0.0.1, port {port}" in refused.err) == (2, True), refused.err


LOADS_SLOWLY = """
import signal, sys, threading, torch
from gallop import GalLoPClassifier
from gallop.cli import main

load = GalLoPClassifier.load


def told_while_loading(*words, **named):
    signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
    for _ in range(60):
        torch.rand(1500, 1500) @ torch.rand(1500, 1500)
    return load(*words, **named)


GalLoPClassifier.load = told_while_loading
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_stop_while_it_loads_ends_cleanly(model: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", LOADS_SLOWLY, "serve", str(model)]
    done = subprocess.run(
        [*words, "--port", str(free_port()), "--device", "cpu"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (143, "")
