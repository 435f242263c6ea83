"""What the JSON of a stranger says, each piece of the kind that it has to be. Knows no Streamlit and no torch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from app.projects.content import ProjectProblem
from app.runs.facts import run_of_row
from app.runs.run import Run
from app.runs.store import MOST_NAME
from app.teaching.progress import Answer, Point
from gallop.names.class_names import clean_names
from gallop.runtime.reading import parse_json
from gallop.wording import one_line

MOST_TEXT = 20_000
"""Characters of any text."""
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Said:
    """An object of JSON, and what it is called in a sentence.

    All methods raise ProjectProblem where there is something else, or nothing.
    """

    held: Mapping[str, Any]
    where: str

    @classmethod
    def of_text(cls, text: str, where: str) -> Said:
        """Return the one object that a text is."""
        try:
            held = parse_json(text)
        except ValueError as error:
            raise wrong(where, f"cannot be read as JSON ({one_line(str(error))})") from error
        return cls._of(held, where)

    @classmethod
    def _of(cls, held: Any, where: str) -> Said:
        if not isinstance(held, dict):
            raise wrong(where, "is not laid out as it should be")
        return cls(held, where)

    def text(self, key: str, most: int = MOST_TEXT) -> str:
        """Return a text of at most so many characters."""
        found = self.held.get(key)
        if not isinstance(found, str) or len(found) > most:
            raise wrong(self.where, f"has no usable {key!r}")
        return found

    def sha256(self, key: str) -> str:
        found = self.text(key)
        if not _SHA256.fullmatch(found):
            raise wrong(self.where, f"has no fingerprint in {key!r}")
        return found

    def flag(self, key: str) -> bool:
        found = self.held.get(key)
        if not isinstance(found, bool):
            raise wrong(self.where, f"has no yes or no in {key!r}")
        return found

    def number(self, key: str) -> float | None:
        """Return a number, or None where there is expressly none."""
        found = self.held.get(key)
        if found is not None and not _finite(found):
            raise wrong(self.where, f"has no number in {key!r}")
        return found

    def whole(self, key: str, below: int) -> int | None:
        """Return a whole number from 0, or None where there is expressly none."""
        found = self.held.get(key)
        if found is not None and not (_is_whole(found) and found < below):
            raise wrong(self.where, f"has no such number in {key!r}")
        return found

    def wholes(self, key: str) -> tuple[int, ...]:
        """Return a list of whole numbers from 0."""
        found = self.held.get(key)
        if not isinstance(found, list) or not all(map(_is_whole, found)):
            raise wrong(self.where, f"has no list of numbers in {key!r}")
        return tuple(found)

    def digests(self, key: str) -> frozenset[str]:
        """Return a list of fingerprints, each once."""
        found = self.held.get(key)
        if not isinstance(found, list) or not all(map(_is_digest, found)):
            raise wrong(self.where, f"has no list of fingerprints in {key!r}")
        return frozenset(found)

    def objects(self, key: str) -> list[Said]:
        """Return a list of objects."""
        found = self.held.get(key)
        if not isinstance(found, list):
            raise wrong(self.where, f"has no list in {key!r}")
        return [self._of(held, self.where) for held in found]

    def object(self, key: str) -> Said:
        return self._of(self.held.get(key), self.where)


def wrong(where: str, what: str) -> ProjectProblem:
    """Return the refusal of a file that was written by nobody's app, or changed since."""
    return ProjectProblem(
        f"{where} {what}: it was damaged or changed, so nothing of the project was opened. Take another copy of the "
        "file, or save the project anew."
    )


def run_said(facts: str, name: str, where: str) -> Run:
    """Return the run that a project tells of, each of its facts looked at: it comes from a stranger.

    Raises:
        ProjectProblem: they are of another kind, or settings are out of range.
    """
    try:
        facts = json.dumps(parse_json(facts))
        run = run_of_row(SimpleNamespace(id=0, name=" ".join(name.split())[:MOST_NAME], made=0.0, facts=facts))
        sound = run is not None and run.name.isprintable() and _is_sound(run)
    except (ValueError, TypeError, AttributeError):  # a setting, a name, or a list in a name's place
        sound = False
    if not sound or run is None:
        raise wrong(where, "tells of a run in a way that is not known here")
    return run


def _is_sound(run: Run) -> bool:
    counts = (run.shots, run.steps, run.of_steps, *((run.best_epoch,) if run.best_epoch is not None else ()))
    return (
        clean_names(run.class_names) == run.class_names
        and run.settings is not None
        and all(map(_is_whole, counts))
        and all(name in run.class_names and _is_digest(digest) for name, digest in run.content)
        and all(map(_is_point, run.history))
        and len(run.tower) <= MOST_TEXT
        and (run.fingerprint == "" or _is_digest(run.fingerprint))
        and all(
            _is_digest(digest) and _is_answer(said, run.class_names)
            for answers in (run.answers, run.answers_before)
            for digest, said in answers.items()
        )
    )


def _is_digest(found: Any) -> bool:
    return isinstance(found, str) and _SHA256.fullmatch(found) is not None


def _is_answer(said: Answer, names: tuple[str, ...]) -> bool:
    seen: Any = said.seen
    of_names = said.truth in names and said.label in names
    return of_names and isinstance(seen, bool) and _finite(said.probability) and 0 <= said.probability <= 1


def _is_point(point: Point) -> bool:
    return _is_whole(point.step) and _finite(point.loss) and _finite(point.accuracy)


def _is_whole(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**53


def _finite(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
