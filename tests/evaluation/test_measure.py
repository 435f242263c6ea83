"""Figures of a test, against formulas written out here, scikit-learn, and cases one can count by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import asdict, astuple, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import multinomial
from sklearn.metrics import roc_auc_score

from gallop.evaluation import metrics
from gallop.evaluation.intervals import Paired, Proportion
from gallop.evaluation.measure import Evaluation, separation, suspects
from gallop.evaluation.scored_answers import ScoredAnswers
from gallop.lab.bench.runner import accuracy_figures, separation_figures
from gallop.model.answers import Rule, answers
from gallop.predictions.predict import Predictions
from tests import tiny
from tests.tiny import there

Z = 1.959963984540054
"""97.5% of the normal distribution lie below it."""


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(pair: tuple[int, int]) -> None:
    right, n = pair
    p = right / n
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    assert Proportion(right, n).interval == pytest.approx((middle - half, middle + half), abs=1e-9)


# Worked out from the definition alone: Wilson's bounds as roots of his quadratic, by bisection in 30 digits.
@pytest.mark.parametrize(
    ("table", "defined"),
    [
        (Paired(12, 2, 36, 0), (0.05692958400, 0.34042760297)),
        (Paired(1, 7, 1, 12), (-0.50692, -0.02556)),
    ],
)
def test_the_interval_of_a_difference_is_newcombes(table: Paired, defined: tuple[float, float]) -> None:
    assert table.interval == pytest.approx(defined, abs=1e-5)


def test_the_interval_of_a_difference_holds_it_as_often_as_it_says() -> None:
    n, shares = 12, (0.25, 0.05, 0.6, 0.1)
    tables = [t for t in itertools.product(range(n + 1), repeat=4) if sum(t) == n]
    chances = multinomial(n, shares).pmf(np.array(tables))
    holds = [low <= shares[0] - shares[1] <= high for low, high in (Paired(*table).interval for table in tables)]
    assert chances.sum() == pytest.approx(1)
    assert chances @ np.array(holds) > 0.94


def kept(shares: NDArray[np.float32], **ood: NDArray[np.float32]) -> ScoredAnswers:
    """Of probabilities of the ensemble alone."""
    return ScoredAnswers({"accuracy": shares.argmax(axis=1)}, shares.max(axis=1), ood)


NOTHING = np.zeros((0, 2), dtype=np.float32)


@pytest.mark.parametrize(
    "made",
    [
        *(partial(Proportion, right, of) for right, of in ((0, 0), (2, 1), (-1, 3))),
        partial(Evaluation, ("a", "b"), np.array([], dtype=int), kept(NOTHING)),
    ],
)
def test_a_share_of_nothing_is_refused(made: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="at least one photo"):
        made()


def test_accuracy_classes_confusion_and_the_reliability_diagram_are_counted() -> None:
    """Four photos of a, one of b, none of c: two of a are right, one is said to be b, one c; b is said to be a."""
    shares = [[0.9, 0.05, 0.05], [0.3, 0.65, 0.05], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2], [0.75, 0.2, 0.05]]
    found = Evaluation(("a", "b", "c"), np.array([0, 0, 0, 0, 1]), kept(np.array(shares, dtype=np.float32)))
    assert (found.accuracy, found.per_class) == (Proportion(2, 5), {"a": Proportion(2, 4), "b": Proportion(0, 1)})
    assert found.confusion.tolist() == [[2, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert found.cell(0, 0) == [0, 3], "the most confident first"
    assert (found.cell(0, 1), found.cell(1, 0), found.cell(2, 2)) == ([1], [4], [])

    assert [(b.low, b.high) for b in found.bins] == [(0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.9, 1.0)]
    assert [b.right for b in found.bins] == [Proportion(1, 1), Proportion(0, 2), Proportion(0, 1), Proportion(1, 1)]
    # |0.5 - 1| + 2 |0.625 - 0| + |0.75 - 0| + |0.9 - 1|, over five photos.
    assert found.calibration_error == pytest.approx((0.5 + 1.25 + 0.75 + 0.1) / 5, abs=1e-6)


def test_the_error_by_chance_is_what_honest_answers_have_and_falls_with_their_number() -> None:
    rng = np.random.default_rng(0)

    def honest(n: int) -> Evaluation:
        """Right exactly as often as it says."""
        sure = rng.uniform(0.5, 1, n)
        right = rng.random(n) < sure
        shares = np.stack([sure, 1 - sure], axis=1).astype(np.float32)
        return Evaluation(("a", "b"), np.where(right, 0, 1), kept(shares))

    few = [honest(40) for _ in range(60)]
    measured, expected = np.mean([(e.calibration_error, e.calibration_error_by_chance) for e in few], axis=0)
    assert measured == pytest.approx(expected, rel=0.15)
    assert expected > 0.05
    assert honest(20_000).calibration_error_by_chance < 0.01


def test_separation_agrees_with_the_metrics() -> None:
    rng = np.random.default_rng(1)
    known, unknown = rng.normal(0, 1, 90), rng.normal(1.5, 1, 60)
    found = separation(known, unknown)
    theirs = roc_auc_score([0] * 90 + [1] * 60, np.r_[known, unknown])
    assert found.auroc == pytest.approx(theirs)
    assert found.fpr95 == metrics.fpr_at_tpr(known, unknown)


def answered(seed: int) -> Predictions:
    """Forty photos by a classifier with local prompts."""
    rng = np.random.default_rng(seed)
    whole, each, local = (rng.dirichlet(np.ones(3), 40).astype(np.float32) for _ in range(3))
    ood = {name: rng.normal(seed, 1, 40).astype(np.float32) for name in ("MCM", "GL-MCM")}
    return Predictions(np.array(["a", "b", "c"])[whole.argmax(1)], whole, each, local, ood, ood["GL-MCM"] > 1.5)


def test_command_and_benchmark_have_the_figures_of_one_evaluation() -> None:
    found, other, truth = answered(0), answered(1), np.arange(40) % 3
    known, unknown = Evaluation(("a", "b", "c"), truth, ScoredAnswers.of(found)), ScoredAnswers.of(other)
    told = replace(known, unknown={"odd": unknown}).figures()
    branches = {"": found.probabilities, "_global": found.probabilities_global, "_local": found.probabilities_local}
    right = {f"accuracy{branch}": (shares.argmax(axis=1) == truth).mean() for branch, shares in branches.items()}
    assert told == told | right | {"tpr": 1 - np.mean(found.is_ood)}
    benched = accuracy_figures(known, "s") + separation_figures(known, unknown, "s", "odd")
    odd = told["ood"]["odd"]
    assert {each.metric: each.value for each in benched} == {
        **right,
        **{f"{kind}/{score}": odd[score][kind] for score in found.ood for kind in ("fpr95", "auroc")},
    }
    assert {each.n for each in benched} == {40, 80}
    theirs = {score: metrics.authors_fpr_at_tpr(found.ood[score], other.ood[score]) for score in odd}
    assert {score: figures["fpr95_authors"] for score, figures in odd.items()} == theirs


def test_answers_that_come_in_parts_are_those_that_come_at_once() -> None:
    parts = [answered(seed) for seed in (0, 1)]
    whole = ScoredAnswers.of(Predictions.cat(parts))
    pieces = ScoredAnswers.cat([ScoredAnswers.of(part) for part in parts])
    assert len(whole) == len(pieces) == 80

    np.testing.assert_equal(asdict(whole), asdict(pieces))
    assert np.array_equal(whole.confidence, Predictions.cat(parts).probabilities.max(axis=1))


SIX = [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.05, 0.95], [0.15, 0.85]]
OF_THREE = [[0.9, 0.05, 0.05], [0.2, 0.8, 0.0], [0.01, 0.29, 0.7], [0.3, 0.7, 0.0], [0.1, 0.9, 0.0]]


@pytest.mark.parametrize(
    ("shares", "labels", "doubts"),
    [
        (SIX, [0, 0, 1, 1, 0, 1], [(4, 0, 1, 0.05, 0.95)]),  # a swapped label
        (SIX, [0, 0, 1, 1, 1, 1], []),
        # The last photo is said to be of class 1, but its 0.55 is below the 0.9 that photos of it have on average.
        ([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.45, 0.55]], [0, 1, 1, 0], []),
        (OF_THREE, [0, 1, 0, 0, 0], [(4, 0, 1, 0.1, 0.9)]),  # of class 2, which has no photos, nothing is likely
        # The most doubtful comes first.
        ([*OF_THREE, [0.0, 0.95, 0.05]], [0, 1, 0, 0, 0, 0], [(5, 0, 1, 0.0, 0.95), (4, 0, 1, 0.1, 0.9)]),
    ],
)
def test_a_label_is_doubted_where_another_is_as_likely_as_is_usual_for_that_class(
    shares: list[list[float]], labels: list[int], doubts: list[Any]
) -> None:
    assert [astuple(doubt)[:-1] for doubt in suspects(np.array(shares), labels)] == doubts


def test_held_out_probabilities_are_those_of_prompts_that_never_saw_the_photo() -> None:
    images, labels = tiny.pictures({"red": 4, "green": 4, "blue": 1})
    classifier = tiny.classifier(calibration_folds=2).fit(images, labels)
    cross_fit = there(classifier.cross_fit_)
    index, truth, answers = there(cross_fit.predictions(classifier.model_, classifier.calibration_))
    pairs = sorted(zip(index.tolist(), truth.tolist(), strict=True))
    assert pairs == [(i, i // 4) for i in range(8)], "the single blue one is held out by nobody"
    shares = torch.zeros(8, 3)
    shares[index] = torch.from_numpy(answers.probabilities)
    for model, held_out in zip(cross_fit.models, cross_fit.index, strict=True):
        fresh = tiny.classifier().zero_shot(["red", "green", "blue"])
        fresh.model_.prompts.load_state_dict(model.prompts.state_dict())
        logits = torch.as_tensor(fresh.predict_proba([images[i] for i in held_out])).log()
        wanted = (logits / classifier.calibration_.temperature).softmax(dim=1)
        assert shares[held_out].numpy() == pytest.approx(wanted.numpy(), abs=2e-3)  # features are kept in fp16


def test_the_classifiers_figures_are_those_of_its_held_out_shots(tmp_path: Path) -> None:
    """Of the classes that it still has, with the weights of its head; without such shots there are none."""
    taught = tiny.classifier(calibration_folds=2, head="ridge")
    assert taught.zero_shot(["red", "green"]).evaluation is None
    taught.fit(tiny.write_folder(tmp_path, {"red": 4, "green": 4, "blue": 1})).remove_class("green")
    folds, found = there(taught.cross_fit_), there(taught.evaluation)
    right = sure = 0.0
    for fold, features, index in zip(folds.models, folds.features, folds.index, strict=True):
        reds = features[folds.labels[index] == folds.models[0].class_names.index("red")]
        one = fold.for_classes(taught.model_.class_names)
        one = one.with_branches([replace(one.branches[0], mix=taught.model_.branches[0].mix)])
        scores = answers(one.similarities(reds, one.text_features()), Rule(one.config.topk)).scores
        each = (scores * one.backbone.logit_scale / taught.calibration_.temperature).softmax(dim=1)
        right += float((each.argmax(dim=1) == one.class_names.index("red")).sum())
        sure += each.amax(dim=1).sum().item()
    assert (found.class_names, found.accuracy.right, found.accuracy.of) == (("blue", "red"), right, 4)
    assert (taught.calibration_.right, taught.calibration_.asked) == (right, 4), "which a saved model keeps"
    assert found.answers.confidence.sum() == pytest.approx(sure, abs=1e-4)
    assert sorted(found.files) == ["0.png", "1.png", "2.png", "3.png"]
