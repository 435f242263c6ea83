"""An explanation asked the other way round: what one region is like."""

from __future__ import annotations

import numpy as np
import pytest

from gallop.predictions.explanation import Explanation
from tests import tiny

NAMES = ("red", "green", "blue")


def explanation() -> Explanation:
    return tiny.classifier(topk=(1, 3, 5, 16)).zero_shot(NAMES).explain(tiny.picture(3, "green", (40, 32)))


def test_a_region_has_the_cosines_that_maps_show_at_its_place() -> None:
    found = explanation()
    for region in (0, 5, 15):
        scores = found.at_region(region)
        for k, name in enumerate(NAMES):
            for n in range(4):
                assert scores[k, n] == found.region_scores(name, n).ravel()[region]
    for region in (-1, 16):
        with pytest.raises(ValueError, match=f"no region {region} in a grid of 4 x 4"):
            found.at_region(region)


def test_a_region_alone_answers_with_the_softmax_of_its_mean_over_prompts() -> None:
    found = explanation()
    for region in range(16):
        scores = found.at_region(region).mean(axis=1).astype(np.float64)
        shares = np.exp(found.scale * (scores - scores.max()))
        shares /= shares.sum()
        assert found.region_probabilities[region] == pytest.approx(shares, abs=1e-5)
