"""What the page Explore stands at: the photo shown, and what is asked about it."""

from __future__ import annotations

from app.ui.widgets.remembered import one_of
from app.views import compare
from app.visitor.question import DEFAULT_NAMES, DEFAULT_TEMPLATES, Question
from app.visitor.session import Session
from gallop import Photo, parse_names
from gallop.names.templates import parse_templates


def current_photo(session: Session) -> Photo | None:
    """One of the photos to look at or, where there are none, of the cards."""
    cards = {photo.sha256: photo for card in session.photos.deck.in_use for photo in card.tests + card.shots}
    photos = session.photos.shelf.photos or cards
    if not photos:
        return None
    return photos[one_of("Photo", photos, "photo", next(reversed(photos)), compare.photo_names(session).__getitem__)]


def current_question(session: Session) -> Question:
    """As it stands on the page Explore.

    Raises:
        ClassNameError, TemplateError: what is typed there cannot be used.
    """
    names = parse_names(session.kept.get("names", "\n".join(DEFAULT_NAMES)))
    templates = parse_templates(session.kept.get("templates", "\n".join(DEFAULT_TEMPLATES)))
    return Question(names, session.training.use_taught and session.training.knows(names), templates)
