"""Photos to try without a label: which is worth one most.

Knows no Streamlit. Everything here starts at features that the visitor's cache keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app import text
from app.views.testing import answered, taught_question
from app.visitor.session import Session
from gallop import Photo

if TYPE_CHECKING:
    from gallop.backbones import Backbone

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
