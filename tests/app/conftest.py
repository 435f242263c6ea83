"""A server that is told what the one of all tests is not, jobs, and what a visitor may have in memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import pytest

from app import options
from app.jobs import JobManager
from app.options import Options
from tests.conftest import ROOT, serving


@pytest.fixture(scope="session")
def told_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Its address and its folder, where ``seen`` is what it had a browser open. It listens on all addresses, behind a
    proxy called hub.example, and lets each visitor have 20 MB; tests may leave it full of visitors.
    """
    folder = tmp_path_factory.mktemp("told")
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "$1" > "{folder / "seen"}"\n')
    browser.chmod(0o700)
    command = [sys.executable, "-m", "gallop", "app", "--visitor-memory", "0.02", "--port"]
    told = {
        "BROWSER": str(browser),
        "STREAMLIT_SERVER_ADDRESS": "0.0.0.0",
        "STREAMLIT_SERVER_ALLOWED_HOSTS": "hub.example 127.0.0.1",
        "STREAMLIT_SERVER_HEADLESS": "false",  # though there is no screen
    }
    with ExitStack() as stack:
        with mock.patch.dict(os.environ, told):  # no longer than it starts: the server of all tests is told nothing
            address, _ = stack.enter_context(serving(folder, command, ROOT))
        yield address, folder


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A function that sets how many bytes each visitor may have in memory."""
    return lambda size: monkeypatch.setattr(options, "started", Options(visitor_memory=size))


@pytest.fixture
def manager() -> Iterator[JobManager]:
    made = JobManager(waiting=2)
    yield made
    made.close()
