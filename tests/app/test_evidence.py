"""The page Evidence in this process: every state, and figures that are those of the library."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from app import text
from app.views import evidence as view
from gallop.evaluation.evidence import evidence
from gallop.evaluation.what_if import WhatIf
from tests import app_pages
from tests.app_pages import EVIDENCE, Open, bars, button, everything, fine, finish, go, grid, plain, put, session_of

COUNTS = {"red": 3, "green": 3}


def asked(open_app: Open) -> AppTest:
    """The page with the evidence over the test photos."""
    return finish(go(app_pages.train(app_pages.cards(fine(open_app()), COUNTS, tests=3)), EVIDENCE))


def test_it_waits_for_classes_and_for_photos(tiny_app: Open) -> None:
    at = go(fine(tiny_app()), EVIDENCE)
    assert "teach some classes" in everything(at)


def test_clusters_are_the_librarys_over_the_photos_that_were_chosen(tiny_app: Open) -> None:
    at = asked(tiny_app)
    session = session_of(at)
    pairs = [(photo, name) for name, some in session.photos.tests().items() for photo in some]
    classifier = session.training.taught_model.after
    own = evidence(classifier, [photo.image for photo, _ in pairs], [name for _, name in pairs])
    for name in ("green", "red"):
        put(at, "evidence class_name", name)
        each = own.of(name)
        shown = [found.value for found in at.subheader]
        assert shown == [f"{i}. {c.called}: {c.share:.0%}" for i, c in enumerate(each.clusters, 1)]
        tiles = grid(at, "cluster 0")["tiles"]
        assert [tile["name"] for tile in tiles] == [
            text.percent(found.score / each.score) for found in each.clusters[0].gallery
        ]
        assert f"Mean score {each.score:.4f}, {each.rest_share:.1%} of it in no cluster" in plain(at)
    assert "There are too few photos to say anything of groups" in plain(at)
    finish(put(at, "evidence pile", "Training photos"))
    assert len(session.page_jobs.result(view.JOB)[1].data) == len(session.training.learned)


def test_a_cluster_is_covered_and_is_an_alarm_only_where_the_visitor_marks_it(tiny_app: Open) -> None:
    at = asked(tiny_app)
    session, class_name = session_of(at), at.selectbox(key="evidence class_name").value
    name = f"what if 0 {class_name}"
    fine(at.button(key=name).click().run())
    finish(at)
    _, made = session.page_jobs.result(name)
    assert isinstance(made, WhatIf)
    assert made.words[1:] in plain(at)
    assert not at.error, "no alarm without a mark"
    mark = f"background 0 {class_name}"
    fine(at.checkbox(key=mark).check().run())
    assert bool(at.error) is made.stands_out
    assert session.evidence.background == {(class_name, 0)}


def test_the_map_has_a_point_a_photo_and_shows_those_that_are_chosen(tiny_app: Open) -> None:
    at = asked(tiny_app)
    session = session_of(at)

    def traces(colour: str) -> dict[str, list[int]]:
        drawn = json.loads(bars(put(at, "evidence colour", colour), "set map"))["data"]
        assert {trace["type"] for trace in drawn} == {"scattergl"}
        return {trace["name"]: trace["customdata"] for trace in drawn}

    by_class = traces("class")
    assert {name: len(points) for name, points in by_class.items()} == {"red": 3, "green": 3}
    assert sorted(i for points in traces("verdict").values() for i in points) == list(range(6))
    session.evidence = session.evidence.choosing([by_class["red"][0], "x", -1, 99, True], 6)
    fine(at.run())
    (tile,) = grid(at, "chosen on the map")["tiles"]
    assert tile["key"] == str(by_class["red"][0])


@pytest.mark.parametrize("tile", ["0 3", "2"])
def test_a_tile_opens_its_photo_with_its_maps(tiny_app: Open, tile: str) -> None:
    at = asked(tiny_app)
    session = session_of(at)
    session.evidence = session.evidence.opening(tile).opening("no tile").opening("1 2 3")
    fine(at.run())
    _, found = session.page_jobs.result(view.JOB)
    photo = int(tile.split()[0])
    assert f"a photo of **{found.data.names[photo]}**" in plain(at)
    data = grid(at, "explainer")
    assert data["state"]["class_name"] == found.data.names[photo]
    assert data["state"]["region"] == (3 if " " in tile else None)


def test_what_was_cancelled_waits_for_a_click(tiny_app: Open) -> None:
    at = go(app_pages.train(app_pages.cards(fine(tiny_app()), COUNTS, tests=3)), EVIDENCE)
    session_of(at).page_jobs.cancel()
    finish(at)
    assert "Cancelled." in everything(at)
    fine(button(at, "Find what each class stands on").click().run())
    assert "What it stands on" in everything(finish(at))
