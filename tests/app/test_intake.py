"""What one visitor may have in memory: files on their way, photos; and that it is given back."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock
from urllib.parse import urlsplit

import pytest
from PIL import Image
from starlette.responses import Response

from app.middleware import RoomForFiles
from app.photos.archives import CardPlace, Member
from app.photos.shelf import UNREAD_SECONDS, UnreadFiles, allowed
from app.ui import resources
from app.visitor.photos import VisitorPhotos
from app.visitor.session import Visitors
from gallop import Photo, load_image
from gallop.sample import sample_photos
from tests.app_pages import there
from tests.raw_sockets import Page, drawn

LARGE = 12 * 10**6


class Sender:
    """A visitor's page by the app's messages alone: files are sent to its uploader, and what it says is read."""

    def __init__(self, server: str) -> None:
        cookies = SimpleCookie()
        for path in ("/", "/_stcore/health"):
            with urllib.request.urlopen(server + path) as answer:
                for line in answer.headers.get_all("set-cookie", []):
                    cookies.load(line)
        sent = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
        self._headers = {"Cookie": sent, "X-Xsrftoken": cookies["_streamlit_xsrf"].value}
        self._server, self._page = server, Page(server, urlsplit(server).netloc, None, sent)
        self._shown = self._page.run()
        self._session = next(filter(None, (each.new_session.initialize.session_id for each in self._shown)))

    def put(self, name: str, data: bytes) -> dict[str, Any]:
        """Send a file; return what an uploader is told of it."""
        self._page.send(file_urls_request={"request_id": name, "file_names": [name], "session_id": self._session})
        answer = next(each for each in self._page.messages() if each.HasField("file_urls_response"))
        (urls,) = answer.file_urls_response.file_urls
        head = f'--end\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        headers = self._headers | {"Content-Type": "multipart/form-data; boundary=end"}
        body = head.encode() + data + b"\r\n--end--\r\n"
        urllib.request.urlopen(urllib.request.Request(self._server + urls.upload_url, body, headers, method="PUT"))
        return {"name": name, "size": len(data), "file_id": urls.file_id, "file_urls": urls}

    def take(self, *files: dict[str, Any]) -> str:
        """Let the uploader take files that were sent; return what the page says then."""
        *_, uploader = (each.id for each in drawn(self._shown, "file_uploader") if "Upload photos" in each.label)
        state = {"id": uploader, "file_uploader_state_value": {"uploaded_file_info": files}}
        self._shown = self._page.run("", state)
        return "\n".join(each.body for kind in ("markdown", "alert") for each in drawn(self._shown, kind))

    def close(self) -> None:
        self._page.close()


def unread_bytes(server: str) -> int:
    """As the server counts them; it counts once in some seconds."""
    with urllib.request.urlopen(f"{server}/_stcore/metrics") as answer:
        found = re.findall(r'cache_memory_bytes\{cache_type="UploadedFileManager"[^}]*\} (\d+)', answer.read().decode())
    return sum(map(int, found))


def test_files_stay_within_what_a_visitor_may_have_and_go_when_they_were_read(told_server: tuple[str, Path]) -> None:
    server, _ = told_server
    with closing(Sender(server)) as mine, closing(Sender(server)) as other:
        mine.take(*(mine.put(photo.path.name, photo.path.read_bytes()) for photo in sample_photos()[:3]))
        said = mine.take(*(mine.put(f"large {number}.jpg", bytes(LARGE)) for number in range(3)))
        said = said.replace("\\", "")  # as Markdown is read
        wanted = (
            "large 0.jpg is not a picture",
            r"large 1.jpg does not fit: it takes 12 MB, you already use 1\d MB, and the limit for one visitor is 20 MB",
            "--visitor-memory",
        )
        assert [words for words in wanted if not re.search(words, said)] == []

        for visitor in (mine, other):
            visitor.put("large.jpg", bytes(LARGE))
        assert 2 * LARGE <= unread_bytes(server) < 2 * LARGE + 1000, "one of each: what was read has gone"


def test_a_file_that_is_taken_back_makes_room_and_a_refusal_is_told_once() -> None:
    files, size = UnreadFiles(), allowed() // 2 + 1
    assert files.comes("1", "a.jpg", size, "me", "page", 0) == ""
    assert "a.jpg does not fit" in (refused := files.comes("2", "a.jpg", size, "me", "other page", 0))
    assert [files.why_refused("2") for _ in range(2)] == [refused, ""]
    assert files.comes("3", "a.jpg", size, "you", "third page", 0) == ""
    assert "does not fit" in files.comes("4", "a.jpg", size, "you", "third page", 0)
    files.page_has_gone("third page")  # and all that it has sent
    assert files.why_refused("4") == files.comes("4", "a.jpg", size, "you", "third page", 0) == ""
    files.has_gone("1")
    assert files.comes("5", "a.jpg", size, "me", "page", 0) == ""
    assert "you already use" in files.comes("6", "a.jpg", 1, "me", "page", held=size)


def test_a_file_that_its_page_removes_makes_room() -> None:
    gone, sent = list[str](), AsyncMock()
    room = RoomForFiles(Response(status_code=204), "/files/", lambda *_: "", gone.append)
    asyncio.run(room({"type": "http", "method": "DELETE", "path": "/files/page/number"}, AsyncMock(), sent))
    assert (gone, sent.call_args_list[0].args[0]["status"]) == (["number"], 204)


def test_a_page_that_is_closed_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "shared", resources.Shared())
    files, size = resources.shared.unread, allowed() // 2 + 1
    assert [files.comes(n, "a.jpg", size, "me", "page", 0) == "" for n in ("1", "2")] == [True, False]
    resources.forget_page("page")
    assert files.comes("3", "a.jpg", size, "me", "page", 0) == ""


def test_files_that_nobody_reads_go_after_a_while_and_those_that_still_come_stay() -> None:
    now = [0.0]
    files = UnreadFiles(clock=lambda: now[0])
    files.comes("1", "a.jpg", 1, "me", "left", 0)
    files.comes("2", "a.jpg", 1, "me", "busy", 0)
    now[0] = UNREAD_SECONDS - 1
    files.comes("3", "a.jpg", 1, "me", "busy", 0)
    assert files.left_over() == []
    now[0] = UNREAD_SECONDS + 1
    assert (files.left_over(), files.left_over()) == ([("left", "1")], [])


def test_a_page_that_was_closed_is_forgotten_unless_it_comes_back() -> None:
    now, open_pages, closed = [0.0], {"first", "second"}, list[str]()
    visitors = Visitors(open_pages.__contains__, 100, clock=lambda: now[0], closed=closed.append)
    token = visitors.new()
    for page in ("first", "second"):
        visitors.lease(token, page)
    open_pages.clear()
    visitors.clear_out()
    open_pages.add("second")
    visitors.lease(token, "second")
    now[0] = 80
    for _ in range(2):
        visitors.clear_out()
        assert closed == ["first"]
    visitors.close()


def squares(count: int) -> list[Photo]:
    """Photos of 400 bytes each, all different."""
    return [load_image(Image.new("RGB", (10, 10), (number, 0, 0)), name=f"{number}.png") for number in range(count)]


def cards_of(photos: list[Photo]) -> Iterator[Member]:
    return (Member(CardPlace("things", False, photo.name), photo) for photo in photos)


def test_photos_beyond_what_a_visitor_may_have_are_refused_in_a_sentence(allow: Callable[[int], None]) -> None:
    allow(1300)
    mine = VisitorPhotos()
    assert len(mine.shelf.add(squares(2)).taken) == 2
    found = mine.deck.add_photos(cards_of(squares(10)[4:6]))
    assert [photo.name for photo in found.taken] == ["4.png"]
    assert re.search(r"5\.png does not fit.*--visitor-memory", found.refused[0])
    assert "7.png does not fit" in mine.unknown.add(squares(10)[7:8]).refused[0]
    assert mine.size == 1200


def test_a_photo_that_is_taken_away_makes_room(allow: Callable[[int], None]) -> None:
    """Also where an undo would bring it back: what is wanted now comes before that."""
    allow(1300)
    mine, photos = VisitorPhotos(), squares(5)
    assert len(mine.deck.add_photos(cards_of(photos[:3])).taken) == 3
    mine.deck.remove(mine.deck.cards[0].shots[0].sha256)
    assert mine.size == 1200, "an undo brings it back"
    assert (len(mine.deck.add_photos(cards_of(photos[3:4])).taken), mine.size) == (1, 1200)


def test_who_leaves_gives_all_back() -> None:
    """Also where something still leads to the session, as what the server keeps for a closed page does."""
    visitors = Visitors(lambda page: False)
    token = visitors.new("me")
    session = there(visitors.find(token, "me"))
    session.photos.shelf.add(squares(2))
    session.photos.unknown.add(squares(4)[2:])
    session.photos.deck.add_photos(cards_of(squares(6)[4:]))
    session.photos.deck.delete(session.photos.deck.cards[0].id)
    assert (visitors.held("me"), session.photos.size, visitors.held("you")) == (6 * 400, 6 * 400, 0)
    visitors.remove(token)
    assert (session.photos.size, visitors.held("me")) == (0, 0)
