"""The formula of the ensemble and the verdict are in one place: where they are changed, all that answers changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

from app.ui import resources
from app.views import sorting, testing
from gallop import GalLoPClassifier
from gallop.export.onnx import Answering
from gallop.features.encoding import encode_photos, encode_pixels
from gallop.maps.explainer.payload import explainer_data
from gallop.model import answers as answering
from gallop.model.answers import Answers, Rule
from gallop.predictions.contributions import contributions
from gallop.predictions.faithfulness import scores_without
from gallop.predictions.predict import similarities
from gallop.service.http.service import Service
from tests import tiny
from tests.app_pages import SORT, Open, cards, fine, finish, go, session_of, there, train, uploader

COLOURS = ("red", "green", "blue")
PHOTOS = [tiny.picture(70 + i, colour) for i, colour in enumerate(COLOURS)]
PIXELS = [torch.stack([tiny.vit().preprocess.centre(photo)[0] for photo in PHOTOS])]

NONE_COVERED = torch.zeros(1, 4, 4, dtype=torch.bool)


@pytest.fixture(scope="module")
def taught() -> GalLoPClassifier:
    found = tiny.classifier(head="ridge", topk=(2, 5)).fit(*tiny.pictures(dict.fromkeys(COLOURS, 4)))
    return found.set_threshold(0.5, PHOTOS)


def served(found: GalLoPClassifier) -> list[dict[str, Any]]:
    return Service._answers(mock.Mock(classifier=found), [[look] for look in PIXELS[0]])


SCORED: dict[str, Callable[[GalLoPClassifier], Any]] = {
    "predict": lambda found: found.predict_proba(PHOTOS),
    "explain": lambda found: [list(why.probabilities.values()) for why in found.explain(PHOTOS)],
    "evaluate": lambda found: found.evaluate(PHOTOS, list(COLOURS)).answers.confidence,
    "contributions": lambda found: contributions(found.model_, encode_photos(tiny.vit(), PHOTOS)[0], (2, 5)).scores,
    "covering": lambda found: next(scores_without(found.model_, [PIXELS[0][0]], NONE_COVERED, (2, 5))),
    "service": lambda found: [list(row["probabilities"].values()) for row in served(found)],
    "ONNX": lambda found: Answering(found)(*PIXELS)[0].detach(),
}


@pytest.mark.parametrize("asked", SCORED)
def test_a_mean_that_is_a_maximum_changes_every_score(
    taught: GalLoPClassifier, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def largest(global_: Tensor, local: Tensor) -> Tensor:
        return torch.maximum(global_.amax(dim=-1), local.amax(dim=-1))

    before = np.asarray(SCORED[asked](taught))
    monkeypatch.setattr(answering, "ensemble", largest)
    assert np.abs(np.asarray(SCORED[asked](taught)) - before).max() > 1e-6


def test_prompts_that_are_worth_nothing_change_what_the_browser_is_sent(
    taught: GalLoPClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "prompts_weight", lambda branch_weights: 0.0)
    sent = explainer_data(taught.explain(PHOTOS[0]))["takes"][0]["branches"]
    assert [branch["weight"] > 0 for branch in sent] == [False, False, True], "the head alone"


VERDICTS: dict[str, Callable[[GalLoPClassifier], Any]] = {
    "predict": lambda found: found.is_ood(PHOTOS),
    "explain": lambda found: next((why.is_ood for why in found.explain(PHOTOS) if why.is_ood is not None), None),
    "evaluate": lambda found: found.evaluate(PHOTOS, list(COLOURS)).answers.is_ood,
    "service": lambda found: served(found)[0]["is_ood"],
}


@pytest.mark.parametrize("asked", VERDICTS)
def test_a_verdict_that_is_never_given_is_given_nowhere(
    taught: GalLoPClassifier, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert VERDICTS[asked](taught) is not None
    monkeypatch.setattr(Rule, "verdict", lambda *_: None)
    assert VERDICTS[asked](taught) is None


def test_nor_in_the_app_on_test_and_sort(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    at = train(cards(fine(tiny_app()), {"red": 3, "green": 3}, tests=2))
    session = session_of(at)
    session.limit.set_to(-9.0)  # everything is above it
    tested = there(testing.measure(session, resources.backbone()))
    assert len(testing.groups(session, resources.backbone(), tested)[testing.CALLED_NONE]) == 4
    found = uploader(go(at, SORT), "photos without labels")
    found.upload("one.png", tiny.png(500, "red"))
    at = finish(fine(at.run()))
    assert {photo.answer for photo in session.photos.pile.now.photos.values()} == {-1}
    monkeypatch.setattr(Rule, "verdict", lambda *_: None)
    assert testing.CALLED_NONE not in testing.groups(session, resources.backbone(), tested)
    uploader(at, "photos without labels").upload("two.png", tiny.png(501, "red"))
    finish(fine(at.run()))
    assert sorting.version(session)[2] == -9.0
    answers = {photo.name: photo.answer for photo in session.photos.pile.now.photos.values()}
    assert answers["one.png"] == -1 < answers["two.png"]


def test_parts_of_a_score_add_up_to_it(taught: GalLoPClassifier) -> None:
    for why in taught.explain(PHOTOS):
        found: Answers = why.answers
        assert set(found.parts) == {"global", "local", "ridge"}
        assert torch.allclose(sum(found.parts.values(), torch.zeros(())), found.scores, atol=1e-6)
        means = (why.global_scores.mean(axis=1) + why.local_scores.mean(axis=1)) / 2
        weight = taught.model_.branch_weights["ridge"]
        wanted = (1 - weight) * means + weight * why.branch_scores["ridge"]
        assert np.allclose(found.scores[0].numpy(), wanted, atol=1e-6)


def test_answers_stay_on_their_device() -> None:
    model = tiny.classifier(topk=(2, 5)).zero_shot(COLOURS).model_
    similar = similarities(model, [encode_pixels(tiny.vit(), PIXELS)]).each(lambda tensor: tensor.to("meta"))
    found = answering.answers(similar, model.rule())
    tensors = [found.scores, found.probabilities, found.labels, *similar.ood.values(), *found.parts.values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}


def test_yes_no_and_unsure_are_said_alike() -> None:
    found = tiny.classifier().zero_shot(["red", "something else"])
    likely = sorted(found.predict_proba(PHOTOS)[:, 0].tolist())
    found.calibration_ = replace(found.calibration_, sure=(likely[1], likely[2]))
    told = found.predict_all(PHOTOS).answers.tolist()
    assert told.count("unsure") == 1
    assert told == [why.answer for why in found.explain(PHOTOS)] == [row["answer"] for row in served(found)]
