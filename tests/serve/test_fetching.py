"""Photos from addresses: public ones alone, whatever a name, a redirect or a second look at the name leads to."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest

from gallop.errors import ImageTooLarge
from gallop.images import DEFAULT_LIMITS
from gallop.runtime import public_web
from gallop.runtime.public_web import PublicOnly, is_public
from gallop.service.http.refusals import Refusal
from gallop.service.http.service import fetch_photo
from tests.conftest import awaited
from tests.http_server import Answers, listening
from tests.serve.running import photo, refusal, running

PRIVATE = """
127.0.0.1 127.8.8.8 0.0.0.0 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 192.0.2.1 198.18.0.1 224.0.0.1
240.0.0.1 255.255.255.255 ::1 :: fe80::1 fc00::1 fd12::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1
64:ff9b::7f00:1 64:ff9b::a00:1 2002:7f00:1:: 2002:a00:1:: 2001:db8::1 2001:0:4136:e378:8000:63bf:3fff:fdd2
"""
PUBLIC = "93.184.215.14 8.8.8.8 2606:2800:21f:cb07:6820:80da:af6b:8b2c 2a00:1450:4001:82a::200e ::ffff:8.8.8.8"
KINDS = "file:///etc/passwd ftp://example.org/ gopher://x http:// //x http://a@b/ http://\u00e4.de/ http://x:99999/"
MALFORMED = f"http://a..b/ http://.a/ http://./ http://[::1/ http://[x]/ http://a%00b/ http://x:y/ https://{'a' * 64}/"


@pytest.mark.parametrize(
    ("address", "public"), [(a, False) for a in PRIVATE.split()] + [(a, True) for a in PUBLIC.split()]
)
def test_addresses_that_are_public_and_that_are_not(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) == public


class Site(Answers):
    """A web server of this machine."""

    protocol_version = "HTTP/1.0"  # the connection ends where the answer does

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("location", self.path[4:].replace("|", "/"))
            self.end_headers()
            return
        if self.path == "/slow":
            time.sleep(1)
        self.send_response(404 if self.path == "/none" else 200)
        self.end_headers()
        with suppress(OSError):
            while self.path == "/endless":
                self.wfile.write(bytes(2**20))
            self.wfile.write(photo())


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with listening(Site) as server:
        yield server.host


def fetch(url: str, backend: PublicOnly) -> bytes:
    return awaited(fetch_photo(url, 1, lambda count: None, backend))


def anywhere() -> PublicOnly:
    return PublicOnly(lambda address: True)


@pytest.mark.parametrize("path", ["cat.png", "to/|dog.png"])
def test_a_photo_is_fetched_also_through_a_redirect(site: str, path: str) -> None:
    assert fetch(f"http://{site}/{path}", anywhere()) == photo()


@pytest.mark.parametrize(
    "url",
    [
        "http://{site}/",
        "http://localhost:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://no-such-name.invalid/",
    ],
)
def test_nothing_private_is_reached_and_the_answer_does_not_tell_what_is_there(site: str, url: str) -> None:
    Site.asked.clear()
    with pytest.raises(Refusal, match="from its URL: it does not lead to a public server") as refused:
        fetch(url.format(site=site, port=site.rpartition(":")[2]), PublicOnly())
    assert (refused.value.status, refused.value.code, Site.asked) == (422, "not_fetched", [])


@pytest.mark.parametrize("url", [*KINDS.split(), *MALFORMED.split(), "http://x/ y", ""])
def test_other_kinds_of_addresses_are_refused(url: str) -> None:
    with pytest.raises(Refusal, match="begin with http"):
        fetch(url, PublicOnly())


def test_a_redirect_into_the_private_is_refused(site: str) -> None:
    """The first server is public, as far as the test's rule goes; what it leads to is not."""
    port = site.rpartition(":")[2]
    only_first = PublicOnly(lambda address: str(address) == "127.0.0.1")
    Site.asked.clear()
    private = (f"http://127.0.0.2:{port}/secret", f"http://[::1]:{port}/secret")
    for target in (*private, "file:|||etc|passwd", "http:||a..b|", "http://["):
        with pytest.raises(Refusal):
            fetch(f"http://{site}/to/{target.replace('/', '|')}", only_first)
    assert [path for path in Site.asked if not path.startswith("/to/")] == []


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("93.184.215.14", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(Refusal, match="not lead to a public server"):
        fetch("http://mixed.example/", PublicOnly())


def test_limits_of_a_fetched_photo(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    with pytest.raises(ImageTooLarge, match="photo 1 is larger than 20 MB"):
        awaited(fetch_photo(f"http://{site}/endless", 1, seen.append, anywhere()))
    assert DEFAULT_LIMITS.max_bytes < sum(seen) < DEFAULT_LIMITS.max_bytes + 2**22
    for path, said in (
        ("none", "responded with status 404"),
        (f"to/http://{site}/" * 6, "redirects more than 3 times"),
    ):
        with pytest.raises(Refusal, match=said):
            fetch(f"http://{site}/{path}", anywhere())
    monkeypatch.setattr(public_web, "SECONDS", 0.2)
    with pytest.raises(Refusal, match=r"more than 0\.2 s"):
        fetch(f"http://{site}/slow", anywhere())


def test_the_service_fetches_where_it_may(models: dict[str, Path], site: str) -> None:
    with running(models, allow_urls=True, backend=anywhere()) as service:
        said = service.post("/predict", photo(), urls=[f"http://{site}/a", f"http://{site}/none"]).json()["photos"]
        assert said[0] == said[1] or abs(said[0]["probability"] - said[1]["probability"]) < 1e-5
        assert said[2]["error"]["message"] == "Photo 3 could not be fetched from its URL: it responded with status 404."
        malformed = service.post("/predict", photo(), urls=MALFORMED.split())
        assert malformed.status_code == 200, "the good photo has its answer"
        first, *others = malformed.json()["photos"]
        assert (first["label"], {one["error"]["code"] for one in others}) == (said[0]["label"], {"bad_url"})
        assert (service.service.bodies.now, service.post("/explain", urls=[f"http://{site}/a"]).status_code) == (0, 200)
    with running(models, allow_urls=True) as service:
        assert refusal(service.post("/predict", urls=[f"http://{site}/a"])) == (422, "not_fetched")


def test_nothing_is_fetched_unless_it_was_allowed(models: dict[str, Path], site: str) -> None:
    Site.asked.clear()
    with running(models) as service:
        assert refusal(service.post("/predict", urls=[f"http://{site}/a"])) == (403, "no_urls")
    assert Site.asked == []
