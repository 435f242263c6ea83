"""Known, none of these, or a limit that is unreliable: one verdict, the same on every page; and whom it is asked of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app.ui import resources
from app.visitor.page_state import Question
from gallop.evaluation.changes import TESTED, Changes, Flips
from gallop.model.calibration import UNRELIABLE
from tests.app_pages import (
    EXPLORE,
    METHOD,
    NONE_OF_THESE,
    TEACH,
    Open,
    cards,
    chips,
    explaining,
    fine,
    go,
    grid,
    look,
    plain,
    png,
    session_of,
    table,
    there,
    train,
    uploader,
)

FEW = "This threshold is unreliable here: the smallest class has 3 shots, and 8 are needed for a sound threshold."
BROKEN = "This threshold is unreliable here: 0 of 6 known test photos pass, but 95 % were promised."
NO_LIMIT = "There is no threshold for “none of these” here: no photos were held out to find it."


def test_after_teaching_explore_shows_what_was_taught_and_asks_no_sample_about_it(tiny_app: Open) -> None:
    at = go(train(cards(look(fine(tiny_app()), "Coffee"), {"red": 3, "green": 3}, 1)), EXPLORE)
    session = session_of(at)
    (test,) = session.photos.tests()["green"]
    assert grid(at, "photo strip")["chosen"] == test.sha256, "a photo of the cards, not the sample looked at before"
    assert session.explore.question(session.training) == Question(("green", "red"), True)
    assert (len(grid(at, "explainer")["takes"]), chips(look(at, "Rocket")).value[0]) == (2, "rocket")
    assert (session.explore.question(session.training).taught, len(grid(at, "explainer")["takes"])) == (False, 1)
    assert "What training changed" not in [header.value for header in at.header]
    assert "comes with its own class names" in plain(at)
    assert not explaining(go(at, TEACH)), "nor is it tried there"
    assert set(chips(look(go(at, EXPLORE), test.name)).value) == {"red", "green"}
    assert session.explore.question(session.training).taught


def test_what_was_taught_waits_for_a_photo_where_there_are_samples_alone(tiny_app: Open) -> None:
    at = train(cards(fine(tiny_app()), {"red": 3, "green": 3}))
    session = session_of(at)
    session.photos.deck.lay_out((), "left")
    script = AppTest.from_function(_show, default_timeout=60)  # as a model that came as a file is shown
    script.session_state[resources.STATE] = at.session_state[resources.STATE]
    fine(script.run())
    assert chips(go(at, EXPLORE)).value[0] == "cat"
    at = fine(uploader(at, "Upload photos").upload("mine.png", png(1)).run())
    assert (set(chips(at).value), session.explore.question(session.training).taught) == ({"red", "green"}, True)


def _show() -> None:
    from app.ui import resources
    from app.ui.explanation import current

    session = resources.session()
    assert session.training.taught is not None
    current.show(session, session.training.taught)


@pytest.mark.parametrize(
    ("threshold", "note", "doubt"),
    [
        (-2.0, "", BROKEN),
        (2.0, f"{UNRELIABLE}the smallest class has 3 shots, and 8 are needed for a sound threshold", FEW),
        (None, "none: no photos were held out to find it", NO_LIMIT),
        (2.0, "", ""),
        ("between", "", ""),
    ],
)
def test_one_verdict_is_told_on_every_page_and_leads_where_a_photo_is_none_of_the_classes(
    tiny_app: Open, threshold: float | str | None, note: str, doubt: str
) -> None:
    at = train(cards(fine(tiny_app()), {"red": 3, "green": 3}, 3))
    session = session_of(at)
    taught, backbone = there(session.training.taught), resources.backbone()
    at = fine(uploader(go(at, EXPLORE), "Upload photos").upload("blue.png", png(7, "blue")).run())
    (photo,) = session.photos.uploaded.values()
    question = Question(taught.names, taught=True)
    found = session.answers.explain(backbone, photo, question)
    limit = found.ood_score - 1e-3 if threshold == "between" else threshold
    if threshold == "between":  # known photos that it would refuse are taken away: it keeps what it promised
        for known, _ in session.training.tested_with(taught.names, taught):
            if session.answers.explain(backbone, known, question).ood_score > limit:
                session.photos.deck.remove(known.sha256)
    taught.after.calibration_ = replace(taught.after.calibration_, threshold=limit, note=note)
    session.training.set_taught(taught)  # answers again
    odd = limit is not None and found.ood_score > limit
    said = f"nearest: {found.label}" if doubt else f"none of these (nearest: {found.label})" if odd else found.label
    assert grid(fine(at.run()), "photo strip")["tiles"][0]["verdict"] == said
    assert grid(at, "explainer").get("doubt", "") == doubt
    gains = [metric.label for metric in at.metric if metric.label.startswith("This photo is")]
    assert gains == ([f"This photo is {found.label}"] if said == found.label else [])
    for page in (TEACH, METHOD):
        shown = grid(go(at, page), "tried map" if page == TEACH else "steps")
        assert (shown.get("doubt", ""), shown["threshold"]) == (doubt, pytest.approx(limit))
    at = go(at, NONE_OF_THESE)
    assert [warning.value.replace("\\", "") for warning in at.warning] == [doubt] * bool(doubt)
    session.photos.unknown.add([photo])
    assert [row["answer"] for row in table(fine(at.run()), "answer")] == [said]


def test_maps_before_and_after_say_the_answer_by_one_rule(tiny_app: Open) -> None:
    at = train(cards(fine(tiny_app()), {"red": 3, "green": 3}, 3))
    session, taught = session_of(at), there(session_of(at).training.taught)
    taught.after.calibration_ = replace(taught.after.calibration_, threshold=-2.0, note="")
    flips = {TESTED: Flips((session.photos.tests()["green"][0].sha256,), ())}
    session.training.set_taught(replace(taught, changes=Changes({}, {}, flips=flips)))
    at.session_state["changed maps"] = True
    at = go(at, TEACH)
    assert [line.value.split(",")[0] for line in at.markdown if "nearest" in line.value] == [
        f"**{when}**: nearest: {taught.answers[flips[TESTED].now_right[0]].label}" for when in ("Before", "After")
    ]
    assert [grid(at, f"changed map {when}")["doubt"] for when in ("Before", "After")] == [BROKEN, BROKEN]
