"""The app as a server, spoken to without a browser: whom it lets in, and what one visitor cannot do to the others."""

from __future__ import annotations

import ast
import asyncio
import re
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock
from urllib.parse import urlsplit

import pytest
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send
from streamlit import get_option
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from app.middleware import BROWSER, KnownBrowsers, OwnNamesOnly, answer_at_once
from app.ui import streamlit_insides
from gallop.runtime.hosts import LOCAL_NAMES
from tests.app.test_front import asked, scripts_of
from tests.app.test_rules import printed
from tests.conftest import MAIN, served
from tests.raw_sockets import drawn, opened
from tests.until import until

Told = tuple[str, Path]


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *((f"{start}evil.example", False) for start in ("", "127.0.0.1.", "localhost.")),
        ("[::2]", False),
        *((own, True) for own in ("localhost", "127.0.0.1", "[::1]")),
    ],
)
def test_a_page_is_let_in_by_this_machines_own_names_alone(app_server: str, host: str, own: bool) -> None:
    """DNS rebinding: the browser takes such a page for one of this server, so Origin and Host agree."""
    there = f"{host}:{urlsplit(app_server).port}"  # the server's own port, by another name
    with opened(app_server, there, f"http://{there}") as page:
        assert page.status == (101 if own else 403)
    paths = [
        "/",
        "/teach",
        "/_stcore/health",
        f"/{scripts_of(app_server)[0]}",
        "/_stcore/host-config",
        "/notebooks/x.zip",
    ]
    statuses = {response.status for response, _, _ in asked(app_server, *paths, Host=there)}
    assert statuses == ({200, 404} if own else {421})


@pytest.mark.parametrize(
    ("address", "names", "on", "refused"),
    [
        ("127.0.0.1", [*LOCAL_NAMES], True, False),
        ("127.0.0.1", [*LOCAL_NAMES, "hub.example"], True, True),
        ("0.0.0.0", [*LOCAL_NAMES], True, True),
        ("0.0.0.0", [*LOCAL_NAMES], False, False),
    ],
)
def test_programs_may_not_use_an_app_that_others_reach(
    monkeypatch: pytest.MonkeyPatch, address: str, names: list[str], on: bool, refused: bool
) -> None:
    told = {"server.address": address, "server.allowedHosts": names, "server.enableAgentApi": on}
    monkeypatch.setattr(streamlit_insides.st, "get_option", told.__getitem__)
    assert ("leave out --host" in streamlit_insides.programs_refused()) == refused


def test_programs_are_not_let_in_unless_they_are_asked_for(app_server: str) -> None:
    ((response, said, _),) = asked(app_server, "/_stcore/agent/openapi.json")
    assert "switched off" in said.decode() or response.status == 404, "Streamlit before 1.67 has none"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]", "[::1]:8501", "LOCALHOST:80", "localhost."])
def test_another_port_is_no_other_name(app_server: str, host: str) -> None:
    """A container's port is another on the machine that runs it."""
    assert [response.status for response, _, _ in asked(app_server, "/_stcore/health", Host=host)] == [200]


def test_a_refusal_says_how_to_add_a_name_and_quotes_the_name_as_text(app_server: str) -> None:
    ((refused, body, _),) = asked(app_server, "/", Host="<b>evil.example")
    assert (refused.status, refused.headers["content-type"]) == (421, "text/plain; charset=utf-8")
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert all(words in body.decode() for words in ("'<b>evil.example'", "--host NAME", "--server.allowedHosts NAME"))
    assert "set-cookie" not in refused.headers


@pytest.mark.parametrize(("host", "status"), [("hub.example", 200), ("other.example", 421)])
def test_a_proxy_passes_on_the_name_that_the_server_was_told(told_server: Told, host: str, status: int) -> None:
    assert [response.status for response, _, _ in asked(told_server[0], "/", Host=host)] == [status]
    with opened(told_server[0], host, f"https://{host}") as page:
        assert page.status == (101 if status == 200 else 403)


def answered(names: tuple[str, ...], host: str | None, kind: str = "http") -> Any:
    """What is sent first to who asks for a server of these names by ``host``."""

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "let in"})

    sent, headers = AsyncMock(), [] if host is None else [(b"host", host.encode())]
    asyncio.run(OwnNamesOnly(page, names)({"type": kind, "headers": headers}, AsyncMock(), sent))
    first = sent.await_args_list[0].args[0]
    return first.get("status", first["type"])


@pytest.mark.parametrize(
    ("names", "host", "said"),
    [
        (("localhost", "app"), "app:8501", "let in"),  # of compose
        (("Lab-PC.example",), "lab-pc.example", "let in"),
        (("Lab-PC.example",), "lab-pc", 421),
        (("192.168.1.20", "fd00::1"), "192.168.1.20:8501", "let in"),
        (("192.168.1.20", "fd00::1"), "[fd00::1]:8501", "let in"),
        (("192.168.1.20",), "192.168.1.200:8501", 421),
        (("*.hub.example",), "me.hub.example", "let in"),
        (("*.hub.example",), "evil-hub.example", 421),
        (("*",), "anything.example:443", "let in"),
        (("hub.example",), "127.0.0.1:8501", "let in"),  # a health check
        ((), "localhost", "let in"),
        ((), "hub.example", 421),
        (("hub.example",), "", 421),
        (("*",), None, 421),
        (("hub.example",), "hub.example@evil.example", 421),
        (("hub.example",), "hub.example:80:evil", 421),
    ],
)
def test_the_names_that_a_server_was_given_are_let_in(names: tuple[str, ...], host: str | None, said: Any) -> None:
    assert answered(names, host) == said
    assert answered(names, host, "websocket") == (said if said == "let in" else "websocket.close")
    assert answered(names, host, "lifespan") == "let in"


def test_the_names_let_in_are_those_of_the_machine_and_no_run_looks_for_garbage() -> None:
    """One owner for all who are let in by default; and a training that is watched takes half as long."""
    settings = (MAIN.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    names = ast.literal_eval(re.findall(r"^allowedHosts = (\[.*\])", settings, re.MULTILINE)[0])
    assert set(names) == set(LOCAL_NAMES)  # which `gallop app --host` lets in all the same
    assert re.findall(r'^address = "(.*)"', settings, re.MULTILINE)[0] in LOCAL_NAMES
    runner = settings.partition("[runner]")[2].partition("\n[")[0]
    assert re.findall(r"^postScriptGC = (\w+)", runner, re.MULTILINE) == ["false"]
    assert get_option("runner.postScriptGC") is True, "Streamlit knows it by that name, and looks unless told"


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:1", "null"])
def test_a_page_of_another_site_is_refused_and_nothing_is_asked_elsewhere(told_server: Told, origin: str) -> None:
    """Streamlit asks a server on the internet for this machine's address, to see whether the page may be its own.

    Of the server at once, before anybody has opened the app.
    """
    with opened(told_server[0], origin=origin) as page:
        assert page.status == 403


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for the browser")
def test_the_browser_opens_by_itself(told_server: Told) -> None:
    """With the address at which the server really is."""
    address, folder = told_server
    assert until(lambda: (folder / "seen").exists() and (folder / "seen").read_text()) == address


def token_in(messages: Iterable[ForwardMsg]) -> str:
    """What a visitor's session is found by, as the page's address has it."""
    changed = [message.page_info_changed for message in messages if message.HasField("page_info_changed")]
    return str(changed[-1].query_string.removeprefix("session="))


def test_a_visitor_who_clears_streamlits_caches_takes_nothing_from_the_others(app_server: str) -> None:
    with opened(app_server) as mine, opened(app_server) as other:
        token = token_in(mine.run())
        assert len(token) == 32
        assert token_in(other.run()) != token
        other.send(clear_cache=True)
        other.run()  # messages of one page are taken one after another
        with opened(app_server) as reloaded:
            messages = reloaded.run(f"session={token}")
    assert not any(message.HasField("page_info_changed") for message in messages), "the address stays as it was"
    assert "has ended" not in str(messages)


@pytest.mark.parametrize("path", ["/", "/teach"])
def test_each_browser_is_given_a_number_that_no_script_reads_and_keeps_it(app_server: str, path: str) -> None:
    ((first, _, _),), ((other, _, _),) = asked(app_server, path), asked(app_server, path)
    cookie, *said = first.headers["set-cookie"].split("; ")
    assert re.fullmatch(f"{BROWSER}=[0-9a-f]{{32}}", cookie)
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(said)
    assert other.headers["set-cookie"].split("; ")[0] != cookie
    ((again, _, _),) = asked(app_server, path, Cookie=f"_streamlit_xsrf=2|0; {cookie}")
    assert again.headers["set-cookie"].split("; ")[0] == cookie
    ((forged, _, _),) = asked(app_server, path, Cookie=f"{BROWSER}=<b>; Path=/")
    assert "<b>" not in forged.headers["set-cookie"]
    ((script, _, _),) = asked(app_server, f"/{scripts_of(app_server)[0]}")
    assert BROWSER not in (script.headers["set-cookie"] or "")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_behind_https_the_number_is_sent_over_https_alone(scheme: str) -> None:

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})

    sent = AsyncMock()
    asyncio.run(KnownBrowsers(page, "/")({"type": "http", "scheme": scheme, "headers": []}, AsyncMock(), sent))
    ((message,), _) = sent.await_args
    assert ("Secure" in Headers(raw=message["headers"])["set-cookie"].split("; ")) == (scheme == "https")


def test_the_address_of_a_session_leads_to_it_in_the_browser_that_began_it_alone(app_server: str) -> None:
    mine, others = (f"{BROWSER}={digit * 32}" for digit in "ab")
    with opened(app_server, cookies=mine) as page:
        token = token_in(page.run())
    for cookies in (others, ""):
        with opened(app_server, cookies=cookies) as page:
            messages = page.run(f"session={token}")
            assert token_in(messages) != token
            assert "it belongs to another browser" in str(messages)
    with opened(app_server, cookies=mine) as page:
        assert not any(message.HasField("page_info_changed") for message in page.run(f"session={token}"))


WATCHER = """
import threading, time
from pathlib import Path
import streamlit as st
from app.ui import streamlit_insides

def watch(page):
    while True:
        Path(page).write_text(str(streamlit_insides.connected(page)))
        time.sleep(0.02)

threading.Thread(target=watch, args=(streamlit_insides.this_page(),), daemon=True).start()
"""


def test_a_page_is_connected_until_its_websocket_closes_whoever_clears_caches(tmp_path: Path) -> None:
    """The two things that sessions ask of Streamlit's insides."""
    script = tmp_path / "script.py"
    script.write_text(WATCHER)

    def said(text: str) -> bool:
        return until(lambda: [note.read_text() for note in tmp_path.glob("*-*-*-*-*")] == [text])

    with served(tmp_path, script, "--browser.serverAddress", "127.0.0.1") as server:
        with opened(server) as page:
            page.run()
            page.send(clear_cache=True)
            assert said("True")
        assert said("False")


def test_a_file_that_is_dropped_just_as_a_run_begins_is_asked_for(app_server: str) -> None:
    """The browser asks once where to send it; of what a run had left to send, that answer is kept."""
    with opened(app_server) as page:
        page.run(name="teach")
        asked = [f"{run} {file}" for run in range(20) for file in range(6)]
        for name in asked:
            if name.endswith(" 0"):
                page.send(rerun_script={"query_string": "", "page_name": "teach"})
            page.send(file_urls_request={"request_id": name, "file_names": ["photo.png"]})
            time.sleep(0.004)  # some fall on the beginning of a run, of which Streamlit drops one in ten to one in five
        time.sleep(1)  # the last run has begun
        page.send(file_urls_request={"request_id": "last", "file_names": ["photo.png"]})
        answers = (
            message.file_urls_response.response_id
            for message in page.messages()
            if message.HasField("file_urls_response")
        )
        assert list(iter(answers.__next__, "last")) == asked


def test_a_file_that_is_gone_before_it_is_read_is_left_out(app_server: str) -> None:
    """Such as one that was taken out of the uploader again while an earlier run was drawing."""
    with opened(app_server) as page:
        uploader = drawn(page.run(), "file_uploader")[0]
        gone = {"file_id": "gone", "name": "photo.png", "size": 3}
        found = page.run("", {"id": uploader.id, "file_uploader_state_value": {"uploaded_file_info": [gone]}})
        assert not [said.body for said in drawn(found, "alert") if "Not added" in said.body]
        assert drawn(found, "file_uploader"), "the page is drawn to its end"


@pytest.mark.slow
def test_the_backbone_that_all_begin_with_is_loaded_before_anybody_asks(tmp_path: Path) -> None:
    code = """
import asyncio, os, time
os.environ["STREAMLIT_SERVER_HEADLESS"] = "true"
from app import main
from app.shared_backbones import BackboneRoom
from app.ui import resources

begun = []
resources.shared.backbones = BackboneRoom(load=lambda known, _: begun.append(known.name))
main.REST = 0

async def live():
    async with main.starts(None):
        end = time.monotonic() + 30
        while not begun and time.monotonic() < end:
            await asyncio.sleep(0.01)

asyncio.run(live())
print(*begun)
"""
    assert printed(code, tmp_path).split() == ["mini"]


def test_small_answers_of_the_servers_socket_wait_for_nothing() -> None:
    with socket.socket() as ours, socket.socket() as other:
        for each in (ours, other):
            each.bind(("127.0.0.1", 0))
        answer_at_once(ours.getsockname()[1])
        at_once = [each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0 for each in (ours, other)]
    assert at_once == [True, False]
