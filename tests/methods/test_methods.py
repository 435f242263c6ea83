"""The methods that GalLoP is compared with: each formula against another way to compute it on the golden backbones."""

from __future__ import annotations

import math
import re
from itertools import product
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

from gallop import GalLoPClassifier, MethodConfig
from gallop.core.gallop import TextFeatures
from gallop.data import LabelledPhotos, training_set
from gallop.errors import ConfigError, TrainingDiverged
from gallop.features.encoding import ImageFeatures, encode_centres
from gallop.lab.methods import (
    METHODS,
    CoOp,
    LinearProbe,
    Setup,
    TipAdapter,
    make_method,
)
from gallop.lab.methods.locoop import LoCoOp, outlier_regularisation
from gallop.lab.methods.prompt_learning import ONE_PROMPT
from gallop.lab.methods.tip_adapter import SHARPNESSES, WEIGHTS, TipAdapterF, held_out, search, votes_of
from gallop.lab.methods.zero_shot import TEMPLATES, template_features
from gallop.model.prompted import PromptModel, Prompts
from tests.reference import Golden, golden, meta
from tests.tiny import pictures, there, vit

QUICK: dict[str, dict[str, Any]] = {
    name: {"epochs": 2, "views": 2} if name in ("CoOp", "LoCoOp", "GalLoP", "Tip-Adapter-F") else {} for name in METHODS
}
QUICK["GalLoP"] |= {"topk": [2, 4]}


def unit(array: Any) -> np.ndarray:
    array = np.asarray(array, dtype=np.float64)
    return array / np.linalg.norm(array, axis=-1, keepdims=True)


@pytest.fixture(scope="module", params=["vit", "rn"])
def case(request: pytest.FixtureRequest) -> Golden:
    return golden(request.param)


def one_prompt(case: Golden) -> tuple[PromptModel, TextFeatures]:
    """The reference's first global prompt alone, and its text features."""
    frozen = case.model.backbone
    prompts = Prompts(case.figure("learned/global_prompt")[0].float(), ONE_PROMPT, frozen)
    model = PromptModel(frozen, meta()["class_names"], ONE_PROMPT, prompts)
    return model, model.text_features()


def shots(counts: dict[str, int] | None = None) -> LabelledPhotos:
    images, names = pictures(counts or {"red": 3, "green": 3, "blue": 3})
    return training_set(images, names, shots=None, seed=0, allow_fewer=False)


def asked(count: int = 5) -> ImageFeatures:
    images, _ = pictures({"red": count, "green": count}, first_seed=50)
    return ImageFeatures.cat(list(encode_centres(vit(), images, None)))


# Zero-shot


def test_zero_shot_answers_with_the_cosine_of_image_and_text(case: Golden) -> None:
    names = tuple(meta()["class_names"])
    found = make_method("zero-shot", {}).fit(LabelledPhotos((), (), (), names), Setup(case.model.backbone))
    images, text = unit(case.figure("image_features")), unit(case.figure("text_template"))
    wanted = softmax(case.model.backbone.logit_scale * images @ text.T, axis=-1)
    assert TEMPLATES["one"] == (meta()["template"],)
    np.testing.assert_allclose(found.predict(case.features).probabilities, wanted, atol=1e-5)


def test_an_ensemble_is_the_unit_mean_of_unit_features(case: Golden) -> None:
    """CLIP's own recipe: not the mean of cosines, which would favour classes on which the templates agree."""
    backbone, names = case.model.backbone, ["cat", "dog"]
    each = [unit(backbone.text.encode_texts([t.replace("{}", n) for n in names])) for t in TEMPLATES["ensemble"]]
    assert len(each) == 7
    np.testing.assert_allclose(
        template_features(backbone, names, TEMPLATES["ensemble"]), unit(np.mean(each, axis=0)), atol=1e-6
    )


# CoOp


def test_coop_is_gallop_with_one_prompt_and_no_dropout() -> None:
    """``GalLoPClassifier`` says so in its help; here the other way into the same training."""
    few = shots()
    ours = CoOp(epochs=3, views=2, lr=0.05).fit(few, Setup(vit()))
    theirs = GalLoPClassifier(
        vit(),
        global_prompts=1,
        local_prompts=0,
        dropout=0,
        epochs=3,
        views=2,
        lr=0.05,
        calibration_folds=0,
        cache=False,
    ).fit(list(few.photos), few.names)
    assert torch.equal(ours.model.prompts.global_contexts, theirs.model_.prompts.global_contexts)


# LoCoOp


def penalty_by_hand(logits: np.ndarray, labels: np.ndarray, rank: int) -> float:
    regions = [(region, label) for image, label in zip(logits, labels, strict=True) for region in image]
    outlying = [region for region, label in regions if label not in np.argsort(-region, kind="stable")[:rank]]
    return -float(np.mean(entropy(softmax(outlying, axis=-1), axis=-1)))


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_locoops_penalty_on_the_golden_regions(case: Golden, rank: int) -> None:
    cosines = case.figure("local_logits")[..., 0]  # with the reference's projection: only numbers are wanted here
    logits = case.model.backbone.logit_scale * cosines
    found = outlier_regularisation(logits, case.labels, rank)
    wanted = penalty_by_hand(logits.double().numpy(), case.labels.numpy(), rank)
    assert float(found) == pytest.approx(wanted, rel=1e-4)
    assert -math.log(6) <= float(found) < 0


def test_locoop_adds_the_weighted_penalty_of_its_own_regions(case: Golden) -> None:
    model, text = one_prompt(case)
    method = LoCoOp(weight=0.5, rank_share=0.34)  # two of six
    loss, _, _ = method.objective(model, case.features, case.labels, torch.zeros(6, 1, dtype=torch.long), text)
    regions, projection = case.figure("local_features_raw"), case.model.backbone.vision.region_projection
    cosines = unit(regions if projection is None else regions @ projection) @ unit(case.figure("text_global")[:, 0]).T
    penalty = penalty_by_hand(case.model.backbone.logit_scale * cosines, case.labels.numpy(), 2)
    assert float(loss.total.detach()) == pytest.approx(float(loss.global_.detach()) + 0.5 * penalty, rel=1e-4)


def test_locoop_without_an_outlying_region_adds_nothing() -> None:
    logits = torch.tensor([0.0, 9.0, 0.0, 0.0]).repeat(2, 3, 1).requires_grad_(True)
    found = outlier_regularisation(logits, torch.tensor([1, 1]), 1)
    found.backward()
    assert (float(found.detach()), float(there(logits.grad).abs().max())) == (0, 0)


# Linear probe


def test_the_linear_probe_is_at_its_optimum(case: Golden) -> None:
    """Where W = C sum over images of (y - p) x'."""
    strength, names = 20.0, tuple(meta()["class_names"])
    with patch("gallop.lab.methods.interface.encode_centres", return_value=[case.features]):
        fitted = LinearProbe(strength=strength).fit(
            LabelledPhotos((), (), tuple(range(6)), names), Setup(case.model.backbone)
        )
    p, weights = fitted.predict(case.features).probabilities.astype(np.float64), fitted.regression.coef_
    wanted = strength * (np.eye(6) - p).T @ unit(case.figure("image_features"))
    np.testing.assert_allclose(weights, wanted, atol=1e-4 * np.abs(weights).max())


# Tip-Adapter


def test_the_caches_vote_on_the_golden_features(case: Golden) -> None:
    images, labels = case.figure("image_features"), case.labels
    values = torch.nn.functional.one_hot(labels, 6).float()
    x = unit(images)
    found = votes_of(torch.from_numpy(x[:2] @ x.T).float(), values, 5.5)
    wanted = [[sum(np.exp(-5.5 * (1 - x[labels == k] @ asked))) for k in range(6)] for asked in x[:2]]
    assert found.numpy() == pytest.approx(np.array(wanted), rel=1e-5, abs=1e-9)


def test_tip_adapters_logits_are_text_and_votes() -> None:
    few, images = shots(), asked()
    plain, half = (TipAdapter(weight=w, sharpness=3.0).fit(few, Setup(vit())).logits(images) for w in (0.0, 0.5))
    text = unit(template_features(vit(), few.class_names, TEMPLATES["ensemble"]))
    np.testing.assert_allclose(plain, vit().logit_scale * unit(images.global_) @ text.T, rtol=1e-3)
    views = TipAdapter().encoded(few, Setup(vit()))
    keys = unit(np.mean([unit(views.batch(torch.arange(9), v).global_) for v in range(4)], axis=0))
    votes = np.exp(-3.0 * (1 - unit(images.global_) @ keys.T)) @ np.eye(3)[np.array(few.labels)]
    np.testing.assert_allclose(half - plain, 0.5 * votes, rtol=1e-3)


def test_tip_adapter_f_starts_from_tip_adapter_and_learns_the_keys() -> None:
    few, images = shots(), asked()
    start = TipAdapter(weight=2.0, views=2).fit(few, Setup(vit()))
    still = TipAdapterF(weight=2.0, views=2, lr=1e-9, epochs=1).fit(few, Setup(vit()))
    moved = TipAdapterF(weight=2.0, views=2, lr=0.01, epochs=10).fit(few, Setup(vit()))
    assert torch.allclose(still.logits(images), start.logits(images), atol=1e-4)
    views = TipAdapter(views=2).encoded(few, Setup(vit())).batch(torch.arange(9), 0)
    labels = torch.tensor(few.labels)
    before, after = (torch.nn.functional.cross_entropy(cache.logits(views), labels) for cache in (start, moved))
    assert float(after) < 0.95 * float(before)
    assert torch.equal(moved.values, start.values)


def test_the_search_finds_what_is_right_most_often_and_of_equals_the_likeliest() -> None:
    draw = torch.Generator().manual_seed(2)
    asked_of, labels, tried = [], torch.randint(3, (12,), generator=draw), {}
    for held in (5, 7):
        values = torch.nn.functional.one_hot(torch.randint(3, (9,), generator=draw), 3).float()
        text, affinity = 3 * torch.randn(held, 3, generator=draw), torch.rand(held, 9, generator=draw)
        asked_of.append((text, affinity, values))
    for weight, sharpness in product(WEIGHTS, SHARPNESSES):
        votes = [(-sharpness * (1 - affinity.double())).exp() @ values.double() for _, affinity, values in asked_of]
        logits = torch.cat([text for text, *_ in asked_of]).double() + weight * torch.cat(votes)
        likelihood = float(logits.log_softmax(dim=1)[range(len(labels)), labels].sum())
        tried[weight, sharpness] = (int((logits.argmax(dim=1) == labels).sum()), likelihood)
    right, likeliest = max(tried.values())
    assert tried[search(asked_of, labels)] == (right, pytest.approx(likeliest, rel=1e-4))


def test_no_shot_votes_on_itself_while_alpha_and_beta_are_searched() -> None:
    few = shots({"red": 5, "green": 4, "blue": 1})
    folds = held_out(few, Setup(vit()), 3)
    assert sorted(i for fold in folds for i in set(range(10)) - set(fold.rest.tolist())) == list(range(9))
    for fold in folds:
        assert 9 in fold.rest, "a class with a single photo is never without it"
        assert len(fold.features) == len(fold.labels) == 10 - len(fold.rest)
    assert (held_out(shots({"red": 1, "green": 1}), Setup(vit()), 3), held_out(few, Setup(vit()), 0)) == ([], [])


def test_a_text_that_misleads_is_not_listened_to() -> None:
    """Random backbones read nothing, so the best alpha is a large one, whatever is given."""
    few, truth = shots({"red": 6, "green": 6}), ["red"] * 5 + ["green"] * 5
    for method in (TipAdapter, TipAdapterF):
        given, searched = (method(weight=0.0, folds=folds).fit(few, Setup(vit())) for folds in (0, 4))
        assert (searched.weight in WEIGHTS, searched.sharpness in SHARPNESSES) == (True, True)
        right = [np.mean(cache.predict(asked()).labels == truth) for cache in (given, searched)]
        assert right[1] >= 0.9 > right[0]
    single = TipAdapterF(weight=2.0, sharpness=3.0, folds=4, epochs=1).fit(shots({"red": 1, "green": 1}), Setup(vit()))
    assert (single.weight, single.sharpness) == (2.0, 3.0), "with nothing to hold out, those that are given"


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.learns])
def test_every_method_tells_of_the_views_that_it_encodes(name: str) -> None:
    told: list[tuple[int, int]] = []
    method, few = make_method(name, QUICK[name]), shots({"red": 9, "green": 9})
    method.fit(few, Setup(vit(), encoded=lambda done, total: told.append((done, total))))
    (nothing, all_views), last = told[0], told[-1]
    assert (nothing, last, told, len(told) > 2) == (0, (all_views, all_views), sorted(told), True)


def test_tip_adapter_f_says_when_it_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = vit().encode_image
    monkeypatch.setattr(vit(), "encode_image", lambda pixels: (encode(pixels)[0] * math.nan, encode(pixels)[1]))
    with pytest.raises(TrainingDiverged, match="smaller lr"):
        TipAdapterF(weight=1000.0, views=2, lr=100.0, epochs=50, sharpness=1000.0).fit(shots(), Setup(vit()))


# All of them


@pytest.mark.parametrize("name", METHODS)
def test_a_method_answers_with_probabilities_and_its_scores_the_same_for_a_seed_and_for_any_batches(name: str) -> None:
    images, setup = asked(), Setup(vit(), seed=1)
    first, again = (make_method(name, QUICK[name]).fit(shots(), setup) for _ in range(2))
    found = first.predict(images)
    np.testing.assert_array_equal(found.probabilities, again.predict(images).probabilities)
    parts = np.concatenate([first.predict(part).probabilities for part in images.split(3)])
    np.testing.assert_allclose(parts, found.probabilities, atol=1e-5)
    assert found.probabilities.shape == (10, 3)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    assert found.labels.tolist() == [("red", "green", "blue")[i] for i in found.probabilities.argmax(axis=1)]
    assert (found.probabilities_local is not None) == (name == "GalLoP")
    if "MSP" in found.ood:
        np.testing.assert_allclose(found.ood["MSP"], -found.probabilities.max(axis=1))
    else:
        assert list(found.ood) == ["MCM", "L-MCM", "GL-MCM"]


KNOWING: dict[str, dict[str, Any]] = {
    **{name: {"lr": 0.5, "epochs": 20} for name in ("CoOp", "LoCoOp")},
    "GalLoP": {"lr": 0.5, "epochs": 20, "topk": [2, 4]},
    "Tip-Adapter": {"weight": 1000.0},
    "Tip-Adapter-F": {"weight": 1000.0},
}
"""What each method that learns needs to learn two colours from six pictures each."""


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.learns])
def test_what_learns_knows_colours_after_a_few_shots(name: str) -> None:
    """On random backbones, from pictures of one colour each: better than chance by far, or nothing was learned."""
    method = make_method(name, KNOWING.get(name, {}))
    found = method.fit(shots({"red": 6, "green": 6}), Setup(vit())).predict(asked())
    assert np.mean(found.labels == np.repeat(["red", "green"], 5)) >= 0.9


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("CoCoOp", {}, "no method 'CoCoOp'; choose one of zero-shot, CoOp"),
        ("CoOp", {"learning_rate": 1}, "CoOp has no setting 'learning_rate'; its settings are preset, epochs, lr"),
        ("CoOp", {"seed": 1}, "CoOp has no setting 'seed'"),
        ("CoOp", {"momentum": 2}, "momentum is 2.0; it must be at least 0 and below 1"),
        ("linear-probe", {"momentum": 0.5}, "linear-probe has no setting 'momentum'"),
        ("CoOp", {"lr": 0}, "lr is 0"),
        ("CoOp", {"lr": "fast"}, "lr is 'fast'; it must be a finite number"),
        ("CoOp", {"preset": "best"}, "no preset 'best'"),
        ("GalLoP", {"topk": [0]}, "topk contains 0"),
        ("GalLoP", {"dropout": 1.0}, "dropout is 1.0"),
        ("LoCoOp", {"weight": -1}, "weight is -1; it must be between 0"),
        ("LoCoOp", {"rank_share": 2}, "rank_share is 2; it must be between 0 and 1"),
        ("linear-probe", {"strength": 0}, "strength is 0"),
        ("Tip-Adapter", {"views": 0}, "views is 0"),
        ("Tip-Adapter", {"sharpness": -1}, "sharpness is -1"),
        ("Tip-Adapter", {"folds": 1}, "folds is 1; it must be 0, or 2 or more"),
        ("Tip-Adapter-F", {"epochs": 2.5}, "epochs is 2.5; it must be an integer"),
        ("zero-shot", {"templates": "best"}, "templates is 'best'; choose one or ensemble"),
        ("zero-shot", {"templates": ["a {}"]}, "templates is"),
    ],
)
def test_settings_that_cannot_be_used_are_named(name: str, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        make_method(name, settings)


def test_with_folds_a_benchmark_has_the_answers_of_the_classifier() -> None:
    """Temperature and the weight of the head are fitted on held-out shots, as ``fit`` and ``gallop train`` do it."""
    settings = {"epochs": 2, "views": 2, "lr": 0.05, "topk": [2, 4], "head": "ridge"}
    counts = {"red": 4, "green": 4, "blue": 4}  # fewer, and the weight stays the usual one
    images, names = pictures(counts)
    wanted = GalLoPClassifier(
        vit(),
        epochs=2,
        views=2,
        lr=0.05,
        topk=(2, 4),
        method=MethodConfig(head="ridge"),
        calibration_folds=3,
        cache=False,
    ).fit(images, names)
    with_folds, without = (
        make_method("GalLoP", settings | more).fit(shots(counts), Setup(vit()))
        for more in ({"calibration_folds": 3}, {})
    )
    assert wanted.calibration_.temperature != 1
    found = with_folds.predict(asked()).probabilities
    np.testing.assert_allclose(found, wanted.predict_proba(asked()), atol=1e-6)
    assert not np.allclose(without.predict(asked()).probabilities, found, atol=1e-3)
