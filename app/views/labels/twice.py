"""Test photos that are nearly the same picture as one that is learned from.

Knows no Streamlit. Starts at features that the visitor's cache keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.towers.options import DEFAULT_TOWER
from app.visitor.session import Session
from gallop import Photo

if TYPE_CHECKING:
    from gallop.backbones import Backbone
    from gallop.features.cache import ImageFeatures

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
