"""What a browser is sent before the page: Streamlit's own scripts, named ahead, from memory and without delay."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import streamlit

from app.middleware import Rest
from tests.conftest import ROOT

FOLDER = Path(streamlit.__file__).with_name("static")
STALL = 0.04
"""Seconds after which Linux confirms at the latest; an answer in two pieces took this long."""


def asked(server: str, *paths: str, **headers: str) -> list[tuple[http.client.HTTPResponse, bytes, float]]:
    """The answers on one connection, and how long each took."""
    connection, found = http.client.HTTPConnection(urlsplit(server).netloc, timeout=60), []
    for path in paths:
        start = time.perf_counter()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        found.append((response, response.read(), time.perf_counter() - start))
    connection.close()
    return found


def scripts_of(server: str, path: str = "/") -> list[str]:
    """What the page loads at once, and what it names for later."""
    ((response, page, _),) = asked(server, path)
    at_once = re.findall(r'(?:src|href)="\./(static/[^"]+\.(?:js|css))"', page.decode())
    later = re.findall(r"<\./(static/[^>]+)>", response.headers["link"])
    assert not set(at_once) & set(later)
    return [*at_once, *later]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["/", "/teach"])
def test_scripts_are_those_of_streamlit_byte_for_byte(app_server: str, page: str) -> None:
    names = scripts_of(app_server, page)
    assert any("/BidiComponent." in name for name in names)
    for name, (response, body, _) in zip(names, asked(app_server, *(f"/{name}" for name in names)), strict=True):
        assert (response.status, body) == (200, (FOLDER / name).read_bytes())
        assert "immutable" in response.headers["cache-control"]
        if name.endswith(".js"):
            assert response.headers["content-type"].startswith("text/javascript")


@pytest.mark.slow
def test_what_is_no_script_of_the_first_page_is_streamlits_to_answer(app_server: str) -> None:
    name = scripts_of(app_server)[0]
    part, elsewhere, health, other = asked(app_server, f"/{name}", Range="bytes=0-9") + asked(
        app_server, "/static/../../version.py", "/_stcore/health", "/static/js/none.js"
    )
    assert (part[0].status, part[1], elsewhere[0].status) == (206, (FOLDER / name).read_bytes()[:10], 400)
    assert (health[1], b"<div id=" in other[1]) == (b"ok", True), "any other address is a page's"


def test_no_answer_waits_until_its_head_is_confirmed(app_server: str) -> None:
    """The quickest of each kind: a busy machine may hold up some, the stall held up all."""
    for path in ("/_stcore/health", f"/{scripts_of(app_server)[0]}"):
        assert min(seconds for _, _, seconds in asked(app_server, *[path] * 20)[1:]) < STALL / 2


def test_a_rest_lasts_until_nothing_has_been_sent_for_so_long() -> None:
    rest, start = Rest(), time.monotonic()
    threading.Timer(0.5, rest.ends).start()
    rest.wait(1)
    assert time.monotonic() - start >= 1.5


READY = """
import logging, sys
sys.path.insert(0, {root!r})
logging.disable(logging.WARNING)
from streamlit.testing.v1 import AppTest
from app.main import make_ready
make_ready()
before = set(sys.modules)
page = AppTest.from_file({script!r}, default_timeout=120).run()
assert page.title[0].value == "GalLoP Explorer" and not page.exception
print(sorted(name for name in set(sys.modules) - before if not name.startswith(("streamlit", "packaging"))))
print("torch" in sys.modules)
"""


@pytest.mark.slow
def test_the_first_page_imports_nothing_that_was_not_there_before() -> None:
    code = READY.format(root=str(ROOT), script=str(ROOT / "app" / "navigation.py"))
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert found.stdout.splitlines() == ["[]", "False"], found.stderr[-2000:]
