"""``class_weight``: from the classifier to the prompts and the head, into a checkpoint and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gallop import GalLoPClassifier
from gallop.checkpoints.folder import SETTINGS
from tests import tiny

IMAGES, LABELS = tiny.pictures({"red": 6, "green": 2, "blue": 4})


def taught(**changes: Any) -> GalLoPClassifier:
    return tiny.classifier(head="ridge", calibration_folds=2, keep_shots=True, **changes).fit(IMAGES, LABELS)


@pytest.fixture(scope="module")
def balanced() -> GalLoPClassifier:
    return taught(class_weight="balanced")


def test_each_class_weighs_alike_in_the_head_and_in_that_of_every_fold(balanced: GalLoPClassifier) -> None:
    folds = tiny.there(balanced.cross_fit_)
    for model in (balanced.model_, *folds.models):
        (branch,) = model.branches
        weights = branch.sums.weights * branch.sums.counts
        assert torch.allclose(weights, weights.mean())


def test_prompts_learn_otherwise(balanced: GalLoPClassifier) -> None:
    assert not tiny.equal(tiny.learned(balanced), tiny.learned(taught()))


def test_prompts_of_even_classes_learn_the_same() -> None:
    images, labels = tiny.pictures({"red": 3, "green": 3})
    one, other = (tiny.classifier(class_weight=each).fit(images, labels) for each in (None, "balanced"))
    for key, value in tiny.learned(one).items():
        assert torch.allclose(value, tiny.learned(other)[key], atol=1e-5)


def test_it_is_saved_and_loaded(balanced: GalLoPClassifier, tmp_path: Path) -> None:
    balanced.save(tmp_path)
    loaded = GalLoPClassifier.load(tmp_path, backbone=tiny.vit())
    wanted = balanced.predict_proba(IMAGES)
    assert loaded.model_.config.class_weight == "balanced"
    assert np.allclose(loaded.predict_proba(IMAGES), wanted, atol=1e-5)


def test_a_checkpoint_says_nothing_of_it_where_it_is_not_used(tmp_path: Path) -> None:
    taught().save(tmp_path)
    assert "class_weight" not in json.loads((tmp_path / SETTINGS).read_text())["method"]
