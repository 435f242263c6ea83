"""What does not answer is asked again and then stops the call, with nothing lost; what is broken or gone is a row."""

from __future__ import annotations

import asyncio
import errno
import io
import itertools
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile
from pyarrow import parquet

from gallop.answers.sources import Opener, open_source, outages
from gallop.answers.sources.outages import SHORT, WAITS, PatientFile, patiently, silence_in
from gallop.cli import many
from gallop.errors import ImageError, KeysRefused, Unreachable
from gallop.runtime import public_web
from gallop.service.tables.layout import MANIFEST
from tests.cli.test_cli import Outcome, call
from tests.scoring.test_sources import archive
from tests.scoring.web import Web, web
from tests.tiny import png

SILENCE = partial(pytest.warns, UserWarning, match=r"://\w+ does not respond \(.+\)\. Trying again\.$")
GONE = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


@contextmanager
def failing(owner: object, name: str, error: Callable[..., BaseException | None]) -> Iterator[None]:
    """A method raises what a function of its arguments returns; where that is None, it does its work."""
    real = getattr(owner, name)

    def method(*given: Any, **named: Any) -> Any:
        if (raised := error(*given, **named)) is not None:
            raise raised
        return real(*given, **named)

    with mock.patch.object(owner, name, method):
        yield


class Service:
    """It answers, or raises what is put in its way, by the name of a photo or for all."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails: Callable[[str], BaseException | None] = lambda _: None

    def ask(self, photo: str) -> str:
        def answer() -> str:
            self.asked.append(photo)
            if (error := self.fails(photo)) is not None:
                raise error
            return photo

        return patiently(answer, "s3://photos", vouches=True)


@pytest.fixture
def service(waits: list[float]) -> Service:
    """It has answered once."""
    asked = Service()
    asked.ask("a")
    return asked


def test_what_comes_back_is_waited_for(service: Service, waits: list[float]) -> None:
    service.fails = lambda _: GONE if len(waits) < len(WAITS) else None
    with SILENCE():
        assert service.ask("b") == "b"
    assert waits == [*WAITS] == sorted(WAITS), "growing"


def test_a_first_photo_that_cannot_be_read_is_a_row_where_others_can(
    waits: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    (tmp_path / "good.png").write_bytes(b"good")

    def opened(path: str, most: int = 0) -> Any:
        if path.endswith("bad.png"):
            raise OSError(errno.EIO, "Input/output error", path)
        return open(path, "rb")

    monkeypatch.setattr("gallop.answers.sources.opening.open_file", opened)
    for beside in ([str(tmp_path / "good.png")], []):  # with no other photo the folder is listed
        with pytest.raises(ImageError, match=r"bad\.png cannot be opened \(Input/output error\)"):
            Opener().read(str(tmp_path / "bad.png"), beside)
    for listdir, names in (
        (os.listdir, "1bad.png 2bad.png"),  # that a folder is still listed is no proof that its photos come
        (lambda _: opened("bad.png"), "bad.png"),
        (lambda _: opened("bad.png"), "too/bad.png"),
    ):
        monkeypatch.setattr("gallop.answers.sources.opening.os.listdir", listdir)
        patiently(lambda: None, "The disk")  # it answers, so that its silence is news again
        with pytest.warns(UserWarning, match="Trying again"), pytest.raises(Unreachable, match="The disk"):
            Opener().read(str(tmp_path / "bad.png"), [str(tmp_path / name) for name in names.split()])


def test_a_photo_that_alone_is_silent_is_to_blame_itself(service: Service, waits: list[float]) -> None:
    service.fails = lambda photo: GONE if photo == "b" else None
    with pytest.raises(ConnectionResetError):
        service.ask("b")
    assert waits == [*WAITS[:SHORT]]
    assert service.asked == ["a", *"b" * (SHORT + 1), "a", "b"], "and once more, after another has answered"


def test_a_photo_is_not_blamed_for_an_outage_that_ends_as_another_is_asked(
    service: Service, waits: list[float]
) -> None:
    service.fails = lambda _: GONE if len(service.asked) < SHORT + 3 else None
    assert service.ask("b") == "b"


def test_who_asks_to_be_left_alone_is_given_all_the_time(service: Service, waits: list[float]) -> None:
    busy = caused(OSError(errno.EBUSY, "Please reduce your request rate."), of_s3("SlowDown", 503))
    service.fails = {"b": busy}.get
    with SILENCE(), pytest.raises(OSError, match="reduce your request rate"):
        service.ask("b")
    assert waits == [*WAITS]


def test_a_source_whose_photos_do_not_come_one_after_the_other_has_stalled(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However well the last photo that came can be read again; a photo that comes begins the count again."""
    now = iter(range(10**6))
    monkeypatch.setattr(outages, "time", SimpleNamespace(monotonic=lambda: next(now)))
    monkeypatch.setattr(outages, "STALL_SECONDS", 3)
    service = Service()
    service.fails = lambda photo: GONE if photo == "b" else None

    def lost(times: int) -> None:
        for _ in range(times):
            with pytest.raises(ConnectionResetError):
                service.ask("b")

    service.ask("a")
    lost(2)
    service.ask("a")
    lost(3)
    with SILENCE(), pytest.raises(Unreachable, match=r"s3://photos does not respond"):
        service.ask("b")


def boto(name: str, *given: Any, **named: Any) -> Any:
    """One of botocore's errors."""
    return getattr(pytest.importorskip("botocore.exceptions", reason="needs s3fs"), name)(*given, **named)


def aio(name: str, *given: Any, **named: Any) -> Any:
    """One of aiohttp's."""
    return getattr(pytest.importorskip("aiohttp", reason="needs s3fs, which brings it"), name)(*given, **named)


def of_s3(code: str, status: int) -> Any:
    said = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto("ClientError", said, "GetObject")


def of_the_web(status: int) -> Any:
    return aio("ClientResponseError", None, (), status=status)


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("silent", "make"),
    [
        *(
            (True, partial(boto, name, endpoint_url="u"))
            for name in ("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError")
        ),
        (True, partial(boto, "NoCredentialsError")),
        *((True, partial(aio, f"{name}Error")) for name in ("ClientPayload", "ServerDisconnected", "ClientConnection")),
        (False, partial(aio, "InvalidURL", "x")),
        (True, lambda: ConnectionRefusedError(errno.ECONNREFUSED, "refused")),
        (True, lambda: TimeoutError()),
        (True, lambda: asyncio.TimeoutError()),
        (True, lambda: fsspec.exceptions.FSTimeoutError()),
        (True, lambda: socket.gaierror(-2, "Name or service not known")),
        (True, lambda: OSError(errno.ESTALE, "Stale file handle")),
        (True, lambda: OSError(errno.ENOTCONN, "Transport endpoint is not connected")),
        (True, lambda: of_s3("InternalError", 500)),
        (True, lambda: caused(OSError(errno.EIO, "m"), of_s3("502", 502))),
        (True, lambda: of_the_web(429)),
        (True, lambda: of_the_web(500)),
        (True, lambda: caused(FileNotFoundError("https://a.org/1.jpg"), of_the_web(503))),
        (False, lambda: caused(FileNotFoundError("https://a.org/1.jpg"), of_the_web(404))),
        (False, lambda: of_the_web(403)),
        (False, lambda: caused(PermissionError("m"), of_s3("AccessDenied", 403))),
        (False, lambda: caused(FileNotFoundError("m"), of_s3("NoSuchKey", 404))),
        (False, lambda: FileNotFoundError(errno.ENOENT, "No such file or directory")),
        (False, lambda: PermissionError(errno.EACCES, "Permission denied")),
        (False, lambda: IsADirectoryError(errno.EISDIR, "it is a folder")),
        (False, lambda: ValueError("not an address")),
        (False, lambda: RuntimeError("a mistake")),
    ],
)
def test_silence_and_answers(silent: bool, make: Callable[[], Exception]) -> None:
    error = make()
    assert silence_in(error) in ((error, error.__cause__ or error) if silent else (None,)), "it, or what caused it"


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId", "RequestTimeTooSkewed"])
def test_keys_that_are_not_taken_stop_the_call_at_once(service: Service, code: str, waits: list[float]) -> None:
    for error in (of_s3(code, 403), caused(PermissionError("The token has expired."), of_s3(code, 400))):
        service.fails = lambda _, error=error: error  # type: ignore[misc]
        with pytest.raises(KeysRefused, match=r"^s3://photos rejects your credentials \(.+\): use different ones\.$"):
            service.ask("b")
    assert not waits


def test_a_file_that_breaks_off_is_read_on_where_it_was(waits: list[float]) -> None:
    class Breaking(io.BytesIO):
        broken = 0

        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= 4 and not self.broken:
                self.broken += 1
                raise GONE
            return super().read(size)

    file = PatientFile(Breaking(b"one two three"), "s3://photos")
    assert (file.read(4), file.tell(), file.read(4), file.read()) == (b"one ", 4, b"two ", b"three")
    assert waits == [WAITS[0]]
    file.seek(4)
    buffer = bytearray(3)
    assert (file.readinto(buffer), bytes(buffer), file.seekable()) == (3, b"two", True)
    file.close()
    assert file.closed


# A bucket that stops ------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(memory: Any) -> str:
    for number in range(45):
        memory.pipe(f"/bucket/photos/{number // 20}/{number:02}.png", png(number))
    memory.pipe("/bucket/photos/0/07.png", b"")
    return "memory://bucket/photos"


def predict(source: object, out: object, backbone: Path, *more: object) -> Outcome:
    words = ("--classes", "red,green", "--backbone", backbone, "--out", out, "--shard-size", 10)
    return call("predict", source, *words, *more)


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_bucket_that_stops_answering_stops_the_call_and_the_next_one_goes_on(
    words: tuple[str, ...],
    bucket: str,
    backbone: Path,
    tmp_path: Path,
    waits: list[float],
) -> None:
    assert predict(bucket, tmp_path / "whole", backbone).code == 2, "one photo is empty"
    names: set[str] = set()
    with failing(MemoryFile, "read", lambda file, *_: names.add(file.path) or (GONE if len(names) > 24 else None)):
        outcome = predict(bucket, tmp_path / "out", backbone, *words)
    assert (outcome.code, outcome.out) == (75, "")
    there = tables(tmp_path / "out")
    assert len(there) <= 2
    told, last = "1 table was" if len(there) == 1 else f"{len(there)} tables were", outcome.err.splitlines()[-1]
    assert last.startswith(
        f"gallop: error: memory://bucket does not respond (Connection reset by peer) after {len(WAITS) + 1} "
        "attempts. The last photo requested was memory://bucket/photos/"
    )
    assert last.endswith(f" {told} written to {tmp_path / 'out'}. Run the same command again to continue.")
    whole = tables(tmp_path / "whole")
    assert there == {name: whole[name] for name in there}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [MANIFEST, *there]
    again = predict(bucket, tmp_path / "out", backbone, "--json").json
    assert (again["skipped"], again["tables"]) == (10 * len(there), 5 - len(there))
    assert tables(tmp_path / "out") == whole


def test_a_folder_that_cannot_be_listed_in_an_outage_is_not_left_out(
    bucket: str, memory: Any, waits: list[float]
) -> None:
    busy = OSError(errno.EBUSY, "Please reduce your request rate.")
    with (
        failing(type(memory), "ls", lambda _, path, **named: busy if path.endswith("/1") else None),
        SILENCE(),
        pytest.raises(Unreachable, match="memory://bucket does not respond"),
    ):
        list(open_source(bucket, Opener()))
    assert len(list(open_source(bucket, Opener()))) == 45


@pytest.mark.parametrize("error", [PermissionError("Access Denied"), FileNotFoundError("it is gone")])
def test_a_folder_of_a_bucket_that_may_not_be_listed_is_a_row(
    bucket: str, memory: Any, waits: list[float], error: Exception
) -> None:
    with failing(type(memory), "ls", lambda _, path, **named: error if path.endswith("/1") else None):
        found = list(open_source(bucket, Opener()))
    assert [item.key for item in found if item.problem] == ["1/"]
    assert (found[20].problem, len(found)) == (f"The folder memory://bucket/photos/1 cannot be read: {error}.", 26)


def test_an_archive_in_a_bucket_that_stops_answering_is_not_taken_for_a_damaged_one(
    memory: Any, tmp_path: Path, waits: list[float]
) -> None:
    memory.pipe("/bucket/s-0.tar", archive(tmp_path / "s-0.tar", {f"{i}.png": png(i) for i in range(40)}))
    once = [GONE]
    with failing(MemoryFile, "read", lambda file, *_: once.pop() if file.tell() > 10_000 and once else None):
        assert (len(list(open_source("memory://bucket/s-0.tar", Opener()))), waits, once) == (40, [WAITS[0]], [])
    with (
        failing(MemoryFile, "read", lambda file, *_: GONE if file.tell() > 10_000 else None),
        SILENCE(),
        pytest.raises(Unreachable),
    ):
        list(open_source("memory://bucket/s-0.tar", Opener()))


def test_a_place_for_tables_that_is_silent_for_a_moment_is_written_to(
    bucket: str, memory: Any, backbone: Path, waits: list[float]
) -> None:
    every_other = itertools.cycle([GONE, None])
    with failing(type(memory), "pipe_file", lambda *_, **named: next(every_other)):
        assert predict(bucket, "memory://bucket/out", backbone).code == 2
    assert (len(memory.ls("/bucket/out")), waits) == (6, [WAITS[0]] * 6)


# The web ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """It is on this machine, where the command line would not look."""
    monkeypatch.setattr(many, "Opener", partial(Opener, private=True))
    with web({f"{number:02}.png": png(number) for number in range(45)}) as started:
        yield started


def test_a_server_that_is_gone_among_others_is_a_row(
    server: Web, backbone: Path, tmp_path: Path, waits: list[float]
) -> None:
    """Nobody listens at one address; one photo has gone, and of one the server always fails."""
    Opener(web=True, private=True).read(f"{server.address}/00.png")
    server.broken.add("05.png")
    lines = [*(f"{server.address}/{number:02}.png" for number in range(12)), f"{server.address}/none.png"]
    lines.insert(3, "http://127.0.0.1:1/a.png")
    (tmp_path / "list.txt").write_text("\n".join(lines))
    assert predict(tmp_path / "list.txt", tmp_path / "out", backbone, "--web").code == 2
    problems = {row["key"]: row["error"] for row in parquet.read_table(tmp_path / "out").to_pylist() if row["error"]}
    assert list(problems) == [lines[3], f"{server.address}/05.png", lines[-1]]
    assert "All connection attempts failed" in problems[lines[3]]
    assert "500" in problems[f"{server.address}/05.png"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["closes", "busy", "refuses", "waits", "drips"])
def test_a_server_that_stops_answering_stops_the_call_and_the_next_one_goes_on(
    how: str, server: Web, backbone: Path, tmp_path: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_web, "SECONDS", 0.5 if how in ("waits", "drips") else 10)
    names = [f"{server.address}/{number:02}.png" for number in range(45)]
    (tmp_path / "list.txt").write_text("\n".join(names))
    server.stops(how, at="25.png")
    outcome = predict(tmp_path / "list.txt", tmp_path / "out", backbone, "--web")
    assert (outcome.code, outcome.out) == (75, "")
    assert re.search(r"The web does not respond \(.*Run the same command again to continue\.$", outcome.err)
    before = tables(tmp_path / "out")
    assert len(before) <= 2
    server.stops()
    assert predict(tmp_path / "list.txt", tmp_path / "out", backbone, "--web").code == 0
    after = tables(tmp_path / "out")
    assert {name: after[name] for name in before} == before
    assert parquet.read_table(tmp_path / "out")["key"].to_pylist() == names


@pytest.mark.usefixtures("server")
def test_without_anyone_to_ask_it_is_told(backbone: Path, tmp_path: Path, waits: list[float]) -> None:
    (tmp_path / "list.txt").write_text("http://127.0.0.1:1/a.png\n")
    outcome = predict(tmp_path / "list.txt", tmp_path / "out", backbone, "--web")
    assert (outcome.code, waits) == (75, [*WAITS])
    assert "The last photo requested was http://127.0.0.1:1/a.png." in outcome.err
