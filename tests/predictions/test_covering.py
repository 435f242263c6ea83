"""Regions that are covered, against fills worked out cell by cell, and what the backbone says then."""

from __future__ import annotations

from collections.abc import Set

import hypothesis
import hypothesis.strategies as some
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from app.visitor.page_state import FILL_WORDS
from gallop import Explanation, GalLoPClassifier, MethodConfig
from gallop.errors import ConfigError
from gallop.predictions.covering import FILLS, cover, covered
from tests import tiny
from tests.predictions.conftest import PHOTO
from tests.predictions.test_faithfulness import blurred

SIDE = 4
"""Regions a side, of eight pixels each."""
REGIONS = some.sets(some.integers(0, SIDE**2 - 1))


def pixels() -> torch.Tensor:
    return torch.randn(3, 8 * SIDE, 8 * SIDE, generator=torch.Generator().manual_seed(0))


def mask(regions: Set[int]) -> torch.Tensor:
    return torch.tensor([region in regions for region in range(SIDE**2)]).view(1, SIDE, SIDE)


def place(region: int) -> tuple[slice, slice, slice]:
    row, column = divmod(region, SIDE)
    return np.s_[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]


def colours_inwards(picture: NDArray[np.float32], regions: Set[int]) -> dict[int, NDArray[np.float64]]:
    """Of each covered region: the mean of those around it that have a colour, ring after ring from the edge."""
    colours = {each: picture[place(each)].mean(axis=(1, 2)) for each in {*range(SIDE**2)} - regions}
    while True:
        ring = {}
        for region in regions - colours.keys():
            row, column = divmod(region, SIDE)
            at = [(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
            around = [colours[r * SIDE + c] for r, c in at if 0 <= c < SIDE and r * SIDE + c in colours]
            if around:
                ring[region] = np.mean(around, axis=0)
        if not ring:
            return {region: colours[region] for region in regions & colours.keys()}
        colours |= ring


@hypothesis.given(REGIONS)
def test_the_neighbours_colour_goes_inwards_ring_by_ring(regions: set[int]) -> None:
    found = cover(pixels(), mask(regions), "neighbours")[0].numpy()
    for region, colour in colours_inwards(pixels().numpy(), regions).items():
        assert np.allclose(found[place(region)], colour[:, None, None], atol=1e-5)


def test_blur_is_a_gaussian_as_wide_as_a_region() -> None:
    wanted = blurred(pixels().numpy(), sigma=8)
    found = cover(pixels(), mask({0, 5, 6}), "blur")[0].numpy()
    for region in (0, 5, 6):
        assert np.allclose(found[place(region)], wanted[place(region)], atol=1e-5)


@hypothesis.given(REGIONS, some.sampled_from(sorted(FILLS)))
def test_what_is_not_covered_is_left_bit_by_bit(regions: set[int], fill: str) -> None:
    found = cover(pixels(), mask(regions), fill)[0]
    for region in {*range(SIDE**2)} - regions:
        assert torch.equal(found[place(region)], pixels()[place(region)])


def test_masks_are_independent() -> None:
    both = cover(pixels(), torch.cat([mask({1, 2}), mask({9})]), "neighbours")
    assert torch.equal(both[1], cover(pixels(), mask({9}), "neighbours")[0])


@pytest.mark.parametrize("fill", FILLS)
def test_covering_nothing_changes_nothing(classifier: GalLoPClassifier, explanation: Explanation, fill: str) -> None:
    same = covered(classifier.model_, explanation, (), fill)
    assert same.probabilities == pytest.approx(explanation.probabilities, abs=1e-7)
    assert same.image.tobytes() == explanation.image.tobytes()


@pytest.mark.parametrize("fill", ["grey", "neighbours"])
@pytest.mark.parametrize("detail", [1, 2])
def test_covering_everything_is_the_answer_to_a_grey_photo(fill: str, detail: float) -> None:
    method = MethodConfig(detail=detail)
    classifier = GalLoPClassifier(backbone=tiny.vit(), topk=(2, 5), cache=False, method=method)
    classifier.zero_shot(["red", "green", "blue"])
    explanation = classifier.explain(PHOTO)
    grey = tuple(round(255 * level) for level in tiny.vit().preprocess.mean)
    wanted = classifier.explain(Image.new("RGB", (40, 32), grey))
    found = covered(classifier.model_, explanation, range(explanation.grid[0] * explanation.grid[1]), fill)
    assert np.allclose(found.global_scores, wanted.global_scores, atol=5e-3)
    assert np.allclose(found.local_scores, wanted.local_scores, atol=5e-3)


def test_the_picture_shows_what_was_covered_and_the_rest_as_it_was(
    classifier: GalLoPClassifier, explanation: Explanation
) -> None:
    box = explanation.regions("red", 0)[0]
    shown = np.asarray(covered(classifier.model_, explanation, [box.region], "grey").image)
    changed = (shown != np.asarray(explanation.image)).any(axis=-1)
    inside = np.zeros_like(changed)
    inside[round(box.top) : round(box.bottom), round(box.left) : round(box.right)] = True
    assert (changed & inside).any()
    assert not (changed & ~inside).any()
    assert np.ptp(shown[inside], axis=0).max() == 0


def test_scales_and_limits_stay(classifier: GalLoPClassifier, explanation: Explanation) -> None:
    explanation = explanation.with_topk((1, 7))
    found = covered(classifier.model_, explanation, [0])
    assert (found.topk, found.threshold, found.grid) == ((1, 7), explanation.threshold, explanation.grid)


def test_what_is_not_there_is_refused(classifier: GalLoPClassifier, explanation: Explanation) -> None:
    with pytest.raises(ConfigError, match="no fill 'pink'; choose one of grey, blur, neighbours"):
        covered(classifier.model_, explanation, [0], "pink")
    with pytest.raises(ConfigError, match="no region 16; they are numbered from 0 to 15"):
        covered(classifier.model_, explanation, [3, 16])
    other = GalLoPClassifier(backbone=tiny.vit(), cache=False).zero_shot(["red"])
    with pytest.raises(ValueError, match="class list of this explanation differs from the model's"):
        covered(other.model_, explanation, [0])


def test_the_app_has_words_for_every_fill() -> None:
    assert set(FILL_WORDS) == set(FILLS)
