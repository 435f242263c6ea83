"""A head that looks twice: what it learns from and answers from, exact maps at both sizes, and what becomes of them."""

from __future__ import annotations

import json
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gallop import GalLoPClassifier, load_image, plot_explanation
from gallop.config import HEADS, MethodConfig, TrainConfig
from gallop.documents.model_card import model_card
from gallop.errors import ConfigError
from gallop.evaluation.k_sweep import sweep_k
from gallop.features.encoding import ImageFeatures, MemoryCache, Sight, encode_sources
from gallop.model.branches.mix import choose_mixes
from gallop.model.calibration import fit_temperature
from gallop.predictions.predict import similarities
from gallop.training.learn import encode_ahead
from tests import tiny
from tests.tiny import head_map, head_of, head_scores, there, votes_of

SHOTS = {"red": 5, "green": 4, "blue": 4}
IMAGES, LABELS = tiny.pictures(SHOTS)
PHOTOS = [tiny.picture(50 + i, colour) for i, colour in enumerate(SHOTS)]
KINDS = [kind for kind in HEADS if kind != "none"]


@cache
def shared(kind: str = "ridge", detail: float = 2, detail_in: str = "answers", folds: int = 0) -> GalLoPClassifier:
    """Never changed."""
    return taught(kind, detail, detail_in, calibration_folds=folds)


def taught(kind: str = "ridge", detail: float = 2, detail_in: str = "answers", **changes: Any) -> GalLoPClassifier:
    method = MethodConfig(head=kind, detail=detail, detail_in=detail_in)
    return tiny.classifier(method=method, **changes).fit(IMAGES, LABELS)


@pytest.fixture(scope="module")
def ridges() -> GalLoPClassifier:
    return shared(folds=3)


def encoded(photos: list[Any], detail: float = 2) -> ImageFeatures:
    return ImageFeatures.cat(
        list(encode_sources(tiny.vit(), photos, Sight(MethodConfig(detail=detail).looks("answers"))))
    )


def mean_of_looks(features: ImageFeatures) -> Tensor:
    """What the definition says: of each look the mean of the regions in the joint space; their mean, of length 1."""
    projection = there(tiny.vit().vision.region_projection)
    means = [(look.regions.double() @ projection.double()).mean(dim=1) for look in features.looks]
    return F.normalize((sum(means[1:], means[0])) / len(means), dim=-1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("detail", [1.5, 2])
def test_the_score_is_the_form_of_the_mean_of_both_looks_and_the_sum_of_both_maps(kind: str, detail: float) -> None:
    found = shared(kind, detail)
    head, side = head_of(found), round(4 * detail)
    seen = encoded(PHOTOS, detail)
    known = mean_of_looks(seen)
    wanted = head.form.centred()(known) / head.mix.temperature
    for photo, own in zip(PHOTOS, wanted, strict=True):
        why = found.explain(photo)
        scale, most = why.scale, max(float(own.abs().max()), 1)
        assert np.allclose(scale * head_scores(why) / most, own / most, atol=1e-5 * scale), "a discriminant's are large"
        assert [head_map(look, "red").shape for look in why.looks] == [(4, 4), (side, side)]
        assert head_map(why, "red").shape == (side, side)
        for k, name in enumerate(found.classes_):
            parts = [head_map(look, name).ravel() * 0.5 / head_map(look, name).size for look in why.looks]
            assert float(np.concatenate(parts).sum()) == pytest.approx(float(head_scores(why)[k]), abs=1e-5 * most)


@pytest.mark.parametrize("detail_in", ["answers", "training"])
def test_it_learns_from_the_looks_that_are_answered_from(detail_in: str) -> None:
    head = head_of(shared(detail_in=detail_in))
    mine = mean_of_looks(encoded(IMAGES)).float()
    for features, name in zip(mine, LABELS, strict=True):
        nearest = int((there(head.shots).features[:, 0] - features).norm(dim=-1).argmin())
        assert torch.allclose(there(head.shots).features[nearest, 0], features, atol=2e-3), (
            "rounded as features are kept"
        )
        assert list(SHOTS)[int(there(head.shots).labels[nearest])] == name


def test_for_maps_alone_it_is_the_head_of_one_look() -> None:
    plain, maps = (shared(detail_in=use, detail=detail, folds=3) for detail, use in ((1, "answers"), (2, "maps")))
    assert torch.equal(head_of(plain).form.weights, head_of(maps).form.weights)
    assert head_of(plain).mix == head_of(maps).mix
    assert np.array_equal(plain.predict_proba(PHOTOS), maps.predict_proba(PHOTOS))
    one, two = (each.explain(PHOTOS[0]) for each in (plain, maps))
    assert np.array_equal(head_scores(one), head_scores(two))
    assert torch.equal(votes_of(one).shots, votes_of(two).shots)
    assert (two.look_weights, head_map(two, "red").shape) == ((1, 0), (8, 8))
    assert float(head_map(two.looks[0], "red").mean()) == pytest.approx(float(head_scores(two)[0]), abs=1e-6)


def test_the_head_of_a_fold_has_not_learned_from_the_photos_that_it_is_judged_on(ridges: GalLoPClassifier) -> None:
    cross = there(ridges.cross_fit_)
    for model, index in zip(cross.models, cross.index, strict=True):
        others = cross.labels.bincount() - cross.labels[index].bincount(minlength=len(SHOTS))
        assert model.branches[0].sums.counts.tolist() == others.tolist()


@pytest.mark.parametrize("kind", ["none", "ridge"])
def test_temperature_and_share_are_found_on_both_looks_of_held_out_shots(kind: str) -> None:
    found = shared(kind, folds=3)
    cross = there(found.cross_fit_)
    logits, own = [], []
    for model, features in zip(cross.models, cross.features, strict=True):
        with torch.no_grad():
            both = model.with_branches([]).similarities(features, model.text_features())
        logits.append(both.logits(model.config.topk) * model.backbone.logit_scale)
        own += [branch.form.centred()(mean_of_looks(features)) for branch in model.branches]
    labels = cross.labels[torch.cat(cross.index)]
    if not own:
        wanted = fit_temperature(torch.cat(logits), labels)
    else:
        (mix,), wanted = choose_mixes(torch.cat(logits), [torch.cat(own)], labels, [head_of(shared()).mix])
        assert (head_of(found).mix.weight, head_of(found).mix.temperature) == pytest.approx(
            (mix.weight, mix.temperature), rel=1e-3
        )
    assert found.calibration_.temperature == pytest.approx(wanted, rel=1e-3)


def test_votes_of_the_shots_add_up_to_its_score(ridges: GalLoPClassifier) -> None:
    why = ridges.explain(PHOTOS[0])
    assert np.allclose(votes_of(why).shots.sum(dim=0) + votes_of(why).rest, head_scores(why), atol=1e-5)


def test_further_shots_and_classes() -> None:
    few, all_ = tiny.classifier(method=MethodConfig(head="ridge", detail=2)), shared()
    few.fit(IMAGES[1:], LABELS[1:])
    few.add_shots(IMAGES[:1], LABELS[:1])
    assert torch.allclose(head_of(few).sums.scatter, head_of(all_).sums.scatter)
    assert torch.allclose(head_of(few).form.weights, head_of(all_).form.weights, atol=1e-6)
    few.add_class("yellow").add_shots([tiny.picture(i, "yellow") for i in range(3)], ["yellow"] * 3)
    few.remove_class("red").partial_fit(*tiny.pictures({"yellow": 3}, first_seed=80))
    assert head_of(few).sums.counts.tolist() == [4, 4, 3], "with those that it was fitted with"
    assert few.predict(tiny.picture(60, "yellow")).tolist() == ["yellow"]


@pytest.mark.parametrize("keep", [False, True])
def test_it_is_saved_loaded_pickled_and_sent_whole(tmp_path: Path, keep: bool) -> None:
    found = taught(detail=1.5, keep_shots=keep)
    wanted = found.predict_proba(PHOTOS)
    found.save(tmp_path / "model")
    said = json.loads((tmp_path / "model" / "gallop.json").read_text())
    assert (said["format"], said["method"]["head"], said["method"]["detail"]) == (3, "ridge", 1.5)
    loaded = GalLoPClassifier.load(tmp_path / "model", backbone=tiny.vit())
    assert np.array_equal(loaded.predict_proba(PHOTOS), wanted)
    assert bool(loaded.explain(PHOTOS[0]).votes) == keep
    assert np.array_equal(pickle.loads(pickle.dumps(found)).predict_proba(PHOTOS), wanted)
    card = model_card(loaded)
    assert "Detail 1.5: each photo gets a second look at that many times the size, for answers and maps" in card
    assert "ridge regression, fitted to the features of 13 shots" in card


def test_answers_may_become_closer_where_its_photos_are_there() -> None:
    plain, wanted = taught(detail=1), shared()
    plain.set_detail(2, "maps")
    assert torch.equal(head_of(plain).form.weights, head_of(shared(detail=1)).form.weights)
    plain.set_detail(2)
    assert torch.equal(head_of(plain).form.weights, head_of(wanted).form.weights)
    assert np.array_equal(plain.predict_proba(PHOTOS), wanted.predict_proba(PHOTOS))
    plain.set_detail(1)
    assert np.array_equal(plain.predict_proba(PHOTOS), shared(detail=1).predict_proba(PHOTOS))
    plain.remove_class("green").set_detail(2)
    assert head_of(plain).sums.counts.tolist() == [5, 4]
    mixed = taught(detail=1, calibration_folds=3)
    share = head_of(mixed).mix
    with pytest.warns(UserWarning, match="threshold is void"):
        mixed.set_detail(2)
    assert head_of(mixed).mix == share


def test_answers_may_not_change_where_its_photos_are_gone(tmp_path: Path) -> None:
    shared(detail=1).save(tmp_path / "model")
    loaded = GalLoPClassifier.load(tmp_path / "model", backbone=tiny.vit())
    before = loaded.predict_proba(PHOTOS)
    sentence = r"detail=1\. To change that, the head must be trained again, but not all .* detail=2, or .*"
    with pytest.raises(ConfigError, match=f"{sentence} detail_in='maps' for a second"):
        loaded.set_detail(2)
    assert loaded.model_.config.detail == 1
    assert head_map(loaded.set_detail(2, "maps").explain(PHOTOS[0]), "red").shape == (8, 8)
    assert np.array_equal(loaded.predict_proba(PHOTOS), before)
    more = taught().add_shots(PHOTOS[:1], ["red"])
    with pytest.raises(ConfigError, match=r"after load or add_shots.* and detail=1\.$"):
        more.set_detail(1)
    untaught = tiny.classifier(method=MethodConfig(head="ridge")).zero_shot(["red", "green"])
    assert untaught.set_detail(2).model_.branches == ()


def test_every_k_and_many_photos_are_answered_as_one_is(ridges: GalLoPClassifier) -> None:
    model = ridges.model_
    cosines = similarities(model, encode_sources(model.backbone, PHOTOS, model.sight))
    truth = torch.tensor([0, 1, 2])
    swept = sweep_k(cosines, (2, 4), truth.tolist())
    for k in (1, 7, 16):
        right = [int((cosines.logits(topk).argmax(dim=1) == truth).sum()) for topk in ((k, k), (k, 4), (2, k))]
        assert [swept.together[k - 1], *swept.each[:, k - 1]] == right
    found, why = ridges.predict_all(PHOTOS), ridges.explain(PHOTOS)
    assert np.allclose(found.probabilities, [list(each.probabilities.values()) for each in why], atol=1e-6)
    heads = [list(each.branch_probabilities["ridge"].values()) for each in why]
    assert np.allclose(found.branches["ridge"], heads, atol=1e-6)


def test_the_figure_shows_its_map_at_both_sizes(ridges: GalLoPClassifier) -> None:
    why = ridges.explain(PHOTOS[0])
    coarse, fine = (float(head_map(look, "red").mean()) for look in why.looks)
    titles = [axes.get_title() for axes in plot_explanation(why, "red").axes]
    assert [title for title in titles if "head" in title] == [
        f"head, every region: {mean:.3f}" for mean in (coarse, fine)
    ]


def test_what_is_encoded_ahead_is_all_that_it_asks_for() -> None:
    cache, method = MemoryCache(), MethodConfig(head="ridge", detail=2)
    found = tiny.classifier(method=method, cache=cache, calibration_folds=2)
    for _ in encode_ahead(
        tiny.vit(), list(map(load_image, IMAGES)), TrainConfig(views=2, calibration_folds=2), cache, method
    ):
        pass
    held = len(cache)
    found.fit(IMAGES, LABELS)
    assert len(cache) == held
