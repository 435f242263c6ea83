"""Scores of two looks are the plain mean of each look's own, to the digit; one look is what it always was."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gallop import MethodConfig, load_image
from gallop.core.gallop import gallop_loss
from gallop.errors import ConfigError
from gallop.features.encoding import ImageFeatures, Sight, encode_photos
from gallop.model.answers import Rule, answers
from gallop.model.prompted import PromptModel
from gallop.model.similarities import Similarities
from tests.tiny import picture, vit

NAMES = ["red", "green", "blue"]
TOPK = (2, 4)


def model(**changes: object) -> PromptModel:
    return PromptModel(vit(), NAMES, MethodConfig(2, TOPK, **changes))  # type: ignore[arg-type]


def features(detail: float = 2) -> ImageFeatures:
    photos = [load_image(picture(i, c)) for i, c in enumerate(NAMES)]
    return encode_photos(vit(), photos, Sight(MethodConfig(detail=detail).looks("answers")))[0]


def found(detail: float = 2, **changes: object) -> Similarities:
    both = model(detail=detail, **changes)
    with torch.no_grad():
        return both.similarities(features(detail), both.text_features())


@pytest.mark.parametrize("detail", [1.5, 2])
def test_scores_are_the_mean_over_looks_and_sums_of_regions(detail: float) -> None:
    both, side = found(detail), round(4 * detail)
    coarse, fine = both.each_look()
    assert [look.region_cosines.shape[1] for look in both.looks] == [16, side**2]
    best = [look.region_cosines.sort(dim=1, descending=True).values for look in both.looks]
    means = [torch.stack([each[:, :k, :, n].mean(dim=1) for each in best]).mean(dim=0) for n, k in enumerate(TOPK)]
    torch.testing.assert_close(answers(both, Rule(TOPK)).local, torch.stack(means, dim=-1), atol=1e-6, rtol=0)
    torch.testing.assert_close(both.image_cosines, (coarse.image_cosines + fine.image_cosines) / 2, atol=1e-7, rtol=0)
    torch.testing.assert_close(
        answers(both, Rule(TOPK)).scores,
        (answers(coarse, Rule(TOPK)).scores + answers(fine, Rule(TOPK)).scores) / 2,
        atol=1e-6,
        rtol=0,
    )
    for name, score in both.ood.items():
        torch.testing.assert_close(score, (coarse.ood[name] + fine.ood[name]) / 2, atol=1e-7, rtol=0)


def test_parts_and_changes_are_of_both_looks() -> None:
    both = found()
    again = Similarities.cat([both.each(lambda t, i=i: t[i : i + 1]) for i in range(3)])  # type: ignore[misc]
    assert torch.equal(answers(again, Rule(TOPK)).scores, answers(both, Rule(TOPK)).scores)
    assert len(again.looks) == 2


@pytest.mark.parametrize(("needed", "given"), [(2, 1), (1, 2)])
def test_features_of_another_number_of_looks_are_refused(needed: int, given: int) -> None:
    said = rf"looks per photo is {given} in these features, but this model \(detail={needed}\) needs {needed}"
    asked = model(detail=needed)
    with pytest.raises(ValueError, match=f"number of {said}"):
        asked.similarities(features(given), asked.text_features())


def test_the_loss_of_two_looks_is_that_of_their_mean_cosines() -> None:
    both, seen, labels = model(detail=2, detail_in="training"), features(), torch.tensor([0, 1, 2])
    kept = torch.zeros(3, 1, dtype=torch.long)
    loss, global_, local = both.loss(seen, labels, kept)
    cosines = both.similarities(seen, both.text_features())
    torch.testing.assert_close(global_, cosines.image_cosines)
    torch.testing.assert_close(local, answers(cosines, Rule(TOPK)).local)
    wanted = gallop_loss(cosines.image_cosines, answers(cosines, Rule(TOPK)).local, labels, vit().logit_scale, kept)
    torch.testing.assert_close(loss.total, wanted.total)
    loss.total.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in both.prompts.learned())


def test_what_a_second_look_is_for() -> None:
    uses = {use: MethodConfig(detail=2, detail_in=use) for use in ("training", "answers", "maps")}
    looks = {use: tuple(len(each.looks(what)) for what in uses) for use, each in uses.items()}  # type: ignore[arg-type]
    assert looks == {"training": (2, 2, 2), "answers": (1, 2, 2), "maps": (1, 1, 2)}
    maps = model(detail=2, detail_in="maps")
    assert (maps.sight.times, maps.map_sight.times) == ((1.0,), (1.0, 2.0))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"detail": 3}, r"detail is 3.0; it must be 1, 1.5 or 2\."),
        ({"detail_in": "nothing"}, "detail_in is 'nothing'; it must be one of training, answers, maps"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        MethodConfig(**settings)
