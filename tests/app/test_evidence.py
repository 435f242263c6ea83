"""What classes rely on, on the page Evidence in this process: every state, and the library's own figures."""

from __future__ import annotations

import itertools
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from app import text
from app.ui import resources
from app.views import testing
from app.visitor.page_state import AskedRegion
from gallop.evaluation.evidence import Evidence, evidence
from gallop.evaluation.failing_groups import FailingGroup, FailingGroups
from gallop.evaluation.intervals import Proportion
from gallop.evaluation.repeats import Repeat
from gallop.evaluation.what_if import Outcome, WhatIf
from gallop.runtime.progress import StageEvent
from tests.app_pages import (
    EXPLORE,
    REGIONS,
    Open,
    button,
    cards,
    everything,
    fine,
    finish,
    go,
    grid,
    plain,
    put,
    session_of,
    table,
    there,
    train,
)


def asked(open_app: Open) -> AppTest:
    """The page with the evidence over the test photos."""
    return find(go(train(cards(fine(open_app()), {"red": 3, "green": 3}, tests=3)), REGIONS))


def find(at: AppTest) -> AppTest:
    """What the button does, to its end."""
    return finish(fine(button(at, "Find what each class relies on").click().run()))


def found_by(at: AppTest) -> Evidence:
    found: Evidence = session_of(at).page_jobs.result("evidence")[1]
    return found


def tiles(at: AppTest, number: int) -> list[str]:
    """The hashes of the photos in a gallery."""
    return [tile["key"].split()[0] for tile in grid(at, f"evidence {number}")["tiles"]]


def test_clusters_are_the_librarys_over_the_photos_that_were_chosen_and_a_tile_opens_its_photo_at_its_region(
    tiny_app: Open,
) -> None:
    at = asked(tiny_app)
    session = session_of(at)
    pairs = [(photo, name) for name, some in session.photos.tests().items() for photo in some]
    own = evidence(
        session.training.taught_model.after, [photo.image for photo, _ in pairs], [name for _, name in pairs]
    )
    for name in ("green", "red"):
        put(at, "evidence class_name", name)
        each = own.of(name)
        large = [i for i, cluster in enumerate(each.clusters) if cluster.share >= 0.05]
        shares = [f"{100 * cluster.share:.0f} %" for cluster in each.clusters]
        assert f"**{name}**: decided by" in plain(at)
        assert [head.value for head in at.header] == [f"{i + 1}. {each.clusters[i].called}: {shares[i]}" for i in large]
        assert [tiles(at, number) for number in large] == [
            [pairs[region.photo][0].sha256 for region in each.clusters[number].gallery] for number in large
        ]
        assert [row["of the score"] for row in table(at, "of the score")] == shares
    assert "No group of at least 8 photos fails more often" in plain(at)
    tile = grid(at, "evidence 0")["tiles"][0]["key"]
    session.evidence = session.evidence.opening(tile, "red").opening("no tile", "red").opening("a 0 -1 2", None)
    assert grid(fine(at.run()), "explainer")["state"]["region"] == int(tile.split()[2])
    assert "a photo of" in plain(at)
    assert "Takes about 1 s" in everything(put(at, "evidence pile", "Training photos"))
    find(at)
    assert len(found_by(at).data) == len(session.training.learned)


@pytest.mark.parametrize(("share", "said"), [(-0.034, [", -3 % against it"]), (-0.004, []), (0.04, [])])
def test_what_a_class_has_against_it_is_said_where_its_shares_are_more_than_all(
    tiny_app: Open, share: float, said: list[str]
) -> None:
    at = asked(tiny_app)
    (key, found), session = session_of(at).page_jobs.result("evidence"), session_of(at)
    first = found.classes[0]
    clusters = tuple(replace(cluster, share=1.0 if i else share) for i, cluster in enumerate(first.clusters))
    with_it = replace(found, classes=(replace(first, clusters=clusters), *found.classes[1:]))
    with mock.patch.object(session.page_jobs, "result", {"evidence": (key, with_it)}.get):
        fine(put(at, "evidence class_name", first.class_name))
        assert [line.value.split("**")[2] for line in at.markdown if line.value.endswith("against it")] == said


def test_answers_are_those_of_the_page_test_at_the_scales_that_were_set(tiny_app: Open) -> None:
    at = asked(tiny_app)
    session, before = session_of(at), found_by(at)
    session.training.settings = replace(session.training.settings, topk=tuple(1 for _ in session.training.scales()))
    find(fine(at.run()))
    now = testing.answered(session, resources.backbone(), [photo for photo, _ in testing.labelled(session)[0]])
    assert found_by(at).probabilities == pytest.approx(there(now).found.probabilities, abs=2e-3), "half precision"
    assert not np.allclose(found_by(at).scores, before.scores)


def test_a_cluster_that_is_covered_gets_no_verdict(tiny_app: Open) -> None:
    at = asked(tiny_app)
    session, each = session_of(at), found_by(at).classes[0]
    put(at, "evidence class_name", each.class_name)
    number = next(i for i, cluster in enumerate(each.clusters) if cluster.photos)
    name = f"what if {number} {each.class_name}"
    finish(fine(at.button(key=name).click().run()))
    _, made = session.page_jobs.result(name)
    assert (type(made), made.class_name, made.cluster) == (WhatIf, each.class_name, number)
    assert made.words[1:] in plain(at).replace("\\", "")
    assert not at.error


def test_what_repeats_is_told_on_every_class_and_shown_on_its_own(tiny_app: Open) -> None:
    at = asked(tiny_app)
    session, found = session_of(at), found_by(at)
    each, (key, _) = found.classes[-1], session.page_jobs.result("evidence")
    some = Outcome(Proportion(2, 2), 0.9, 2.0)
    without = WhatIf(each.class_name, None, each.photos[:2], some, replace(some, score=1.0), (some, some), 0.1, "blur")
    repeat = Repeat(0.4, each.photos[:2], Proportion(2, 3), Proportion(0, 9), torch.ones(2, 28, 28))
    with_repeat = replace(found, classes=(*found.classes[:-1], replace(each, repeat=repeat, without=without)))
    with mock.patch.object(session.page_jobs, "result", {"evidence": (key, with_repeat)}.get):
        assert f"Something repeats in the photos of {each.class_name}." in plain(fine(at.run()))
        put(at, "evidence class_name", each.class_name)
        said = f"The same thing is in 2 of 3 photos of {each.class_name} and in none of 9 others"
        assert at.error[0].value == f"{said}, and without it the score falls by 50 %. Is it the thing itself?"
        assert tiles(at, 99) == [found.data.hashes[i] for i in repeat.photos]


def test_a_group_that_fails_is_told_with_its_photos(tiny_app: Open) -> None:
    at = asked(tiny_app)
    session, found = session_of(at), found_by(at)
    group = FailingGroup("<b>dark</b>", (4, 1), Proportion(1, 9), Proportion(30, 31), 0.01, ("pale photos",))
    (key, _), with_group = session.page_jobs.result("evidence"), replace(found, groups=FailingGroups((group,), 7))
    with mock.patch.object(session.page_jobs, "result", {"evidence": (key, with_group)}.get):
        fine(at.run())
    assert "<b>dark</b>: 1 of 9 right" in plain(at).replace("**", "")
    assert "\\<b\\>" in everything(at), "escaped"
    assert "In common: pale photos." in plain(at)
    assert tiles(at, 100) == [found.data.hashes[i] for i in (4, 1)]


def test_a_region_is_looked_for_in_the_other_photos_at_a_click_here_and_on_explore(tiny_app: Open) -> None:
    at = asked(tiny_app)
    session, where = session_of(at), "Where else is this?"
    tile = grid(at, "evidence 0")["tiles"][0]["key"]
    session.evidence = session.evidence.opening(tile, "red")
    finish(fine(button(fine(at.run()), where).click().run()))
    digest, _, region, _ = tile.split()
    every = session.photos.all
    _, (name, shown) = session.page_jobs.result("where else")
    assert (name, len(shown), "for red:" in plain(at)) == ("red", len(every) - 1, True)
    of_photo = [caption.value for caption in at.caption if caption.value.startswith(("+0.", "-0."))]
    assert of_photo == [f"{adds:+.4f}, {text.markdown(photo)}" for *_, adds, photo in shown]
    cosines = [float(words.removeprefix("cosine ")) for _, words, *_ in shown]
    assert cosines == sorted(cosines, reverse=True)
    at = go(at, EXPLORE)
    assert where not in everything(at), "no region is selected"
    session.explore = replace(session.explore, photo=digest, region=AskedRegion(int(region), (4, 4)), region_of=digest)
    session.explore = replace(session.explore, explainer=replace(session.explore.explainer, class_name="green"))
    finish(fine(button(fine(at.run()), where).click().run()))
    assert "for green:" in plain(at)
    session.explore = replace(session.explore, region=AskedRegion((int(region) + 1) % 16, (4, 4)))
    assert button(fine(at.run()), where), "of another region nothing is known"


def test_of_more_photos_than_are_looked_at_some_are_left_out(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    at = cards(fine(tiny_app()), {"red": 3, "green": 3}, tests=1)
    photos = list(session_of(at).photos.all.values())
    assert session_of(at).photos.others(photos[2]) == [*photos[:2], *photos[3:]]
    monkeypatch.setattr("app.visitor.photos.MOST", 5)
    assert session_of(at).photos.others(photos[0]) == [photos[i] for i in (1, 2, 3, 5, 6)]


def test_what_was_cancelled_is_told_and_can_be_asked_for_again(tiny_app: Open) -> None:
    at = go(train(cards(fine(tiny_app()), {"red": 3, "green": 3}, tests=3)), REGIONS)
    with mock.patch(
        "gallop.evaluation.evidence.evidence_steps", return_value=itertools.repeat(StageEvent("regions", 1, 2))
    ):
        fine(button(at, "Find what each class relies on").click().run())
        finish(fine(button(at, "Cancel this").click().run()))
    assert "Cancelled." in everything(at)
    assert find(at).header
