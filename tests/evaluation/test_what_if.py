"""What if a cluster were not there: against photos covered one by one, and figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gallop.errors import ConfigError
from gallop.evaluation.evidence import evidence
from gallop.evaluation.intervals import Proportion
from gallop.evaluation.what_if import Outcome, WhatIf, what_if
from gallop.predictions.covering import covered
from gallop.runtime.progress import StageEvent
from tests import tiny


def outcome(score: float) -> Outcome:
    return Outcome(Proportion(3, 4), 0.5, score)


def fallen(without: float, *at_random: float) -> WhatIf:
    return WhatIf("mug", 0, (0, 1, 2, 3), outcome(2.0), outcome(without), tuple(map(outcome, at_random)), 0.2, "blur")


def test_a_covered_cluster_gives_what_covering_each_photo_gives() -> None:
    classifier = tiny.classifier().fit(*tiny.pictures({"red": 4, "green": 4}))
    found = evidence(classifier, *tiny.pictures({"red": 3, "green": 3}, first_seed=50))
    each = found.of("red")
    *events, made = what_if(classifier, found, "red", 0, fill="grey", draws=3)
    assert isinstance(made, WhatIf)
    assert [event.done for event in events if isinstance(event, StageEvent)] == list(range(1, len(made.photos) + 1))
    assert made.photos == each.clusters[0].photos
    alone = []
    for i in made.photos:
        regions = np.flatnonzero(each.member[each.shown.index(i)] == 0).tolist()
        alone.append(covered(classifier.model_, classifier.explain(found.data.photos[i]), regions, "grey"))
    assert made.without.confidence == pytest.approx(np.mean([why.probabilities["red"] for why in alone]), abs=1e-5)
    assert made.without.right == Proportion(sum(why.label == "red" for why in alone), len(alone))
    assert len(made.at_random) == 3
    before = found.probabilities[list(made.photos), found.data.class_names.index("red")]
    assert (made.before.confidence, made.to_dict()["drop"]) == (pytest.approx(before.mean(), abs=1e-6), made.drop)


def test_the_interval_is_students_for_one_more_draw() -> None:
    """Falls of 10, 20 and 30 % have the mean 20 %, the spread is 10 %, t of 4 x (3 - 1) degrees of freedom is 2.306."""
    made = fallen(1.4, 1.8, 1.6, 1.4)
    half = 2.306004 * 0.1 * np.sqrt(1 + 1 / 3)
    assert (made.interval, made.drop) == (pytest.approx((0.2 - half, 0.2 + half)), pytest.approx(0.3))
    assert not made.stands_out
    assert fallen(1.0, 1.8, 1.6, 1.4).stands_out


def test_the_spread_is_that_of_the_mean_of_photos_drawn_apart() -> None:
    classifier = tiny.classifier().fit(*tiny.pictures({"red": 4, "green": 4}))
    found = evidence(classifier, *tiny.pictures({"red": 3, "green": 3}, first_seed=50))
    *_, made = what_if(classifier, found, "red", 0, draws=60)
    assert isinstance(made, WhatIf)
    assert len(made.photos) > 1
    assert made.spread == pytest.approx(np.std([each.score for each in made.at_random], ddof=1), rel=0.2)


def test_what_cannot_be_covered_is_refused() -> None:
    classifier = tiny.classifier().zero_shot(["red", "green"])
    found = evidence(classifier, *tiny.pictures({"red": 2}))
    with pytest.raises(ValueError, match="has no cluster 99"):
        next(what_if(classifier, found, "red", 99))
    with pytest.raises(ValueError, match="There is no evidence of 'green'; there is of red"):
        next(what_if(classifier, found, "green", 0))
    for few in ({"draws": 1}, {"most": 0}):
        with pytest.raises(ConfigError, match="use at least two draws and one photo"):
            next(what_if(classifier, found, "red", 0, **few))
