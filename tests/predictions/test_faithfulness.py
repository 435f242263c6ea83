"""The deletion game, against photos blurred by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from gallop import Explanation, GalLoPClassifier, MethodConfig
from gallop.features.encoding import encode_looks
from gallop.model.answers import Rule, answers
from gallop.predictions.faithfulness import DELETION_BATCH, Deletion, deletion
from gallop.runtime.progress import StageEvent
from tests import tiny
from tests.predictions.conftest import PHOTO

NAMES = ("red", "green", "blue")


def play(classifier: GalLoPClassifier, explanation: Explanation, name: str) -> tuple[list[StageEvent], Deletion]:
    *events, last = deletion(classifier.model_, explanation, name)
    assert isinstance(last, Deletion)
    return [event for event in events if isinstance(event, StageEvent)], last


def blurred(pixels: NDArray[np.float32], sigma: float) -> NDArray[np.float64]:
    """By scipy, cut off two standard deviations out, mirrored at the edges without repeating them."""
    return np.stack([gaussian_filter(channel.astype(float), sigma, mode="mirror", truncate=2.0) for channel in pixels])


@pytest.mark.parametrize("topk", [(2, 5), ()])
def test_a_head_has_its_part_in_order_and_score(topk: tuple[int, ...]) -> None:
    classifier = GalLoPClassifier(backbone=tiny.vit(), topk=topk, cache=False, method=MethodConfig(head="ridge"))
    classifier.zero_shot(NAMES).add_shots(*tiny.pictures(dict.fromkeys(NAMES, 3)))
    explanation = classifier.explain(PHOTO)
    _, found = play(classifier, explanation, "red")
    branches = [explanation.global_scores[0], explanation.local_scores[0]][: 2 if topk else 1]
    prompts = np.mean([scores.mean() for scores in branches])
    assert found.by_map[0] == pytest.approx(0.5 * prompts + 0.5 * tiny.head_scores(explanation)[0], abs=1e-5)


def test_each_point_is_the_score_without_the_best_regions(
    classifier: GalLoPClassifier, explanation: Explanation
) -> None:
    explanation = explanation.with_topk((1, 7))
    _, found = play(classifier, explanation, "red")
    scores = np.mean([explanation.region_scores("red", n) for n in range(2)], axis=0).ravel()
    best_first = sorted(range(16), key=lambda region: -scores[region])
    assert (found.removed[0], found.removed[-1]) == (0, 1)
    assert len(found.removed) > 5
    pixels = tiny.vit().preprocess.centre(PHOTO)[0].numpy()
    smooth = blurred(pixels, sigma=8)
    text = tiny.vit().text.encode_texts(["A photo of a red"])
    cosine = torch.nn.functional.cosine_similarity
    for share, score in zip(found.removed, found.by_map, strict=True):
        left = pixels.copy()
        for region in best_first[: round(16 * share)]:
            row, column = divmod(region, 4)
            place = np.s_[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            left[place] = smooth[place]
        whole, regions = tiny.vit().encode_image(torch.from_numpy(left)[None])
        at = np.sort(cosine(regions[0] @ tiny.vit().vision.region_projection, text).numpy())[::-1]
        wanted = (float(cosine(whole, text)) + (at[:1].mean() + at[:7].mean()) / 2) / 2
        assert score == pytest.approx(wanted, abs=1e-5)
    own = (explanation.global_scores[0].mean() + explanation.local_scores[0].mean()) / 2
    assert found.by_map[0] == pytest.approx(own, abs=1e-6)


def test_random_orders_start_and_end_with_the_map_and_differ_between(
    classifier: GalLoPClassifier, explanation: Explanation
) -> None:
    _, found = play(classifier, explanation, "blue")
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


def test_it_comes_in_small_batches_and_repeats_itself(classifier: GalLoPClassifier, explanation: Explanation) -> None:
    events, first = play(classifier, explanation, "red")
    done = [event.done for event in events]
    assert (done[-1], max(np.diff([0, *done]))) == (events[-1].total, DELETION_BATCH)
    _, second = play(classifier, explanation, "red")
    assert np.array_equal(first.at_random, second.at_random)


def test_what_has_no_map_or_another_class_list_is_refused(
    classifier: GalLoPClassifier, explanation: Explanation
) -> None:
    coop = GalLoPClassifier(backbone=tiny.vit(), topk=(), cache=False).zero_shot(NAMES)
    other = GalLoPClassifier(backbone=tiny.vit(), cache=False).zero_shot(["red"])
    for model, why, name, said in (
        (coop, coop.explain(PHOTO), "red", "no map"),
        (other, explanation, "red", "class list of this explanation differs from the model's"),
        (classifier, explanation, "pink", "no class 'pink'"),
    ):
        with pytest.raises(ValueError, match=said):
            next(deletion(model.model_, why, name))


def test_two_looks_lose_the_same_places() -> None:
    method = MethodConfig(detail=2)
    classifier = GalLoPClassifier(backbone=tiny.vit(), topk=(2, 5), cache=False, method=method).zero_shot(NAMES)
    explanation = classifier.explain(PHOTO)
    _, found = play(classifier, explanation, "red")
    together = (explanation.global_scores[0].mean() + explanation.local_scores[0].mean()) / 2
    assert found.by_map[0] == pytest.approx(together, abs=1e-5)
    looks = [tiny.vit().preprocess.centre(PHOTO, times)[0].numpy() for times in (1, 2)]
    # As wide as a region of the map, which is 4 pixels of the usual input.
    smooth = [torch.from_numpy(blurred(look, sigma=4 * times)).float()[None] for times, look in enumerate(looks, 1)]
    with torch.no_grad():
        text, seen = classifier.model_.cached_text_features(), encode_looks(tiny.vit(), smooth)
        nothing = classifier.model_.similarities(seen, text)
    assert found.by_map[-1] == pytest.approx(float(answers(nothing, Rule((2, 5))).scores[0, 0]), abs=1e-4)
