"""The page Test in this process: every state, and numbers that change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import text
from app.photos.archives import CardPlace, Member
from app.ui import resources
from app.views import testing
from app.views.export import exported_classifier
from gallop import Photo, load_image
from gallop.documents.model_card import model_card
from gallop.maps.explainer.state import ExplainerState
from tests import app_pages, tiny
from tests.app.test_teach import add_classes, settings, teach, train
from tests.app_pages import (
    EXPLORE,
    LABELS,
    MISTAKES,
    NONE_OF_THESE,
    PAPERS,
    TEACH,
    TEST,
    Open,
    button,
    everything,
    explained,
    fine,
    finish,
    go,
    grid,
    metric,
    png,
    put,
    session_of,
    there,
    unsaid,
    uploader,
)
from tests.features.test_encoding import counted


def taught(open_app: Open, counts: dict[str, int] | None = None, tests: int = 3, **values: Any) -> AppTest:
    """The page Test after a training on coloured pictures."""
    at = app_pages.cards(fine(open_app()), counts or {"red": 3, "green": 3}, tests, **PAPERS | values)
    return go(app_pages.train(at), TEST)


WITH_MISTAKES: dict[str, Any] = {
    "tests": 8,
    "counts": {"red": 2, "green": 2, "blue": 2},
    **{"epochs": 1, "topk": (1, 1), "head": "none"},  # a head is right on all of these pictures, whatever k is
}


UNRELIABLE = (
    "This threshold is unreliable here: the smallest class has 3 shots, and 8 are needed for a sound threshold."
)


def add_unknown(at: AppTest, *seeds: int, colour: str = "blue") -> AppTest:
    go(at, NONE_OF_THESE)
    for seed in seeds:
        uploader(at, "Photos of none").upload(f"unknown {seed}.png", png(seed, colour))
    return fine(at.run())


def track(at: AppTest) -> dict[str, Any]:
    return grid(at, f"limit {session_of(at).training.number}")


def does(at: AppTest) -> str:
    """What the limit does where the track stands, worked out of what it was sent."""
    shown = track(at)
    kept = sum(score <= shown["limit"] for score in shown["known"])
    noticed = sum(score > shown["limit"] for score in shown["unknown"])
    return f"{kept} of {len(shown['known'])}, {noticed} of {len(shown['unknown'])}"


def put_limit(at: AppTest, cut: int) -> AppTest:
    """As a hand that leaves the track at one of its cuts."""
    go(at, NONE_OF_THESE)
    session_of(at).limit.set_to(track(at)["cuts"][cut])
    return fine(at.run())


def test_without_test_photos_it_says_so_and_unknown_ones_are_still_judged(tiny_app: Open) -> None:
    at = taught(tiny_app, tests=0)
    assert "No test photos yet" in at.info[0].value
    assert not at.metric
    at = add_unknown(at, 1, 2)
    assert (track(at)["known"], len(track(at)["unknown"]), len(at.dataframe[0].value)) == ([], 2, 2)


def test_accuracy_is_counted_and_has_its_interval(tiny_app: Open) -> None:
    at = taught(tiny_app, {"red": 3, "green": 3, "blue": 3}, epochs=6)
    after, tests = app_pages.taught_of(at).after, session_of(at).photos.tests()
    right = sum(int(said == name) for name, photos in tests.items() for said in after.predict(list(photos)))
    found = metric(at, "Accuracy on 9 test photos")
    assert found.value == f"{100 * right / 9:.0f} %"
    low, high = testing.measure(session_of(at), resources.backbone()).evaluation.accuracy.interval  # type: ignore[union-attr]
    assert f"**{100 * low:.0f} to {100 * high:.0f} %**" in everything(at)
    assert found.delta.endswith("points vs zero-shot")
    alt = next(f.proto.alt for f in at.get("plotly_chart") if "classes" in f.proto.id)
    assert all(re.search(rf"{name}: \d of 3 right", alt) for name in tests)


def test_one_test_photo_of_one_class_is_enough_to_draw_the_page(tiny_app: Open) -> None:
    at = teach(fine(tiny_app()), {"red": 2, "green": 2})
    put(at, "what 1", "Test photos")
    at = go(finish(train(fine(uploader(at, "Test photos of red").upload("one.png", png(900)).run()))), TEST)
    assert metric(at, "Accuracy on 1 test photo").value in ("0 %", "100 %")
    assert not unsaid(at, "Classes without test photos: green", "Compare only with thirty photos or more")


def mistaken(open_app: Open, count: int, **values: Any) -> tuple[AppTest, list[Photo]]:
    """The page Test with so many photos on the card of green that are called red, the surest first."""
    at = app_pages.cards(fine(open_app()), {"red": 3, "green": 3}, 3, **PAPERS | values)
    red = [load_image(tiny.picture(seed, "red"), name=f"red {seed}.png") for seed in range(777, 777 + count)]
    members = [Member(CardPlace("green", False, photo.name), photo) for photo in red]
    assert not session_of(at).photos.deck.add_photos(members, "tests").refused
    at = go(app_pages.train(at), TEST)
    sure = {photo: app_pages.taught_of(at).after.explain(photo).probabilities["red"] for photo in red}
    assert min(sure.values()) > 0.5
    return at, sorted(red, key=lambda photo: -sure[photo])


def tiles(at: AppTest) -> list[dict[str, Any]]:
    return list(grid(at, "tested photos")["tiles"])


def selecting(at: AppTest, *photos: Photo) -> AppTest:
    """As a hand that marks the tiles of these photos."""
    session = session_of(at)
    session.test = replace(session.test, selected=frozenset(photo.sha256 for photo in photos))
    return fine(at.run())


def test_mistakes_are_shown_with_their_maps_the_surest_first_and_a_page_at_a_time(tiny_app: Open) -> None:
    at, wrong = mistaken(tiny_app, 13)
    shown = tiles(at)
    found = testing.groups(
        session_of(at), resources.backbone(), there(testing.measure(session_of(at), resources.backbone()))
    )
    every = [tested.photo.sha256 for tested in found[testing.MISTAKES]]
    assert [sha for sha in every if sha in {photo.sha256 for photo in wrong}] == [photo.sha256 for photo in wrong]
    assert [tile["key"] for tile in shown] == every[:12]
    assert grid(at, "tested photos")["chosen"] == every[0], "the surest is opened"
    assert all(tile["url"].startswith("data:image/jpeg") and tile["selected"] is False for tile in shown)
    first = next(tile for tile in shown if tile["key"] == wrong[0].sha256)
    said = f"red, {text.percent(app_pages.taught_of(at).after.explain(wrong[0]).probabilities['red'])}"
    assert (first["name"], first["verdict"], first["about"]) == (said, "really green", wrong[0].name)
    assert [str(page) for page in at.selectbox(key="test page").options] == [
        f"1 to 12 of {len(every)}",
        f"13 to {len(every)} of {len(every)}",
    ]
    assert [tile["key"] for tile in tiles(put(at, "test page", 1))] == every[12:]


def test_photos_that_are_selected_are_learned_from_at_once_or_get_another_label_where_one_can(tiny_app: Open) -> None:
    at, wrong = mistaken(tiny_app, 3)
    photos, before = session_of(at).photos, session_of(at).photos.deck.cards
    at = selecting(at, *wrong[:2])
    assert "**2 selected**" in everything(at)
    key = " ".join(["opened", *(tested["key"] for tested in tiles(at) if tested["selected"])])
    at = fine(button(at, "Learn from these").click().run())
    learned = {photo.sha256 for photo in photos.shots()["green"]}
    assert [photo.sha256 in learned for photo in wrong] == [True, True, False]
    assert "can no longer be used for testing. The same was done with 1 other photo." in app_pages.plain(at)
    assert [tile["verdict"] for tile in tiles(at) if tile["key"] in learned] == ["to be learned"] * 2
    assert not [found for found in at.button if found.label.startswith("Learn from")], "nothing is left to learn"
    at = fine(at.button(key="undo OPENED").click().run())
    assert photos.deck.cards == before

    selected = {photo.sha256 for photo in wrong[:2]}
    fine(at.button(key=f"{key} none of these").click().run())
    assert selected <= set(photos.unknown.photos)
    photos.undo()
    assert (photos.deck.cards, len(photos.unknown.photos)) == (before, 0)
    photos.unknown.most = 1
    fine(fine(at.run()).selectbox(key="test group").set_value(testing.MISTAKES).run())
    fine(at.button(key=f"{key} none of these").click().run())
    assert "does not fit" in at.info[0].value
    assert (photos.deck.cards, len(photos.unknown.photos)) == (before, 0)
    fine(at.button(key=f"{key} red").click().run())
    assert selected <= {photo.sha256 for photo in photos.tests()["red"]}
    photos.undo()
    fine(fine(at.run()).selectbox(key="test group").set_value(testing.MISTAKES).run())
    at.text_input(key=f"{key} name").set_value("violet")
    fine(at.button(key=f"{key} add").click().run())
    assert selected == {photo.sha256 for photo in photos.tests()["violet"]}


def test_known_photos_called_none_of_these_and_unknown_ones_called_a_class_follow_the_limit(tiny_app: Open) -> None:
    at = add_unknown(taught(tiny_app), 1, 2)

    def shown(kind: str) -> list[str]:
        fine(go(at, MISTAKES).selectbox(key="test group").set_value(kind).run())
        return [tile["key"] for tile in tiles(at)]

    def offered() -> set[str]:
        return {str(option).split(":")[0] for option in go(at, MISTAKES).selectbox(key="test group").options}

    def strangest(photos: Sequence[Photo]) -> list[str]:
        answers = there(testing.answered(session_of(at), resources.backbone(), photos))
        return [photos[i].sha256 for i in np.argsort(-answers.outlier)]

    assert not {"Called none of these", "Of none of these, called a class"} & offered(), "the limit is unreliable"
    put_limit(at, 0)
    assert shown(testing.CALLED_NONE) == strangest([photo for photo, _ in testing.labelled(session_of(at))[0]])
    assert {tile["name"] for tile in tiles(at)} == {"none of these"}
    assert "Of none of these, called a class" not in offered()
    put_limit(at, -1)
    assert shown(testing.CALLED_A_CLASS) == strangest([*session_of(at).photos.unknown.photos.values()])[::-1]
    assert {tile["verdict"] for tile in tiles(at)} == {"really none of these"}
    assert ", really none of these" in everything(at)
    assert not [found for found in at.button if found.label.startswith("Learn from")], "it has no class to learn"


def test_shots_that_voted_are_told_of_the_photo_that_is_opened(tiny_app: Open) -> None:
    at, wrong = mistaken(tiny_app, 2, head="ridge")
    session = session_of(at)
    session.test = replace(session.test, opened=wrong[1].sha256)
    at = put(fine(at.run()), "votes", True)
    assert grid(at, "tested photos")["chosen"] == wrong[1].sha256
    assert not unsaid(at, wrong[1].name, "raise or lower the head's score for red most")


def test_a_pair_of_classes_shows_its_photos_and_what_a_browser_sends_of_a_click_in_the_matrix_is_checked(
    tiny_app: Open,
) -> None:
    at = taught(tiny_app)
    found = there(testing.measure(session_of(at), resources.backbone()))
    cells = [tuple(map(int, cell)) for cell in np.argwhere(found.evaluation.confusion)]
    shown = []
    for cell in sorted(cells):
        fine(at.selectbox(key="test group").set_value(cell).run())
        photos = [found.answers.photos[i] for i in found.evaluation.cell(*cell)]
        assert [tile["about"] for tile in tiles(at)] == [photo.name for photo in photos]
        said = app_pages.taught_of(at).names[cell[1]]
        assert {tile["name"].split(",")[0] for tile in tiles(at)} == {said}
        assert f"**, really {text.markdown(app_pages.taught_of(at).names[cell[0]])}" in everything(at)
        assert app_pages.answer(at).startswith(f"{said}: ")
        shown.append(grid(at, "explainer")["photo"])
    assert len(set(shown)) == len(cells)
    before = session_of(at).values["test group"]
    for sent in ("9 9", "0 1", "", 0, None, ["1 0"], "1 0"):
        script = AppTest.from_function(_send, default_timeout=60)
        script.session_state[resources.STATE] = at.session_state[resources.STATE]
        script.session_state["confusions"] = {"selection": {"points": [{"customdata": sent}]}}
        fine(script.run())
        assert session_of(at).values["test group"] == ((1, 0) if sent == "1 0" else before)


def _send() -> None:
    from app.ui.test import mistakes

    mistakes.choose("confusions", {(0, 0): "", (1, 0): ""})


def test_a_wrong_answer_shows_what_spoke_for_it_and_against_the_truth(tiny_app: Open) -> None:
    at, _ = mistaken(tiny_app, 1)
    session = session_of(at)
    assert at.selectbox(key="test group").value == testing.MISTAKES, "a wrong answer is shown first"
    measured = there(testing.measure(session, resources.backbone()))
    surest = testing.groups(session, resources.backbone(), measured)[testing.MISTAKES][0]
    opened, data = surest.photo, grid(at, "explainer")
    assert data["names"] == list(app_pages.taught_of(at).names)
    assert explained(at).shares == pytest.approx(app_pages.taught_of(at).after.explain(opened).probabilities, abs=1e-5)
    assert data["state"]["class_name"] is None, "what it said is explained"

    # As a hand leaves it: why what it said, not what it is; k of one prompt moved, and opaque maps.
    really, usual = surest.really, data["state"]["topk"]
    left = ExplainerState.from_browser(
        data["state"] | {"against": really, "topk": [1, *usual[1:]], "opacity": 1.0, "region": 3}
    )
    session.test = replace(session.test, explainer_state=left, explainer_photo=opened.sha256)
    stands = grid(fine(at.run()), "explainer")["state"]
    assert (stands["against"], stands["topk"][0], stands["opacity"], stands["region"]) == (really, 1, 1.0, 3)
    session.test = replace(session.test, explainer_photo="another photo")
    stands = grid(fine(at.run()), "explainer")["state"]
    assert (stands["against"], stands["topk"], stands["opacity"], stands["region"]) == (None, usual, 1.0, None)


def test_photos_are_encoded_once_known_against_unknown_is_measured_and_the_unknown_are_let_go(tiny_app: Open) -> None:
    at = taught(tiny_app)
    with counted(resources.backbone()) as calls:
        put_limit(fine(at.run()), 0)
        assert calls == []
        fine(go(at, MISTAKES).selectbox(key="test group").set_value(testing.CALLED_NONE).run())
        assert sum(calls) <= 1, "maps need no pass, and the photo that is opened one"
        calls.clear()
        add_unknown(at, 1, 2, 3)
    assert sum(calls) == 3
    scores = app_pages.table(at, "AUROC")
    assert [row["score"] for row in scores] == ["MCM", "L-MCM", "GL-MCM"]
    assert not unsaid(at, "GL-MCM is the sum of both.", "The decision uses GL-MCM.")
    session = session_of(at)
    known = there(testing.measure(session, resources.backbone()))
    other = there(testing.answered(session, resources.backbone(), list(session.photos.unknown.photos.values())))
    pairs = [(a, b) for a in known.answers.found.ood["MCM"] for b in other.found.ood["MCM"]]
    assert scores[0]["AUROC"] == f"{np.mean([(b > a) + 0.5 * (b == a) for a, b in pairs]):.3f}"
    assert does(at).endswith(" of 3")
    fine(button(at, "Remove these photos").click().run())
    assert (len(session.photos.unknown.photos), [f.label for f in at.metric if "Unknown" in f.label]) == (0, [])


def test_the_limit_decides_on_every_page_for_the_taught_classes_until_a_new_training_and_there_is_a_way_back(
    tiny_app: Open,
) -> None:
    at = add_unknown(taught(tiny_app), 1, 2)
    session = session_of(at)
    stored = there(session.limit.value)
    assert track(at)["limit"] == pytest.approx(stored)
    assert "Set during training." in everything(at)
    assert "are expected to pass" not in everything(at), "of a limit that is unreliable nothing is promised"
    assert does(put_limit(at, 0)) == "0 of 6, 2 of 2"
    # Teach's try-out and Explore go by it.
    uploader(go(at, TEACH), "Photos to try").upload("found.png", png(1000, "red"))  # a test photo of red, so not kept
    assert grid(fine(at.run()), "tried map")["threshold"] == session.limit.value != stored
    assert grid(go(at, EXPLORE), "explainer")["threshold"] == session.limit.value != stored
    assert grid(at, "photo strip")["tiles"][0]["verdict"].startswith("none of these (nearest: ")
    assert "this threshold was set by you" in everything(at).lower().replace("\\", "")
    at = go(at, TEST)
    assert track(at)["limit"] == track(at)["cuts"][0], "it stands over a change of page"
    assert does(put_limit(at, -1)) == "6 of 6, 0 of 2"
    fine(button(at, "Back to the threshold").click().run())
    assert (session.limit.value, track(at)["limit"]) == (stored, pytest.approx(stored))
    go(put_limit(at, 0), EXPLORE)
    fine(at.text_area(key="explore names").set_value("red\ngreen\nyellow").run())
    assert "only to the trained classes" in everything(at)
    at = go(finish(train(go(at, TEACH))), TEST)
    assert (session.limit.custom, track(at)["limit"]) == (None, pytest.approx(session.limit.value))


def test_far_fewer_known_photos_than_promised_are_told_and_the_limit_is_taken_from_them(tiny_app: Open) -> None:
    at = taught(tiny_app, tests=8)
    session = session_of(at)
    classifier, found = app_pages.taught_of(at).after, there(testing.measure(session, resources.backbone()))
    strict = float(np.sort(found.answers.outlier)[3])
    classifier.calibration_ = replace(classifier.calibration_, threshold=strict)
    at = fine(at.run())
    broken = "This threshold is unreliable here: 4 of 16 known test photos pass, but 95 % were promised."
    assert broken in [found.value.replace("\\", "") for found in go(at, NONE_OF_THESE).warning]
    at = fine(button(at, "Use the threshold from the test photos").click().run())
    assert (does(at), len(at.warning)) == ("16 of 16, 0 of 0", 0)
    assert session.limit.value == session.limit.custom > found.answers.outlier.max()
    assert "taken from 16 test photos, to accept 95 % of them" in everything(at)
    card = model_card(exported_classifier(session, resources.backbone(), testing.taught_question(session)))
    assert f"{session.limit.value:.4f} (taken from 16 test photos, to accept 95 % of them)" in card.replace("\\", "")
    button(at, "Back to the threshold").click()
    assert broken in [found.value.replace("\\", "") for found in fine(at.run()).warning]
    assert session.limit.value == strict


def test_with_one_photo_a_class_no_label_is_called_right_and_the_track_makes_the_limit(tiny_app: Open) -> None:
    """Nothing can be held out."""
    assert "No label was checked" in everything(go(taught(tiny_app, {"red": 1, "green": 1}, tests=0), LABELS))
    at = go(taught(tiny_app, {"red": 1, "green": 1}), LABELS)
    assert re.search("Labels checked: 6. None is in doubt|Wrong label, or just hard", everything(at))
    assert session_of(at).limit.value is None
    assert not unsaid(at, "Only test photos are judged")
    assert not unsaid(go(at, NONE_OF_THESE), "There is no threshold for “none of these” here")
    at = fine(button(at, "Use the threshold from the test photos").click().run())
    assert does(at) == "6 of 6, 0 of 0"
    at = put_limit(at, 0)
    assert session_of(at).limit.value == track(at)["cuts"][0]
    assert session_of(fine(button(at, "Remove this threshold").click().run())).limit.value is None


def test_a_doubted_label_is_asked_about_with_what_that_rests_on_and_the_answer_is_undone(tiny_app: Open) -> None:
    at = teach(fine(tiny_app()), {"red": 5, "green": 5}, epochs=40)
    session = session_of(at)
    wrong = load_image(tiny.picture(4321, "red"), name="wrong.png")
    session.photos.deck.add_photos([Member(CardPlace("green", False, "wrong.png"), wrong)], "shots")
    at = go(finish(train(settings(at, epochs=40, lr=0.5))), LABELS)
    (doubt, *_), judged = testing.doubts(session, None)
    assert (doubt, judged) == (replace(doubt, photo=wrong, given="green", likely="red", learned=True), 11)
    rests = f"red {text.percent(doubt.of_likely)}, green {text.percent(doubt.of_given)}. Photos labelled red average "
    assert not unsaid(
        at,
        "labelled **green**",
        "Wrong label, or just hard?",
        f"Probabilities from prompts trained without it: {rests}{text.percent(doubt.usual)} for that class.",
    )
    at.button(key=f"keep {wrong.sha256} red").click()
    assert not [found for found in fine(at.run()).button if found.key == f"relabel {wrong.sha256} red"]
    assert wrong in session.photos.shots()["green"]
    session.photos.confirmed_labels.clear()
    fine(at.run())
    fine(at.button(key=f"relabel {wrong.sha256} red").click().run())
    assert "wrong.png is now a training photo of red" in at.success[0].value
    assert wrong in session.photos.shots()["red"]
    assert not [found for found in at.button if found.key == f"relabel {wrong.sha256} red"]
    fine(at.button(key="undo CORRECTION").click().run())
    assert wrong in session.photos.shots()["green"]


def test_a_figure_stands_while_its_errors_are_to_be_learned_from_and_tells_what_else_moves_it(tiny_app: Open) -> None:
    at = taught(tiny_app, **WITH_MISTAKES)
    session = session_of(at)
    before = metric(at, "Accuracy on 24 test photos").value
    assert before != "100 %"
    wrong = [digest for digest, said in app_pages.taught_of(at).answers.items() if not (said.seen or said.right)]
    opened = next(found.key for found in at.button if found.key and re.match("opened .* to shots", found.key))
    assert opened.split()[1] in wrong, "an error is opened first"
    at = fine(at.button(key=opened).click().run())
    assert metric(at, "Accuracy on 24 test photos").value == before
    assert not unsaid(
        at,
        "After that it can no longer be used for testing",
        "Now training photos: 1. They still count here until the next training.",
        "Changed since training: the photos. This page tests the trained classes: blue",
    )
    session.photos.undo()
    session.photos.deck.remove(wrong[0])
    assert metric(fine(at.run()), "Accuracy on 23 test photos").value != before
    assert "No longer test photos: 1 (1 answered wrongly)." in everything(at)
    assert "Labels changed" not in everything(at)
    session.photos.undo()
    session.photos.relabel(session.photos.tests()["red"][0], "green")
    assert "Labels changed since training: 1" in everything(fine(at.run()))
    session.photos.undo()
    session.photos.relabel(session.photos.shots()["red"][0], "red", "tests")
    assert metric(fine(at.run()), "Accuracy on 24 test photos"), "what it has learned from tests nothing"


def test_test_photos_of_a_class_that_was_not_taught_are_left_out_and_told(tiny_app: Open) -> None:
    at = add_classes(go(taught(tiny_app), TEACH), "blue")
    changed = "Changed since training: the classes. This page tests the trained classes: green and red."
    assert [found.value for found in go(at, TEST).info] == [changed]
    put(go(at, TEACH), "what 3", "Test photos")
    at = go(fine(uploader(at, "Test photos of blue").upload("blue.png", png(1, "blue")).run()), TEST)
    assert "Left out: the test photos of blue" in at.info[0].value
    assert metric(at, "Accuracy on 6 test photos")


@pytest.mark.parametrize(("head", "weights"), [("none", [1.0, 0.0]), ("ridge", [0.5, 0.0, 0.5])])
def test_without_local_prompts_and_with_one_global_prompt_the_page_holds(
    tiny_app: Open, head: str, weights: list[float]
) -> None:
    at = add_unknown(taught(tiny_app, global_prompts=1, topk=(), head=head), 1)
    assert len(track(at)["unknown"]) == 1
    assert metric(go(at, MISTAKES), "Accuracy on 6 test photos")
    assert [branch["weight"] for branch in grid(at, "explainer")["takes"][0]["branches"]] == weights
