"""--web: the rules of gallop.runtime.public_web for photos that a list names, and for sources at an address."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpcore
import pyarrow as pa
import pytest
from pyarrow import parquet

from gallop.answers.sources import Opener, open_source
from gallop.answers.sources import web as files_of_the_web
from gallop.errors import DataError, Unreachable
from gallop.images import ImageLimits
from gallop.runtime import public_web
from tests import tiny
from tests.cli.test_cli import call
from tests.scoring.test_sources import archive
from tests.scoring.web import Web, web
from tests.tiny import png

PUBLIC = "93.184.215.14"
OPENER = Opener(web=True, private=True)


@pytest.fixture
def server() -> Iterator[Web]:
    with web({"a.png": png(0), "secret.png": png(1)}) as started:
        yield started


@pytest.fixture
def connected(server: Web, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that are connected to; the server is behind a public one, and names lead where each test says."""
    seen: list[str] = []
    looked_up: list[str] = []
    real_lookup, real_connect = socket.getaddrinfo, httpcore.AnyIOBackend.connect_tcp

    def lookup(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        if not str(host).endswith(".example"):
            return real_lookup(host, port, *rest, **named)
        looked_up.append(host)
        private = host == "private.example" or (host == "rebound.example" and looked_up.count(host) > 1)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if private else PUBLIC, port))]

    async def connect(self: Any, host: str, *rest: Any, **named: Any) -> Any:
        seen.append(host)
        return await real_connect(self, "127.0.0.1" if host == PUBLIC else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    return seen


def test_a_list_leads_to_public_addresses_alone(server: Web, connected: list[str], tmp_path: Path) -> None:
    port = server.address.rpartition(":")[2]
    private = [f"http://{host}:{port}/secret.png" for host in ("127.0.0.1", "[::1]", "private.example")]
    server.leads = {f"to{i}.png": address for i, address in enumerate([*private, "http://a..b/", "http://["])}
    good = [f"http://public.example:{port}/a.png", f"http://rebound.example:{port}/a.png"]
    bad = [f"http://public.example:{port}/{name}" for name in server.leads]
    bad += [f"http://{host}:{port}/secret.png" for host in ("127.0.0.1", "private.example", "2130706433", "a..b")]
    (tmp_path / "list.txt").write_text("\n".join([*good, *bad]))
    words = ("--classes", "a,b", "--backbone", tiny.backbone_folder(tmp_path), "--out", tmp_path / "out")
    assert call("predict", tmp_path / "list.txt", "--web", *words).code == 2
    errors = parquet.read_table(tmp_path / "out")["error"].to_pylist()
    assert errors[:2] == [None, None]
    not_public, malformed = "it resolves to an IP address that is not public", "a URL must begin with http"
    said = [not_public] * 3 + [malformed] * 2 + [not_public] * 3 + [malformed]
    assert [words in error for words, error in zip(said, errors[2:], strict=True)] == [True] * len(bad), errors
    assert (set(connected), "secret.png" in server.asked) == ({PUBLIC}, False)


def test_letters_and_spaces_in_addresses(server: Web) -> None:
    server.files = {"caf%C3%A9%20a;b?c=d": png(2)}
    assert OPENER.read(f"{server.address}/caf\u00e9 a;b?c=d#part") == png(2)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_of_the_web, "PART_BYTES", 1000)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("parts", [True, False])
def test_a_list_a_table_and_an_archive_at_an_address(parts: bool, server: Web, tmp_path: Path) -> None:
    server.parts = parts
    photos = {f"{i}.png": png(i) for i in range(20)}
    parquet.write_table(pa.table({"jpg": list(photos.values())}), tmp_path / "t.parquet")
    server.files = {
        **{f"in/{name}": data for name, data in photos.items()},
        "in/list.txt": "\n".join(photos).encode(),
        "t.parquet": (tmp_path / "t.parquet").read_bytes(),
        "t.csv": b"path\n" + b"\n".join(f"in/{name}".encode() for name in photos),
        "t.tar": archive(tmp_path / "t.tar", photos),
    }
    for name in ("in/list.txt", "t.parquet", "t.csv", "t.tar"):
        server.sent.clear()
        found = list(open_source(f"{server.address}/{name}", OPENER))
        assert max(server.sent) == min(len(server.files[name]), 1000 if parts else 10**6), name
        assert [item.data or OPENER.read(item.place) for item in found] == [*photos.values()], name


@pytest.mark.usefixtures("small_parts")
def test_what_cannot_be_read_as_a_source(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files = {"list.txt": b"a.png\n" * 10_000, "a/list.txt": b"a.png\n" * 10}
    for place, sentence in {
        "none.txt": "cannot be read: it responded with status 404",
        "photos": "is a web URL, and web folders cannot be listed",
        "s-*.tar": "is a web URL, and web folders cannot be listed",
    }.items():
        with pytest.raises(DataError, match=sentence):
            list(open_source(f"{server.address}/{place}", OPENER))
    changing = iter(open_source(f"{server.address}/list.txt", OPENER))
    next(changing)
    server.files = {"list.txt": b"b.png\n" * 9_000}
    with pytest.raises(DataError, match="it changed while it was being read"):
        list(changing)
    server.parts = False
    with pytest.raises(DataError, match="larger than 2000 bytes, and its server does not support range requests"):
        list(open_source(f"{server.address}/list.txt", replace(OPENER, limits=ImageLimits(max_bytes=2000))))


@pytest.mark.parametrize("how", ["waits", "drips"])
def test_a_source_that_is_silent_stops_the_call(
    how: str, server: Web, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert public_web.SECONDS == 10
    monkeypatch.setattr(public_web, "SECONDS", 0.2)

    server.stops(how, at="list.txt")
    with (
        pytest.warns(UserWarning, match="The web does not respond"),
        pytest.raises(Unreachable, match=r"it took more than 0\.2 s\) after 5 attempts"),
    ):
        list(open_source(f"{server.address}/list.txt", OPENER))
