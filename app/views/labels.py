"""Photos and labels in, what needs a label or a second look out: a missing label, a picture that is there twice.

Knows no Streamlit. Everything here starts at features that the visitor's cache holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app import text
from app.towers.listing import DEFAULT_TOWER
from app.views.testing import answered, taught_question
from app.visitor.session import Session
from gallop import Photo

if TYPE_CHECKING:
    from gallop.backbones import Backbone
    from gallop.features.cache import ImageFeatures

_ASKED = 6


@dataclass(frozen=True)
class NextPhoto:
    """A photo whose label is worth asking for, and why, as a sentence."""

    photo: Photo
    why: str


def unlabelled(session: Session) -> list[Photo]:
    """Return the photos to look at that are on no card and not said to be none of the classes."""
    photos = session.photos
    cards = {photo.sha256 for card in photos.deck.cards for photo in card.all}
    known = cards | set(photos.unknown.photos)
    return [photo for photo in photos.own.values() if photos.as_on_card(photo) not in known]


def next_photos(session: Session, backbone: Backbone) -> list[NextPhoto]:
    """Return photos without a label in the order in which theirs are worth asking for; needs what was taught."""
    photos = unlabelled(session)
    if len(photos) < 2:  # nothing to choose from: it is the one shown
        return []
    shots = [photo for some in session.photos.shots().values() for photo in some]
    more = tuple(photo.sha256 for photo in shots), session.training.scales()
    return session.answers.figure("next", photos, more, lambda: _next(session, backbone, photos, shots))


def _next(session: Session, backbone: Backbone, photos: Sequence[Photo], shots: Sequence[Photo]) -> list[NextPhoto]:
    from gallop.predictions.next_to_label import UNCERTAIN, next_to_label

    said, names = answered(session, backbone, photos), taught_question(session).names
    assert said is not None
    seen, known = (features_of(session, backbone, some) for some in (photos, shots))
    found = []
    for asked in next_to_label(said.probabilities, seen, known, _ASKED):
        best, second = (text.markdown(text.shorten(names[k])) for k in (asked.best, asked.second))
        why = f"Unlike every photo with a label; perhaps {best}."
        if asked.why == UNCERTAIN:
            why = f"Uncertain: {best} or {second}, {100 * asked.margin:.0f} points apart."
        found.append(NextPhoto(photos[asked.photo], why))
    return found


def features_of(session: Session, backbone: Backbone, photos: Sequence[Photo]) -> NDArray[np.float32]:
    """Return (B, D), of a whole photo each; (0, D) of none."""
    from gallop.features.encoding import encode_centres

    parts = [np.asarray(part.global_.float()) for part in encode_centres(backbone, photos, session.photos.features())]
    return np.concatenate(parts) if parts else np.zeros((0, 1), dtype=np.float32)


_Labelled = Sequence[tuple[Photo, str]]


@dataclass(frozen=True)
class Twins:
    """A test photo and the photo to learn from that it looks like, each with its class."""

    tested: Photo
    tested_of: str
    learned: Photo
    learned_of: str

    @property
    def key(self) -> tuple[str, str]:
        """Of the two pictures."""
        return self.tested.sha256, self.learned.sha256


def twins(session: Session, backbone: Backbone) -> list[Twins]:
    """Return them, the most alike first, but for those that are to be kept; nothing on a tower other than ``mini``.

    What is alike was measured on that one, and cosines of another have a scale of their own.
    """
    shots, tests = _labelled(session.photos.shots()), _labelled(session.photos.tests())
    if session.training.tower != DEFAULT_TOWER or not shots or not tests:
        return []
    photos = [photo for photo, _ in (*shots, *tests)]
    pairs = session.answers.figure("twins", photos, len(shots), lambda: _pairs(session, backbone, shots, tests))
    found = [Twins(*tests[second], *shots[first]) for first, second in pairs]
    return [each for each in found if each.key not in session.photos.both_kept]


def _labelled(photos: Mapping[str, Sequence[Photo]]) -> _Labelled:
    return [(photo, name) for name, some in photos.items() for photo in some]


def _pairs(session: Session, backbone: Backbone, shots: _Labelled, tests: _Labelled) -> list[tuple[int, int]]:
    from gallop.features.near_duplicates import near_duplicates

    first, second = (_features(session, backbone, some) for some in (shots, tests))
    return [(pair.first, pair.second) for pair in near_duplicates(first, second)]


def _features(session: Session, backbone: Backbone, pairs: _Labelled) -> ImageFeatures:
    from gallop.features.encoding import ImageFeatures, encode_centres

    photos = [photo for photo, _ in pairs]
    return ImageFeatures.cat(list(encode_centres(backbone, photos, session.photos.features())))
