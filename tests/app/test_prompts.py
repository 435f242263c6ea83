"""The page Prompts in this process: every state, and figures that are those of the library."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from app.ui import resources
from app.views import export, testing
from gallop import GalLoPClassifier
from gallop.evaluation.diversity import text_cosines
from tests import app_pages
from tests.app_pages import PAPERS, PROMPTS, Open, bars, everything, fine, go, grid, put, session_of, table


def taught(open_app: Open, tests: int = 3, counts: dict[str, int] | None = None, **values: Any) -> AppTest:
    at = app_pages.cards(fine(open_app()), counts or {"red": 3, "green": 3}, tests, **PAPERS | values)
    return go(app_pages.train(at), PROMPTS)


def parted(open_app: Open) -> AppTest:
    """A training whose prompts were moved apart, more than a few steps of a tiny model do, with green shown."""
    at = app_pages.train(app_pages.cards(fine(open_app()), {"red": 3, "green": 3}, 3, **PAPERS))
    training, drawn = session_of(at).training, torch.Generator().manual_seed(0)
    prompts = training.taught_model.after.model_.prompts
    with torch.no_grad():
        for contexts in (prompts.global_contexts, prompts.local_contexts):
            contexts.add_(contexts.std() * torch.randn(contexts.shape, generator=drawn))
    training.adopt(training.taught_model)  # what was computed from the others is forgotten
    return put(go(at, PROMPTS), "prompts class_name", "green")


def numbers(at: AppTest, key: str, what: str = "text") -> Any:
    """What a heat map shows: the values written in its squares, or its colours."""
    return np.array(json.loads(bars(at, key))["data"][0][what], dtype=float)


def test_figures_are_the_librarys_on_the_photos_that_were_chosen(tiny_app: Open) -> None:
    at = taught(tiny_app, epochs=8, lr=0.5, dropout=0.5)
    session = session_of(at)
    said = app_pages.taught_of(at).after.model_.cached_text_features()
    assert numbers(at, "says global") == pytest.approx(text_cosines(said.global_), abs=6e-4)
    assert numbers(at, "says local") == pytest.approx(text_cosines(said.local), abs=6e-4)
    pairs = [(photo, name) for name, some in session.photos.tests().items() for photo in some]
    on_tests = testing.figures(session, resources.backbone(), pairs)
    assert numbers(at, "looks 1", "z").ravel() == pytest.approx(100 * on_tests.looks[1])
    assert on_tests.looks.sum(axis=1) == pytest.approx([5, 10, 15, 16]), "k regions a photo; the grid has 16"
    added = f"Local 2, k = 10: {on_tests.adds[1, 0]:.1f} of its regions are not among those of k = 5."
    assert not app_pages.unsaid(at, added, "The head also answers each time")
    lead = app_pages.taught_of(at).after.prompts.diversity(*map(list, zip(*pairs, strict=True))).words
    assert at.markdown[1].value == f"**{lead}.**", "the sentence leads"
    prompts = [f"{branch} {i}" for branch in ("global", "local") for i in (1, 2, 3, 4)]
    worth = [(row["prompt"], int(row["right alone"].split()[0])) for row in table(at, "right alone")]
    assert worth == list(zip(prompts, (each.alone for each in on_tests.worths), strict=True))

    before = numbers(at, "looks 1", "z")
    assert "so the figures are optimistic" in everything(put(at, "prompts pile", "Training photos"))
    assert (numbers(at, "looks 1", "z") != before).any()


def test_a_model_that_was_opened_asks_for_photos_and_offers_none_it_learned_from(tiny_app: Open) -> None:
    at = taught(tiny_app)
    session, backbone = session_of(at), resources.backbone()
    model = GalLoPClassifier(backbone=backbone, cache=False).zero_shot(["red", "green"])
    session.training.adopt(export.imported(session, model, backbone))
    assert "6 photos" in everything(fine(at.run()))
    assert not at.radio, "nothing to choose between"
    session.photos.deck.delete(*(card.id for card in session.photos.deck.cards))
    fine(at.run())
    assert "No matching photos yet" in at.info[0].value
    assert not at.get("plotly_chart")


def test_one_global_prompt_and_no_local_one_leave_nothing_to_compare(tiny_app: Open) -> None:
    at = taught(tiny_app, global_prompts=1, topk=())
    assert not app_pages.unsaid(
        at,
        "There is only one, with nothing to compare",
        "There are none",
        "no local prompts",
        "No two prompts of a kind, so nothing to compare.",
    )
    assert [row["right without it"] for row in table(at, "right alone")] == [""]


def test_one_photo_of_one_class_is_enough_to_draw_the_page(tiny_app: Open) -> None:
    at = taught(tiny_app, tests=0, counts={"red": 1, "green": 1}, topk=(4,))
    assert "2 photos" in everything(at)
    pairs = [*app_pages.taught_of(at).learned[:1]]
    assert testing.figures(session_of(at), resources.backbone(), pairs).accuracy.of == 1


def test_a_prompt_that_tells_no_classes_apart_is_called_dead(tiny_app: Open) -> None:
    at = taught(tiny_app, epochs=6)
    model = app_pages.taught_of(at).after.model_
    assert "A dead prompt hardly separates the classes" in everything(at)
    assert not [found for found in at.warning if "local 2" in found.value]
    # All classes get one text from local prompt 2: it cannot tell them apart.
    text = model.cached_text_features().local
    text[:, 1] = text[0, 1].clone()
    session_of(at).training.set_taught(app_pages.taught_of(at))  # so that it is measured again
    fine(at.run())
    assert "**local 2** has an influence of 0.00" in at.warning[0].value
    assert {row["prompt"]: row["dead"] for row in table(at, "dead")}["local 2"]
    assert model is app_pages.taught_of(at).after.model_


def test_each_prompt_is_told_in_words_of_the_class_shown(tiny_app: Open) -> None:
    at = parted(tiny_app)
    told = session_of(at).training.taught_model.after.prompts.in_words("green")
    words = table(at, "in no word")
    rests = [(each.prompt, f"{each.rest.added:.0%}" if each.learned else "") for each in told]
    assert [(row["prompt"], row["in no word"]) for row in words] == rests
    first = told[0].parts[1]
    assert words[0]["words its context adds"].startswith(f"{first.word} {first.added:.0%}")
    rest = np.mean([each.rest.added for each in told if each.learned])
    lead = f"**Words say little of green here:** {rest:.0%}" if rest > 0.5 else f"Words say **{1 - rest:.0%}**"
    assert lead in everything(at)


def test_prompts_that_training_hardly_changed_are_said_to_be_so(tiny_app: Open) -> None:
    at = taught(tiny_app, epochs=1, lr=1e-9)
    name = session_of(at).training.taught_model.names[0]
    assert f"**They say of {name} what “A photo of a” says:** each has a cosine of " in everything(at)
    assert not [found for found in at.dataframe if "in no word" in found.value]
    assert "The local prompts say the same, so all find these best" in everything(at)
    assert len([found for found in at.get("bidi_component") if "patches" in found.proto.id]) == 1


def patches(at: AppTest, n: int) -> list[dict[str, Any]]:
    return list(grid(at, f"patches {n}")["tiles"])


def test_the_best_regions_of_a_local_prompt_are_a_gallery_and_a_click_opens_the_photo_there_with_the_sum_in_words(
    tiny_app: Open,
) -> None:
    at = parted(tiny_app)
    session = session_of(at)
    found = session.training.taught_model.after.explain([p for some in session.photos.tests().values() for p in some])
    for n in range(4):
        scores = np.concatenate([each.region_scores("green", n).ravel() for each in found])
        assert [float(tile["name"]) for tile in patches(at, n)] == pytest.approx(np.sort(scores)[::-1][:24], abs=6e-4)
    assert {tile["verdict"] for tile in patches(at, 0)} <= {"red", "green"}
    red = [tile["key"] for tile in patches(put(at, "prompts class_name", "red"), 0)]
    assert red != [tile["key"] for tile in patches(put(at, "prompts class_name", "green"), 0)]

    tile = patches(at, 2)[3]
    session.prompts = session.prompts.opening(tile["key"], "green")
    at = fine(at.run())
    _, prompt, region = tile["key"].split(" ")
    assert tile["about"].partition(",")[0] in everything(at)
    shown = grid(at, "explainer")
    opened = [shown["state"][part] for part in ("class_name", "prompt", "region")]
    assert (opened, [*shown["words"]]) == (["green", int(prompt), int(region)], [str(shown["names"].index("green"))])
    before = session.prompts
    assert before.opening("no tile", "green") == before.opening("a b c", "green") == before


def test_one_photo_shows_what_two_prompts_chose(tiny_app: Open) -> None:
    at = taught(tiny_app, topk=(2, 9))
    pairs = [(photo, name) for name, some in session_of(at).photos.tests().items() for photo in some]
    found = testing.figures(session_of(at), resources.backbone(), pairs)
    shown = testing.choices(resources.backbone(), pairs, found, (0, 1))
    assert len(shown) == 4
    for photo, picture, only in shown:
        first, second = found.chosen[[each for each, _ in pairs].index(photo)]
        assert only == [(first & ~second).sum(), (second & ~first).sum()]
        assert picture.shape == (photo.height, photo.width, 3)
        assert f"{only[0]} blue, {only[1]} orange" in everything(at)
