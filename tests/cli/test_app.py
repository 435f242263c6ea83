"""``gallop app``: how it starts the server, and how both end. That it starts from a wheel is in ``test_wheel``."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from gallop.cli.arguments import parse
from gallop.cli.arguments.running import add_app_words
from gallop.cli.commands import app
from gallop.runtime.hosts import LOCAL_NAMES
from tests import tiny
from tests.cli.test_cli import call
from tests.conftest import MAIN, ROOT, listen_to_interrupts, serving
from tests.connects import STARTED, Connects
from tests.until import until

NOBODYS = "203.0.113.7"  # RFC 5737


def told(*words: str) -> dict[str, list[str]]:
    """What the server is told, by option."""
    command = app.server_command(parse(["app", *words]))
    assert "--" not in command
    start = command.index(str(MAIN)) + 1
    assert command[start - 4 : start - 1] == ["-m", "streamlit", "run"]
    found: dict[str, list[str]] = {}
    for option, value in zip(command[start::2], command[start + 1 :: 2], strict=True):
        found.setdefault(option.removeprefix("--"), []).append(value)
    return found


def test_without_options_the_apps_own_settings_hold() -> None:
    assert told() == {}
    assert told("--port", "8600", "--no-browser") == {"server.port": ["8600"], "server.headless": ["true"]}


@pytest.mark.parametrize(
    ("hosts", "address"),
    [
        (["lab-pc.example", "LAB-PC"], "0.0.0.0"),
        (["192.168.1.20"], "192.168.1.20"),
        (["192.168.1.20", "lab-pc"], "0.0.0.0"),
        (["fd00::1", "lab-pc"], "::"),
        (["localhost"], "127.0.0.1"),
        (["127.0.0.1", "localhost"], "127.0.0.1"),
    ],
)
def test_a_host_is_let_in_beside_this_machines_own_names(hosts: list[str], address: str) -> None:
    """And only who asks for others is reached by them."""
    found = told(*(word for host in hosts for word in ("--host", host)))
    assert found["server.address"] == [address]
    assert found["browser.serverAddress"] == [hosts[0].replace("fd00::1", "[fd00::1]")]  # as it stands in a URL
    assert sorted(found["server.allowedHosts"]) == sorted({*LOCAL_NAMES, *(host.lower() for host in hosts)})


def test_an_address_of_another_machine_is_a_sentence() -> None:
    pytest.importorskip("streamlit", reason="needs the extra 'app'")
    refused = call("app", "--no-browser", "--host", NOBODYS)
    assert refused.code == 2
    assert re.fullmatch(rf"gallop: error: {NOBODYS} is not an address of this machine\..*\n", refused.err)
    assert told("--host", NOBODYS, "--host", "localhost")["server.address"] == ["0.0.0.0"], "the way out that it names"


@pytest.mark.slow
def test_what_the_app_does_not_know_is_not_passed_over(tmp_path: Path) -> None:
    """After ``--`` it takes the options of ``gallop app`` that are not its server's."""
    pytest.importorskip("streamlit", reason="needs the extra 'app'")
    words = ["streamlit", "run", str(MAIN), "--server.headless", "true", "--", "--dota", "x"]
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = [text in done.stderr for text in ("unrecognized arguments: --dota x", "Traceback")]
    assert (done.returncode, said) == (2, [True, False]), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a process group stands in for a terminal")
def test_ctrl_c_while_the_server_loads_is_no_traceback(tmp_path: Path) -> None:
    """A terminal sends it to all of its processes."""
    pytest.importorskip("streamlit", reason="needs the extra 'app'")
    starting = subprocess.Popen(
        [sys.executable, "-m", "gallop", "app", "--no-browser"],
        cwd=tmp_path,
        env=Connects(tmp_path).environment(os.environ | {"PYTHONPATH": str(ROOT)}),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=listen_to_interrupts,
    )
    begun = tmp_path / "connects.txt"
    until(lambda: begun.exists() and begun.read_text(encoding="utf-8").count(STARTED) >= 2)
    time.sleep(0.1)  # into its imports
    os.killpg(starting.pid, signal.SIGINT)
    _, said = starting.communicate(timeout=30)
    assert (starting.returncode, said) == (130, "gallop: Stopped.\n")


@pytest.mark.slow
def test_the_server_does_as_it_was_told_and_ends_with_the_command(tmp_path: Path) -> None:
    """Nor does it ask another machine for the addresses at which others find it; and a taken port is a sentence."""
    pytest.importorskip("streamlit", reason="needs the extra 'app'")
    from tests.app.test_front import asked
    from tests.raw_sockets import opened

    words = ["--host", "lab.example", "--data", "kept here", "--no-browser", "--port"]
    command = [sys.executable, "-m", "gallop", "app", *words]
    left = tmp_path / "kept here" / "runs" / ("0" * 64)  # of a visitor whose server crashed long ago
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    with serving(tmp_path, command, ROOT) as (address, server):
        for name, status in (("lab.example", 101), ("127.0.0.1", 101), ("evil.example", 403)):
            there = address.replace("http://127.0.0.1", name)
            with opened(address, there, f"http://{there}") as page:
                assert (name, page.status) == (name, status)
            ((answer, _, _),) = asked(address, "/", Host=there)
            assert (name, answer.status) == (name, 200 if status == 101 else 421)
        with opened(address) as page:
            page.run(name="compare")
        assert left.parent.is_dir()
        assert not left.exists(), "the folder of --data is the one in use"
        again = [*command, address.rpartition(":")[2]]
        second = subprocess.run(
            again, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )
        assert (second.returncode, "Traceback" in second.stderr) == (2, False)
        assert second.stderr.endswith("use another: gallop app --port N.\n")
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == app.TERMINATED
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(address)
    said = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert (f"URL: {address.replace('127.0.0.1', 'lab.example')}" in said, "Traceback" in said) == (True, False), said


def test_what_the_app_is_told_is_handed_on_and_read_alike(tmp_path: Path) -> None:
    """``streamlit run app/main.py -- WORDS`` takes the same words: both parsers are one."""
    folder = tiny.backbone_folder(tmp_path)
    backbones = [str(folder), f"ViT-B-16={folder / 'weights.safetensors'}"]
    words = (
        "--data runs --allow-downloads --backbone-memory 1.5 --device cpu --precision bf16 --regions query-query "
        "--keep 30m --visitor-memory 0.5"
    )
    parser = argparse.ArgumentParser()
    add_app_words(parser)
    for given in (["--backbones", *backbones], ["--backbones", backbones[0], "--backbones", backbones[1]]):
        command = app.server_command(parse(["app", *given, *words.split()]))
        assert vars(parser.parse_args(command[command.index("--") + 1 :])) == {
            "backbones": backbones,
            "data": "runs",
            "allow_downloads": True,
            "backbone_memory": 1_500_000_000,
            "device": "cpu",
            "precision": "bf16",
            "regions": "query-query",
            "keep": 1800,
            "visitor_memory": 500_000_000,
        }
