"""Features of any model in place of photos: learned from, scored, explained, saved and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gallop import GalLoPClassifier
from gallop.backbones import Backbone
from gallop.errors import BackboneError, DataError, OnnxError
from gallop.export.onnx import export_onnx
from gallop.features.encoding import ImageFeatures, encode_photos
from gallop.features.given import encoded_photos
from tests import tiny

COUNTS = {"red": 4, "green": 4}
IMAGES, LABELS = tiny.pictures(COUNTS)
TESTS, TRUTH = tiny.pictures({"red": 3, "green": 3}, first_seed=50)


def features_of(images: list[Any]) -> ImageFeatures:
    return encode_photos(tiny.vit(), images)[0]


def test_features_answer_as_their_photos_do() -> None:
    made = tiny.classifier(head="ridge").fit(IMAGES, LABELS)
    features = features_of(TESTS)
    for given in (features, (features.global_.numpy(), features.regions.numpy())):
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
    ("given", "error", "words"),
    [
        ((np.zeros((2, 3)), np.zeros((3, 4, 3))), DataError, "features for 2 images, but region features for 3"),
        (
            ImageFeatures(torch.full((2, 3), np.nan), torch.zeros(2, 4, 3)),
            DataError,
            "image 0 contain a value that is not finite",
        ),
        ((np.eye(2, 5), np.zeros((2, 16, 7))), ValueError, "widths 7 for regions and 5 for photos"),
    ],
)
def test_features_that_cannot_be_or_do_not_fit_are_a_sentence(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        tiny.classifier().fit(given, ["red", "green"])


def test_a_region_width_that_does_not_fit_is_named() -> None:
    with pytest.raises(BackboneError, match=r"need a projection of shape \(48, \d+\)"):
        tiny.new_vit().with_features(grid=(5, 5), region_width=48)
