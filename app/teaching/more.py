"""Further photos for what was taught, which its head learns at once, where a training would take a while; and, for a
model that was opened, those that it learned from before.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from app.teaching.progress import Answer, Taught
from app.teaching.tasks import answers_by_photo, content, drawn_shots
from gallop import Photo

if TYPE_CHECKING:
    from gallop import GalLoPClassifier
    from gallop.features.encoding import MemoryCache

Pairs = Sequence[tuple[Photo, str]]


def new_photos(taught: Taught, shots: Mapping[str, Sequence[Photo]]) -> list[tuple[Photo, str]]:
    """Return the photos on the cards, with their class, that a head can learn without a training.

    None where there is no head, where its earlier shots are missed, or where more has changed than that photos came.
    """
    branches = taught.after.model_.branches
    missed = any(branch.how.keeps_form and branch.shots is None for branch in branches)
    if not branches or (missed and not learned_on_cards(taught, shots)):
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
    before = taught.learned
    missed = any(branch.shots is None for branch in taught.after.model_.branches) and are_all(taught, before)
    after = recalled(taught, before, cache) if missed else _with_cache(taught.after, cache)
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


def learned_on_cards(taught: Taught, shots: Mapping[str, Sequence[Photo]]) -> tuple[tuple[Photo, str], ...]:
    """Return the photos on the cards that it learned from, each with its class, in the order of its training.

    None where one of them is not there, or where nobody knows which they were.
    """
    there = {name: [photo for photo in some if (name, photo.sha256) in taught.content] for name, some in shots.items()}
    there = {name: some for name, some in there.items() if some}
    return tuple(drawn_shots(there, taught.settings)) if there and content(there) == taught.content else ()


def are_all(taught: Taught, learned: Pairs) -> bool:
    """Whether so many photos are all that its head has learned from."""
    branches = taught.after.model_.branches
    return bool(branches) and all(len(learned) == int(branch.sums.counts.sum()) for branch in branches)


def recalled(taught: Taught, learned: Pairs, cache: MemoryCache | None) -> GalLoPClassifier:
    """Return what was taught with the shots of its head, of which an opened model knows sums alone.

    Raises DataError where its head has learned from others.
    """
    after = _with_cache(taught.after, cache)
    return after.recall_shots([photo for photo, _ in learned], [name for _, name in learned])


def _with_cache(after: GalLoPClassifier, cache: MemoryCache | None) -> GalLoPClassifier:
    """A copy that keeps features where the visitor's are kept: nothing of anybody's photos is written to disk."""
    copied = copy.copy(after)
    copied.cache = False if cache is None else cache
    return copied


def _by_class(pairs: Pairs) -> dict[str, list[Photo]]:
    found: dict[str, list[Photo]] = {}
    for photo, name in pairs:
        found.setdefault(name, []).append(photo)
    return found
