"""The deletion game, against photos painted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gallop.estimator import GalLoPClassifier
from gallop.explanation import Explanation
from gallop.faithfulness import BATCH, Deletion, DeletionEvent
from tests import tiny

NAMES = ("red", "green", "blue")


def made() -> GalLoPClassifier:
    return GalLoPClassifier(backbone=tiny.vit(), topk=(2, 5), cache=False).zero_shot(NAMES)


def photo() -> Image.Image:
    """As large as the model's input, and its mean colour a whole number, so that painting by hand is exact."""
    pixels = np.array(tiny.picture(3, "green", (32, 32))).astype(int)
    for channel in range(3):
        while (extra := pixels[..., channel].sum() % 1024) != 0:
            near = np.argwhere((pixels[..., channel] > 0) & (pixels[..., channel] < 255))[:extra]
            pixels[near[:, 0], near[:, 1], channel] -= 1
    return Image.fromarray(pixels.astype(np.uint8))


def play(classifier: GalLoPClassifier, explanation: Explanation, name: str) -> tuple[list[DeletionEvent], Deletion]:
    *events, last = classifier.deletion(explanation, name)
    assert isinstance(last, Deletion)
    return [event for event in events if isinstance(event, DeletionEvent)], last


def test_each_point_is_the_photo_without_its_best_regions() -> None:
    classifier, image = made(), photo()
    explanation = classifier.explain(image).with_topk((1, 7))
    _, found = play(classifier, explanation, "red")
    scores = np.mean([explanation.region_scores("red", n) for n in range(2)], axis=0).ravel()
    best_first = sorted(range(16), key=lambda region: -scores[region])
    assert found.removed[0] == 0
    assert found.removed[-1] == 1
    assert len(found.removed) > 5
    for share, probability in zip(found.removed, found.by_map, strict=True):
        painted = np.array(image)
        for region in best_first[: round(16 * share)]:
            row, column = divmod(region, 4)
            painted[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = np.array(image).mean(axis=(0, 1))
        direct = classifier.explain(Image.fromarray(painted)).with_topk((1, 7))
        assert probability == pytest.approx(direct.probabilities["red"], abs=1e-4)


def test_random_orders_start_and_end_with_the_map_and_differ_between() -> None:
    classifier = made()
    _, found = play(classifier, classifier.explain(photo()), "blue")
    assert found.at_random.shape == (5, len(found.removed))
    assert (found.at_random[:, 0] == found.by_map[0]).all()
    assert (found.at_random[:, -1] == found.by_map[-1]).all()
    assert len({tuple(row) for row in found.at_random}) == 5


def test_areas_are_those_of_the_trapezoids() -> None:
    found = Deletion(
        removed=np.array([0, 0.5, 1], np.float32),
        by_map=np.array([1, 0, 0], np.float32),
        at_random=np.array([[1, 1, 0], [1, 0.5, 0]], np.float32),
    )
    assert found.area_by_map == pytest.approx(0.25)
    assert found.areas_at_random == (pytest.approx(0.75), pytest.approx(0.5))


def test_it_comes_in_small_batches_and_repeats_itself() -> None:
    classifier = made()
    explanation = classifier.explain(photo())
    events, first = play(classifier, explanation, "red")
    done = [event.done for event in events]
    assert done[-1] == events[-1].total
    assert max(np.diff([0, *done])) == BATCH
    _, second = play(classifier, explanation, "red")
    assert np.array_equal(first.at_random, second.at_random)


def test_what_has_no_map_or_another_class_list_is_refused() -> None:
    coop = GalLoPClassifier(backbone=tiny.vit(), topk=(), cache=False).zero_shot(NAMES)
    with pytest.raises(ValueError, match="no map"):
        next(coop.deletion(coop.explain(photo()), "red"))
    other = GalLoPClassifier(backbone=tiny.vit(), cache=False).zero_shot(["red"])
    with pytest.raises(ValueError, match="another class list"):
        next(other.deletion(made().explain(photo()), "red"))
    with pytest.raises(ValueError, match="no class 'pink'"):
        next(made().deletion(made().explain(photo()), "pink"))


def test_a_region_can_be_asked() -> None:
    """The maps read the other way round; its probabilities are those of a photo in which every region is this one."""
    classifier = made()
    explanation = classifier.explain(photo())
    for region in (0, 5, 15):
        scores = explanation.at_region(region)
        for k, name in enumerate(NAMES):
            for n in range(2):
                assert scores[k, n] == explanation.region_scores(name, n).ravel()[region]
        exponents = np.exp(explanation.scale * scores.mean(axis=1).astype(np.float64))
        wanted = dict(zip(NAMES, exponents / exponents.sum(), strict=True))
        assert explanation.region_probabilities(region) == pytest.approx(wanted, rel=1e-4)
    for region in (-1, 16):
        with pytest.raises(ValueError, match=f"no region {region} in a grid of 4 x 4"):
            explanation.region_probabilities(region)
