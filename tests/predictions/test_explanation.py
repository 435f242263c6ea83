"""An explanation asked the other way round, and told as plain values; and which photo to label next."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from scipy.special import softmax

from gallop import Explanation, MethodConfig
from gallop.predictions.next_to_label import next_to_label
from tests import tiny

NAMES = ("red", "green", "blue")
USES = [("answers", 2.0), ("answers", 1.5), ("training", 2.0), ("maps", 2.0)]


def test_a_region_alone_answers_with_the_softmax_of_its_mean_over_prompts() -> None:
    found = looked_twice("answers", 1)
    maps = np.array([[found.region_scores(name, n).ravel() for n in range(4)] for name in NAMES])  # (K, N, R)
    shares = softmax(found.scale * maps.astype(np.float64).mean(axis=1), axis=0).T
    assert found.region_probabilities == pytest.approx(shares, abs=1e-5)


def test_several_photos_are_explained_as_each_alone() -> None:
    model = tiny.classifier().zero_shot(NAMES)
    photos = [tiny.picture(seed, "green", (40 + seed, 32)) for seed in range(19)]
    found = model.explain(photos)
    assert isinstance(found, list)
    for photo, one in zip(photos, found, strict=True):
        alone = model.explain(photo)
        assert (one.image.size, one.crop, one.label) == (alone.image.size, alone.crop, alone.label)
        assert np.allclose(one.region_scores("red", 1), alone.region_scores("red", 1), atol=1e-5)
    assert [len(model.explain(some)) for some in ([photos[0]], tuple(photos[:2]), [])] == [1, 2, 0]


def test_an_explanation_as_values_is_what_it_says_and_comes_back_to_the_last_bit() -> None:
    images, labels = tiny.pictures({"red": 4, "green": 4})
    model = tiny.classifier(calibration_folds=2).fit(images, labels)
    found = model.explain(tiny.picture(9))
    said = json.loads(found.to_json(["red", "green"]))
    assert (said, said["schema"]) == (found.to_dict(["red", "green"]), 1)
    assert np.array_equal(np.float32([said["local_scores"][name] for name in found.class_names]), found.local_scores)
    assert np.array_equal(np.float32([said["global_scores"][name] for name in found.class_names]), found.global_scores)
    assert said["probabilities"] == found.probabilities
    for name in found.class_names:
        for prompt, boxes in enumerate(said["regions"][name]):
            assert [(b["region"], b["score"], *b["box"]) for b in boxes] == [
                (b.region, b.score, b.left, b.top, b.right, b.bottom) for b in found.regions(name, prompt)
            ]
    assert said["limits"] == {
        "ood_score": found.ood_score,
        "threshold": model.calibration_.threshold,
        "is_ood": found.is_ood,
        "temperature": model.calibration_.temperature,
        "scale": found.scale,
    }
    assert list(found.to_dict()["regions"]) == [found.label]
    with pytest.raises(ValueError, match="has no class 'blue'; its classes"):
        found.to_dict(["blue"])
    bare = tiny.classifier(topk=()).zero_shot(["red"]).explain(tiny.picture(9)).to_dict()
    assert (bare["local_probabilities"], bare["regions"]) == (None, {"red": []})


# Two looks -----------------------------------------------------------------------------------------------------------


def looked_twice(detail_in: str, detail: float, size: tuple[int, int] = (57, 33)) -> Explanation:
    method = MethodConfig(detail=detail, detail_in=detail_in)
    return tiny.classifier(topk=(1, 3, 5, 16), method=method).zero_shot(NAMES).explain(tiny.picture(3, "green", size))


@pytest.mark.parametrize(("detail_in", "detail"), USES)
def test_every_score_is_the_sum_of_its_regions(detail_in: str, detail: float) -> None:
    found, side = looked_twice(detail_in, detail), round(4 * detail)
    assert (found.grids, found.grid) == (((4, 4), (side, side)), (side, side))
    assert found.look_weights == ((1, 0) if detail_in == "maps" else (0.5, 0.5))
    for k, name in enumerate(NAMES):
        for n in range(4):
            means = []
            for number, look in enumerate(found.looks):
                scores = [box.score for box in look.regions(name, n)]
                assert scores == sorted(look.region_scores(name, n).ravel(), reverse=True)[: found.topk[n]]
                assert np.mean(scores) == pytest.approx(look.local_scores[k, n], abs=1e-6)
                means.append(np.mean(scores))
                mine = [box.score for box in found.regions(name, n) if box.look == number]
                assert mine == (scores if found.look_weights[number] else [])
            assert found.local_scores[k, n] == pytest.approx(np.dot(found.look_weights, means), abs=1e-6)
            assert np.array_equal(found.region_scores(name, n), found.looks[1].region_scores(name, n))
    together = (found.global_scores.mean(axis=1) + found.local_scores.mean(axis=1)) / 2
    shares = softmax(found.scale * together.astype(np.float64))
    assert list(found.probabilities.values()) == pytest.approx(shares, abs=1e-4)


@pytest.mark.parametrize("detail", [1.5, 2.0])
@pytest.mark.parametrize("size", [(57, 33), (32, 32), (20, 90)])
def test_regions_lie_at_their_true_place_and_size_on_the_photo(detail: float, size: tuple[int, int]) -> None:
    found = looked_twice("answers", detail, size)
    short = min(size)
    left, top = ((length - short) / 2 for length in size)  # of the centre square
    for box in found.regions("red", 3):
        side = round(4 * (1, detail)[box.look])
        (row, column), each = divmod(box.region, side), short / side
        wanted = [left + column * each, top + row * each, left + (column + 1) * each, top + (row + 1) * each]
        # The resized photo has whole pixels, so its middle may lie one of them aside, as in one look.
        assert [box.left, box.top, box.right, box.bottom] == pytest.approx(wanted, abs=short / 32)


def test_the_first_look_of_two_is_the_only_one_of_one_bit_by_bit() -> None:
    one = looked_twice("answers", 1)
    assert one.looks[0].similarities.looks[0] is one.similarities.looks[0]
    for use in ("answers", "maps"):
        first = looked_twice(use, 2).looks[0]
        assert np.array_equal(first.local_scores, one.local_scores)
        assert np.array_equal(first.global_scores, one.global_scores)
        assert first.regions("red", 2) == one.regions("red", 2)
    only_maps = looked_twice("maps", 2)
    assert (only_maps.probabilities, only_maps.ood_score) == (one.probabilities, one.ood_score)


def test_other_k_are_taken_of_both_looks() -> None:
    found = looked_twice("answers", 2)
    other = found.with_topk((2, 2, 40, 64))
    looks = [Counter(box.look for box in other.regions("red", n)) for n in range(4)]
    assert looks == [{0: 2, 1: 2}, {0: 2, 1: 2}, {0: 16, 1: 40}, {0: 16, 1: 64}]
    assert other.similarities.looks[0].ranked is found.looks[0].similarities.looks[0].ranked, "sorted once"
    whole = np.mean([look.region_scores("red", 3).mean() for look in found.looks])
    assert other.local_scores[0, 3] == pytest.approx(whole, abs=1e-6)


# Which photo to label next -------------------------------------------------------------------------------------------


def things(seed: int, count: int = 19, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(classes), count), rng.normal(size=(count, 5))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b))


@pytest.mark.parametrize("seed", range(5))
def test_of_twice_as_many_uncertain_photos_those_unlike_each_other_are_asked_for(seed: int) -> None:
    shares, features = things(seed)
    found = next_to_label(shares, features, 6)
    margins = [first - second for first, second in (sorted(row)[::-1][:2] for row in shares)]
    left = sorted(range(len(shares)), key=margins.__getitem__)[:12]
    taken = list[int]()
    for asked in found:
        apart = {i: min([1 - cosine(features[i], features[other]) for other in taken], default=0.0) for i in left}
        assert asked.photo == max(left, key=apart.__getitem__), "at first the least certain one"
        assert asked.margin == pytest.approx(margins[asked.photo])
        assert (shares[asked.photo].argmax(), np.argsort(shares[asked.photo])[-2]) == (asked.best, asked.second)
        left.remove(asked.photo)
        taken.append(asked.photo)
    assert len(found) == 6


def test_each_photo_is_asked_for_once_and_the_length_of_features_says_nothing() -> None:
    shares, features = things(0)
    found = next_to_label(shares, features, 100)
    assert sorted(asked.photo for asked in found) == list(range(len(shares)))
    assert next_to_label(shares, 7 * features, 100) == found
    given = next_to_label(shares, features, 100, photos=[f"{i}.jpg" for i in range(len(shares))])
    assert [asked.photo for asked in given] == [f"{asked.index}.jpg" for asked in found]


def test_no_second_copy_is_asked_for_before_something_else() -> None:
    shares, features = things(2)
    features[:] = features[0]
    features[7] *= -1
    assert 7 in [asked.photo for asked in next_to_label(shares, features, 10)][:2]


def test_with_one_class_or_no_photo_it_still_answers() -> None:
    shares, features = things(1)
    (only,) = next_to_label(np.ones((1, 1)), features[:1])
    assert (only.best, only.second, only.margin) == (0, 0, 0.0)
    assert next_to_label(np.zeros((0, 3)), np.zeros((0, 5))) == []
    with pytest.raises(ValueError, match="19 photos, probabilities for 19 of them, and features for 8"):
        next_to_label(shares, features[:8])
    with pytest.raises(ValueError, match="without features"):
        next_to_label(shares, None)
