"""The head: closed forms against scikit-learn, its map and its votes against its score, and its mix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from torch import Tensor

from gallop import ImageFeatures, MethodConfig
from gallop.backbones import Backbone
from gallop.errors import ConfigError
from gallop.model.answers import Rule, answers
from gallop.model.branches.branch import Branch
from gallop.model.branches.forms import ridge
from gallop.model.branches.kinds import HALVED, KINDS, NAMES, PENALTY, drawn_to, shot_features
from gallop.model.branches.mix import SPREAD, Mix, choose_mixes, mixed
from gallop.model.branches.sums import ShotFeatures, ShotSums
from gallop.model.prompted import PromptModel
from tests import tiny
from tests.reference import backbone


def shots(*counts: int, views: int = 1, width: int = 6, seed: int = 0) -> ShotFeatures:
    """Drawn around a mean for each class, of length 1."""
    drawn = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.full((count,), k) for k, count in enumerate(counts)])
    means = torch.randn(len(counts), 1, width, generator=drawn)
    features = means[labels] + 0.7 * torch.randn(len(labels), views, width, generator=drawn)
    return ShotFeatures(F.normalize(features, dim=-1), labels)


def drawn_texts(classes: int, width: int = 6) -> Tensor:
    """As text features of names: of length 1."""
    return F.normalize(torch.randn(classes, width, generator=torch.Generator().manual_seed(8)), dim=-1)


def rows(known: ShotFeatures) -> tuple[Any, Any]:
    """Every view as a row, for scikit-learn."""
    views = known.features.shape[1]
    return known.features.double().flatten(0, 1).numpy(), known.labels.repeat_interleave(views).numpy()


def head_of(kind: str, known: ShotFeatures, classes: int, **more: Any) -> Branch:
    return tiny.there(Branch.of(kind, known, classes, **more))


def widened(head: Branch | None, *given: Any) -> Branch:
    """With other classes."""
    return tiny.there(head and head.for_classes(*given))


PHOTOS = F.normalize(torch.randn(5, 6, generator=torch.Generator().manual_seed(9)), dim=-1)


def centred(scores: Any) -> Any:
    return scores - scores.mean(axis=1, keepdims=True)


# Closed forms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("towards", [False, True], ids=["zero", "texts"])
@pytest.mark.parametrize("counts", [(5, 4, 7), (4, 6)])
def test_ridge_regression_is_scikit_learns_of_what_texts_leave(counts: tuple[int, ...], towards: bool) -> None:
    """Weights T + V are as far from T as V is from zero, so V is the ridge regression of what T x leaves of targets."""
    known, texts, photos = shots(*counts), drawn_texts(len(counts)), PHOTOS.double().numpy()
    (x, y), pulled = rows(known), towards * texts.double().numpy().T
    theirs = Ridge(alpha=0.4).fit(x, np.eye(len(counts))[y] - x @ pulled)
    ours = ridge(ShotSums.of(known, len(counts)), 0.4, texts if towards else None)
    assert np.allclose(ours(PHOTOS.double()).numpy(), theirs.predict(photos) + photos @ pulled, atol=1e-12)


def test_a_class_is_drawn_to_its_name_by_its_own_shots() -> None:
    texts = drawn_texts(4)
    towards = drawn_to(texts, torch.tensor([0.0, 1.0, 4.0, 16.0]))
    lengths = towards.norm(dim=1)
    assert torch.allclose(towards / lengths[:, None], texts.double())
    assert lengths[0] == pytest.approx(NAMES)
    assert (lengths[:-1] / lengths[1:]).log2().tolist() == pytest.approx([1 / HALVED, 3 / HALVED, 12 / HALVED])
    others = drawn_to(texts, torch.tensor([0.0, 1.0, 5.0, 16.0]))
    assert (towards != others).any(dim=1).tolist() == [False, False, True, False]


def test_a_view_is_a_part_of_its_shot() -> None:
    """So the penalty means the same for any number of them: weights of 1 / S in scikit-learn."""
    known = shots(5, 4, 7, views=3)
    x, y = rows(known)
    theirs = Ridge(alpha=0.4).fit(x, np.eye(3)[y], sample_weight=np.full(len(y), 1 / 3))
    assert np.allclose(ridge(ShotSums.of(known, 3), 0.4).weights.numpy(), theirs.coef_, atol=1e-12)


# Balanced classes ----------------------------------------------------------------------------------------------------


UNEVEN = shots(6, 2, 3)
REPEATED = UNEVEN.take(torch.tensor([*range(6), *[6, 7] * 3, *[8, 9, 10] * 2]))


def test_what_is_learned_of_balanced_photos_is_that_of_repeated_ones() -> None:
    penalties = 0.4, 0.4 * 18 / 11  # 11 photos weigh 11, and repeated they are 18
    sums = ShotSums.of(UNEVEN, 3, balanced=True), ShotSums.of(REPEATED, 3)
    ours, wanted = (ridge(*each)(PHOTOS.double()) for each in zip(sums, penalties, strict=True))
    assert torch.allclose(ours, wanted, atol=1e-12)


def test_a_balanced_head_that_learns_more_is_that_of_all_shots_and_needs_them() -> None:
    first, more = UNEVEN.take(torch.arange(7)), UNEVEN.take(torch.arange(7, 11))
    head = head_of("ridge", first, 3, balanced=True)
    weights = head_of("ridge", UNEVEN, 3, balanced=True).form.weights
    assert torch.allclose(head.learned(more).form.weights, weights, atol=1e-9)
    with pytest.raises(ConfigError, match=r"with balanced classes it is trained on all shots.* were not saved"):
        replace(head, shots=None).learned(more)


def test_votes_of_balanced_shots_are_all_that_a_score_is_made_of() -> None:
    """Without names the rest of a score is the share of each class among the shots, which is the same."""
    votes = tiny.there(head_of("ridge", UNEVEN, 3, balanced=True).votes(PHOTOS[0], torch.zeros(3, 1, 6), 100.0))
    assert torch.allclose(votes.rest, torch.zeros(3), atol=1e-6)


# Learning more -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("texts", [None, drawn_texts(3)], ids=["alone", "with texts"])
@pytest.mark.parametrize(("kind", "kept"), [*((kind, True) for kind in KINDS), ("ridge", False)])
def test_further_shots_make_the_head_that_all_of_them_make(kind: str, kept: bool, texts: Tensor | None) -> None:
    known, more = shots(5, 4, 7), shots(2, 0, 3, seed=1)
    head, whole = (head_of(kind, each, 3, texts=texts) for each in (known, known.append(more)))
    assert (head.texts is not None) == (texts is not None and kind == "ridge")
    found = replace(head, shots=head.shots if kept else None).learned(more)
    assert torch.allclose(found.form.weights, whole.form.weights, atol=1e-9)
    assert torch.allclose(found.form.bias, whole.form.bias, atol=1e-9)
    assert (found.sums.counts.tolist(), found.shots is not None) == ([7, 4, 10], kept)


def test_names_keep_their_texts_and_only_new_ones_are_asked_for() -> None:
    texts = drawn_texts(4)
    head = head_of("ridge", shots(5, 4, 7), 3, texts=texts[:3])
    texts_of = Mock(return_value=texts[3:])
    wider = widened(head, ["a", "b", "c"], ["a", "b", "c", "d"], texts_of)
    fewer = widened(wider, ["a", "b", "c", "d"], ["c", "a"], texts_of)
    for found, wanted in ((wider, texts), (fewer, texts[[2, 0]])):
        assert torch.equal(tiny.there(found.texts), wanted)
    assert widened(head_of("ridge", shots(5, 4, 7), 3), ["a", "b", "c"], ["a", "b", "c", "d"], texts_of).texts is None
    # Of a model from before there were any, none are asked for.
    assert [list(*call.args) for call in texts_of.call_args_list] == [["d"]]


def test_one_class_makes_no_head() -> None:
    assert Branch.of("ridge", shots(5, 0), 2) is None


# A class without shots -----------------------------------------------------------------------------------------------


def test_a_class_without_shots_goes_by_its_text() -> None:
    head = head_of("ridge", shots(5, 0, 7, 4, width=6), 4)
    weights = F.normalize(head.form.weights - head.form.weights.mean(dim=0), dim=-1).float()
    text = torch.randn(6, generator=torch.Generator().manual_seed(3))
    texts = torch.stack([weights[0], text, weights[1], weights[2]])
    form = head.complete(texts[:, None])
    assert torch.allclose(form.weights.sum(dim=0), torch.zeros(6, dtype=torch.double), atol=1e-9)
    between, taught = form(PHOTOS.double())[:, [0, 2, 3]], head.form(PHOTOS.double())
    assert torch.allclose(between.diff(dim=1), taught.diff(dim=1), atol=1e-9), "others stay"
    unit = F.normalize(texts.double(), dim=-1)
    pulled = form.weights[1] - form.weights[[0, 2, 3]].mean(dim=0)
    direction = unit[1] - unit[[0, 2, 3]].mean(dim=0)
    assert torch.cosine_similarity(pulled, direction, dim=0).item() == pytest.approx(1)
    mean = form(head.sums.mean)
    assert mean[1].item() == pytest.approx(mean[[0, 2, 3]].mean().item()), "on the mean of the shots it is like others"


def test_texts_that_point_the_other_way_are_not_followed() -> None:
    head = head_of("ridge", shots(5, 0, 7, 4), 4)
    weights = (head.form.weights.mean(dim=0) - head.form.weights).float()
    form = head.complete(torch.stack([weights[0], torch.ones(6), weights[1], weights[2]])[:, None])
    assert torch.allclose(form.weights[1], form.weights[[0, 2, 3]].mean(dim=0))


# Its map and its votes -----------------------------------------------------------------------------------------------


def known_of(frozen: Backbone, photos: ImageFeatures) -> Tensor:
    """What a head knows of photos."""
    return shot_features(photos, 1, frozen.vision.region_projection)


def with_head(frozen: Backbone, kind: str, classes: int = 3) -> tuple[PromptModel, ImageFeatures]:
    """A model of a backbone, its head learned from drawn features, and features of two photos."""
    names = ["red", "green", "blue"][:classes]
    drawn = torch.Generator().manual_seed(5)
    regions, width, joint = frozen.feature_sizes
    photos = ImageFeatures(torch.randn(14, joint, generator=drawn), torch.randn(14, regions, width, generator=drawn))
    head = head_of(kind, ShotFeatures(known_of(frozen, photos)[2:, None], torch.arange(12) % 3 % classes), classes)
    return PromptModel(frozen, names, MethodConfig(2, (2, 4), head=kind), branches=[head]), photos[:2]


@pytest.mark.parametrize("name", ["vit", "rn"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_the_map_is_the_score_taken_apart(kind: str, name: str) -> None:
    frozen = backbone(name)
    model, photos = with_head(frozen, kind)
    with torch.no_grad():
        text = model.text_features()
        found, prompts = (each.similarities(photos, text) for each in (model, model.with_branches([])))
    (head,) = model.branches
    scores, regions = found.branch_scores[kind], found.looks[0].branches[kind]
    said = head.complete(torch.empty(0))(known_of(frozen, photos).double())
    logits = scores * frozen.logit_scale * head.mix.temperature
    assert torch.allclose(logits.double(), said, atol=1e-4 * float(said.abs().max()))
    summed = (regions / regions.shape[1]).double().sum(dim=1)
    assert torch.allclose(summed, scores.double(), atol=1e-5)
    assert torch.equal(found.image_cosines, prompts.image_cosines)
    assert all(torch.equal(score, prompts.ood[name]) for name, score in found.ood.items()), "OOD is the prompts'"
    weight = KINDS[kind].usual.weight
    both = (1 - weight) * answers(prompts, Rule((2, 4))).scores + weight * scores
    assert torch.allclose(answers(found, Rule((2, 4))).scores, both, atol=1e-6)


def test_votes_of_shots_add_up_to_the_score_of_ridge_regression() -> None:
    model, photos = with_head(tiny.vit(), "ridge")
    with torch.no_grad():
        text = model.text_features()
        found, voted = model.similarities(photos[:1], text), model.votes(photos[:1], text)["ridge"]
    (head,) = model.branches
    assert torch.allclose(voted.shots.sum(dim=0) + voted.rest, found.branch_scores["ridge"][0], atol=1e-5)
    unit = tiny.vit().logit_scale * head.mix.temperature
    assert torch.allclose(voted.rest, torch.zeros(3), atol=1e-5), "the shares of classes of equal size say nothing"
    assert np.allclose(voted.shots * unit, ridge_votes(tiny.there(head.shots), photos), atol=1e-4)
    assert model.with_branches([replace(head, shots=None)]).votes(photos[:1], text) == {}


def ridge_votes(known: ShotFeatures, photos: ImageFeatures) -> Any:
    """By the textbook's dual form: (K + p I)^-1 Y, each row times its kernel with the photo."""
    x, labels = rows(known)
    y, middle = np.eye(3)[labels], x.mean(axis=0)
    dual = KernelRidge(alpha=PENALTY).fit(x - middle, y - y.mean(axis=0)).dual_coef_
    photo = known_of(tiny.vit(), photos)[0].double().numpy()
    return centred(dual * ((x - middle) @ (photo - middle))[:, None])


def test_votes_leave_what_the_names_say_to_the_rest() -> None:
    model, photos = with_head(tiny.vit(), "ridge")
    texts = model.name_features(model.class_names)
    head = head_of("ridge", tiny.there(model.branches[0].shots), 3, texts=texts)
    with torch.no_grad():
        text, model = model.text_features(), model.with_branches([head])
        found, voted = model.similarities(photos[:1], text), model.votes(photos[:1], text)["ridge"]
    assert torch.allclose(voted.shots.sum(dim=0) + voted.rest, found.branch_scores["ridge"][0], atol=1e-5)
    lengths = NAMES * 0.5 ** (head.sums.counts / HALVED)
    said = lengths * (texts.double() @ (known_of(tiny.vit(), photos)[0].double() - head.sums.mean))
    unit = tiny.vit().logit_scale * head.mix.temperature
    assert torch.allclose(voted.rest.double() * unit, said - said.mean(), atol=1e-4)


# Its mix -------------------------------------------------------------------------------------------------------------


NOISE = torch.randn(200, 4, generator=torch.Generator().manual_seed(3))


def held_out(seed: int, images: int = 200) -> tuple[Tensor, Tensor]:
    """Logits that are right about labels, more or less."""
    drawn = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (images,), generator=torch.Generator().manual_seed(0))
    return 2 * F.one_hot(labels, 4) + 1.5 * torch.randn(images, 4, generator=drawn), labels


def test_the_weight_goes_to_who_is_right() -> None:
    (good, labels), (other, _) = held_out(1), held_out(2)
    alike, bad_head, good_head = (
        choose_mixes(prompts, [head], labels, [Mix(0.5, 1.0)])[0][0]
        for prompts, head in ((good, other), (good, NOISE), (NOISE, good))
    )
    assert 0.35 < alike.weight < 0.65
    assert bad_head.weight < alike.weight < good_head.weight
    alone = (good.argmax(dim=1) == labels).sum()
    assert (mixed(good, [other], [alike]).argmax(dim=1) == labels).sum() > alone, (
        "two that err by themselves are better together"
    )
    for both in (mixed(good, [NOISE], [bad_head]), mixed(NOISE, [good], [good_head])):
        assert (both.argmax(dim=1) == labels).sum() >= alone - 2, "noise takes nothing away"


def test_the_unit_of_a_head_does_not_matter() -> None:
    """Its temperature follows, so scores between 0 and 1 and scores of hundreds are one thing."""
    (prompts, labels), (head, _) = held_out(1), held_out(2)
    (one,), t_one = choose_mixes(prompts, [head], labels, [Mix(0.5, 1.0)])
    (other,), t_other = choose_mixes(prompts, [0.01 * head], labels, [Mix(0.5, 0.01)])
    assert other.temperature == pytest.approx(0.01 * one.temperature, rel=1e-4)
    assert (other.weight, t_other) == (pytest.approx(one.weight, abs=1e-4), pytest.approx(t_one, rel=1e-4))
    assert torch.allclose(mixed(prompts, [head], [one]), mixed(prompts, [0.01 * head], [other]), atol=1e-3)


def test_a_few_shots_move_the_weight_little() -> None:
    prompts, labels = held_out(1)
    (few,), _ = choose_mixes(prompts[:4], [NOISE[:4]], labels[:4], [Mix(0.5, 1.0)])
    assert abs(few.weight - 0.5) < 2 * SPREAD


def test_two_heads_share_what_one_weighs() -> None:
    """Of three that are alike each counts as much."""
    good, labels = held_out(1)
    other, third = (held_out(seed)[0] for seed in (2, 4))
    usual = [Mix(0.25, 1.0), Mix(0.25, 1.0)]
    (first, second), _ = choose_mixes(good, [other, third], labels, usual)
    assert (first.weight, second.weight) == (pytest.approx(0.33, abs=0.1), pytest.approx(0.33, abs=0.1))
    mixes, _ = choose_mixes(good, [other, NOISE], labels, usual)
    right = [int((each.argmax(dim=1) == labels).sum()) for each in (good, mixed(good, [other, NOISE], mixes))]
    assert right[1] > right[0], "noise takes nothing away"
    assert torch.allclose(mixed(good, [other, NOISE], [Mix(0.5, 2.0), Mix(0.0, 1.0)]), 0.5 * good + 0.25 * other)


@pytest.mark.parametrize(("weight", "temperature"), [(-0.1, 1), (1.1, 1), (0.5, 0), (0.5, float("nan"))])
def test_mixes_that_cannot_be(weight: float, temperature: float) -> None:
    with pytest.raises(ConfigError):
        Mix(weight, temperature)
