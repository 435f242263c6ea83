"""Further photos for what was taught: its head learns them at once, where a training would take a while."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from app.teaching.progress import Answer, Taught
from app.teaching.tasks import answers_by_photo, content
from gallop import Photo

if TYPE_CHECKING:
    from gallop.features.encoding import MemoryCache

Pairs = Sequence[tuple[Photo, str]]


def new_photos(taught: Taught, shots: Mapping[str, Sequence[Photo]]) -> list[tuple[Photo, str]]:
    """Return the photos on the cards, with their class, that a head can learn without a training.

    None where there is no head, where its earlier shots are missed, or where more has changed than that photos came.
    """
    head = taught.after.model_.head
    if head is None or (head.kind == "logistic" and head.shots is None):
        return []
    if set(shots) != set(taught.names) or not taught.content < content(shots):
        return []
    pairs = [(photo, name) for name in taught.names for photo in shots[name]]
    return [(photo, name) for photo, name in pairs if (name, photo.sha256) not in taught.content]


def learned_more(
    taught: Taught, fresh: Pairs, tests: Mapping[str, Sequence[Photo]], cache: MemoryCache | None
) -> Taught:
    """Return it with these photos learned by its head; prompts, limit and curves are those of the training.

    Args:
        tests: photos to test with by class name.
        cache: of the visitor's own photos.
    """
    after = copy.copy(taught.after)
    after.add_shots([photo for photo, _ in fresh], [name for _, name in fresh])
    learned = (*taught.learned, *fresh)
    tested = [(photo, name) for name in taught.names for photo in tests.get(name, ())]
    answers: list[dict[str, Answer]] = []
    for classifier in (taught.before, after):
        found: dict[str, Answer] = {}
        for pairs, seen in ((learned, True), (tested, False)):
            for part in answers_by_photo(classifier, cache, pairs, seen=seen):
                found |= part
        answers.append(found)
    return replace(
        taught,
        after=after,
        learned=learned,
        shots=taught.shots + len(fresh),
        content=taught.content | content(_by_class(fresh)),
        answers_before=answers[0],
        answers=answers[1],
    )


def _by_class(pairs: Pairs) -> dict[str, list[Photo]]:
    found: dict[str, list[Photo]] = {}
    for photo, name in pairs:
        found.setdefault(name, []).append(photo)
    return found
