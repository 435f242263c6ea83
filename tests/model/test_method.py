"""What the reference figures cannot see: clamped k, several kept prompts, the draw, the schedule, the start, ties."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor

from gallop.config import MethodConfig, TrainConfig
from gallop.core import cosines as core_cosines
from gallop.core.gallop import Loss, draw_kept_prompts, gallop_loss
from gallop.errors import TrainingDiverged
from gallop.evaluation import metrics
from gallop.model.answers import Rule, answers
from gallop.model.calibration import fit_temperature, threshold_at_tpr
from gallop.model.prompted import PromptModel, initial_prompts
from gallop.model.similarities import Look, Similarities
from gallop.training.loop import Batch, StepResult, Trainer
from tests.reference import backbone, golden, relative_error


def test_one_k_for_each_local_prompt() -> None:
    with pytest.raises(ValueError, match="2 local prompts need one k each, but topk has 3 values"):
        core_cosines.topk_mean(torch.randn(1, 4, 2, 2), (1, 2, 3))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**20), k=st.integers(1, 12))
def test_the_mean_of_the_first_k_in_order_is_that_of_the_largest_k(seed: int, k: int) -> None:
    torch.manual_seed(seed)
    cosines = torch.randn(2, 12, 3, 1)
    pooled = core_cosines.topk_mean(cosines, (k,))
    ranked, order = Look(torch.zeros(2, 3, 0), cosines, torch.zeros(2, 12, 3)).ranked
    assert torch.allclose(core_cosines.mean_of_first(ranked, (k,)), pooled, atol=1e-6)
    assert torch.equal(cosines[0, order[0, 0, 0, :k], 0, 0], ranked[0, 0, 0, :k])


def test_several_kept_prompts_are_averaged_before_the_loss() -> None:
    torch.manual_seed(0)
    global_, labels, scale = torch.randn(5, 3, 4), torch.tensor([0, 1, 2, 0, 1]), 7.0
    kept = torch.tensor([[0, 1], [1, 3], [2, 0], [3, 2], [1, 2]])
    loss = gallop_loss(global_, torch.zeros(5, 3, 0), labels, scale, kept)
    picked = torch.stack([(global_[b, :, kept[b, 0]] + global_[b, :, kept[b, 1]]) / 2 for b in range(5)])
    wanted = float(torch.nn.functional.cross_entropy(scale * picked, labels))
    assert (float(loss.total), float(loss.local)) == (pytest.approx(wanted, rel=1e-5), 0.0)


@pytest.mark.parametrize(("prompts", "kept"), [(4, 1), (4, 2), (5, 3)])
def test_every_subset_of_prompts_is_drawn_equally_often_and_without_replacement(prompts: int, kept: int) -> None:
    index = draw_kept_prompts(20_000, prompts, kept, torch.Generator().manual_seed(0))
    subsets = Counter(tuple(sorted(row)) for row in index.tolist())
    assert {*subsets} == {*combinations(range(prompts), kept)}
    assert chisquare([*subsets.values()]).pvalue > 1e-4


def test_images_draw_independently_and_a_seed_repeats() -> None:
    first = draw_kept_prompts(1000, 4, 1, torch.Generator().manual_seed(3))
    assert torch.equal(first, draw_kept_prompts(1000, 4, 1, torch.Generator().manual_seed(3)))
    assert not torch.equal(first, draw_kept_prompts(1000, 4, 1, torch.Generator().manual_seed(4)))
    pairs = Counter(zip(first[:-1, 0].tolist(), first[1:, 0].tolist(), strict=True))
    assert len(pairs) == 16
    assert max(pairs.values()) < 2 * min(pairs.values()) + 40


def quadratic(start: Tensor, **changes: float) -> Trainer:
    """A trainer of one vector on |x|^2 / 2, whose every number can be followed by hand."""

    def compute(batches: Sequence[Batch], epoch: int) -> StepResult:
        total = start.square().sum() / 2
        right = torch.ones(len(batches[0].images), dtype=torch.bool)
        return StepResult(Loss(total, total, total * 0), right, right, None, torch.zeros(len(right), 1))

    config = TrainConfig(**{"epochs": 4, "lr": 0.1, "batch_size": 2, **changes})  # type: ignore[arg-type]
    return Trainer([start], compute, [5], config)


def test_the_learning_rate_is_a_cosine_by_epoch_and_every_image_is_in_a_batch() -> None:
    trainer = quadratic(torch.ones(3, requires_grad=True))
    events = list(trainer.run())
    assert [len(e.images) for e in events] == [3, 2] * 4
    assert trainer.steps == 8
    rates = [0.1 * (1 + math.cos(math.pi * event.epoch / 4)) / 2 for event in events]
    assert [event.lr for event in events] == pytest.approx(rates)
    assert sorted(torch.cat([e.images for e in events[:2]]).tolist()) == [0, 1, 2, 3, 4]


def batches_of(*counts: int, size: int = 32, epochs: int = 2) -> tuple[list[list[list[int]]], Tensor]:
    """The batches of learners side by side, each on |x - mean of its batch's indices|^2 / 2, and what each learned."""
    learned: list[Tensor] = [torch.zeros(1, requires_grad=True) for _ in counts]
    seen: list[list[list[int]]] = [[] for _ in counts]

    def compute(batches: Sequence[Batch], epoch: int) -> StepResult:
        for batch in batches:
            seen[batch.learner].append(batch.images.tolist())
        total = sum((learned[b.learner] - b.images.float().mean()).square().sum() / 2 for b in batches)
        right = torch.ones(1, dtype=torch.bool)
        return StepResult(Loss(total, total, total), right, right, None, right)  # type: ignore[arg-type]

    list(Trainer(learned, compute, counts, TrainConfig(epochs=epochs, lr=0.1, batch_size=size)).run())
    return seen, torch.cat(learned).detach()


@pytest.mark.parametrize(
    ("images", "sizes"),
    [
        (1, [1]),
        (31, [31]),
        (33, [33]),
        (47, [47]),
        (48, [24, 24]),
        (49, [25, 24]),
        (65, [33, 32]),
        (100, [34, 33, 33]),
    ],
)
def test_no_batch_of_an_epoch_is_a_short_one(images: int, sizes: list[int]) -> None:
    (seen,), _ = batches_of(images)
    assert [len(batch) for batch in seen] == sizes * 2
    assert sorted(image for batch in seen[: len(sizes)] for image in batch) == list(range(images))


@pytest.mark.parametrize("times", [1, 2, 3])
def test_multiples_of_the_batch_size_are_cut_as_ever(times: int) -> None:
    (seen,), _ = batches_of(8 * times, size=8)
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(8 * times, generator=generator) for _ in range(2)]
    assert seen == [part.tolist() for order in orders for part in order.split(8)]


def test_learners_side_by_side_have_the_batches_that_each_has_alone() -> None:
    counts = 5, 6, 13, 4  # batches: 1, 2, 3, 1
    seen, learned = batches_of(*counts, size=4)
    for i, count in enumerate(counts):
        alone, (number,) = batches_of(count, size=4)
        assert (seen[i], learned[i]) == (alone[0], number)


def test_steps_are_sgd_with_momentum_and_weight_decay() -> None:
    x, wanted, velocity = torch.ones(1, requires_grad=True), 1.0, 0.0
    for _ in quadratic(x, epochs=1, batch_size=5, momentum=0.9, weight_decay=0.01).run():
        velocity = 0.9 * velocity + wanted + 0.01 * wanted
        wanted -= 0.1 * velocity
    assert float(x.detach()) == pytest.approx(wanted, rel=1e-6)


def test_a_loss_that_is_no_number_stops_before_the_parameters_are_touched() -> None:
    x = torch.tensor([float("inf")], requires_grad=True)
    with pytest.raises(TrainingDiverged, match="Lower the learning rate"):
        next(quadratic(x).run())
    assert float(x.detach()) == float("inf")


def test_training_starts_from_a_photo_of_a() -> None:
    """Untrained prompts give the features of the sentence itself, and the projection changes nothing."""
    frozen = backbone("vit")
    config = MethodConfig(global_prompts=3, topk=(2, 4))
    model = PromptModel(frozen, ["cat", "fire truck"], config, initial_prompts(frozen, config))
    text = model.text_features()
    sentence = frozen.text.encode_texts(["A photo of a cat", "A photo of a fire truck"])
    for prompt in (*text.global_.detach().unbind(1), *text.local.detach().unbind(1)):
        assert relative_error(prompt, sentence) < 1e-5
    assert torch.equal(model.prompts.local_projection, torch.eye(frozen.vision.region_width))


def test_without_local_prompts_regions_are_scored_by_the_global_ones() -> None:
    """CoOp (N = 0): the ensemble is the global branch, and L-MCM reads the regions with the global prompts."""
    case = golden("vit")
    config = MethodConfig(global_prompts=1, topk=(), dropout=0.0)
    model = PromptModel(case.model.backbone, case.model.class_names, config)
    text = model.text_features()
    found = model.similarities(case.features, text)
    assert torch.equal(answers(found, Rule(())).scores, found.image_cosines.mean(dim=-1))
    regions = case.features.regions @ case.model.backbone.vision.region_projection
    wanted = torch.nn.functional.cosine_similarity(regions[:, :, None], text.global_[:, 0], dim=-1)
    assert relative_error(found.looks[0].region_scores.detach(), wanted.detach()) < 1e-6


def test_ood_scores_by_hand() -> None:
    global_, regions = torch.tensor([[[0.2], [0.1]]]), torch.tensor([[[0.0, 0.3], [0.5, 0.1], [0.1, 0.1]]])
    found = Similarities((Look(global_, regions[..., None], regions),)).ood
    mcm = -math.exp(0.2) / (math.exp(0.2) + math.exp(0.1))
    l_mcm = -math.exp(0.5) / (math.exp(0.5) + math.exp(0.1))
    wanted = {"MCM": mcm, "L-MCM": l_mcm, "GL-MCM": mcm + l_mcm}
    assert {name: float(found[name]) for name in wanted} == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("inliers", "outliers", "threshold", "fpr"),
    [
        (list(range(1, 21)), [18.5, 19, 19.5, 30], 19.0, 0.5),  # 19 of 20 is exactly 95%; a tie is not above
        (list(range(1, 22)), [19.5, 20, 20.5, 30], 20.0, 0.5),  # of 21, 19 are too few
        ([1.0] * 19 + [5.0], [1.0, 1.0, 2.0, 6.0], 1.0, 0.5),  # ties among inliers
        ([3.0], [2.0, 3.0, 4.0], 3.0, 2 / 3),  # a single inlier
        ([0.0] * 10, [0.0] * 10, 0.0, 1.0),  # nothing to tell apart
    ],
)
def test_fpr95_with_ties(inliers: list[float], outliers: list[float], threshold: float, fpr: float) -> None:
    assert (threshold_at_tpr(inliers), metrics.fpr_at_tpr(inliers, outliers)) == (threshold, pytest.approx(fpr))


@pytest.mark.parametrize(
    ("inliers", "outliers", "ours", "theirs"),
    [
        (range(1, 22), [19.5, 20, 20.5, 30], 0.5, 0.75),  # 20 of 21, 95.2%, are nearest, and the next inlier is at 21
        (range(1, 34), [31.5, 32, 32.5, 40], 0.5, 0.25),  # 31 of 33, 93.9%, are nearer than 32, but less than 95%
        ([1.0] * 19 + [5.0], [1.0, 2.0, 5.0, 6.0], 0.25, 0.5),  # ties, and one at the next inlier, which is not below
        (range(1, 11), [9.5, 10, 10.5, 30], 0.5, 0.25),  # 9 and 10 of 10 are as near, but for floating point
        (range(1, 6), [4.5, 5, 5.5, 30], 0.5, 0.5),  # all five are nearest, and theirs is the tightest then too
        ([3.0], [2.0, 3.0, 4.0], 2 / 3, 2 / 3),
    ],
)
def test_both_ways_to_take_fpr95(inliers: list[float], outliers: list[float], ours: float, theirs: float) -> None:
    assert metrics.fpr_at_tpr(inliers, outliers) == pytest.approx(ours)
    assert metrics.authors_fpr_at_tpr(inliers, outliers) == pytest.approx(theirs)


SCORES = st.lists(st.integers(-8, 8).map(float), min_size=1, max_size=40)


@given(inliers=SCORES, outliers=SCORES)
def test_metrics_against_counting_pairs(inliers: list[float], outliers: list[float]) -> None:
    pairs = [(o > i) + 0.5 * (o == i) for i in inliers for o in outliers]
    assert metrics.auroc(inliers, outliers) == pytest.approx(np.mean(pairs))
    possible = [t for t in sorted(inliers) if np.mean(np.array(inliers) <= t) >= 0.95 - 1e-12]
    assert threshold_at_tpr(inliers) == possible[0]


@given(inliers=SCORES, outliers=SCORES)
def test_the_authors_fpr95_against_every_threshold(inliers: list[float], outliers: list[float]) -> None:
    """Each score as a threshold, the loosest first: the first whose share of inliers is nearest to 95%."""
    kept, passed = [], []
    for threshold in sorted({*inliers, *outliers}, reverse=True):
        kept.append(np.mean(np.array(inliers) <= threshold))
        passed.append(np.mean(np.array(outliers) <= threshold))
    loosest_of_all = max(i for i, share in enumerate(kept) if share == 1)  # what keeps everyone need not be looser
    nearest = np.abs(np.array(kept[loosest_of_all:]) - 0.95).argmin()
    assert metrics.authors_fpr_at_tpr(inliers, outliers) == passed[loosest_of_all:][nearest]


@pytest.mark.parametrize("given", [([], [1.0]), ([1.0], []), ([1.0, math.nan], [1.0]), ([1.0], [1.0, math.nan])])
@pytest.mark.parametrize("metric", [metrics.auroc, metrics.authors_fpr_at_tpr])
def test_metrics_refuse_nothing_and_nan(metric: Callable[..., float], given: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="scores"):
        metric(*given)


def test_temperature_finds_the_one_that_made_the_labels() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(4000, 5, generator=generator)
    labels = torch.multinomial((logits / 2.5).softmax(-1), 1, generator=generator)[:, 0]
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.08)


@pytest.mark.parametrize("images", [2, 6, 40])
def test_temperature_of_shots_that_are_all_right_stays_near_one(images: int) -> None:
    """The likelihood alone would fall to the lowest temperature there is, and make every answer 100% sure."""
    labels = torch.arange(images) % 2
    assert 0.5 < fit_temperature(8.0 * torch.eye(2)[labels], labels) <= 1.0


def test_calibration_error_by_hand() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    labels = torch.tensor([0, 1, 1, 1])
    confidence, predicted = probabilities.max(dim=-1)
    assert metrics.calibration_error(confidence, predicted == labels) == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)
