"""A pile that was scored: the line, the checks, and what is accepted.

A check is the class that a person says, as text; empty for none of the classes, and None where the answer is wrong and
nobody has said yet what it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np

from gallop.errors import DataError
from gallop.evaluation.promise import LEVELS, Promise, check_order, next_line, suggested_line

COLUMNS = ("key", "error", "label", "probability", "is_ood", "file")


def is_state(found: Mapping[str, Any]) -> bool:
    """Return whether this is what is remembered of a pile: ``Pile``'s state, its ``photos`` and ``model``, and how many
    lines of scores it is of (``scored``); before all photos are scored only ``photos`` and ``model``.
    """
    line, moved, known = (found.get(name) for name in ("line", "moved", "known"))
    return found.keys() <= {"photos", "model"} or (
        isinstance(line, int | float)
        and (0 <= line <= 1 or line == np.inf)
        and type(moved) is type(found.get("scored")) is int
        and 0 <= moved < 1000  # more lines than anybody gives up
        and found.get("strictest") in LEVELS
        and isinstance(known, dict)
        and all(isinstance(name, str | None) for name in known.values())
    )


class Pile:
    """Photos with their scores, and a line.

    Args:
        photos: of each photo the ``COLUMNS`` by name, None where one is missing; ``file`` is another where a photo was
            replaced.
        state: what is remembered between calls: ``classes`` of the model; ``doubt``, why its threshold for "none of
            these" is unreliable, or nothing; ``unlike``, that the photos look unlike the shots, or nothing; ``line``,
            the least probability of an accepted photo; ``moved``, as of ``Promise``; ``strictest``, the smallest
            fraction that was to be promised of this line; and ``known``, by key the checks that were made before the
            line was moved. What is missing is as at the beginning: the line is where the model's probabilities
            suggest it.
        wrong: what is to be promised.
    """

    def __init__(self, photos: Iterable[Mapping[str, Any]], state: Mapping[str, Any], wrong: float) -> None:
        rows: list[list[Any]] = [[photo.get(name) for name in COLUMNS] for photo in photos]
        self.unread = {key: error for key, error, *_ in rows if error is not None}
        self.labels = {key: label for key, error, label, *_ in rows if error is None}
        self.files = {key: file for key, *_, file in rows}
        self.keys, self.wrong, self.checks, self.begun = list(self.labels), wrong, dict[str, str | None](), False
        self.state: dict[str, Any] = {
            "classes": [],
            "doubt": "",
            "unlike": "",
            "line": np.inf,
            "moved": 0,
            "strictest": wrong,
            "known": {},
            **state,
        }
        decides = not self.state["doubt"]  # where the limit is unreliable, nothing is decided by it
        scores = [-np.inf if ood and decides else p for _, error, _, p, ood, _ in rows if error is None]
        self.scores = np.array(scores, np.float64)
        some = self.scores[np.isfinite(self.scores)]
        if "line" not in state and len(some):
            self.state["line"] = suggested_line(some, some, wrong)
        self.state["strictest"] = min(wrong, self.state["strictest"])
        self.draw()

    def draw(self) -> None:
        """Find the photos above the line that no check before it knows, in the order in which they are checked, and a
        name that tells this line, these photos and the answers to them from others.
        """
        above = [self.keys[i] for i in np.flatnonzero(self.scores >= self.state["line"])]
        unknown = [key for key in above if key not in self.state["known"]]
        self.accepted = [unknown[i] for i in check_order(unknown)]
        answers = (f"{key}\0{self.labels[key]}\0{self.files[key]}" for key in self.accepted)
        text = "\0".join([str(self.state["line"]), str(self.state["moved"]), *answers])
        self.name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def take(self, given: Mapping[str, Any]) -> bool:
        """Take checks that the page wrote; False where they are of another line.

        Raises:
            DataError: they name what is no class, or no photo of the pile.
        """
        checks, classes = given.get("checks"), ["", *self.state["classes"]]
        there: Any = self.labels if given.get("pile") == self.name else checks
        if not isinstance(checks, dict) or not all(key in there and name in classes for key, name in checks.items()):
            raise DataError("The checks are damaged, or name what is not in this pile: save them again on its page.")
        self.checks = checks if given.get("pile") == self.name else {}
        self.begun = bool(self.checks)
        return given.get("pile") == self.name

    @property
    def checked(self) -> list[str]:
        """Return the photos that were checked, as far as they follow each other: only such are drawn at random."""
        missing = (n for n, key in enumerate(self.accepted) if key not in self.checks)
        return self.accepted[: next(missing, len(self.accepted))]

    @property
    def promise(self) -> Promise:
        """Return what the checks allow to promise."""
        right, count = sum(self.checks[key] == self.labels[key] for key in self.checked), len(self.checked)
        return Promise(self.wrong, len(self.accepted), right, count - right, self.state["moved"])

    @property
    def next_line(self) -> float:
        """Return the line to go on with, as ``gallop.evaluation.promise.next_line``."""
        return next_line(self.scores[np.isfinite(self.scores)], self.state["line"], self.promise.kept)

    def move(self, line: float) -> None:
        """Move the line. It costs only where there were checks, and they have not earned the promise."""
        given_up = self.begun and not replace(self.promise, wrong=self.state["strictest"]).kept
        moved, known = self.state["moved"] + given_up, self.said
        self.state |= {"line": line, "moved": moved, "strictest": self.wrong, "known": known}
        self.checks, self.begun = {}, False
        self.draw()

    def say(self, said: Mapping[str, str | None], *, drawn: bool) -> None:
        """Take what a person says of photos: the next ones that were ``drawn``, or others of their own choice.

        Until the first check the latter are no part of what is to be promised. Afterwards they stay a part of it, else
        one would choose what the checks are a sample of, and each counts once those before it were checked.
        """
        self.begun |= drawn
        if self.begun:
            self.checks = {**self.checks, **said}
        else:
            self.state["known"] = {**self.state["known"], **said}
            self.draw()

    @property
    def said(self) -> dict[str, str | None]:
        """Return all that a person has said, at this line and before."""
        return {**self.state["known"], **self.checks}

    @property
    def targets(self) -> dict[str, str]:
        """Return the class of each photo that is accepted, and of those that were checked what the checks say."""
        answers = {key: self.labels[key] for key in self.accepted} | self.said
        return {key: name for key, name in answers.items() if name}

    def follow(self, photos: Sequence[Mapping[str, Any]], changed: Set[str]) -> Pile:
        """Return the pile with the photos and answers that there are now, at the same line.

        Where the checks are no random sample of what is accepted now, that is another promise, as after a move of the
        line: what they said is known, and new ones are needed.

        Args:
            changed: keys of photos that were replaced or are gone: what was said of them is forgotten.
        """
        there = {photo["key"] for photo in photos} - changed
        state = {name: value for name, value in self.state.items() if value != np.inf}  # no line without a photo
        state["known"] = {key: name for key, name in self.state["known"].items() if key in there}
        later = Pile(photos, state, self.wrong)
        if self.begun and later.name != self.name:
            self.move(self.state["line"])
            return self.follow(photos, changed)
        later.checks, later.begun = self.checks, self.begun
        return later
