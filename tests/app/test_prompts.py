"""The page Prompts in this process: every state, and figures that are those of the library."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from app import text
from app.ui import resources
from app.views import export, prompts, testing
from gallop import GalLoPClassifier
from gallop.config import CONTEXT_INIT
from gallop.evaluation.intervals import Proportion
from tests import app_pages
from tests.app_pages import PAPERS, PROMPTS, Open, everything, fine, go, grid, put, session_of, table


def taught(open_app: Open, tests: int = 3, counts: dict[str, int] | None = None, **values: Any) -> AppTest:
    at = app_pages.cards(fine(open_app()), counts or {"red": 3, "green": 3}, tests, **PAPERS | values)
    return go(app_pages.train(at), PROMPTS)


def parted(open_app: Open, **values: Any) -> AppTest:
    """A training whose prompts were moved apart, more than a few steps of a tiny model do, with green shown."""
    at = app_pages.train(app_pages.cards(fine(open_app()), {"red": 3, "green": 3}, 3, **PAPERS | values))
    training, drawn = session_of(at).training, torch.Generator().manual_seed(0)
    prompts = training.taught_model.after.model_.prompts
    with torch.no_grad():
        for contexts in (prompts.global_contexts, prompts.local_contexts):
            contexts.add_(contexts.std() * torch.randn(contexts.shape, generator=drawn))
    training.adopt(training.taught_model)  # what was computed from the others is forgotten
    return put(go(at, PROMPTS), "evidence class_name", "green")


def unfolded(at: AppTest) -> AppTest:
    at.session_state["prompt figures"] = True
    return fine(at.run())


def test_figures_are_the_librarys_on_the_photos_that_were_chosen(tiny_app: Open) -> None:
    at = unfolded(taught(tiny_app, epochs=8, lr=0.5, dropout=0.5))
    session = session_of(at)
    pairs = [(photo, name) for name, some in session.photos.tests().items() for photo in some]
    on_tests = testing.figures(session, resources.backbone(), pairs)
    alike = app_pages.taught_of(at).after.prompts.diversity(*map(list, zip(*pairs, strict=True))).words
    assert not app_pages.unsaid(at, "Together with the head, the prompts get", f"{alike}.")
    prompts = [f"{branch} {i}" for branch in ("global", "local") for i in (1, 2, 3, 4)]
    worth = [(row["prompt"], int(row["right alone"].split()[0])) for row in table(at, "right alone")]
    assert worth == list(zip(prompts, (each.alone for each in on_tests.worths), strict=True))
    assert "so the figures are optimistic" in everything(put(at, "evidence pile", "Training photos"))


def test_a_model_that_was_opened_asks_for_photos_and_offers_none_it_learned_from(tiny_app: Open) -> None:
    at = taught(tiny_app)
    session, backbone = session_of(at), resources.backbone()
    model = GalLoPClassifier(backbone=backbone, cache=False).zero_shot(["red", "green"])
    session.training.adopt(export.imported(session, model, backbone))
    assert "6 test photos" in everything(fine(at.run()))
    assert not at.radio, "nothing to choose between"
    session.photos.deck.delete(*(card.id for card in session.photos.deck.cards))
    fine(at.run())
    assert "No matching photos yet" in at.info[0].value
    assert not at.get("plotly_chart")


def test_one_global_prompt_and_no_local_one_leave_nothing_to_compare(tiny_app: Open) -> None:
    at = unfolded(taught(tiny_app, global_prompts=1, topk=()))
    assert not app_pages.unsaid(at, "No two prompts of a kind, so nothing to compare.")
    assert [row["right without it"] for row in table(at, "right alone")] == [""]


def test_one_photo_of_one_class_is_enough_to_draw_the_page(tiny_app: Open) -> None:
    at = taught(tiny_app, tests=0, counts={"red": 1, "green": 1}, topk=(4,))
    assert "2 training photos" in everything(at)
    pairs = [*app_pages.taught_of(at).learned[:1]]
    assert testing.figures(session_of(at), resources.backbone(), pairs).accuracy.of == 1


def test_a_prompt_that_tells_no_classes_apart_is_called_dead(tiny_app: Open) -> None:
    at = unfolded(taught(tiny_app, epochs=6))
    model = app_pages.taught_of(at).after.model_
    assert {row["prompt"]: row["dead"] for row in table(at, "dead")}["local 2"] is False
    # All classes get one text from local prompt 2: it cannot tell them apart.
    text = model.cached_text_features().local
    text[:, 1] = text[0, 1].clone()
    session_of(at).training.set_taught(app_pages.taught_of(at))  # so that it is measured again
    fine(at.run())
    assert ":material/warning: Dead: it hardly tells the classes apart" in everything(at)
    assert {row["prompt"]: row["dead"] for row in table(at, "dead")}["local 2"]
    assert model is app_pages.taught_of(at).after.model_


def test_each_prompt_is_told_in_words_of_the_class_shown(tiny_app: Open) -> None:
    at = unfolded(parted(tiny_app))
    told = session_of(at).training.taught_model.after.prompts.in_words("green")
    words = table(at, "in no word")
    rests = [(each.prompt.split(" (")[0], text.share(each.rest.added) if each.learned else "") for each in told]
    assert [(row["prompt"], row["in no word"]) for row in words] == rests
    first = told[0].parts[1]
    assert words[0]["words its context adds"].startswith(f"{first.word} {text.share(first.added)}")
    for each in told:
        assert "“A photo of a green”, now " in everything(at)
        assert each.untold or f"{each.parts[1].word} {text.share(each.parts[1].added)}" in app_pages.plain(at)


def test_prompts_that_coincide_are_said_to_and_what_parts_them(tiny_app: Open) -> None:
    at = taught(tiny_app, epochs=1, lr=1e-9, starts=CONTEXT_INIT)
    name = session_of(at).training.taught_model.names[0]
    assert app_pages.plain(at).count(f"“A photo of a {name}”") == 8, "the cards are there"
    assert not app_pages.unsaid(
        at, "The 4 global and the 4 local prompts say nearly the same (but for k).", "Diversity"
    )
    assert "cosine" not in everything(at), "only in what is folded"
    apart = parted(tiny_app)
    assert "say nearly the same" not in everything(apart)


def tiles(at: AppTest, card: str) -> list[dict[str, Any]]:
    return list(grid(at, f"card {card}")["tiles"])


def test_cards_have_the_accuracy_of_a_prompt_alone_and_what_is_lost_without_it(tiny_app: Open) -> None:
    """By the paper's formulas, from the cosines."""
    at = parted(tiny_app, head="none")
    session, backbone = session_of(at), resources.backbone()
    pairs = [(photo, name) for name, some in session.photos.tests().items() for photo in some]
    figures = testing.figures(session, backbone, pairs)
    model, names = app_pages.taught_of(at).after.model_, app_pages.taught_of(at).names
    found = app_pages.taught_of(at).after.explain([photo for photo, _ in pairs])
    truth = np.array([names.index(name) for _, name in pairs])
    whole = np.stack([[each.global_scores[each.class_index(name)] for name in names] for each in found])  # (B, K, M)
    regions = np.stack(
        [[[each.region_scores(name, n).ravel() for n in range(4)] for name in names] for each in found]
    )  # (B, K, N, R)
    best = np.sort(regions, axis=-1)[..., ::-1]
    local = np.stack([best[:, :, n, :k].mean(axis=-1) for n, k in enumerate((5, 10, 15, 20))], axis=-1)
    told = app_pages.taught_of(at).after.prompts.in_words("green")
    made = prompts.cards(figures, model.config.sentences, told, prompts.tiles(session, backbone, pairs, figures))
    names_of_cards = [f"Global {m}" for m in range(1, 5)] + [f"Local {n}, k = {5 * n}" for n in range(1, 5)]
    assert [card.name for card in made] == names_of_cards

    def right(*scores: Any) -> int:
        return int((sum(scores).argmax(axis=1) == truth).sum())

    all_right = right(whole.mean(axis=-1), local.mean(axis=-1))
    for p, card in enumerate(made):
        alone = whole[..., p] if p < 4 else local[..., p - 4]
        without = (
            right(np.delete(whole, p, axis=-1).mean(axis=-1), local.mean(axis=-1))
            if p < 4
            else right(whole.mean(axis=-1), np.delete(local, p - 4, axis=-1).mean(axis=-1))
        )
        assert (card.alone, card.lost) == (right(alone), pytest.approx(100 * (all_right - without) / len(pairs)))
        assert f"**{text.share(card.alone / len(pairs))}** right alone" in everything(at)
        assert tiles(at, card.name) == [asdict(tile) for tile in card.tiles]
    lost = [card.lost for card in made if card.lost is not None]
    lead = f"**Together, the prompts get {all_right} of {len(pairs)} test photos right"
    assert at.markdown[2].value.startswith(lead)
    assert ("Nothing is lost" in at.markdown[2].value) == (max(lost) <= 0)
    for n in range(4):  # the best region of each photo for its own class
        own = [regions[b, truth[b], n] for b in range(len(pairs))]
        wanted = sorted(range(len(pairs)), key=lambda b: -own[b].max())[:4]
        assert [tile["key"] for tile in tiles(at, made[4 + n].name)] == [
            f"{pairs[b][0].sha256} {n} {own[b].argmax()} {4 + n}" for b in wanted
        ]


def test_losses_gains_and_a_prompt_that_is_the_only_one_are_told(tiny_app: Open) -> None:
    at = taught(tiny_app)
    pairs = [(photo, name) for name, some in session_of(at).photos.tests().items() for photo in some]
    figures = testing.figures(session_of(at), resources.backbone(), pairs)
    figures = replace(figures, accuracy=Proportion(5, 6), branches=())
    worth = replace(figures.worths[0], alone=3, without=5)
    some = [worth, replace(worth, alone=2, without=3), replace(worth, without=6), replace(worth, without=None)]
    figures = replace(figures, worths=(*some, *[worth] * 4))
    told = app_pages.taught_of(at).after.prompts.in_words("red")
    made = prompts.cards(figures, ("a", "sketch of a"), told, [[]] * 8)
    assert [card.lost for card in made[:4]] == [0, pytest.approx(100 / 3), pytest.approx(-100 / 6), None]
    starts = [card.words.split("”")[0] for card in made]
    assert starts[:2] == starts[4:6] == ["“a red", "“sketch of a red"], "in turn, of each kind"
    assert prompts.lead(figures, "Training photos") == (
        "Together, the prompts get 5 of 6 training photos right (83 %); alone, each gets 2 to 3. Most is lost without "
        "global 2: 33.3 points."
    )
    hidden = replace(figures.diversity, global_=0.96, local=0.94)
    assert prompts.coinciding(hidden).startswith("The 4 global prompts say nearly the same. To part them")
    assert prompts.coinciding(replace(hidden, global_=0.94)) == ""


def test_a_click_on_a_card_opens_the_photo_there_with_the_sum_in_words(tiny_app: Open) -> None:
    at = parted(tiny_app)
    session, tile = session_of(at), tiles(at, "Local 3, k = 15")[2]
    session.evidence = session.evidence.opening(tile["key"], tile["name"])
    at = fine(at.run())
    _, prompt, region, _ = tile["key"].split(" ")
    assert f"a photo of **{tile['name']}**" in everything(at)
    shown = grid(at, "explainer")
    opened = [shown["state"][part] for part in ("class_name", "prompt", "region")]
    words = [str(shown["names"].index(tile["name"]))]
    assert (opened, [*shown["words"]]) == ([tile["name"], int(prompt), int(region)], words)
    before = session.evidence
    assert before.opening("no tile", "green") == before.opening("a b c", "green") == before
    whole = tiles(at, "Global 1")[0]
    session.evidence = session.evidence.opening(whole["key"], whole["name"])
    assert grid(fine(at.run()), "explainer")["state"]["region"] is None
