"""The page Explore in this process: every state, and numbers that change."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest
from streamlit.testing.v1 import AppTest

from app import text
from app.ui import resources
from app.ui.explanation import current
from app.ui.explore import question
from app.ui.widgets import remembered
from app.views import exploring
from app.visitor import page_state
from gallop.errors import BackboneError
from gallop.maps.map_style import Style
from gallop.names.likely import EVERYDAY, likely_names
from tests import tiny
from tests.app.test_teach import card, settings, teach, train
from tests.app_pages import (
    EXPLORE,
    TEACH,
    Open,
    answer,
    bars,
    button,
    chips,
    everything,
    explained,
    explaining,
    fine,
    finish,
    go,
    grid,
    hand,
    look,
    png,
    put,
    score,
    session_of,
    sums,
    there,
    unfolded,
    unsaid,
    uploader,
    with_photo,
)


@pytest.fixture
def at(tiny_app: Open) -> AppTest:
    return with_photo(tiny_app)


def mine(at: AppTest) -> list[dict[str, Any]]:
    """What the strip shows of the photos that the visitor has brought."""
    return [tile for tile in grid(at, "photo strip")["tiles"] if tile["removable"]]


def test_the_page_opens_on_a_sample_that_is_explained_already(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(resources.shared.backbones), "lease", lambda *_: pytest.fail("a backbone was asked for"))
    at = fine(tiny_app())
    data, strip = grid(at, "explainer"), grid(at, "photo strip")
    assert data["names"] == chips(at).value == ["cat", "dog", "rabbit", "fox", "teddy bear"]
    assert (data["photo"].split(";")[0], answer(at).split(":")[0]) == ("data:image/jpeg", "cat")
    assert not unsaid(at, "not sent anywhere else", "never writes them to disk")
    assert [tile["name"] for tile in strip["tiles"]] == ["Cat", "Coffee", "Rocket", "Astronaut", "Galaxies"]
    assert [tile["verdict"] for tile in strip["tiles"]][:3] == ["cat", "cup of coffee", "rocket"]
    assert strip["chosen"] == strip["tiles"][0]["key"]
    assert not session_of(at).photos.shelf.photos, "nothing was chosen yet"
    assert grid(hand(at, k={0: 9}), "explainer")["state"]["topk"][0] == 9
    assert answer(look(at, "Coffee")).startswith("cup of coffee: ")
    assert chips(at).value[0] == "cup of coffee"


def test_without_samples_the_page_says_what_to_do(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (exploring, page_state):
        monkeypatch.setattr(module, "sample_answers", dict)
    at = fine(tiny_app())
    assert ("upload a photo" in at.info[0].value, explaining(at)) == (True, False)


def test_a_first_photo_of_ones_own_is_answered_with_names_that_are_suggested(tiny_app: Open) -> None:
    """Never with the names of a sample: then a cup is a rocket."""
    at = fine(tiny_app())
    suggested = chips(fine(uploader(at, "Upload photos").upload("mine.png", png(1)).run())).value
    assert (len(suggested), set(explained(at).shares)) == (5, set(suggested))
    assert not unsaid(at, "These names are suggested")
    assert (chips(look(at, "Coffee")).value[0], chips(look(at, "mine.png")).value) == ("cup of coffee", suggested)
    fine(chips(at).set_value([*suggested[1:], "mine"]).run())
    assert "These names are suggested" not in everything(at)
    look(at, "Coffee")
    assert chips(look(at, "mine.png")).value == [*suggested[1:], "mine"], "one's own photos go on with one's own names"
    fine(chips(at).set_value([]).run())
    assert (chips(at).value, len(at.get("image")), explaining(at)) == ([], 1, False), "the photo alone stands there"
    assert list(explained(fine(chips(at).set_value(["mine", "yours"]).run())).shares) == ["mine", "yours"]


def test_each_photo_has_suggestions_of_its_own_and_the_answer_to_them(tiny_app: Open) -> None:
    at = fine(tiny_app())
    box = uploader(at, "Upload photos")
    box.upload("red.png", png(1, "red"))
    fine(box.upload("blue.png", png(2, "blue")).run())
    own = {tile["name"]: tile["verdict"] for tile in mine(at)}
    assert exploring.photo_on_explore(session_of(at)).name == "blue.png", "the last of several is shown"
    names = {name: chips(look(at, name)).value for name in own}
    assert names["red.png"] != names["blue.png"]
    assert {name: answer(look(at, name)).split(":")[0] for name in own} == own


def test_a_guess_says_so_and_begins_the_class_with_this_photo(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    at = fine(tiny_app())
    fine(uploader(at, "Upload photos").upload("mine.png", png(1)).run())
    monkeypatch.setattr(exploring, "CLOSE", 2.0)
    for names in (["dog", "cat"], ["mine", "yours"]):  # typed ones, too
        assert not unsaid(
            fine(chips(at).set_value(names).run()), "A guess: the model was not shown any photos of these."
        )
    name = answer(at).split(":")[0]
    fine(button(at, "Show it a few photos of").click().run())
    deck = session_of(at).photos.deck
    assert [(card.name, len(card.shots)) for card in deck.cards] == [(name, 1)]
    exploring.begin_class(session_of(at), there(exploring.photo_on_explore(session_of(at))), "another")
    assert [len(card.all) for card in deck.cards] == [1], "a photo that has a class keeps it"
    session_of(at).photos.undo()
    assert not deck.cards


def test_of_a_backbone_without_shipped_features_all_names_are_read_when_asked(tiny_app: Open) -> None:
    at = fine(tiny_app())
    before = chips(fine(uploader(at, "Upload photos").upload("mine.png", png(1)).run())).value
    assert set(before) <= set([*likely_names()][:EVERYDAY])
    fine(button(at, "Suggest from 1,763 names (about ").click().run())
    after = chips(at).value
    assert (len(after), set(after) <= set(likely_names())) == (5, True)
    assert not [found for found in at.button if found.label.startswith("Suggest from")], "there is nothing more to read"


def test_an_answer_is_a_guess_below_one_half_or_where_two_are_close() -> None:
    said = [{"a": 0.49, "b": 0.3}, {"a": 0.52, "b": 0.48}, {"a": 0.7, "b": 0.3}, {"a": 1.0}]
    assert [exploring.is_guess(cast(Any, SimpleNamespace(probabilities=each))) for each in said] == [
        *(True, True, False, False)
    ]


def test_names_are_chips(at: AppTest) -> None:
    assert chips(at).value == ["red", "green", "blue"]
    fine(chips(at).set_value(["red", "green", "blue", "a bus, a train"]).run())
    assert (
        chips(at).value
        == at.text_area(key="explore names").value.split("\n")
        == ["red", "green", "blue", "a bus", "a train"]
    ), "commas part names"
    chips(at).set_value(["green", "blue", "a bus", "a train"])
    assert list(explained(fine(at.run())).shares) == ["green", "blue", "a bus", "a train"]
    assert chips(fine(chips(at).set_value(["green", "blue", "Green"]).run())).value == ["green", "blue"]
    assert "Green is already on the list" in everything(at)
    assert list(explained(at).shares) == ["green", "blue"]
    assert "already on the list" not in everything(fine(at.run())), "it is told once"


def test_what_a_hand_made_of_the_names_is_not_set_again(tiny_app: Open) -> None:
    """A browser may be ahead of the run that is drawn, and what was removed meanwhile would be there again."""
    at = fine(with_photo(tiny_app).run())
    for by_hand in (["green", "blue"], ["blue"]):
        shown = chips(fine(chips(at).set_value(by_hand).run()))
        assert (shown.value, shown.proto.set_value) == (by_hand, False)
    shown = chips(fine(chips(at).set_value(["blue", "a bus, a train"]).run()))
    assert (shown.value, shown.proto.set_value) == (["blue", "a bus", "a train"], True), "what the page made is told"


def test_names_that_a_browser_left_behind_are_not_taken_for_a_hands(at: AppTest) -> None:
    """A photo brings names of its own; what the browser sends before it has heard of them is what was there before."""
    look(at, "Coffee")
    for widget, old in ((chips(at), ["red", "green", "blue"]), (at.text_area(key="explore names"), "red\ngreen\nblue")):
        widget.set_value(old)
        assert (chips(fine(at.run())).value[0], session_of(at).explore.names) == ("cup of coffee", None)
    fine(at.run())  # the browser has them
    assert chips(fine(chips(at).set_value(["red", "green", "blue"]).run())).value == ["red", "green", "blue"]


def edited(at: AppTest, **said: Any) -> dict[str, Any]:
    """As a hand that covers regions or asks for another part of the photo; returns what the explainer is sent then."""
    session = session_of(at)
    edit = session.edit.on(there(exploring.photo_on_explore(session)).sha256, (4, 4))
    session.edit = edit.told({**edit.as_dict(), **said})
    return grid(fine(at.run()), "explainer")


def test_covered_regions_are_answered_beside_the_untouched_photo(at: AppTest) -> None:
    untouched, table = grid(at, "explainer"), score(at)
    data = edited(at, regions=[5, 6], fill="grey")
    assert [take["when"] for take in data["takes"]] == ["", "before covering"]
    assert data["takes"][1]["branches"] == untouched["takes"][0]["branches"] != data["takes"][0]["branches"]
    assert data["photo"] != untouched["photo"]
    assert score(at) != table, "the table follows"
    data = edited(at, regions=[])
    assert (data["takes"], data["photo"], score(at)) == (untouched["takes"], untouched["photo"], table)


def test_the_part_that_was_not_seen_is_looked_at(at: AppTest) -> None:
    middle = grid(at, "explainer")
    data = edited(at, part=1)
    assert data["crop"] == pytest.approx([0.2, 0, 0.8, 1]), "40 x 32: the right square"
    assert middle["crop"] == pytest.approx([0.1, 0, 0.8, 1])
    assert (data["takes"] == middle["takes"], grid(at, "explainer")["edit"]["part"]) == (False, 1)
    assert edited(at, part=1, regions=[3])["takes"][1]["branches"] == data["takes"][0]["branches"]
    assert edited(at, part=0, regions=[])["takes"] == middle["takes"]


def test_an_edit_of_another_photo_or_made_up_is_not_taken(at: AppTest) -> None:
    covered = edited(at, regions=[5])
    for said in ({"of": ["another", 4, 4], "regions": []}, {"fill": ["x"]}, {"regions": [5, 16, -1, True, "1"]}):
        assert edited(at, **said)["takes"] == covered["takes"], said
    fine(uploader(at, "Upload photos").upload("other.png", png(2, "green")).run())
    assert len(grid(at, "explainer")["takes"]) == 1
    exploring.look_at(session_of(at), "nonsense")
    assert exploring.photo_on_explore(session_of(at)).name == "other.png"


def test_photos_are_a_strip_with_their_answers(at: AppTest) -> None:
    for seed, colour in enumerate(("green", "blue", "red"), 2):
        fine(uploader(at, "Upload photos").upload(f"{colour}.png", png(seed, colour)).run())
    own = mine(at)
    assert [tile["name"] for tile in own] == ["red.png", "blue.png", "green.png", "photo.png"], "the newest first"
    for tile in own:
        said = answer(look(at, tile["name"])).split(":")[0]
        assert (said, session_of(at).explore.photo) == (tile["verdict"], tile["key"])
    now = [tile["verdict"] for tile in mine(look(at, "Coffee"))]
    assert now == [tile["verdict"] for tile in own], "asked with the names that were typed"


def test_bad_files_get_a_sentence_each_and_the_good_one_is_shown_and_kept_small(tiny_app: Open) -> None:
    at = fine(tiny_app())
    box = uploader(at, "Upload photos")
    box.upload("good.png", png(1, size=(1500, 900)))
    box.upload("![x](http:example.invalid).png", b"these are words")
    fine(box.upload("huge.png", b"\x89PNG\r\n\x1a\n" + bytes(21 * 2**20)).run())
    (warning,), kinds = at.warning, [getattr(part, "type", "") for part in at.main]
    assert kinds.index("warning") < kinds.index("file_uploader"), "across the page, above the photos"
    wanted = ("1 added, 2 not added", "!\\[x\\]", "20 MB")
    assert [words for words in (*wanted, "![x](") if words in warning.value] == [*wanted]
    (photo,) = session_of(at).photos.shelf.photos.values()
    assert (photo.name, photo.image.size, session_of(at).explore.photo) == ("good.png", (1024, 614), photo.sha256)
    assert [tile["name"] for tile in mine(at)] == ["good.png"]
    assert not uploader(at, "Upload photos").value, "the upload is dropped"


@pytest.mark.parametrize(
    ("typed", "words", "left"),
    [
        ("cat\nCat", "Cat is already on the list", ["cat"]),
        ("red\n" + "a" * 300, "300 characters", ["red"]),
        ("red\n\u200b", "no visible characters", ["red"]),
        ("", "", []),
        (" , ", "", []),
        ("red", "Enter a second class", ["red"]),
    ],
)
def test_names_that_cannot_be_used_are_told_in_a_sentence_and_the_others_stand(
    tiny_app: Open, typed: str, words: str, left: list[str]
) -> None:
    at = with_photo(tiny_app, typed)
    assert words in everything(at)
    assert (chips(at).value, explaining(at)) == (left, bool(left))


def test_k_changes_outlines_scores_and_probabilities_without_a_backbone(
    at: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, said, photo = explained(at), score(at), grid(at, "explainer")["photo"]
    for encoder, runs in ((tiny.vit(), "encode_image"), (tiny.vit().text, "encode")):
        monkeypatch.setattr(type(encoder), runs, lambda *_: pytest.fail("a backbone ran"))
    now = explained(hand(at, k={0: 1}))
    assert (now.sums[0][:7], now.kept[0], now.sums[1:]) == ("k = 1: ", before.kept[0][:1], before.sums[1:])
    assert (score(at) != said, now.shares != before.shares, grid(at, "explainer")["photo"]) == (True, True, photo)
    assert (sums(hand(at, k={0: 5})), score(at)) == (before.sums, said)


def test_a_photo_can_be_taken_away_and_only_once(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second click comes from a page that one without the photo has just replaced."""
    at = with_photo(tiny_app)
    session = session_of(at)
    (photo,) = session.photos.shelf.photos
    for module in (current, question, remembered):
        monkeypatch.setattr(module, "session", lambda: session)
    for _ in range(2):
        question.take_away(photo)
        assert not session.photos.shelf.photos
    assert mine(fine(at.run())) == []
    assert grid(at, "explainer")["names"] == ["red", "green", "blue"], "a sample is shown, with what was typed"


def test_the_page_says_in_words_and_numbers_what_the_explainer_shows(at: AppTest) -> None:
    fine(at.text_area(key="explore templates").set_value("A photo of a {}").run())
    for name in ("red", "green", "blue"):
        shown = explained(hand(at, k={0: 2, 3: 7}, class_name=name))
        assert f"score of {name}" in score(at)
        local = [float(line.split(": ")[1]) for line in shown.sums]
        assert f"the local prompts' mean {sum(local) / 4:.4f}"[:-1] in score(at)
    table = at.dataframe[0].value.set_index("class")
    assert table["probability"].to_dict() == pytest.approx(shown.shares, abs=1e-5)
    assert len(table.columns) == 1 + 1 + 4, "global prompts that say the same are one"
    first, second = shown.branches
    assert first != second != shown.shares
    at.text_area(key="explore templates").set_value("a drawing of a {}\n{} on a table")
    assert len(fine(at.run()).dataframe[0].value.columns) == 2 + 4 + 4


def test_a_program_reads_the_answer_without_the_table(at: AppTest) -> None:
    shown = explained(hand(at, k={0: 2}, prompt=0))
    best, *others = sorted(shown.shares, key=shown.shares.__getitem__, reverse=True)
    words = next(found.value for found in at.text if found.value.startswith("Answer: "))
    assert best in words.partition(". ")[0]
    assert ", ".join(f"{name} {text.percent(shown.shares[name])}" for name in (best, *others)) in words
    assert words.endswith("of 2 regions.")
    sample = [found.value for found in fine(look(at, "Cat")).text]
    assert [said.startswith("Answer: cat, ") and "%" in said for said in sample] == [True]


def test_templates_change_the_answer_and_make_prompts_differ(at: AppTest) -> None:
    four = (explained(at).shares, score(at))
    assert grid(at, "explainer")["alike"].startswith("4 global prompts differ")
    fine(at.text_area(key="explore templates").set_value("A photo of a {}").run())
    assert grid(at, "explainer")["alike"].startswith("4 global prompts answer as one (cosine 1.000)")
    one = (explained(at).shares, score(at))
    assert one != four
    fine(at.text_area(key="explore templates").set_value("a drawing of a {}\n{} on a table").run())
    assert (explained(at).shares, score(at)) != one
    line = at.dataframe[0].value.set_index("class").loc["red"]
    assert line["global 1"] == line["global 3"] != line["global 2"] == line["global 4"]
    fine(at.text_area(key="explore templates").set_value(" ").run())
    assert (explained(at).shares, score(at)) == four, "nothing typed is what zero-shot asks"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("a photo", "has 0 placeholders"),
        ("a {}\n" * 5, "the maximum is 4"),
        ("x " * 90 + "{}", "too little room"),
    ],
)
def test_templates_that_cannot_be_used_are_told_in_a_sentence(at: AppTest, typed: str, words: str) -> None:
    fine(at.text_area(key="explore templates").set_value(typed).run())
    assert words in at.error[0].value.replace("\\", "")
    assert not explaining(at)


def test_what_a_hand_left_stands_as_long_as_there_is_such_a_class(at: AppTest) -> None:
    hand(at, class_name="red", against="blue")
    for names, stand in (
        ("red\ngreen\nblue", ("red", "blue")),
        ("red\ngreen", ("red", None)),
        ("green\nblue", (None, "blue")),
    ):
        state = grid(fine(at.text_area(key="explore names").set_value(names).run()), "explainer")["state"]
        assert (state["class_name"], state["against"]) == stand


def test_how_maps_are_drawn_is_kept_and_what_nobody_touched_stays_so(at: AppTest) -> None:
    assert session_of(hand(at, k={0: 2})).explore.explainer.style == Style()
    state = session_of(hand(at, opacity=0.2, threshold=0.6, colours="cividis", drawn="Cells")).explore
    assert state.explainer.style == Style("cividis", 0.2, 0.6, "Cells")
    stands = grid(at, "explainer")["state"]
    assert [stands[part] for part in ("opacity", "threshold", "colours", "drawn")] == [0.2, 0.6, "cividis", "Cells"]


def test_a_region_is_asked_of_one_photo(tiny_app: Open) -> None:
    at = hand(with_photo(tiny_app), region=6)
    assert grid(at, "explainer")["state"]["region"] == 6
    fine(uploader(at, "Upload photos").upload("other.png", png(2)).run())
    assert [grid(look(at, name), "explainer")["state"]["region"] for name in ("other.png", "photo.png")] == [None, 6]


def test_the_map_is_tested_on_demand_and_the_curve_is_kept_for_what_it_was_made_of(at: AppTest) -> None:
    at = finish(fine(button(at, "Remove regions").click().run()))
    curve = json.loads(bars(at, "deletion"))["data"][0]
    assert (curve["name"], curve["x"][0], curve["x"][-1]) == ("best regions first", 0, 100)
    assert f"**{curve['y'][0]:.4f}**" in score(at), "it starts at the score shown"
    area = next(found.value for found in at.markdown if found.value.startswith("Area"))
    assert not [found for found in at.button if found.label == "Remove regions"]
    assert button(hand(at, k={0: 9}), "Remove regions"), "another k, another curve"
    assert area in [found.value for found in hand(at, k={0: 5}).markdown]


def test_a_folder_and_a_webcam_are_places_to_take_photos_from(tiny_app: Open) -> None:
    at = fine(tiny_app())
    uploader(put(at, "photos from", "Folder"), "Upload a folder").upload("a.png", png(1))
    fine(uploader(at, "Upload a folder").upload("b.png", png(2, "blue")).run())
    assert len(session_of(at).photos.shelf.photos) == 2
    assert len(put(at, "photos from", "Webcam").get("camera_input")) == 1
    assert [tile["name"] for tile in mine(at)] == ["b.png", "a.png"]


def test_what_was_chosen_is_there_after_another_page(tiny_app: Open) -> None:
    at = with_photo(tiny_app, "red\nblue")
    at.text_area(key="explore templates").set_value("a drawing of a {}")
    hand(at, k={2: 3}, opacity=0.3, class_name="blue", prompt=2, all=True, region=4)
    before = (score(at), grid(at, "explainer"))
    unfolded(go(go(at, TEACH), EXPLORE), "numbers")
    assert (score(at), grid(at, "explainer")) == before


def test_after_teaching_the_maps_are_compared_with_those_before(tiny_app: Open) -> None:
    at = with_photo(tiny_app, "red\ngreen")
    settings(teach(at, {"red": 3, "green": 3}, epochs=4), local_prompts=2)
    assert len(sums(go(finish(train(at)), EXPLORE))) == 2, "as many maps as prompts were taught"
    assert "What training changed" in [header.value for header in at.header]
    line = unfolded(at, "numbers").dataframe[0].value.iloc[0]
    assert len({line[f"global {m}"] for m in range(1, 5)}) == 4, "learned prompts differ"
    data = grid(hand(at, class_name="red", before=True), "explainer")
    after, before = data["takes"]
    assert (data["state"]["before"], before["when"]) == (True, "before teaching")
    assert after["branches"] != before["branches"]
    put(at, "explore prompts", "Zero-shot")
    assert (len(grid(at, "explainer")["takes"]), len(sums(at))) == (1, 4)


def test_a_photo_stands_there_also_where_it_cannot_be_answered(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = BackboneError("The weights of mini are missing; put them back.")
    monkeypatch.setattr("gallop.backbones.load_backbone", mock.Mock(side_effect=missing))
    at = fine(tiny_app())
    fine(uploader(at, "Upload photos").upload("mine.png", png(1)).run())
    assert (len(at.get("image")), ["weights of mini are missing" in error.value for error in at.error]) == (1, [True])


def test_a_photo_chosen_as_another_is_corrected_leaves_both_as_they_are(tiny_app: Open) -> None:
    """Both reach the server with one run: the button was drawn for the photo before."""
    at = go(finish(train(teach(with_photo(tiny_app, "red\ngreen"), {"red": 2, "green": 2}))), EXPLORE)
    uploader(at, "Upload photos").upload("next.png", png(2))
    first, other = fine(at.run()) and session_of(at).photos.shelf.photos
    assert not unsaid(at, "Wrong? Then **next.png** is really")
    at.session_state["explore photo"] = first
    session_of(at).explore = session_of(at).explore.looking_at(first)
    fine(at.button(key=f"really {other} green").click().run())
    assert not unsaid(at, "next.png was not labelled green", "correct it again", "Wrong? Then **photo.png** is really")
    assert [len(card(at, name).shots) for name in ("red", "green")] == [2, 2]
    assert "correct it again" not in everything(fine(at.run()))
