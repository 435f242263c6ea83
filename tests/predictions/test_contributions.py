"""Scores taken apart into regions, against the answers and maps that are made another way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gallop import GalLoPClassifier, load_backbone
from gallop.features.encoding import encode_photos
from gallop.predictions.contributions import Contributions, contributions, joint_regions
from tests import tiny

NAMES = ("red", "green", "blue")
PHOTOS = [tiny.picture(i, colour) for i, colour in enumerate(NAMES)]


def made(**settings: Any) -> GalLoPClassifier:
    return GalLoPClassifier(backbone=tiny.vit(), cache=False, **settings).zero_shot(NAMES)


def taken(classifier: GalLoPClassifier) -> Contributions:
    model = classifier.model_
    return contributions(model, encode_photos(model.backbone, PHOTOS, model.sight)[0], model.config.topk)


def above_mean(scores: Any) -> Any:
    return np.asarray(scores) - np.mean(scores)


def test_the_regions_of_local_prompts_add_their_score_and_those_outside_of_every_top_k_nothing() -> None:
    classifier = made(topk=(2, 5))
    found = taken(classifier)
    for i, why in enumerate(classifier.explain(PHOTOS)):
        local, whole = (above_mean(scores.mean(axis=1)) / 2 for scores in (why.local_scores, why.global_scores))
        assert found.regions[i].sum(dim=0).numpy() == pytest.approx(local, abs=1e-6)
        assert found.rest[i].numpy() == pytest.approx(whole, abs=1e-6), "on a ViT the photo's feature is no mean"
        assert found.scores[i].numpy() == pytest.approx(local + whole, abs=1e-6)
        chosen = {box.region for name in NAMES for n in (0, 1) for box in why.regions(name, n)}
        outside = [region for region in range(16) if region not in chosen]
        assert outside
        assert found.regions[i, outside].abs().max() == 0


def test_every_region_adds_to_a_head_what_its_map_says() -> None:
    classifier = made(topk=(), head="ridge").add_shots(*tiny.pictures(dict.fromkeys(NAMES, 3)))
    found = taken(classifier)
    for i, why in enumerate(classifier.explain(PHOTOS)):
        maps = np.stack([tiny.head_map(why, name).ravel() for name in NAMES], axis=1)
        weight = why.similarities.branch_weights["ridge"]
        wanted = weight * (maps - maps.mean(axis=1, keepdims=True)) / 16
        assert found.regions[i].numpy() == pytest.approx(wanted, abs=1e-6)


def test_two_looks_add_the_mean_of_both() -> None:
    classifier = made(topk=(2, 5), head="ridge", detail=2.0).add_shots(*tiny.pictures(dict.fromkeys(NAMES, 3)))
    found = taken(classifier)
    assert found.regions.shape == (3, 16 + 64, 3)
    for i, why in enumerate(classifier.explain(PHOTOS)):
        whole = above_mean(why.global_scores.mean(axis=1)) / 2
        assert found.rest[i].numpy() == pytest.approx(2 * why.answers.weights["global"] * whole, abs=1e-5)


def test_where_the_photo_is_the_mean_of_its_regions_nothing_is_left() -> None:
    found = taken(GalLoPClassifier(backbone=load_backbone("mini"), cache=False).zero_shot(NAMES))
    assert found.scores.abs().max() > 1e-3
    assert found.rest.abs().max() < 1e-5


def test_joint_regions_are_the_frozen_backbones_of_length_one() -> None:
    features = encode_photos(tiny.vit(), PHOTOS)[0]
    projection = tiny.there(tiny.vit().vision.region_projection)
    wanted = torch.nn.functional.normalize(features.regions @ projection, dim=-1)
    assert torch.allclose(joint_regions(made(topk=(2, 5)).model_, features), wanted, atol=1e-6)
