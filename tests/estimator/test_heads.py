"""A classifier with a head: learning, also of balanced classes, adding, saving and getting its shots back."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gallop.checkpoints.folder import SETTINGS, TENSORS
from gallop.config import MethodConfig
from gallop.documents.model_card import model_card
from gallop.errors import CheckpointError, ConfigError, DataError
from gallop.estimator import GalLoPClassifier
from gallop.evaluation.scored_answers import ENSEMBLE, GLOBAL, LOCAL, ScoredAnswers, accuracy_of
from gallop.export.report import html_report
from gallop.features.encoding import ImageFeatures, encode_sources
from gallop.model.answers import Rule, answers
from gallop.model.branches.branch import Branch
from gallop.model.branches.forms import ridge
from gallop.model.branches.kinds import HALVED, NAMES, PENALTY, shot_features
from gallop.model.branches.kinds import KINDS as HOW
from gallop.model.branches.mix import mixed
from gallop.model.branches.sums import ShotSums
from tests import tiny
from tests.tiny import edit_settings, head_of, head_scores, there

KINDS = list(HOW)
SHOTS = {"red": 5, "green": 4, "blue": 4}
IMAGES, LABELS = tiny.pictures(SHOTS)
PHOTOS = [tiny.picture(50 + i, colour) for i, colour in enumerate(SHOTS)]


def taught(kind: str, **changes: Any) -> GalLoPClassifier:
    return tiny.classifier(method=MethodConfig(head=kind), **changes).fit(IMAGES, LABELS)


def saved(model: GalLoPClassifier, folder: Path) -> GalLoPClassifier:
    model.save(folder)
    return GalLoPClassifier.load(folder, backbone=tiny.vit(), device="cpu")


def known(photos: ImageFeatures) -> torch.Tensor:
    """What a head knows of photos."""
    return shot_features(photos, 1, tiny.vit().vision.region_projection)


@pytest.fixture(scope="module")
def ridges() -> GalLoPClassifier:
    """Never changed."""
    return taught("ridge", calibration_folds=3)


def test_without_a_head_there_is_no_branch() -> None:
    plain = taught("none")
    found, why = plain.predict_all(PHOTOS), plain.explain(PHOTOS[0])
    assert (found.branches, why.branch_scores, plain.model_.branches) == ({}, {}, ())
    with pytest.raises(ValueError, match="no branch 'ridge'"):
        why.branch_map("ridge", "red")


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_and_scores_of_the_unknown_do_not_know_the_head(kind: str) -> None:
    plain, found = (taught(each, calibration_folds=2) for each in ("none", kind))
    assert tiny.equal(tiny.learned(plain), tiny.learned(found))
    assert plain.calibration_.threshold == found.calibration_.threshold
    theirs, ours = plain.predict_all(PHOTOS), found.predict_all(PHOTOS)
    assert all(np.array_equal(score, ours.ood[name]) for name, score in theirs.ood.items())
    assert not np.array_equal(theirs.probabilities, ours.probabilities)
    assert [event.loss for event in plain.history_] == [event.loss for event in found.history_]


def test_it_learns_from_the_centre_crop_of_each_shot(ridges: GalLoPClassifier) -> None:
    head, shots = head_of(ridges), there(head_of(ridges).shots)
    assert shots.features.shape[:2] == (13, 1)
    mine = known(ImageFeatures.cat(list(encode_sources(tiny.vit(), IMAGES))))
    nearest = torch.cdist(mine, shots.features[:, 0]).argmin(dim=1)
    assert torch.allclose(shots.features[nearest, 0], mine, atol=2e-3), "rounded as features are kept"
    assert ridges.classes_[shots.labels[nearest]].tolist() == LABELS
    sums = ShotSums.of(shots, 3)
    drawn = NAMES / 2 ** (sums.counts[:, None] / HALVED) * there(head.texts)
    assert torch.allclose(head.form.weights, ridge(sums, PENALTY, drawn).weights, atol=1e-6)


def test_answers_are_the_mean_of_both_with_the_weight_that_was_found(ridges: GalLoPClassifier) -> None:
    model, head, temperature = ridges.model_, head_of(ridges), ridges.calibration_.temperature
    assert head.mix != HOW["ridge"].usual, "four shots of each class are held out"
    features = ImageFeatures.cat(list(encode_sources(model.backbone, PHOTOS)))
    with torch.no_grad():
        seen = model.with_branches([]).similarities(features, ridges.model_.cached_text_features())
        logits = answers(seen, Rule(model.config.topk)).scores.double() * model.backbone.logit_scale
    own = head.complete(torch.empty(0))(known(features).double())
    found = ridges.predict_all(PHOTOS)
    wanted = (mixed(logits, [own], [head.mix]) / temperature).softmax(dim=-1)
    assert np.allclose(found.probabilities, wanted.numpy(), atol=1e-5)
    alone = (own / head.mix.temperature / temperature).softmax(dim=-1)
    assert np.allclose(found.branches["ridge"], alone.numpy(), atol=1e-5)


def test_few_shots_take_the_usual_weight() -> None:
    images, labels = tiny.pictures({"red": 3, "green": 3})
    for folds in (0, 2):
        found = tiny.classifier(method=MethodConfig(head="ridge"), calibration_folds=folds).fit(images, labels)
        assert head_of(found).mix == HOW["ridge"].usual
        assert (found.calibration_.threshold is None) == (folds == 0)


# Adding --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_shots_are_added_without_training(kind: str) -> None:
    found = taught(kind, calibration_folds=2)
    before, prompts = found.predict_all(PHOTOS), tiny.learned(found)
    mix, threshold = head_of(found).mix, found.calibration_
    found.add_shots(PHOTOS, list(SHOTS))
    after = found.predict_all(PHOTOS)
    assert head_of(found).sums.counts.sum() == 16
    assert (head_of(found).mix, found.calibration_) == (mix, threshold)
    assert tiny.equal(prompts, tiny.learned(found))
    own = np.arange(3), [found.classes_.tolist().index(name) for name in SHOTS]
    old, new = (each.branches[kind][own] for each in (before, after))
    assert (new >= old - 1e-6).all(), "it has seen them now"


def test_a_class_is_added_by_its_name_then_taught() -> None:
    found = taught("ridge", calibration_folds=2)
    before = found.predict_proba(PHOTOS)
    by_name = found.add_class("yellow").predict_proba(PHOTOS)
    assert head_of(found).sums.counts.tolist() == [5, 4, 4, 0]
    assert np.array_equal(by_name[:, :3].argmax(axis=1), before.argmax(axis=1))
    yellow, names = tiny.pictures({"yellow": 3}, first_seed=80)
    assert found.add_shots(yellow[:2], names[:2]).predict_proba(yellow[2])[0, 3] > 0.25


def test_a_classifier_without_training_is_taught_by_shots_alone() -> None:
    found = tiny.classifier(head="ridge").zero_shot(list(SHOTS))
    assert found.model_.branches == ()
    plain = tiny.classifier().zero_shot(list(SHOTS)).predict_proba(PHOTOS)
    assert np.array_equal(found.predict_proba(PHOTOS), plain)
    assert found.add_shots(IMAGES, LABELS).score(PHOTOS, list(SHOTS)) == 1.0


@pytest.mark.parametrize(
    ("kind", "shots", "error", "said"),
    [
        ("ridge", 2, DataError, "from two or more classes"),
        ("none", 1, ConfigError, "this classifier has none"),
        ("ridge", 13, DataError, "does not know the classes blue; add them first"),
    ],
)
def test_shots_that_cannot_be_learned_from_are_told(kind: str, shots: int, error: type[Exception], said: str) -> None:
    found = tiny.classifier(head=kind).zero_shot(["red", "green"])
    with pytest.raises(error, match=said):
        found.add_shots(IMAGES[:shots], LABELS[:shots])


# Keeping -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_back(kind: str, keep: bool, tmp_path: Path) -> None:
    found = taught(kind, keep_shots=keep)
    loaded = saved(found, tmp_path)
    assert np.allclose(found.predict_proba(PHOTOS), loaded.predict_proba(PHOTOS), atol=1e-6)
    there = "head.shots" in load_file(tmp_path / TENSORS)
    assert (there, loaded.keep_shots, head_of(loaded).shots is not None) == (keep,) * 3
    more = [each.add_shots(PHOTOS, list(SHOTS)).predict_proba(PHOTOS) for each in (found, loaded)]
    assert np.allclose(*more, atol=1e-5)
    wider = saved(loaded.add_class("yellow"), tmp_path)
    assert np.allclose(wider.predict_proba(PHOTOS), loaded.predict_proba(PHOTOS), atol=1e-6)


def test_a_head_from_before_it_knew_names_answers_as_it_did(ridges: GalLoPClassifier, tmp_path: Path) -> None:
    """And learns further shots as it did."""
    head, before = head_of(ridges), copy.copy(ridges)
    before.model_ = ridges.model_.with_branches([there(Branch.of("ridge", there(head.shots), 3, head.mix))])
    loaded = saved(before, tmp_path)
    settings = json.loads((tmp_path / SETTINGS).read_text())
    assert (settings["format"], {*settings["head"]}) == (2, {"weight", "temperature", "shots"})
    assert "head.texts" not in load_file(tmp_path / TENSORS)
    assert np.allclose(loaded.predict_proba(PHOTOS), before.predict_proba(PHOTOS), atol=1e-6)
    assert not np.allclose(loaded.predict_proba(PHOTOS), ridges.predict_proba(PHOTOS), atol=1e-6)
    assert head_of(loaded.add_class("yellow")).texts is None


def test_no_photo_or_path_is_kept(tmp_path: Path) -> None:
    folder = tiny.write_folder(tmp_path / "secret place", SHOTS)
    found = tiny.classifier(method=MethodConfig(head="ridge"), keep_shots=True).fit(folder)
    found.save(tmp_path / "model")
    written = b"".join(file.read_bytes() for file in (tmp_path / "model").iterdir())
    assert [words for words in (b"secret", b".png") if words in written] == []


METHOD = {"global_prompts": 2, "topk": [2, 4], "dropout": 0.75, "local_projection": True}
DAMAGE: dict[str, Any] = {
    "a part is missing": (lambda t: t.pop("head.sums"), "the head's tensors"),
    "another number of classes": (lambda t: t.update({"head.counts": torch.ones(2).double()}), "do not fit 3 classes"),
    "no number": (lambda t: t["head.sums"].fill_(float("nan")), "head.sums holds values that are not finite"),
    "part of a shot": (lambda t: t["head.counts"].fill_(0.5), "counts must be integers"),
    "shots of one class": (
        lambda t: t["head.counts"].copy_(torch.tensor([3.0, 0, 0])),
        "at least two classes must have a count above 0",
    ),
    "other shots": (lambda t: t["head.labels"].fill_(0), "do not match its counts"),
    "shots cut short": (lambda t: t.update({"head.shots": t["head.shots"][:2].clone()}), "must contain 13 shots"),
    "texts of other names": (
        lambda t: t.update({"head.texts": t["head.texts"][:2].clone()}),
        "text features of the head",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_head_is_refused(case: str, tmp_path: Path) -> None:
    change, said = DAMAGE[case]
    taught("ridge", keep_shots=True).save(tmp_path)
    tensors = load_file(tmp_path / TENSORS)
    change(tensors)
    save_file(tensors, tmp_path / TENSORS)
    edit_settings(tmp_path, lambda settings: settings.update(prompts_sha256=""))
    with pytest.raises(CheckpointError, match=f"does not match its settings: .*{said}"):
        GalLoPClassifier.load(tmp_path, backbone=tiny.vit())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"head": {"weight": 2, "temperature": 1}}, "weight is 2"),
        ({"head": {"weight": 0.5, "temperature": 1, "shots": "all"}}, "shots is 'all'"),
        ({"head": {"weight": 0.5, "temperature": 1, "names": "no"}}, "names is 'no'"),
        ({"head": {"weight": 0.5, "temperature": 1, "sharpness": 1}}, "does not know and would ignore: head.sharpness"),
        ({"head": None}, "contains a head that the settings do not mention"),
        ({"head": [{"weight": 0.5, "temperature": 1}] * 2}, "contains 2 heads, but its settings name 1"),
    ],
)
def test_settings_of_a_head_that_make_no_sense_are_refused(change: Any, said: str, tmp_path: Path) -> None:
    taught("ridge").save(tmp_path)
    edit_settings(tmp_path, lambda settings: settings.update(change))
    with pytest.raises(CheckpointError, match=said):
        GalLoPClassifier.load(tmp_path, backbone=tiny.vit())


@pytest.mark.parametrize("kind", ["discriminant", "logistic", "pairs", "ridge+pairs", "somebody's"])
def test_a_model_whose_head_is_not_here_is_refused_with_what_to_do(kind: str, tmp_path: Path) -> None:
    taught("ridge").save(tmp_path)
    edit_settings(tmp_path, lambda settings: settings["method"].update(head=kind))
    way = r" discriminant, logistic and pairs were removed: train again with head='ridge'\." if "'" not in kind else ""
    with pytest.raises(CheckpointError, match=rf"{SETTINGS} cannot be used here\. head is .*joined by \+\.{way}$"):
        GalLoPClassifier.load(tmp_path, backbone=tiny.vit())


# Who else knows it ---------------------------------------------------------------------------------------------------


def test_the_model_card_tells_what_is_kept(ridges: GalLoPClassifier) -> None:
    kept, beside = model_card(taught("ridge", keep_shots=True).add_class("*new*")), model_card(ridges)
    assert "Next to the prompts, a head on the whole photo: ridge regression, fitted to the features of 13 " in beside
    assert "over all shots, but not the features of single shots. It contains no photos" in beside
    assert "The model contains the features of each shot. It contains no photos and no paths" in kept
    assert r"Classes without shots, known by their text: \*new\*" in kept
    assert "head" not in model_card(taught("none"))


def test_the_report_tells_scores_and_votes(ridges: GalLoPClassifier) -> None:
    why = ridges.explain(PHOTOS[0])
    page = html_report(why, class_name="red")
    assert "Shots that voted for red" in page
    score = float(head_scores(why)[why.class_names.index("red")])
    assert f'<td>head</td><td class="number">{score:.4f}</td>' in page
    told = re.findall(r"<td>(?:shot \d+|the other 3|the class names)</td><td>\w*</td><td[^>]*>(-?[\d.]+)</td>", page)
    assert (len(told), sum(map(float, told))) == (12, pytest.approx(score, abs=12 * 5e-5))


def test_evaluation_tells_how_good_it_is_alone(ridges: GalLoPClassifier) -> None:
    with_it, without = (ScoredAnswers.of(each.predict_all(PHOTOS)) for each in (ridges, taught("none")))
    assert (
        {*with_it.predicted} == {*without.predicted, accuracy_of("ridge")} == {ENSEMBLE, GLOBAL, LOCAL, "accuracy_head"}
    )


def test_a_class_that_comes_while_photos_are_encoded_is_known_to_the_head() -> None:
    found = tiny.classifier(method=MethodConfig(head="ridge"), calibration_folds=2)
    for number, _ in enumerate(found.fit_steps(IMAGES, LABELS)):
        if number == 0:
            found.add_class("yellow")
    assert (len(head_of(found).sums.counts), found.predict_proba(PHOTOS).shape) == (4, (3, 4))
    assert head_of(found).shots is not None


# Classes that are balanced -------------------------------------------------------------------------------------------


def test_balanced_classes_weigh_alike_in_the_head_and_in_that_of_every_fold_and_prompts_learn_otherwise(
    ridges: GalLoPClassifier,
) -> None:
    balanced = taught("ridge", calibration_folds=3, class_weight="balanced")
    for model in (balanced.model_, *there(balanced.cross_fit_).models):
        (branch,) = model.branches
        weights = branch.sums.weights * branch.sums.counts
        assert torch.allclose(weights, weights.mean())
    assert not tiny.equal(tiny.learned(balanced), tiny.learned(ridges))


def test_prompts_of_even_classes_learn_the_same_where_they_are_balanced() -> None:
    images, labels = tiny.pictures({"red": 3, "green": 3})
    one, other = (tiny.learned(tiny.classifier(class_weight=each).fit(images, labels)) for each in (None, "balanced"))
    assert all(torch.allclose(value, other[key], atol=1e-5) for key, value in one.items())


# A saved head gets its shots back: it can do what it could before it was saved, and nothing else moves ---------------


MORE = [tiny.picture(80, "green"), tiny.picture(81, "red")]


@pytest.mark.parametrize("kind", KINDS)
def test_with_its_shots_a_saved_head_can_again_what_it_could(kind: str, tmp_path: Path) -> None:
    model = taught(kind)
    loaded = saved(model, tmp_path / "model")
    before, wanted = loaded.predict_proba(PHOTOS), model.explain(PHOTOS[0]).votes
    assert loaded.explain(PHOTOS[0]).votes == {}
    assert loaded.recall_shots(IMAGES, LABELS) is loaded
    assert np.array_equal(loaded.predict_proba(PHOTOS), before)
    found = loaded.explain(PHOTOS[0]).votes
    assert list(found) == list(wanted) == ([kind] if HOW[kind].votes else [])
    for name, votes in found.items():
        assert np.allclose(votes.shots, wanted[name].shots, atol=1e-4)
        assert votes.labels.tolist() == [list(SHOTS).index(name) for name in LABELS]
    for each in (model, loaded):
        each.add_shots(MORE, ["green", "red"]).remove_class("blue")
    assert np.allclose(loaded.predict_proba(PHOTOS), model.predict_proba(PHOTOS), atol=1e-4)
    assert head_of(saved(loaded, tmp_path / "again")).shots is None, "no shot is saved because it was recalled"


def test_shots_that_were_added_later_are_recalled_in_the_order_in_which_they_are_given(tmp_path: Path) -> None:
    loaded = saved(taught("ridge").add_shots(MORE, ["green", "red"]), tmp_path)
    with pytest.raises(DataError, match="These 13 photos are not the 15"):
        loaded.recall_shots(IMAGES, LABELS)
    votes = loaded.recall_shots([*MORE, *IMAGES], ["green", "red", *LABELS]).explain(PHOTOS[0]).votes["ridge"]
    assert votes.labels[:2].tolist() == [1, 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ([*IMAGES[:-1], MORE[0]], LABELS),
        (IMAGES, [LABELS[-1], *LABELS[1:-1], LABELS[0]]),
        (IMAGES[1:], LABELS[1:]),
    ],
    ids=["another photo", "another class", "one missing"],
)
def test_other_photos_are_not_recalled(kind: str, images: list[Any], labels: list[str], tmp_path: Path) -> None:
    loaded = saved(taught(kind), tmp_path)
    with pytest.raises(DataError, match="are not the 13 that the head was trained on"):
        loaded.recall_shots(images, labels)
    assert head_of(loaded).shots is None


def test_who_has_no_head_has_nothing_to_recall() -> None:
    for model in (taught("none"), tiny.classifier().zero_shot(list(SHOTS))):
        with pytest.raises(ConfigError, match="has no trained head"):
            model.recall_shots(IMAGES, LABELS)


def test_one_photo_among_a_hundred_is_not_overlooked(tmp_path: Path) -> None:
    images, labels = tiny.pictures({"red": 100, "blue": 100})
    loaded = saved(tiny.classifier(head="ridge", epochs=1).fit(images, labels), tmp_path)
    with pytest.raises(DataError, match="are not the 200"):
        loaded.recall_shots([*images[:-1], tiny.picture(500, "green")], labels)
    assert loaded.recall_shots(images, labels).explain(PHOTOS[0]).votes


def test_photos_of_a_class_that_went_are_named(tmp_path: Path) -> None:
    loaded = saved(taught("ridge").remove_class("blue"), tmp_path)
    with pytest.raises(DataError, match=r"does not know the classes blue; leave their photos out\."):
        loaded.recall_shots(IMAGES, LABELS)
    assert loaded.recall_shots(IMAGES[:9], LABELS[:9]).explain(PHOTOS[0]).votes


def test_of_a_data_set_with_parts_the_photos_to_learn_from_are_recalled(tmp_path: Path) -> None:
    photos = tiny.write_folder(tmp_path / "photos" / "train", SHOTS).parent
    tiny.write_folder(photos / "test", {"red": 3}, first_seed=50)
    model = tiny.classifier(head="ridge").fit(photos)
    assert saved(model, tmp_path / "model").recall_shots(photos).explain(PHOTOS[0]).votes
