"""``gallop serve`` as a process: how it starts, and that a stop answers what was accepted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gallop.cli import main
from gallop.cli.commands import serve
from gallop.service.http.server import bound_socket
from tests import warm
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
    models: dict[str, Path], tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    """Every request that the service says it has answered, a client has; the others were refused, or never taken."""
    outcomes: Counter[object] = Counter()
    with started(tmp_path, models["colours"]) as (address, process), ThreadPoolExecutor(8) as pool:

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
                        assert (answer.json()["error"]["code"], answer.headers["connection"]) == ("stopping", "close")
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


def test_what_waits_is_answered_before_the_end(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    with running(models) as service, ThreadPoolExecutor(6) as pool:
        gate.opened.clear()
        held = [pool.submit(service.post, "/predict", photo(i)) for i in range(5)]
        until(lambda: service.service._batcher.waiting == 5)
        service.server.should_exit = True
        until(lambda: service.service.stopping)
        assert refusal(service.post("/predict", photo())) == (503, "stopping")
        assert service.get("/health/live").status_code == 200
        assert service.get("/health/ready").json() == {"status": "stopping", "live": True, "ready": False}
        gate.opened.set()
        assert [one.result().status_code for one in held] == [200] * 5


def test_a_stop_does_not_wait_for_ever(models: dict[str, Path]) -> None:
    with running(models, stop_within=0.2) as service, service.connect() as connection:
        headers = {"content-type": "multipart/form-data; boundary=x", "content-length": "1000"}
        connection.sendall(head("/predict", headers))
        until(lambda: service.service.here == 1)
        start = time.monotonic()
        service.server.should_exit = True
        until(lambda: not any(thread.name == "gallop-serving" for thread in threading.enumerate()))
        assert time.monotonic() - start < 8


@pytest.mark.slow
def test_a_service_says_where_it_is_and_whom_it_answers(models: dict[str, Path], tmp_path: Path) -> None:
    key = tmp_path / "key.txt"
    key.write_text("a-key-that-is-long-enough")
    with started(tmp_path, f"pets={models['colours']}", models["warm"], "--key-file", key) as (address, process):
        assert httpx.get(f"{address}/classes", trust_env=False).status_code == 401
        named = {"authorization": "Bearer a-key-that-is-long-enough"}
        said = httpx.get(f"{address}/models", headers=named, trust_env=False).json()
        assert [entry["name"] for entry in said["models"]] == ["pets", "warm"]
        process.terminate()
        process.wait(20)
    lines = (tmp_path / "log.txt").read_text()
    assert f"gallop: Serving pets, warm at {address}; the API is described in /openapi.json.\n" in lines
    assert "warning" not in lines


def test_who_serves_others_without_a_key_is_warned(
    models: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*words: str) -> str:
        assert main(["serve", str(models["colours"]), "--device", "cpu", "--port", str(free_port()), *words]) == 0
        return capsys.readouterr().err

    monkeypatch.setattr("gallop.service.http.server.serve", lambda service, listening: service.close())
    assert "warning" not in said()
    named = ("--host", "0.0.0.0", "--allowed-host", "lab-pc")
    assert "gallop: warning: Anyone who can reach this machine" in said(*named)
    monkeypatch.setenv("GALLOP_API_KEY", "a-key-that-is-long-enough")
    assert "warning" not in said("--host", "0.0.0.0")
    assert "GALLOP_API_KEY" not in os.environ


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["{model}", "{model}"],
            "Each model needs a different name, but the names are colours, colours: rename one with NAME=MODEL",
        ),
        (["a b={model}"], "gives the model no valid name"),
        (["{model}", "--queue", "8"], "--queue 8 is less than --photos 32, the limit for one request"),
        (["{model}", "--host", "0.0.0.256!"], "nor an IP address such as 192.168.1.20"),
        (["{model}", "--host", "203.0.113.7"], "cannot listen on 203.0.113.7"),
        (["{model}", "--host", "0.0.0.0"], "under any host name. Add --key-file FILE, or --allowed-host NAME"),
        (["{model}", "--host", "::"], "under any host name. Add --key-file FILE, or --allowed-host NAME"),
        (["{model}", "--wait", "2000"], "milliseconds from 0 to 1000"),
        (["{model}", "--key-file", "none.txt"], "none.txt of --key-file cannot be read"),
        (["none"], "none is not a checkpoint"),
    ],
)
def test_what_cannot_be_served_is_a_sentence(
    models: dict[str, Path], capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["serve", *[word.format(model=models["colours"]) for word in words], "--device", "cpu"]) == 2
    found = capsys.readouterr().err
    assert (said in found, "Traceback" in found) == (True, False), found


def test_a_port_that_is_taken_is_a_sentence(models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    with bound_socket("127.0.0.1", 0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["serve", str(models["colours"]), "--port", port]) == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in capsys.readouterr().err


def test_a_missing_extra_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found: Any = serve.find_spec
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "fastapi" else found(name))
    assert main(["serve", "model"]) == 2
    assert "fastapi must be installed for the service: pip install 'gallop-explorer[serve]'" in capsys.readouterr().err


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
def test_a_stop_while_it_loads_ends_cleanly(models: dict[str, Path], tmp_path: Path) -> None:
    words = [sys.executable, "-c", LOADS_SLOWLY, "serve", str(models["colours"])]
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
