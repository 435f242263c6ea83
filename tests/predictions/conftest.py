"""One photo, and one model without training that is asked of it."""

from __future__ import annotations

import pytest

from gallop import Explanation, GalLoPClassifier
from tests import tiny

PHOTO = tiny.picture(3, "green", (40, 32))


@pytest.fixture
def classifier() -> GalLoPClassifier:
    return GalLoPClassifier(backbone=tiny.vit(), topk=(2, 5), cache=False).zero_shot(["red", "green", "blue"])


@pytest.fixture
def explanation(classifier: GalLoPClassifier) -> Explanation:
    return classifier.explain(PHOTO)
