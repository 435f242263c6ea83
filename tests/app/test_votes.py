"""Shots that voted, on Explore: whose photos they are, that they add up, and where there is nothing to say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.photos.archives import CardPlace, Member
from app.views.exploring import photo_on_explore
from app.views.export import imported
from gallop import GalLoPClassifier
from gallop.features.encoding import encode_photos
from tests.app_pages import (
    EXPLORE,
    PROMPTS,
    RUNS,
    TEACH,
    Open,
    cards,
    everything,
    fine,
    go,
    grid,
    png,
    put,
    session_of,
    taught_of,
    there,
    train,
    unfolded,
    with_photo,
)
from tests.tiny import head_of, head_scores

VOTE = re.compile(r"([+-]\d\.\d{4}), (red|green)")
SUM = re.compile(
    r"In addition, ([+-]\d\.\d{4}) (?:comes from the class names|does not come from any photo)\. "
    r"Altogether, the head's score is (-?\d\.\d{4})\."
)


def learned(tiny_app: Open, counts: dict[str, int], **settings: Any) -> AppTest:
    """Explore after a training."""
    at = go(with_photo(tiny_app, "red\ngreen"), TEACH)
    return go(train(cards(at, counts, **settings)), EXPLORE)


def offered(at: AppTest) -> bool:
    return "Shots that voted" in [fold.label for fold in at.expander]


@pytest.mark.parametrize("detail", [1.0, 2.0])
def test_votes_add_up_to_the_heads_score_and_are_those_of_the_photos_shown(tiny_app: Open, detail: float) -> None:
    at = learned(tiny_app, {"red": 3, "green": 2}, head="ridge", detail=detail)
    assert offered(at)
    assert "In addition, " not in everything(at), "nothing is worked out before somebody asks"
    said = everything(unfolded(at, "votes"))
    votes = [(float(vote), name) for vote, name in VOTE.findall(said)]
    assert sorted(name for _, name in votes) == ["green", "green", "red", "red", "red"]
    assert [abs(vote) for vote, _ in votes] == sorted((abs(vote) for vote, _ in votes), reverse=True)
    (found,) = SUM.findall(said)
    rest, score = map(float, found)
    assert sum(vote for vote, _ in votes) + rest == pytest.approx(score, abs=7 * 5e-5)
    taught = taught_of(at)
    photo, model = there(photo_on_explore(session_of(at))), taught.after.model_
    own = taught.after.explain(photo)
    assert score == pytest.approx(float(head_scores(own)[own.class_names.index(own.label)]), abs=5e-5)
    encoded, _ = encode_photos(model.backbone, [shot for shot, _ in taught.learned], model.sight)
    gaps = model.shot_features(encoded)["ridge"] - there(head_of(taught.after).shots).features[:, 0]
    assert float(gaps.norm(dim=-1).max()) < 5e-3, "each vote stands under the photo that gave it"
    branches = grid(at, "explainer")["takes"][0]["branches"]
    assert [each["name"] for each in branches] == ["whole photo", *["regions"] * int(detail), *["head"] * int(detail)]
    assert sum(branch["weight"] for branch in branches) == pytest.approx(1)
    assert not offered(put(at, "explore prompts", "Zero-shot")), "prompts that know no photo have no votes"


# A run that is opened again -------------------------------------------------------------------------------------------


def reopened(at: AppTest) -> AppTest:
    """The newest run as the taught one, as whoever comes back to it has it, and Explore."""
    (run,) = there(session_of(go(at, RUNS)).training.ledger).runs()
    at = go(fine(at.button(key=f"open run {run.id}").click().run()), EXPLORE)
    assert head_of(taught_of(at).after).shots is None, "of shots a run keeps sums alone"
    return at


def test_a_run_that_is_opened_tells_its_votes_for_a_further_class_too_while_its_photos_are_on_the_cards(
    tiny_app: Open, own_cache: Path
) -> None:
    at = learned(tiny_app, {"red": 3, "green": 2}, head="ridge")
    said = VOTE.findall(everything(unfolded(at, "votes")))
    assert VOTE.findall(everything(unfolded(reopened(at), "votes"))) == said
    told = [info.value for info in go(at, PROMPTS).info]
    assert told == [
        "No matching test photos. These figures are from training photos, so they are optimistic.",
        "The 2 global and the 2 local prompts say nearly the same (but for k). To part them, choose other *Starting "
        "words* or more *Diversity* among all settings on Teach.",
    ]
    assert not own_cache.exists(), "nothing of anybody's photos is written to disk"

    at = go(at, EXPLORE)
    words = everything(unfolded(fine(at.text_area(key="explore names").set_value("red\ngreen\nblue").run()), "votes"))
    votes = [float(vote) for vote, _ in VOTE.findall(words)]
    assert len(votes) == 5
    (found,) = SUM.findall(words)
    assert sum(votes) + float(found[0]) == pytest.approx(float(found[1]), abs=7 * 5e-5)
    session = session_of(at)
    session.photos.deck.remove(session.photos.deck.in_use[0].shots[0].sha256)
    words = everything(unfolded(fine(at.run()), "votes"))
    assert "only while all its training photos are on the class cards on *Teach*" in words
    assert VOTE.findall(words) == []


@pytest.mark.parametrize("weight", ["none", "balanced"])
@pytest.mark.slow
def test_a_run_that_is_opened_learns_more_beside_what_it_knew(tiny_app: Open, weight: str, own_cache: Path) -> None:
    at = reopened(learned(tiny_app, {"red": 3, "green": 2}, head="ridge", class_weight=weight))
    session = session_of(at)
    session.photos.deck.add_photos([Member(CardPlace("red", False, "one more.png"), png(90))], "shots")
    session.training.settings = taught_of(at).settings
    session.training.learn_more()
    assert (len(taught_of(at).learned), sum(answer.seen for answer in taught_of(at).answers.values())) == (6, 6)
    assert len(VOTE.findall(everything(unfolded(fine(at.run()), "votes")))) == 6
    assert not own_cache.exists(), "nothing of anybody's photos is written to disk"


def test_a_model_from_a_file_that_learned_more_here_has_no_votes_and_no_error(tiny_app: Open, tmp_path: Path) -> None:
    at = learned(tiny_app, {"red": 3, "green": 2})
    session, backbone = session_of(at), taught_of(at).after.model_.backbone
    taught_of(at).after.save(tmp_path)
    session.training.adopt(imported(session, GalLoPClassifier.load(tmp_path, backbone=backbone), backbone))
    session.photos.deck.add_photos([Member(CardPlace("red", False, "one more.png"), png(90))], "shots")
    session.training.settings = taught_of(at).settings
    session.training.learn_more()
    assert len(taught_of(at).learned) == 6, "all that are here: nobody knows which ones it had learned before"
    assert "Votes can only be shown for a model that was trained here" in everything(unfolded(fine(at.run()), "votes"))
    assert not at.error
