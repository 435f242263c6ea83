"""Shots that voted, on Explore: whose photos they are, that they add up, and where there is nothing to say."""

from __future__ import annotations

import re
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.views.exploring import photo_on_explore
from gallop.config import HeadKind
from gallop.features.encoding import encode_photos
from gallop.model.head.sums import shot_features
from tests.app_pages import (
    EXPLORE,
    TEACH,
    Open,
    cards,
    everything,
    fine,
    go,
    grid,
    session_of,
    train,
    unfolded,
    with_photo,
)

VOTE = re.compile(r"([+-]\d\.\d{4}), (red|green)")
SUM = re.compile(
    r"and ([+-]\d\.\d{4}) comes from (?:the class names|no photo): together (-?\d\.\d{4}), the head's score\."
)


def learned(tiny_app: Open, counts: dict[str, int], **settings: Any) -> AppTest:
    """Explore after a training."""
    at = go(with_photo(tiny_app, "red\ngreen"), TEACH)
    return go(train(cards(at, counts, **settings)), EXPLORE)


def offered(at: AppTest) -> bool:
    return "Shots that voted" in [fold.label for fold in at.expander]


@pytest.mark.parametrize(("head", "detail"), [("ridge", 1.0), ("ridge", 2.0), ("covariance", 1.0), ("covariance", 2.0)])
def test_votes_add_up_to_the_heads_score_and_are_those_of_the_photos_shown(
    tiny_app: Open, head: HeadKind, detail: float
) -> None:
    at = learned(tiny_app, {"red": 3, "green": 2}, head=head, detail=detail)
    assert offered(at)
    assert "comes from" not in everything(at), "nothing is worked out before somebody asks"
    said = everything(unfolded(at, "votes"))
    votes = [(float(vote), name) for vote, name in VOTE.findall(said)]
    assert sorted(name for _, name in votes) == ["green", "green", "red", "red", "red"]
    assert [abs(vote) for vote, _ in votes] == sorted((abs(vote) for vote, _ in votes), reverse=True)
    (found,) = SUM.findall(said)
    rest, score = map(float, found)
    assert sum(vote for vote, _ in votes) + rest == pytest.approx(score, abs=7 * 5e-5)
    taught = session_of(at).training.taught
    assert taught is not None
    photo, model = photo_on_explore(session_of(at)), taught.after.model_
    assert photo is not None
    own = taught.after.explain(photo)
    assert own.head_scores is not None
    assert score == pytest.approx(float(own.head_scores[own.class_names.index(own.label)]), abs=5e-5)
    assert model.head is not None
    assert model.head.shots is not None
    encoded, _ = encode_photos(model.backbone, [shot for shot, _ in taught.learned])
    gaps = shot_features(model.backbone, encoded, model.head.channels) - model.head.shots.features[:, 0]
    assert float(gaps.norm(dim=-1).max()) < 5e-3, "each vote stands under the photo that gave it"
    branches = grid(at, "explainer")["takes"][0]["branches"]
    looks = 1 if detail == 1 else 2
    assert [branch["name"] for branch in branches] == ["whole photo", *["regions"] * looks, *["head"] * looks]
    assert sum(branch["weight"] for branch in branches) == pytest.approx(1)
    at.session_state["explore prompts"] = "Zero-shot"
    assert not offered(fine(at.run())), "prompts that know no photo have no votes"


def test_a_head_that_cannot_tell_says_nothing_of_it(tiny_app: Open) -> None:
    assert not offered(learned(tiny_app, {"red": 2, "green": 2}, head="discriminant"))
