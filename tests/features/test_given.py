"""Features of any model in place of photos: learned from, scored, explained, saved and loaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gallop import GalLoPClassifier
from gallop.backbones import Backbone
from gallop.config import MethodConfig
from gallop.errors import BackboneError, DataError, OnnxError
from gallop.evaluation.evidence import evidence
from gallop.export.onnx import export_onnx
from gallop.features.encoding import ONCE, ImageFeatures, encode_photos
from gallop.features.given import encoded_photos
from tests import tiny

IMAGES, LABELS = tiny.pictures({"red": 4, "green": 4})
TESTS, TRUTH = tiny.pictures({"red": 3, "green": 3}, first_seed=50)


def features_of(images: list[Any]) -> ImageFeatures:
    return encode_photos(tiny.vit(), images)[0]


def test_features_answer_as_their_photos_do() -> None:
    made = tiny.classifier(head="ridge").fit(IMAGES, LABELS)
    features = features_of(TESTS)
    arrays: Any = (features.global_.numpy(), features.regions.numpy())
    for given in (features, arrays, ImageFeatures(*arrays), features.each(torch.Tensor.double)):
        assert np.allclose(made.predict_proba(given), made.predict_proba(TESTS), atol=1e-5)
        assert made.score(given, TRUTH) == made.score(TESTS, TRUTH)
        why, own = made.explain(given), made.explain(TESTS)
        assert [each.label for each in why] == [each.label for each in own]
        assert np.allclose(why[0].maps("red"), own[0].maps("red"), atol=1e-5)


def test_a_head_learned_from_features_is_that_of_the_photos() -> None:
    answers = [
        tiny.classifier(head="ridge").fit(given, LABELS).predict_all(TESTS).branches["ridge"]
        for given in (IMAGES, features_of(IMAGES))
    ]
    assert np.allclose(*answers, atol=5e-3), "those of photos were kept in half precision"


def dino() -> tuple[Backbone, ImageFeatures]:
    torch.manual_seed(0)
    clip = tiny.new_vit()
    width = clip.feature_sizes[-1]
    backbone = clip.with_features(grid=(5, 5), region_width=48, projection=torch.randn(48, width))
    kinds = torch.arange(12) % 2
    whole, regions = torch.randn(12, width) + 3 * kinds[:, None], torch.randn(12, 25, 48) + kinds[:, None, None]
    return backbone, ImageFeatures(whole, regions)


def test_features_of_another_model_are_learned_saved_loaded_and_explained(tmp_path: Path) -> None:
    backbone, features = dino()
    names = ["even", "odd"] * 6
    made = tiny.classifier(backbone=backbone, head="ridge", calibration_folds=2).fit(features, names)
    assert made.score(features, names) > 0.9
    with pytest.warns(UserWarning, match=r"as well: load\(\.\.\., backbone=\.\.\.\)"):
        made.save(tmp_path / "model")
    loaded = GalLoPClassifier.load(tmp_path / "model", backbone=backbone, device="cpu")
    assert np.allclose(loaded.predict_proba(features), made.predict_proba(features), atol=1e-5)
    (why,) = made.explain(encoded_photos(features[:1], [tiny.picture(0, size=(60, 40))]))
    assert (why.image.size, why.map(why.label, 0).shape, why.grid) == ((60, 40), (40, 60), (5, 5))


def test_what_needs_pixels_says_that_there_are_none() -> None:
    backbone, features = dino()
    made = tiny.classifier(backbone=backbone).fit(features, ["even", "odd"] * 6)
    with pytest.raises(
        BackboneError, match=r"cannot encode photos: it only takes precomputed features\. Pass ImageFeatures"
    ):
        made.predict(TESTS[0])
    with pytest.raises(OnnxError, match="the export only supports models that take pixels"):
        export_onnx(made)


def test_given_features_stay_given_where_the_backbone_moves() -> None:
    backbone, _ = dino()
    moved = backbone.to("meta")
    assert (moved.vision.grid, moved.vision.region_width) == ((5, 5), 48)
    assert tiny.there(moved.vision.region_projection).device.type == "meta"
    with pytest.raises(BackboneError, match="so it cannot compute any of the kind 'query-query'"):
        backbone.with_regions("query-query")


def test_shots_are_drawn_and_added_and_classes_learned_further() -> None:
    features, cut = features_of(IMAGES), slice(2, 6)
    made = tiny.classifier(shots=2, head="ridge").fit(features, LABELS)
    made.add_shots(features[cut], LABELS[2:6])
    made.partial_fit(features_of(tiny.pictures({"blue": 2})[0]), ["blue", "blue"])
    assert made.classes_.tolist() == ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((np.zeros((2, 3)), np.zeros((3, 4, 3))), "global features for 2 images, but other features for 3"),
        (ImageFeatures(torch.zeros(3, 3), torch.zeros(2, 4, 3)), "features for 3 images, but other features for 2"),
    ],
)
def test_features_that_cannot_be_are_a_sentence(given: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        tiny.classifier().fit(given, ["red", "green"])


NAMES = ["red", "red", "green"]
CALLS: dict[str, Callable[[GalLoPClassifier, Any], object]] = {
    "predict": lambda made, bad: made.predict(bad),
    "predict_all": lambda made, bad: made.predict_all(bad),
    "predict_proba": lambda made, bad: made.predict_proba(bad),
    "decision_function": lambda made, bad: made.decision_function(bad),
    "is_ood": lambda made, bad: made.is_ood(bad),
    "is_ood, tpr": lambda made, bad: made.is_ood(bad, tpr=0.8),
    "ood_score": lambda made, bad: made.ood_score(bad),
    "set_threshold": lambda made, bad: made.set_threshold(photos=bad),
    "score": lambda made, bad: made.score(bad, NAMES),
    "evaluate": lambda made, bad: made.evaluate(bad, NAMES),
    "evaluate, unknown": lambda made, bad: made.evaluate(TESTS, TRUTH, unknown={"other": bad}),
    "evidence": lambda made, bad: evidence(made, bad, NAMES),
    "explain": lambda made, bad: made.explain(bad),
    "worth": lambda made, bad: made.prompts.worth(bad, NAMES),
    "fit": lambda made, bad: made.fit(bad, NAMES),
    "partial_fit": lambda made, bad: made.partial_fit(bad, NAMES),
    "add_shots": lambda made, bad: made.add_shots(bad, NAMES),
    "recall_shots": lambda made, bad: made.recall_shots(bad, NAMES),
}


def with_value(value: float, part: str, image: int = 1) -> ImageFeatures:
    features = features_of(TESTS[:3])
    features.tensors[part][image].view(-1)[5] = value
    return features


def drawn(regions: int, width: int, joint: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(3, joint), torch.randn(3, regions, width)


SIZED = "but golden-vit gives (32,) and (16, 64), a grid of 4 x 4 regions. Encode the photos with that backbone"
BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: with_value(np.nan, "global"), "features of image 1 contain a value that is not finite. Encode that"),
    (lambda: with_value(-np.inf, "regions", 2).rounded(), "features of image 2 contain a value that is not finite"),
    (lambda: tuple(each.numpy() for each in with_value(np.inf, "regions").tensors.values()), "image 1 contain a value"),
    (lambda: ImageFeatures(*drawn(9, 64)), f"(9, 64) for its regions, {SIZED}"),
    (
        lambda: tuple(each.numpy() for each in drawn(16, 7)),
        f"(32,) for each photo and (16, 7) for its regions, {SIZED}",
    ),
    (lambda: ImageFeatures(*drawn(16, 64, 5)), "have the shape (5,) for each photo and (16, 64)"),
    (lambda: ImageFeatures(torch.randn(3), torch.randn(3, 64)), "have the shape () for each photo and (64,) for its"),
    (
        lambda: replace(features_of(TESTS[:3]), more=(features_of(TESTS[:3]),)),
        "number of looks per photo is 2 in these features, but this model (detail=1) needs 1",
    ),
]


@pytest.fixture(scope="module")
def learned() -> GalLoPClassifier:
    return tiny.classifier(head="ridge", calibration_folds=2).fit(IMAGES, LABELS)


@pytest.mark.parametrize("call", CALLS)
def test_features_are_checked_whatever_is_asked(learned: GalLoPClassifier, call: str) -> None:
    for bad, words in BAD:
        with pytest.raises(DataError, match=re.escape(words)):
            CALLS[call](learned, bad())
    assert learned.calibration_.threshold is not None, "what was learned before is still there"


def test_images_of_several_calls_are_named_in_a_list(learned: GalLoPClassifier) -> None:
    """Each is checked before their features are put together."""
    mixed = [
        *encoded_photos(features_of(TESTS[:2])),
        *encoded_photos(ImageFeatures(*drawn(9, 64))),
    ]
    with pytest.raises(DataError, match=r"features of image 0 have .* \(9, 64\) for its regions"):
        learned.predict(mixed)


def test_each_look_has_its_own_grid() -> None:
    made = tiny.classifier(detail=2).zero_shot(["red", "green"])
    coarse, fine = (encode_photos(tiny.vit(), TESTS[:2], sight)[0] for sight in (ONCE, made.model_.sight))
    assert made.predict(fine).tolist() == made.predict(TESTS[:2]).tolist()
    with pytest.raises(DataError, match=r"\(16, 64\) for its regions, .* and \(64, 64\), a grid of 8 x 8 regions"):
        made.predict(replace(coarse, more=(coarse,)))
    for asked in (made.predict, made.explain):
        with pytest.raises(
            DataError, match=r"looks per photo is 1 in these features, but this model \(detail=2\) needs 2"
        ):
            asked(coarse)


def test_a_second_look_for_maps_may_be_left_out() -> None:
    made = tiny.classifier(detail=2, method=MethodConfig(detail_in="maps")).zero_shot(["red", "green"])
    both = encode_photos(tiny.vit(), TESTS[:2], made.model_.map_sight)[0]
    assert [each.grid for each in made.explain(features_of(TESTS[:2]))] == [(4, 4)] * 2
    assert [each.grid for each in made.explain(both)] == [(8, 8)] * 2


def test_large_numbers_in_half_precision_are_features() -> None:
    large = ImageFeatures(torch.full((2, 32), 65504.0).half(), torch.full((2, 16, 64), -65504.0).half())
    assert np.isfinite(tiny.classifier().zero_shot(["red", "green"]).predict_proba(large)).all()


def test_a_region_width_that_does_not_fit_is_named() -> None:
    with pytest.raises(BackboneError, match=r"need a projection of shape \(48, \d+\)"):
        tiny.new_vit().with_features(grid=(5, 5), region_width=48)
