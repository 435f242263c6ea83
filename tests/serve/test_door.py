"""Who is let in, what the description says, and what the log has."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gallop.errors import CommandError
from gallop.service.http import server
from gallop.service.http.options import KEY_VARIABLE, key_is_known, read_keys
from gallop.service.http.server import JsonLines, log
from tests.serve.running import Running, answer_on, head, photo, running
from tests.until import until

KEY, OTHER = "correct-horse-battery", "another-good-long-key"


@pytest.fixture(scope="module")
def locked(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    file = tmp_path_factory.mktemp("keys") / "keys.txt"
    file.write_text(f"{KEY}\n\n{OTHER}\n")
    with running(model, keys=read_keys(str(file), {})) as found:
        yield found


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer  {OTHER}"}, 200),
        ({"x-api-key": KEY}, 200),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": f"Basic {KEY}"}, 401),
        ({"authorization": f"Bearer {KEY[:-1]}"}, 401),
        ({"x-api-key": ""}, 401),
        ({"authorization": f"Bearer {KEY}", "host": "api.example", "origin": "https://shop.example"}, 200),
    ],
)
def test_a_key_lets_in(locked: Running, headers: dict[str, str], status: int) -> None:
    for answer in (locked.get("/classes", headers=headers), locked.post("/predict", photo(), headers=headers)):
        said = answer.json().get("error", {}).get("code"), answer.headers.get("www-authenticate")
        assert (answer.status_code, said) == (status, ("no_key", "Bearer") if status == 401 else (None, None))


def test_probes_want_no_key(locked: Running) -> None:
    paths = {"/classes": 401, "/health": 200, "/health/live": 200, "/health/ready": 200, "/openapi.json": 200}
    assert {path: locked.get(path).status_code for path in paths} == paths


def test_keys_are_kept_as_hashes_alone() -> None:
    (hashed,) = read_keys(None, {KEY_VARIABLE: KEY})
    assert KEY.encode() not in hashed
    assert [key_is_known(key, (b"x" * 32, hashed)) for key in (KEY, KEY + " ")] == [True, False]
    assert (read_keys(None, {}), read_keys(None, {KEY_VARIABLE: ""})) == ((), ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("", "contains no keys"),
        ("short\n", "at least 16 ASCII"),
        ("ein-schlüssel-der-lang-ist\n", "ASCII"),
    ],
)
def test_a_key_file_that_is_of_no_use(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "keys.txt").write_text(text, encoding="utf-8")
    with pytest.raises(CommandError, match=said):
        read_keys(str(tmp_path / "keys.txt"), {KEY_VARIABLE: KEY})


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"host": "localhost"}, 200, ""),
        ({"host": "[::1]:8000"}, 200, ""),
        ({"host": "rebound.example"}, 421, "another_host"),
        ({"host": "rebound.example:8000"}, 421, "another_host"),
        ({"host": "127.0.0.1.example"}, 421, "another_host"),
        ({"host": "localhost:8000", "origin": "http://localhost:8000"}, 200, ""),
        ({"host": "localhost:8000", "origin": "https://shop.example"}, 403, "another_site"),
        ({"host": "localhost:8000", "origin": "null"}, 403, "another_site"),
    ],
)
def test_without_a_key_a_page_of_another_site_is_refused(
    service: Running, headers: dict[str, str], status: int, code: str
) -> None:
    answer = service.get("/classes", headers=headers)
    assert (answer.status_code, answer.json().get("error", {}).get("code", "")) == (status, code)


def test_without_a_key_others_may_call_it_by_the_names_that_it_was_given(model: Path) -> None:
    with running(model, names=("localhost", "lab-pc")) as service:
        for host, origin, status in (
            ("Lab-PC:8000", "http://Lab-PC:8000", 200),
            ("rebound.example:8000", "http://rebound.example:8000", 421),
            ("lab-pc:8000", "http://shop.example", 403),
        ):
            assert service.get("/classes", headers={"host": host, "origin": origin}).status_code == status


def test_requests_without_a_key_take_no_place_of_those_that_have_one(
    locked: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_REQUESTS", 2)
    unfinished = {"content-type": "multipart/form-data; boundary=x", "content-length": "1000"}
    with ExitStack() as open_ones:
        for path in ("/predict", "/openapi.json", "/health", "/predict"):
            open_ones.enter_context(locked.connect()).sendall(head(path, unfinished))
        until(lambda: len(locked.server.server_state.connections) == 4)
        assert locked.get("/classes", headers={"x-api-key": KEY}).status_code == 200


def test_connections_without_a_key_are_dropped_first(locked: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would take all the files that a process may have open."""
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 6)
    with ExitStack() as open_ones:
        holder = open_ones.enter_context(locked.connect())
        asked = head("/classes", {"x-api-key": KEY}, "GET")
        holder.sendall(asked)
        assert answer_on(holder)[0] == 200
        for path in ("/predict", "/openapi.json", "") * 4:
            open_ones.enter_context(locked.connect()).sendall(head(path, {"content-length": "1000"}) if path else b"")
        assert locked.get("/classes", headers={"x-api-key": KEY}).status_code == 200
        assert len(locked.server.server_state.connections) <= 6
        holder.sendall(asked)
        assert answer_on(holder)[0] == 200


def test_the_description_says_what_each_address_takes_and_gives_and_names_no_other_host(service: Running) -> None:
    """Nor is there a page that would load something from one."""
    description = service.get("/openapi.json")
    assert not re.findall(r"(?:https?:)?//[a-z0-9]", description.text, re.IGNORECASE)
    assert [service.get(path).status_code for path in ("/", "/docs", "/redoc")] == [404] * 3
    addresses = description.json()["paths"]
    assert addresses.keys() >= {"/predict", "/explain", "/classes", "/health/ready"}
    assert [each["name"] for each in addresses["/explain"]["post"]["parameters"]] == ["class", "format"]
    predict = addresses["/predict"]["post"]
    sent = predict["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert sent.keys() == {"photo"}
    assert "too busy; see Retry-After" in predict["responses"]["429"]["description"]


def test_a_line_of_the_log_is_json_without_names(service: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gallop.service.http"):
        service.post("/predict?key=secret", photo(), headers={"user-agent": "secret"})
        service.get("/secret")
        until(lambda: len([record for record in caplog.records if record.getMessage() == "request"]) >= 2)
        log("mistake", logging.ERROR, ValueError("about secret.jpg"))
        log("start", model="a")
    lines = [JsonLines().format(record) for record in caplog.records if record.name == "gallop.service.http"]
    assert not [line for line in lines if "secret" in line or "\n" in line]
    said = [json.loads(line) for line in lines]
    first = next(one for one in said if one["event"] == "request")
    assert first.keys() >= {"time", "level", "id", "method", "route", "status", "ms", "bytes", "model", "photos"}
    assert (first["route"], first["status"], first["photos"]) == ("/predict", 200, 1)
