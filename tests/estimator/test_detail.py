"""``detail`` from end to end, with and without a head: learned, saved, loaded, changed, answered in every way, or
refused in a sentence."""

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
from sklearn.base import clone
from torch import Tensor

from gallop import GalLoPClassifier, load_image, plot_explanation
from gallop.answers import Extras, PhotoScorer
from gallop.answers.scorer import fingerprint
from gallop.cli import main
from gallop.config import MethodConfig, TrainConfig
from gallop.data import training_set
from gallop.documents.model_card import model_card
from gallop.errors import ConfigError
from gallop.features.encoding import ImageFeatures, MemoryCache, Sight, encode_sources
from gallop.lab.methods import Setup, make_method, method_sight
from gallop.model.answers import Rule, answers
from gallop.model.branches.mix import choose_mixes
from gallop.model.calibration import fit_temperature
from gallop.predictions.explanation import Explanation, explain_first_look
from gallop.training.learn import encode_ahead
from tests import tiny
from tests.estimator.test_heads import saved
from tests.tiny import head_map, head_of, head_scores, there, votes_of

SHOTS = {"red": 5, "green": 4, "blue": 4}
IMAGES, LABELS = tiny.pictures(SHOTS)
TESTS, TRUTH = tiny.pictures({"red": 2, "green": 2}, first_seed=50)


def taught(detail: float = 2, detail_in: str = "answers", head: str = "none", **changes: Any) -> GalLoPClassifier:
    method = MethodConfig(head=head, detail=detail, detail_in=detail_in)
    return tiny.classifier(method=method, **changes).fit(IMAGES, LABELS)


def first_look(found: GalLoPClassifier) -> Explanation:
    return explain_first_look(found.model_, load_image(IMAGES[0]), found.calibration_)


def test_answers_alone_learn_what_is_learned_without_and_have_a_fingerprint_of_their_own() -> None:
    plain, answers, learned = taught(1), taught(), taught(detail_in="training")
    assert tiny.equal(tiny.learned(plain), tiny.learned(answers))
    assert not tiny.equal(tiny.learned(plain), tiny.learned(learned))
    assert not np.array_equal(plain.predict_proba(TESTS), answers.predict_proba(TESTS))
    assert np.array_equal(plain.predict_proba(TESTS), taught(detail_in="maps").predict_proba(TESTS))
    assert fingerprint(answers) != fingerprint(plain) == fingerprint(taught(1))


def test_held_out_shots_get_both_looks_and_the_first_look_alone_answers_as_it_does_within_both() -> None:
    found = taught(calibration_folds=2)
    assert {len(features.looks) for features in there(found.cross_fit_).features} == {2}
    first, both = first_look(found), found.explain(IMAGES[0])
    assert (first.grids, first.threshold) == (both.grids[:1], None)
    assert first.probabilities == pytest.approx(both.looks[0].probabilities, abs=1e-6)
    assert found.calibration_.threshold is not None
    assert found.explain(IMAGES[0]).probabilities == both.probabilities
    once = taught(1, calibration_folds=2)
    assert first_look(once).threshold == once.calibration_.threshold
    assert len(first_look(taught(detail_in="maps")).grids) == 2, "its answers are of one look anyway"


def test_prompts_are_measured_on_both_looks() -> None:
    found = taught()
    truth = np.array([found.classes_.tolist().index(name) for name in TRUTH])
    scores = np.stack([np.hstack([each.global_scores, each.local_scores]) for each in found.explain(TESTS)])
    alone = (scores.argmax(axis=1) == truth[:, None]).sum(axis=0).tolist()
    assert [worth.alone for worth in found.prompts.worth(TESTS, TRUTH)] == alone


def test_a_taught_classifier_may_look_closer_without_training() -> None:
    found, wanted = taught(1, calibration_folds=2), taught(2)
    threshold = there(found.calibration_.threshold)
    looked = found.set_detail(2, "maps").explain(TESTS[0])
    assert (found.calibration_.threshold, looked.grid) == (threshold, (8, 8))
    with pytest.warns(UserWarning, match="threshold is void: it was computed with detail=1; train again"):
        assert found.set_detail(2) is found
    assert (found.calibration_.threshold, wanted.calibration_.temperature) == (None, 1)
    assert np.array_equal(found.predict(TESTS), wanted.predict(TESTS))
    assert (found.get_params()["method"], found.detail) == (found.model_.config, 2)
    assert clone(found.set_detail(1)).zero_shot(["red"]).model_.config.detail == 1
    assert np.array_equal(found.predict(TESTS), taught(1).predict(TESTS))
    for asked, said in (((2, "training"), "only during training"), ((4,), "detail is 4")):
        with pytest.raises(ConfigError, match=said):
            found.set_detail(*asked)


def test_many_photos_are_answered_as_one_is(tmp_path: Path) -> None:
    found = taught()
    scorer = PhotoScorer(found, extras=Extras(probabilities=True, regions=True))
    columns = scorer({"path": [str(path) for path in tiny.write_images(tmp_path, TESTS)]})
    assert np.allclose(columns["probabilities"], found.predict_proba(TESTS), atol=1e-6)
    why = found.explain(TESTS[0])
    boxes = {(*box.rounded(), round(box.score, 5)) for box in why.regions(why.label, 0)}
    sides = ("left", "top", "right", "bottom")
    told = {(*(int(box[side]) for side in sides), round(box["score"], 5)) for box in columns["regions"][0]}
    assert told == boxes


def test_a_linear_probe_looks_twice_too() -> None:
    def made(name: str, **settings: Any) -> Any:
        method = make_method(name, settings)
        shots = training_set(IMAGES, LABELS, shots=None, seed=0, allow_fewer=False)
        asked = ImageFeatures.cat(list(encode_sources(tiny.vit(), TESTS, method_sight(method))))
        fitted: Any = method.fit(shots, Setup(tiny.vit(), cache=MemoryCache()))
        return fitted, fitted.predict(asked).probabilities.shape

    (plain, _), (closer, shape) = made("linear-probe"), made("linear-probe", detail=2)
    assert plain.regression.coef_.shape[1] * 2 == closer.regression.coef_.shape[1]
    assert shape == made("GalLoP", detail=2, epochs=1, views=1)[1] == (4, 3)


def test_the_command_line_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, (photo,) = tiny.backbone_folder(tmp_path), tiny.write_images(tmp_path / "photos", [tiny.picture(0)])
    common = [str(photo), "--classes", "red,green", "--backbone", str(folder), "--device", "cpu", "--json"]
    assert main(["explain", *common, "--out", str(tmp_path / "why.png"), "--detail", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["regions"][0]["k"] == 10, "five of each size"
    assert main(["predict", *common, "--detail", "1.5"]) == 0
    assert main(["predict", *common, "--detail", "3"]) != 0
    assert "detail is 3.0; it must be 1, 1.5 or 2." in capsys.readouterr().err


# A head that looks twice: what it learns from and answers from, exact maps at both sizes, and what becomes of them ---


PHOTOS = [tiny.picture(50 + i, colour) for i, colour in enumerate(SHOTS)]


@cache
def shared(kind: str = "ridge", detail: float = 2, detail_in: str = "answers", folds: int = 0) -> GalLoPClassifier:
    """Never changed."""
    return taught(detail, detail_in, kind, calibration_folds=folds)


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


@pytest.mark.parametrize("detail", [1.5, 2])
def test_the_score_is_the_form_of_the_mean_of_both_looks_and_the_sum_of_both_maps(detail: float) -> None:
    found = shared("ridge", detail)
    head, side = head_of(found), round(4 * detail)
    seen = encoded(PHOTOS, detail)
    known = mean_of_looks(seen)
    wanted = head.complete(torch.empty(0))(known) / head.mix.temperature
    for photo, own in zip(PHOTOS, wanted, strict=True):
        why = found.explain(photo)
        assert np.allclose(why.scale * head_scores(why), own, atol=1e-5 * why.scale)
        assert [head_map(look, "red").shape for look in why.looks] == [(4, 4), (side, side)]
        assert head_map(why, "red").shape == (side, side)
        for k, name in enumerate(found.classes_):
            parts = [head_map(look, name).ravel() * 0.5 / head_map(look, name).size for look in why.looks]
            assert float(np.concatenate(parts).sum()) == pytest.approx(float(head_scores(why)[k]), abs=1e-5)


@pytest.mark.parametrize("detail_in", ["answers", "training"])
def test_it_learns_from_the_looks_that_are_answered_from(detail_in: str) -> None:
    shots, mine = there(head_of(shared(detail_in=detail_in)).shots), mean_of_looks(encoded(IMAGES)).float()
    nearest = torch.cdist(mine, shots.features[:, 0]).argmin(dim=1)
    assert torch.allclose(shots.features[nearest, 0], mine, atol=2e-3), "rounded as features are kept"
    assert [list(SHOTS)[k] for k in shots.labels[nearest]] == LABELS


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
        logits.append(answers(both, Rule(model.config.topk)).scores * model.backbone.logit_scale)
        own += [branch.complete(torch.empty(0))(mean_of_looks(features)) for branch in model.branches]
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
    few, all_ = tiny.classifier(head="ridge", detail=2).fit(IMAGES[1:], LABELS[1:]), shared()
    few.add_shots(IMAGES[:1], LABELS[:1])
    assert torch.allclose(head_of(few).sums.scatter, head_of(all_).sums.scatter)
    assert torch.allclose(head_of(few).form.weights, head_of(all_).form.weights, atol=1e-6)
    few.add_class("yellow").add_shots([tiny.picture(i, "yellow") for i in range(3)], ["yellow"] * 3)
    few.remove_class("red").partial_fit(*tiny.pictures({"yellow": 3}, first_seed=80))
    assert head_of(few).sums.counts.tolist() == [4, 4, 3], "with those that it was fitted with"
    assert few.predict(tiny.picture(60, "yellow")).tolist() == ["yellow"]


@pytest.mark.parametrize("keep", [False, True])
def test_it_is_saved_loaded_pickled_and_sent_whole(tmp_path: Path, keep: bool) -> None:
    found = taught(head="ridge", detail=1.5, keep_shots=keep)
    loaded = saved(found, tmp_path)
    for again in (loaded, pickle.loads(pickle.dumps(found))):
        assert np.array_equal(again.predict_proba(PHOTOS), found.predict_proba(PHOTOS))
    assert bool(loaded.explain(PHOTOS[0]).votes) == keep
    card = model_card(loaded)
    assert "Detail 1.5: each photo gets a second look at that many times the size, for answers and maps\n" in card
    assert "ridge regression, fitted to the features of 13 shots" in card
    assert "detail" not in model_card(shared(detail=1)).lower()


def test_answers_may_become_closer_where_its_photos_are_there() -> None:
    plain, wanted = taught(head="ridge", detail=1), shared()
    plain.set_detail(2, "maps")
    assert torch.equal(head_of(plain).form.weights, head_of(shared(detail=1)).form.weights)
    plain.set_detail(2)
    assert torch.equal(head_of(plain).form.weights, head_of(wanted).form.weights)
    assert np.array_equal(plain.predict_proba(PHOTOS), wanted.predict_proba(PHOTOS))
    plain.set_detail(1)
    assert np.array_equal(plain.predict_proba(PHOTOS), shared(detail=1).predict_proba(PHOTOS))
    plain.remove_class("green").set_detail(2)
    assert head_of(plain).sums.counts.tolist() == [5, 4]
    mixed = taught(head="ridge", detail=1, calibration_folds=3)
    share = head_of(mixed).mix
    with pytest.warns(UserWarning, match="threshold is void"):
        mixed.set_detail(2)
    assert head_of(mixed).mix == share


def test_answers_may_not_change_where_its_photos_are_gone(tmp_path: Path) -> None:
    loaded = saved(shared(detail=1), tmp_path)
    before = loaded.predict_proba(PHOTOS)
    sentence = r"detail=1\. To change that, the head must be trained again, but not all .* detail=2, or .*"
    with pytest.raises(ConfigError, match=f"{sentence} detail_in='maps' for a second"):
        loaded.set_detail(2)
    assert loaded.model_.config.detail == 1
    assert head_map(loaded.set_detail(2, "maps").explain(PHOTOS[0]), "red").shape == (8, 8)
    assert np.array_equal(loaded.predict_proba(PHOTOS), before)
    more = taught(head="ridge").add_shots(PHOTOS[:1], ["red"])
    with pytest.raises(ConfigError, match=r"after load or add_shots.* and detail=1\.$"):
        more.set_detail(1)
    untaught = tiny.classifier(head="ridge").zero_shot(["red", "green"])
    assert untaught.set_detail(2).model_.branches == ()


def test_what_is_predicted_is_what_is_explained(ridges: GalLoPClassifier) -> None:
    found, why = ridges.predict_all(PHOTOS), ridges.explain(PHOTOS)
    assert np.allclose(found.probabilities, [list(each.probabilities.values()) for each in why], atol=1e-6)
    heads = [list(each.branch_probabilities["ridge"].values()) for each in why]
    assert np.allclose(found.branches["ridge"], heads, atol=1e-6)


def test_the_figure_shows_its_map_at_both_sizes(ridges: GalLoPClassifier) -> None:
    why = ridges.explain(PHOTOS[0])
    titles = [axes.get_title() for axes in plot_explanation(why, "red").axes]
    wanted = [f"head, every region: {head_map(look, 'red').mean():.3f}" for look in why.looks]
    assert [title for title in titles if "head" in title] == wanted


def test_what_is_encoded_ahead_is_all_that_it_asks_for() -> None:
    cache, training = MemoryCache(), TrainConfig(views=2, calibration_folds=2)
    method = MethodConfig(head="ridge", detail=2)
    list(encode_ahead(tiny.vit(), list(map(load_image, IMAGES)), training, cache, method))
    held = len(cache)
    taught(head="ridge", cache=cache, calibration_folds=2)
    assert len(cache) == held
