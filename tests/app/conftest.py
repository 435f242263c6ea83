"""A server that is told what the one of all tests is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, serving


@pytest.fixture(scope="session")
def told_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Its address and its folder, where ``seen`` is what it had a browser open. It listens on all addresses and lets
    each visitor have 20 MB; tests may leave it full of visitors.
    """
    folder = tmp_path_factory.mktemp("told")
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "$1" > "{folder / "seen"}"\n')
    browser.chmod(0o700)
    command = [sys.executable, "-m", "gallop", "app", "--visitor-memory", "0.02", "--port"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROWSER", str(browser))
        patch.setenv("STREAMLIT_SERVER_ADDRESS", "0.0.0.0")
        patch.setenv("STREAMLIT_SERVER_HEADLESS", "false")  # though there is no screen
        with serving(folder, command, ROOT) as (address, _):
            yield address, folder
