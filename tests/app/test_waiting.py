"""The first page shows a picture of itself until it is drawn, where it will look like it, and nowhere else."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from app.middleware import first_page
from app.photos.sample_answers import sample_answers
from app.views.exploring import look_at, opens_on_sample
from app.visitor.page_state import AskedRegion, ExploreState
from app.visitor.session import Notice, Session, Where
from gallop.maps.explainer.state import ExplainerState
from gallop.maps.map_style import Style
from tests.app.test_front import FOLDER, asked
from tests.app.test_photos import jpeg
from tests.app.test_theme import colours

CAT, COFFEE = list(sample_answers().values())[:2]


@pytest.mark.slow
def test_the_first_page_is_streamlits_with_the_picture_in_it(app_server: str) -> None:
    ((response, body, _),) = asked(app_server, "/")
    page, streamlits = body.decode(), (FOLDER / "index.html").read_text(encoding="utf-8")
    before, after = streamlits.split('<div id="root"></div>')
    picture = page.removeprefix(before).removesuffix(after)
    assert page == before + picture + after
    assert picture.startswith('<div id="root"></div><div id="waiting" hidden>')
    assert CAT.shown["photo"] in picture
    for name in ("textColor", "backgroundColor", "primaryColor", "linkColor"):
        assert [theme for theme in ("light", "dark") if colours(theme)[name] not in picture] == [], name
    assert "$" not in picture.replace("${location.pathname}", "")
    assert (response.headers["cache-control"], "modulepreload" in response.headers["link"]) == ("no-store", True)
    ((response, short, _),) = asked(app_server, "/", **{"Accept-Encoding": "gzip, br"})
    assert (response.headers["content-encoding"], gzip.decompress(short)) == ("gzip", body)
    assert len(short) < 120_000


@pytest.mark.parametrize(
    "path", ["/teach", "/method", "/?embed=true", "/?names=dog", "/?session=none", "/?session=", "/index.html"]
)
def test_anything_else_is_sent_as_streamlit_has_it(app_server: str, path: str) -> None:
    ((response, body, _),) = asked(app_server, path)
    assert (response.status, body) == (200, (FOLDER / "index.html").read_bytes())


@pytest.mark.parametrize(
    ("method", "path", "index", "sent"),
    [
        ("GET", "/gallop/", '<div id="root"></div>', '<div id="root"></div>seen'),
        ("GET", "/", '<div id="root"></div>', ""),
        ("HEAD", "/gallop/", '<div id="root"></div>', ""),
        *(("GET", "/gallop/", index, "") for index in ("<div id=root></div>", '<div id="root"></div>' * 2, "")),
    ],
)
def test_only_a_page_of_streamlits_shape_at_its_own_address_has_one(
    tmp_path: Path, method: str, path: str, index: str, sent: str
) -> None:
    (tmp_path / "index.html").write_text(index)
    request = {"method": method, "path": path, "query_string": b"seen", "headers": []}
    assert first_page(tmp_path, "/gallop/", lambda query, _: query, request) == sent


SAME = [ExploreState(), ExploreState(explainer=ExplainerState(topk=CAT.topk))]
MOVED = [
    ExploreState(explainer=ExplainerState(topk=(7, *CAT.topk[1:]))),
    ExploreState(names="cat, dog"),
    ExploreState(names=""),
    ExploreState(templates="a drawing of a {}"),
    ExploreState(region=AskedRegion(3, CAT.grid), region_of=CAT.sha256),
    ExploreState(explainer=ExplainerState(style=Style("gray"))),
]


def test_who_has_moved_nothing_finds_the_first_sample_and_who_has_done_anything_does_not() -> None:
    session = Session()
    for opens, states in ((True, SAME), (False, MOVED), (True, SAME)):
        for session.explore in states:
            assert opens_on_sample(session) == opens, session.explore

    look_at(session, CAT.sha256)
    assert opens_on_sample(session), "it is the first"
    look_at(session, COFFEE.sha256)
    assert not opens_on_sample(session)

    own, refused, backbone, cards, ended, told = others = [Session() for _ in range(6)]
    own.photos.shelf.add([jpeg(1)])
    refused.photos.verdicts["photos"] = refused.photos.shelf.add([jpeg(1), jpeg(1)])
    refused.photos.shelf.photos.clear()
    backbone.training.backbone_name = "ViT-B-16/openai"
    cards.photos.deck.add("cat")
    ended.lost = True
    told.notices[Where.BACKBONES] = Notice("info", "A sentence.")
    assert [opens_on_sample(each) for each in others] == [False] * 6
