"""Too much, too slow, gone: each has its status and its sentence, and leaves nothing behind."""

from __future__ import annotations

import gzip
import io
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from gallop.service.http import server
from gallop.service.http import service as limits
from tests.nasty_images import encode
from tests.serve.running import Gate, Running, answer_on, form, head, photo, refusal, refusal_on, running
from tests.until import until

HEADERS, BODY = form(photo())
WHOLE = {**HEADERS, "content-length": str(len(BODY))}
MULTIPART = {"content-type": "multipart/form-data; boundary=x"}
START = b'--x\r\ncontent-disposition: form-data; name="photo"; filename="a"\r\n\r\n'


def test_a_body_that_says_it_is_too_large_is_refused_unread(service: Running) -> None:
    with service.connect() as connection:
        headers = MULTIPART | {"content-length": str(200 * 2**20)}
        assert refusal_on(connection, head("/predict", headers)) == (413, "too_large")


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "without"])
def test_two_hundred_megabytes_are_answered_while_they_come(model: Path, chunked: bool) -> None:
    """A sender that sends all before it listens still gets its answer, and no more than a piece of it is ever held."""
    with running(model, body=2**20) as service:
        with service.connect() as connection:
            length = {"transfer-encoding": "chunked"} if chunked else {"content-length": str(200 * 2**20)}
            connection.sendall(head("/predict", MULTIPART | length))
            piece = START + bytes(2**20 - len(START))
            for _ in range(200):
                connection.sendall(b"100000\r\n" + piece + b"\r\n" if chunked else piece)
                assert service.service.held <= 2**20
            assert refusal_on(connection, b"0\r\n\r\n" if chunked else b"") == (413, "too_large")
            connection.sendall(head("/classes", {}, "GET"))
            assert answer_on(connection)[0] == 200, "on the same connection"
        until(lambda: service.service.here == 0)
        assert service.service.held == 0


def test_more_bodies_than_there_is_memory_for_wait(model: Path) -> None:
    with running(model, body=2**20) as service:
        sent = head("/predict", MULTIPART | {"content-length": str(2**20)}) + START + bytes(2**20 - 1000)
        with ExitStack() as open_ones:
            for _ in range(limits.BODIES):
                open_ones.enter_context(service.connect()).sendall(sent)
            until(lambda: service.service.held > 4 * (2**20 - 1000))
            assert refusal_on(open_ones.enter_context(service.connect()), sent) == (429, "busy")
        until(lambda: service.service.held == 0)


def test_a_sender_that_stops_is_cut_off(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SILENCE", 0.2)
    with service.connect() as connection:
        said = refusal_on(connection, head("/predict", WHOLE), BODY[:100])
        assert (said, connection.recv(100)) == ((408, "too_slow"), b"")
    until(lambda: service.service.held == 0)


def test_a_sender_that_drips_is_cut_off(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PATIENCE", 0.5)
    with service.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.sendall(head("/predict", WHOLE))
        answer = pool.submit(refusal_on, connection)
        for i in range(len(BODY)):
            if answer.done():
                break
            connection.sendall(BODY[i : i + 1])
            time.sleep(0.05)
        assert answer.result() == (408, "too_slow")


@pytest.mark.parametrize(
    ("sent", "refused"),
    [
        (b"", (408, "too_slow")),
        (b"POST /predict HTTP/1.1\r\nhost: loc", (408, "too_slow")),
        (b"\x16\x03\x01 hello\r\n\r\n", (400, "bad_http")),
    ],
    ids=["nothing", "half a head", "another protocol"],
)
def test_a_connection_that_says_nothing_or_speaks_no_http_is_told_so_and_closed(
    service: Running, monkeypatch: pytest.MonkeyPatch, sent: bytes, refused: tuple[int, str]
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    with service.connect() as connection:
        assert (refusal_on(connection, sent), connection.recv(100)) == (refused, b"")


def test_a_connection_is_kept_between_requests(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    with service.connect() as connection:
        for _ in range(2):
            connection.sendall(head("/predict", WHOLE) + BODY)
            status, said = answer_on(connection)
            assert (status, len(said["photos"])) == (200, 1)
            time.sleep(0.4)  # longer than a head may take


def test_who_does_not_take_the_answer_is_cut_off(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "READ_SECONDS", 0.2)

    def stuck() -> bool:
        return any(one.flow.write_paused for one in list(service.server.server_state.connections))

    with service.connect() as connection:
        connection.sendall(head("/openapi.json", {}, "GET") * 2000)  # some ten kilobytes each, none of which is read
        until(stuck)
        until(lambda: not stuck() and service.service.here == 0)
    assert service.get("/classes").status_code == 200


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        (HEADERS | {"content-encoding": "gzip"}, gzip.compress(BODY), 415, "compressed"),
        ({"content-type": "image/jpeg"}, photo(), 415, "not_multipart"),
        ({"content-type": "multipart/form-data"}, b"x", 400, "bad_form"),
        (MULTIPART, b"hello", 400, "bad_form"),
        (MULTIPART, b"--x\r\na: b\r\n\r\n", 400, "bad_form"),
        (MULTIPART, b"--x\r\n" + b"a" * 100_000, 400, "bad_form"),
        (
            MULTIPART,
            b'--x\r\ncontent-disposition: form-data; name="cat"\r\n\r\nhello\r\n--x--',
            422,
            "bad_field",
        ),
        (
            MULTIPART,
            b'--x\r\ncontent-disposition: form-data; name="photo"\r\n\r\nhello\r\n--x--',
            422,
            "bad_field",
        ),
        (
            MULTIPART,
            b'--x\r\ncontent-disposition: form-data; name="url"\r\n\r\nhttps://example.org/cat.jpg\r\n--x--',
            403,
            "no_urls",
        ),
        (
            MULTIPART,
            START + b"hello",
            400,
            "bad_form",
        ),
    ],
)
def test_forms_that_are_none(service: Running, headers: dict[str, str], body: bytes, status: int, code: str) -> None:
    with service.connect() as connection:
        sent = head("/predict", headers | {"content-length": str(len(body))}) + body
        assert refusal_on(connection, sent) == (status, code)


def test_a_photo_may_have_its_name_in_the_extended_form_alone(service: Running) -> None:
    renamed = BODY.replace(b'filename="a.jpg"', b"filename*=UTF-8''k%C3%A4se.jpg")
    answer = httpx.post(f"{service.address}/predict", content=renamed, headers=HEADERS, trust_env=False)
    assert (answer.status_code, len(answer.json().get("photos", ()))) == (200, 1)


def test_a_request_has_so_many_pixels_and_no_more(model: Path) -> None:
    large = encode(Image.new("RGB", (1000, 600)), "WEBP", lossless=True)
    with running(model, megapixels=1) as service:
        refused = service.post("/predict", large, large)
        assert refusal(refused) == (413, "too_many_pixels")
        assert "1 megapixels in total" in refused.json()["error"]["message"]
        assert service.post("/predict", large, photo()).status_code == 200
        assert service.post("/explain", encode(Image.new("RGB", (1000, 1001)), "PNG")).status_code == 413


def test_what_is_late_is_told_so_and_leaves_the_queue(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    with running(model, answer_within=0.3) as service:
        gate.opened.clear()
        for path in ("/predict", "/explain"):
            refused = service.post(path, photo())
            assert refusal(refused) == (503, "late")
            assert int(refused.headers["retry-after"]) >= 1
        until(lambda: service.waiting == 0)
        gate.opened.set()
        monkeypatch.undo()
        assert service.post("/predict", photo()).status_code == 200


def test_who_hangs_up_is_not_answered(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The photo leaves the queue; what waits behind it is answered."""
    gate = Gate(monkeypatch)
    caplog.set_level(logging.INFO, "gallop.service.http")
    with running(model) as service, ThreadPoolExecutor(2) as pool:
        gate.batches.clear()
        gate.opened.clear()
        first = pool.submit(service.post, "/predict", photo(0))
        until(lambda: gate.held == 1)
        headers, body = form(photo(1), photo(2))
        with service.connect() as connection:
            connection.sendall(head("/predict", {**headers, "content-length": str(len(body))}) + body)
            until(lambda: service.waiting == 3)
        until(lambda: service.waiting == 1)
        last = pool.submit(service.post, "/predict", photo(3))
        until(lambda: service.waiting == 2)
        gate.opened.set()
        assert first.result().status_code == last.result().status_code == 200
        until(lambda: service.service.held == 0)
        assert gate.batches == [1, 1]
        until(lambda: 499 in [getattr(record, "facts", {}).get("status") for record in caplog.records])


def test_so_many_photos_wait_and_no_more(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    with running(model, queue=3) as service, ThreadPoolExecutor(2) as pool:
        gate.opened.clear()
        held = pool.submit(service.post, "/predict", photo(), photo(1))
        until(lambda: service.waiting == 2)
        for path, sent in (("/predict", 2), ("/predict", 3)):
            refused = service.post(path, *[photo()] * sent)
            assert (refusal(refused), int(refused.headers["retry-after"]) >= 1) == ((429, "busy"), True)
        third = pool.submit(service.post, "/explain", photo())
        until(lambda: service.waiting == 3)
        gate.opened.set()
        assert held.result().status_code == third.result().status_code == 200
        assert service.waiting == 0


def test_more_requests_than_are_looked_after(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_REQUESTS", 2)
    with running(model) as service:
        with ExitStack() as open_ones:
            for _ in range(2):
                open_ones.enter_context(service.connect()).sendall(
                    head("/predict", MULTIPART | {"content-length": "1000"})
                )
            until(lambda: service.service.here == 2)
            assert (service.get("/classes").status_code, service.get("/health").status_code) == (429, 200)
        until(lambda: service.service.here == 0)
        assert service.get("/classes").status_code == 200


def test_a_bystander_passes_large_photos_that_came_before(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests with large photos came first; of these one photo is decoded before the small one."""
    may_go, decoded = threading.Event(), list[tuple[int, int]]()
    decode = limits.prepare

    def gated(photos: list[bytes], *words: Any, **named: Any) -> Any:
        may_go.wait(30)
        found = decode(photos, *words, **named)
        decoded.append(Image.open(io.BytesIO(photos[0])).size)
        return found

    monkeypatch.setattr(limits, "prepare", gated)
    large = encode(Image.new("RGB", (2000, 2000)), "WEBP", lossless=True)
    with ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(service.post, "/predict", *[large] * 2) for _ in range(2)]
        until(lambda: service.waiting == 4)
        bystander = pool.submit(service.post, "/predict", photo())
        until(lambda: service.waiting == 5)
        may_go.set()
        assert {one.result().status_code for one in (bystander, *slow)} == {200}
    assert [size == (2000, 2000) for size in decoded] == [True, False, True, True, True]
