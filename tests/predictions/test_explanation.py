"""An explanation asked the other way round, told as plain values, and several made at once."""

from __future__ import annotations

import json

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


def test_a_region_is_told_by_class_name_the_likest_first() -> None:
    found = tiny.classifier().zero_shot(["red", "green", "blue"]).explain(tiny.picture(3))
    for region in range(found.grid[0] * found.grid[1]):
        named = found.classes_at_region(region)
        assert {name: values.tolist() for name, values in named.items()} == dict(
            zip(found.class_names, found.at_region(region).tolist(), strict=True)
        )
        means = [values.mean() for values in named.values()]
        assert means == sorted(means, reverse=True)
    alone = tiny.classifier(topk=()).zero_shot(["red", "green"]).explain(tiny.picture(3))
    assert [len(values) for values in alone.classes_at_region(0).values()] == [0, 0]


def test_several_photos_are_explained_in_one_pass_of_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.classifier().zero_shot(["red", "green", "blue"])
    photos = [tiny.picture(seed, "green", (40 + seed, 32)) for seed in range(19)]
    passes: list[int] = []
    encode = model.model_.backbone.encode_image
    monkeypatch.setattr(
        type(model.model_.backbone), "encode_image", lambda _, pixels: passes.append(len(pixels)) or encode(pixels)
    )
    found = model.explain(photos)
    assert passes == [16, 3]
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
    assert said == found.to_dict(["red", "green"])
    assert said["schema"] == 1
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
    with pytest.raises(ValueError, match="There is no class 'blue' here"):
        found.to_dict(["blue"])
    bare = tiny.classifier(topk=()).zero_shot(["red"]).explain(tiny.picture(9)).to_dict()
    assert (bare["local_probabilities"], bare["regions"]) == (None, {"red": []})
