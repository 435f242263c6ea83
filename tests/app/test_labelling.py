"""Which photo to label next, and photos that are two times the same, on the pages that show them."""

from __future__ import annotations

import pytest

from app.photos.archives import CardPlace, Member
from app.ui import resources
from app.views import testing
from gallop.features import near_duplicates
from gallop.features.encoding import encode_photos
from gallop.predictions.next_to_label import next_to_label
from tests.app_pages import (
    LABELS,
    TEACH,
    Open,
    cards,
    everything,
    fine,
    go,
    png,
    session_of,
    taught_of,
    there,
    train,
    uploader,
)
from tests.nasty_images import encode


def test_the_next_photo_to_label_is_the_librarys_and_a_click_gives_it_its_class(tiny_app: Open) -> None:
    at = go(train(cards(fine(tiny_app()), {"red": 3, "green": 3})), TEACH)
    for i, colour in enumerate(("red", "green", "blue", "red")):  # photos to try that have no label
        uploader(at, "Photos to try").upload(f"{i}.png", png(500 + i, colour))
    fine(at.run())
    session, backbone = session_of(at), resources.backbone()
    photos, after = list(session.photos.shelf.photos.values()), taught_of(at).after
    expected = next_to_label(after.predict_proba(photos), encode_photos(backbone, photos)[0].global_)
    first, why = there(testing.next_photo(session, backbone))
    assert first.name == photos[expected[0].photo].name
    assert (why in everything(at), why.split()[0]) == (True, "Uncertain:")
    fine(at.button(key=f"next {first.sha256} green").click().run())
    assert first.sha256 in {photo.sha256 for photo in session.photos.deck.find("green").shots}  # type: ignore[union-attr]
    assert first not in testing.unlabelled(session)
    assert f"next {first.sha256} green" not in [button.key for button in at.button], "another is asked for"
    for photo in testing.unlabelled(session)[:2]:
        session.photos.set_aside(photo)
    assert len(testing.unlabelled(session)) == 1
    assert "Label next" not in [found.value for found in fine(at.run()).subheader], "there is nothing to choose from"


def test_a_test_photo_that_looks_like_one_learned_from_is_pointed_out_and_either_may_go(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The backbone of these tests has learned nothing, so the limits say nothing there: the two that are most alike.
    found = near_duplicates.near_duplicates
    monkeypatch.setattr(near_duplicates, "ALIKE_GLOBAL", -1.0)
    monkeypatch.setattr(near_duplicates, "near_duplicates", lambda first, second: found(first, second)[:1])
    at = cards(fine(tiny_app()), {"red": 2, "green": 2}, tests=1)
    session = session_of(at)
    shot = session.photos.deck.cards[0].shots[1]
    copy = Member(CardPlace("green", True, "copy.jpg"), encode(shot.image, "JPEG", quality=98))
    assert not session.photos.deck.add_photos([copy]).refused
    at = go(train(at), TEACH)
    (pair,) = testing.twins(session, resources.backbone())
    assert [(pair.tested.name, pair.tested_of), (pair.learned.name, pair.learned_of)] == [
        ("copy.jpg", "green"),
        (shot.name, "red"),
    ]
    for page in (LABELS, TEACH):
        assert "copy.jpg (green) and" in everything(go(at, page)).replace("\\", "")
    key, before = f"twins {pair.tested.sha256} {pair.learned.sha256}", session.photos.deck.cards
    assert "the same picture in both" not in everything(fine(at.button(key=f"{key} keep").click().run()))
    session.photos.accepted_twins.clear()
    fine(at.run())
    fine(at.button(key=f"{key} Remove the test photo").click().run())
    assert [session.photos.place_of(photo) is None for photo in (pair.tested, pair.learned)] == [True, False]
    session.photos.undo()
    assert session.photos.deck.cards == before
    session.training.backbone_name = "another"
    assert testing.twins(session, resources.backbone()) == [], "what is alike was measured on mini alone"
