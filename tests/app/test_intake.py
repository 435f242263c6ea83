"""What one visitor may have in memory: uploaded files, photos; and that it is given back."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from app.photos.archives import CardPlace, Member
from app.visitor.photos import VisitorPhotos
from app.visitor.session import Visitors
from gallop import Photo, load_image
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


def test_files_that_were_read_are_dropped(told_server: tuple[str, Path]) -> None:
    server, _ = told_server
    with closing(Sender(server)) as sender:
        said = sender.take(sender.put("large.jpg", bytes(LARGE)))
        assert "large.jpg is not a picture" in said.replace("\\", "")  # as Markdown is read
        sender.put("waiting.jpg", bytes(LARGE))
        assert LARGE <= unread_bytes(server) < LARGE + 1000


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
    now[0] = 95
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
    assert session.photos.size == 6 * 400
    visitors.remove(token)
    assert session.photos.size == 0
