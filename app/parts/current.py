"""What the page Explore stands at: the photo shown, and what is asked about it."""

from __future__ import annotations

import comparing
from gallop import Photo, parse_names
from gallop.templates import parse_templates
from parts.kept import one_of
from question import DEFAULT_NAMES, DEFAULT_TEMPLATES, Question
from session import Session


def photo(session: Session) -> Photo | None:
    """One of the photos to look at or, where there are none, of the cards."""
    cards = {photo.sha256: photo for card in session.deck.in_use for photo in card.tests + card.shots}
    photos = session.shelf.photos or cards
    if not photos:
        return None
    return photos[one_of("Photo", photos, "photo", next(reversed(photos)), comparing.names(session).__getitem__)]


def question(session: Session) -> Question:
    """As it stands on the page Explore.

    Raises:
        ClassNameError, TemplateError: what is typed there cannot be used.
    """
    names = parse_names(session.kept.get("names", "\n".join(DEFAULT_NAMES)))
    templates = parse_templates(session.kept.get("templates", "\n".join(DEFAULT_TEMPLATES)))
    return Question(names, session.use_taught and session.knows(names), templates)
