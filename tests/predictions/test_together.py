"""Answers of photos that are asked about together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from gallop.errors import DataError
from gallop.predictions.predict import Predictions
from gallop.predictions.together import NEIGHBOURS, ROUNDS, STRENGTH, answered_together
from tests import tiny

IMAGES, LABELS = tiny.pictures({"red": 4, "green": 4})


def pile(seed: int = 0, photos: int = 30, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Random probabilities and features."""
    rng = np.random.default_rng(seed)
    return softmax(rng.normal(size=(photos, classes)), axis=1).astype(np.float32), rng.normal(size=(photos, 6))


def test_it_is_the_formula_photo_by_photo() -> None:
    alone, features = pile()
    unknown = np.arange(30) % 7 == 0
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    centred = [each - unit.mean(axis=0) for each in unit]
    alike = [[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in centred] for a in centred]
    near = [sorted(set(range(30)) - {i}, key=lambda j: -alike[i][j])[:NEIGHBOURS] for i in range(30)]
    now = alone
    for _ in range(ROUNDS):
        heard = [sum(max(alike[i][j], 0) * now[j] for j in near[i] if not unknown[j]) for i in range(30)]
        raised = [alone[i] * np.exp(STRENGTH * heard[i]) for i in range(30)]
        now = np.array([each / each.sum() for each in raised])
    found = answered_together(alone, features * 3, unknown)
    assert found.neighbours.tolist() == near
    assert np.allclose(found.probabilities, now, atol=1e-5)


def test_every_answer_is_its_own_score_and_its_neighbours_votes() -> None:
    found = answered_together(*pile())
    rest = np.log(found.probabilities) - found.own - found.votes.sum(axis=1)
    assert np.ptp(rest, axis=1).max() < 1e-5, "a constant of each photo"


def test_a_photo_that_is_none_of_these_has_no_vote_but_gets_some() -> None:
    alone, features = pile()
    unknown = np.zeros(30, bool)
    unknown[5] = True
    found = answered_together(alone, features, unknown)
    assert not found.votes[found.neighbours == 5].any()
    assert found.votes[5].any()


def test_a_photo_in_doubt_follows_those_like_it_and_a_rare_class_keeps_its_own() -> None:
    sure = [[0.99, 0.01]] * 40 + [[0.01, 0.99]] * 4
    around = [[1.0, 0.0]] * 40 + [[0.0, 1.0]] * 4
    features = np.array([*around, [0.1, 1.0]]) + np.random.default_rng(0).normal(scale=0.01, size=(45, 2))
    found = answered_together([*sure, [0.6, 0.4]], features)
    assert found.probabilities.argmax(axis=1).tolist() == [0] * 40 + [1] * 4 + [1]


@pytest.mark.parametrize("photos", [1, 2])
def test_one_or_two_photos_are_answered_as_by_themselves(photos: int) -> None:
    alone, features = pile(photos=photos)
    found = answered_together(alone, features)
    assert found.neighbours.shape == (photos, photos - 1)
    assert np.allclose(found.probabilities, alone)


def test_a_classifiers_answers_together_keep_their_verdicts() -> None:
    fitted = tiny.classifier(calibration_folds=2, lr=0.3).fit(IMAGES, LABELS)
    alone = fitted.predict_all(IMAGES)
    found = alone.together()
    expected = answered_together(alone.probabilities, alone.embeddings, alone.is_ood)
    assert np.array_equal(found.probabilities, expected.probabilities)
    assert np.array_equal(found.ood["GL-MCM"], alone.ood["GL-MCM"])
    assert fitted.predict(IMAGES, together=True).tolist() == found.labels.tolist()


def test_answers_without_features_say_where_they_come_from() -> None:
    one = np.ones((1, 1), np.float32)
    with pytest.raises(DataError, match="predict_all"):
        Predictions(np.array(["a"]), one, one, None, {}, None, class_names=("a",)).together()


def test_other_photos_features_are_refused() -> None:
    alone, features = pile()
    with pytest.raises(ValueError, match="features of 29"):
        answered_together(alone, features[1:])
