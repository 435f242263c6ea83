"""The app as a server, spoken to without a browser: whom it lets in, and what one visitor cannot do to the others."""

from __future__ import annotations

import ast
import re
from urllib.parse import urlsplit

import pytest

pytest.importorskip("streamlit", reason="needs the extra 'app'")

from data_file import LOOPBACK
from tests.conftest import MAIN
from tests.raw_sockets import opened


def named(server: str, host: str) -> str:
    """The server's own port, by another name."""
    return f"{host}:{urlsplit(server).port}"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "[::2]"])
def test_a_page_whose_name_was_made_to_lead_here_is_refused(app_server: str, host: str) -> None:
    """DNS rebinding: the browser takes such a page for one of this server, so Origin and Host agree."""
    there = named(app_server, host)
    with opened(app_server, there, f"http://{there}") as page:
        assert page.status == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_machines_own_names_are_let_in(app_server: str, host: str) -> None:
    here = named(app_server, host)
    with opened(app_server, here, f"http://{here}") as page:
        assert page.status == 101


def test_the_names_are_those_of_the_machine_whose_visitors_share_their_runs() -> None:
    """One owner for all who are let in by default: ``data_file.owner_of``."""
    settings = (MAIN.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    assert set(ast.literal_eval(re.findall(r"^allowedHosts = (\[.*\])", settings, re.MULTILINE)[0])) == set(LOOPBACK)
    assert re.findall(r'^address = "(.*)"', settings, re.MULTILINE)[0] in LOOPBACK
