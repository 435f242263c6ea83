"""The first page shows a picture of itself until it is drawn, where it will look like it, and nowhere else."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit", reason="needs the extra 'app'")

from app.front import FirstPage
from app.photos.sample_answers import sample_answers
from app.views.exploring import look_at, opens_on_sample
from app.visitor.notices import Notice, Where
from app.visitor.page_state import AskedRegion
from app.visitor.session import Session
from tests.app.test_front import FOLDER, asked
from tests.app.test_photos import jpeg
from tests.app.test_theme import colours

CAT, COFFEE = list(sample_answers().values())[:2]


def test_the_first_page_is_streamlits_with_the_picture_in_it(app_server: str) -> None:
    ((response, body, _),) = asked(app_server, "/")
    page, streamlits = body.decode(), (FOLDER / "index.html").read_text(encoding="utf-8")
    before, after = streamlits.split('<div id="root"></div>')
    assert page.startswith(before)
    assert page.endswith(after)
    picture = page.removeprefix(before).removesuffix(after)
    assert picture.startswith('<div id="root"></div><div id="waiting" hidden>')
    assert CAT.shown["photo"] in picture
    for theme in ("light", "dark"):
        for name in ("textColor", "backgroundColor", "primaryColor", "linkColor"):
            assert colours(theme)[name] in picture
    assert "$" not in picture.replace("${location.pathname}", "")
    assert response.headers["cache-control"] == "no-store"
    assert "modulepreload" in response.headers["link"]
    ((response, short, _),) = asked(app_server, "/", **{"Accept-Encoding": "gzip, br"})
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(short) == body
    assert len(short) < 120_000


@pytest.mark.parametrize(
    "path", ["/teach", "/method", "/?embed=true", "/?names=dog", "/?session=none", "/?session=", "/index.html"]
)
def test_anything_else_is_sent_as_streamlit_has_it(app_server: str, path: str) -> None:
    ((response, body, _),) = asked(app_server, path)
    assert response.status == 200
    assert body == (FOLDER / "index.html").read_bytes()


@pytest.mark.parametrize("index", ["<div id=root></div>", '<div id="root"></div><div id="root"></div>', ""])
def test_a_page_of_another_shape_is_left_as_it_is(index: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(index)
    first = FirstPage(tmp_path, "/", lambda *_: "picture")
    assert first.at({"method": "GET", "path": "/", "query_string": b"", "headers": []}) == ""


def test_only_the_page_at_its_own_address_has_one(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<div id="root"></div>')
    first, wanted = FirstPage(tmp_path, "/gallop/", lambda query, _: query), {"query_string": b"seen", "headers": []}
    assert first.at({"method": "GET", "path": "/gallop/"} | wanted) == '<div id="root"></div>seen'
    for other in ({"method": "GET", "path": "/"}, {"method": "HEAD", "path": "/gallop/"}):
        assert first.at(other | wanted) == ""


def untouched(session: Session) -> None:
    """As it is made."""


def chosen(session: Session) -> None:
    look_at(session, CAT.sha256)


def moved_and_back(session: Session) -> None:
    session.explore = replace(session.explore, scales=CAT.topk, prompt=0, opacity=80)


def other_sample(session: Session) -> None:
    look_at(session, COFFEE.sha256)


def own_photo(session: Session) -> None:
    session.photos.shelf.add([jpeg(1)])


def refused_file(session: Session) -> None:
    session.photos.verdicts["photos"] = session.photos.shelf.add([jpeg(1), jpeg(1)])
    session.photos.shelf.photos.clear()


def other_k(session: Session) -> None:
    session.explore = replace(session.explore, scales=(7, *CAT.topk[1:]))


def other_names(session: Session) -> None:
    session.explore = replace(session.explore, names="cat, dog")


def no_names(session: Session) -> None:
    session.explore = replace(session.explore, names="")


def other_templates(session: Session) -> None:
    session.explore = replace(session.explore, templates="a drawing of a {}")


def region_asked(session: Session) -> None:
    session.explore = replace(session.explore, region=AskedRegion(3, CAT.grid), region_of=CAT.sha256)


def other_colours(session: Session) -> None:
    session.explore = replace(session.explore, colours="gray")


def other_tower(session: Session) -> None:
    session.training.tower = "ViT-B-16/openai"


def cards_made(session: Session) -> None:
    session.photos.deck.add("cat")


def ended(session: Session) -> None:
    session.lost = True


def told(session: Session) -> None:
    session.notices[Where.TOWERS] = Notice("info", "A sentence.")


@pytest.mark.parametrize("done", [untouched, chosen, moved_and_back])
def test_who_has_moved_nothing_finds_the_first_sample(done: Callable[[Session], Any]) -> None:
    done(session := Session())
    assert opens_on_sample(session)


@pytest.mark.parametrize(
    "done",
    [
        other_sample,
        own_photo,
        refused_file,
        other_k,
        other_names,
        no_names,
        other_templates,
        region_asked,
        other_colours,
        other_tower,
        cards_made,
        ended,
        told,
    ],
)
def test_who_has_done_anything_does_not(done: Callable[[Session], Any]) -> None:
    done(session := Session())
    assert not opens_on_sample(session)
