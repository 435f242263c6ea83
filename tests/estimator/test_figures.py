"""A classifier's figures on a test, and what its prompts say: ``evaluate`` and ``prompts``."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from gallop import GalLoPClassifier
from gallop.errors import DataError
from gallop.evaluation.measure import Evaluation
from gallop.methods import MethodClassifier, ZeroShot
from gallop.model.scores import VERDICT
from tests import tiny

IMAGES, LABELS = tiny.pictures({"red": 6, "green": 6, "blue": 6})
TESTS, TRUTH = tiny.pictures({"red": 4, "green": 3, "blue": 2}, first_seed=50)
OTHERS = [tiny.picture(seed, "yellow") for seed in range(70, 75)]


@pytest.fixture(scope="module")
def fitted() -> GalLoPClassifier:
    return tiny.classifier(calibration_folds=2, lr=0.3).fit(IMAGES, LABELS)


@pytest.fixture(scope="module")
def tested(fitted: GalLoPClassifier) -> Evaluation:
    return fitted.evaluate(TESTS, TRUTH, unknown=OTHERS)


def test_figures_are_those_of_the_single_answers(fitted: GalLoPClassifier, tested: Evaluation) -> None:
    answers = fitted.predict(TESTS)
    assert tested.accuracy.value == fitted.score(TESTS, TRUTH) == np.mean(answers == np.array(TRUTH))
    for name, share in tested.per_class.items():
        assert share.right == sum(a == t == name for a, t in zip(answers, TRUTH, strict=True))
    known, unknown = fitted.ood_score(TESTS), fitted.ood_score(OTHERS)
    above = np.mean(unknown[:, None] > known) + np.mean(unknown[:, None] == known) / 2
    assert tested.separations["unknown"][VERDICT].auroc == pytest.approx(above)


def test_a_frame_has_a_row_a_class_and_one_of_all(tested: Evaluation) -> None:
    frame = tested.to_frame()
    assert frame.index.tolist() == ["red", "green", "blue", "all"]
    assert frame.loc["all", "photos"] == len(TRUTH) == frame["photos"][:-1].sum()
    assert frame.loc["all", ["low", "high"]].tolist() == list(tested.accuracy.interval)


def test_two_models_are_compared_photo_by_photo(fitted: GalLoPClassifier, tested: Evaluation) -> None:
    other = MethodClassifier(ZeroShot(), backbone=tiny.vit(), cache=False).fit(IMAGES, LABELS)
    right, others = fitted.predict(TESTS) == np.array(TRUTH), other.predict(TESTS) == np.array(TRUTH)
    found = tested.compare(other.evaluate(TESTS, TRUTH))
    assert (found.only_first, found.only_second) == (sum(right & ~others), sum(others & ~right))
    differ = found.only_first + found.only_second
    expected = min(1, 2 * binom.cdf(min(found.only_first, found.only_second), differ, 0.5)) if differ else 1
    assert found.p == pytest.approx(expected)
    with pytest.raises(ValueError, match="same photos"):
        tested.compare(fitted.evaluate(TESTS[1:], TRUTH[1:]))


def test_what_a_notebook_shows_is_escaped_and_a_figure_is_drawn(tested: Evaluation) -> None:
    assert f"{tested.accuracy.right} of 9 right" in repr(tested)
    named = Evaluation(("<b>", "green", "blue"), tested.truth, tested.answers)
    assert "<td>&lt;b&gt;</td>" in named._repr_html_()
    assert next(axes.get_title() for axes in tested.plot().axes) == f"{tested.accuracy.right} of 9 right"


def test_an_unknown_class_is_named(fitted: GalLoPClassifier) -> None:
    with pytest.raises(DataError, match="does not know the classes violet"):
        fitted.evaluate(TESTS[:1], ["violet"])


def test_prompts_that_are_equal_answer_as_one() -> None:
    zero = tiny.classifier().zero_shot(["red", "green"])
    assert zero.prompts.names == ["global 1", "global 2", "local 1 (k = 2)", "local 2 (k = 4)"]
    found = zero.prompts.diversity()
    assert (found.global_, found.local) == (pytest.approx(1, abs=1e-6), pytest.approx(1, abs=1e-6))
    assert found.words.count("answer as one") == 2


def test_cosines_of_prompts_are_means_over_the_classes(fitted: GalLoPClassifier) -> None:
    text = fitted.model_.cached_text_features().global_
    unit = text / text.norm(dim=-1, keepdim=True)
    by_class = np.stack([(each @ each.T).numpy() for each in unit])
    whole = fitted.prompts.cosines()[0]
    assert np.allclose(whole, by_class.mean(axis=0), atol=1e-5)
    off = whole[~np.eye(len(whole), dtype=bool)]
    assert fitted.prompts.diversity().global_ == pytest.approx(off.mean(), abs=1e-5)


def test_a_prompt_alone_is_right_as_often_as_its_cosines_are(fitted: GalLoPClassifier) -> None:
    scores = np.stack([each.global_scores for each in fitted.explain(TESTS)])  # (B, K, M)
    truth = np.array([fitted.classes_.tolist().index(name) for name in TRUTH])
    worths = fitted.prompts.worth(TESTS, TRUTH)
    assert [worth.alone for worth in worths[: scores.shape[-1]]] == (scores.argmax(1) == truth[:, None]).sum(0).tolist()
    assert len(worths) == len(fitted.prompts.names)
