"""Which photo to label next, and photos that are two times the same, on the pages that show them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="needs the extra 'app'")

from streamlit.testing.v1 import AppTest

from app.ui import resources
from app.views import testing
from gallop.features.encoding import encode_photos
from gallop.predictions.next_to_label import UNCERTAIN, next_to_label
from tests.app_pages import TEACH, Open, cards, everything, fine, go, png, session_of, train, uploader


def tried(open_app: Open, count: int) -> AppTest:
    """A model of red and green, and photos to try that have no label."""
    at = go(train(cards(fine(open_app()), {"red": 3, "green": 3})), TEACH)
    for i in range(count):
        uploader(at, "Photos to try").upload(f"{i}.png", png(500 + i, ("red", "green", "blue")[i % 3]))
    return fine(at.run())


def test_the_next_photo_to_label_is_the_librarys_and_a_click_gives_it_its_class(tiny_app: Open) -> None:
    at = tried(tiny_app, 4)
    session, backbone = session_of(at), resources.backbone()
    photos = list(session.photos.shelf.photos.values())
    taught = session.training.taught
    assert taught is not None
    shots = [photo for some in session.photos.shots().values() for photo in some]
    features, known = (encode_photos(backbone, some)[0].global_ for some in (photos, shots))
    expected = next_to_label(taught.after.predict_proba(photos), features, known, 6)
    found = testing.next_photos(session, backbone)
    assert [next_.photo.name for next_ in found] == [photos[asked.photo].name for asked in expected]
    assert found[0].why in everything(at)
    assert found[0].why.startswith("Uncertain: " if expected[0].why == UNCERTAIN else "Unlike")

    first = found[0].photo
    at.button(key=f"next {first.sha256} green").click()
    fine(at.run())
    assert first.sha256 in {photo.sha256 for photo in session.photos.deck.find("green").shots}  # type: ignore[union-attr]
    assert first not in testing.unlabelled(session)
    assert f"next {first.sha256} green" not in [button.key for button in at.button], "another is asked for"
    for photo in testing.unlabelled(session)[:2]:
        session.photos.set_aside(photo)
    assert len(testing.unlabelled(session)) == 1
    assert "Label next" not in [found.value for found in fine(at.run()).subheader], "there is nothing to choose from"


def test_before_anything_was_taught_nothing_is_asked_for(tiny_app: Open) -> None:
    at = go(cards(fine(tiny_app()), {"red": 2, "green": 2}), TEACH)
    session_of(at).photos.shelf.add([])
    assert "Label next" not in [found.value for found in fine(at.run()).subheader]
    assert np.size(testing.unlabelled(session_of(at))) == 0
