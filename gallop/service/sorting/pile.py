"""A pile that was scored: the line, the checks, and what is accepted.

Besides the tables of scores there is one file, which is written whenever a line is drawn. A check is the class that a
person says, as text; empty for none of the classes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gallop.errors import DataError
from gallop.evaluation.promise import Promise, check_order, next_line, suggested_line
from gallop.images.formats import printable_name
from gallop.runtime.reading import parse_json, read_text
from gallop.runtime.writing import write_file

MOST_BYTES = 2**28
"""Of a file of checks."""


@dataclass(frozen=True)
class Line:
    """What is remembered of a pile beside its scores.

    Attributes:
        photos, model: what was sorted by what; another call with others is refused.
        classes: of the model.
        score: photos with at least this probability are accepted; None before the first line.
        moved: as of ``Promise``.
        strictest: the smallest fraction that was to be promised of this line: a line is given up where that failed.
        known: the checks that were made before the line was moved, by the photo's key.
    """

    photos: str
    model: str
    classes: list[str]
    score: float | None = None
    moved: int = 0
    strictest: float = 1.0
    known: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it. Raises OSError where that cannot be done."""
        write_file(path, json.dumps(asdict(self)).encode())

    @staticmethod
    def read(path: Path) -> Line:
        """Return what was written. Raises DataError where it is damaged."""
        try:
            return Line(**parse_json(read_text(path, MOST_BYTES)))
        except (ValueError, TypeError) as error:
            raise DataError(f"{printable_name(str(path))} is damaged ({error}): use another folder.") from error


class Pile:
    """Photos with their scores, and a line.

    Args:
        table: the columns key, error, label, probability and is_ood, of all photos in one order.
        line: with a score, or it is drawn where the model's probabilities suggest it for ``wrong``.
        wrong: what is to be promised.
    """

    def __init__(self, table: Mapping[str, list[Any]], line: Line, wrong: float) -> None:
        read = [i for i, error in enumerate(table["error"]) if error is None]
        self.keys, self.labels = ([table[name][i] for i in read] for name in ("key", "label"))
        scores = np.array([table["probability"][i] for i in read], np.float64)
        self.scores: NDArray[np.float64] = np.where([bool(table["is_ood"][i]) for i in read], -np.inf, scores)
        self.unread = {key: error for key, error in zip(table["key"], table["error"], strict=True) if error is not None}
        known = self.scores[np.isfinite(self.scores)]
        if line.score is None and len(known):
            line = replace(line, score=suggested_line(known, known, wrong))
        self.line, self.wrong, self.checks = (
            replace(line, strictest=min(line.strictest, wrong)),
            wrong,
            dict[str, str](),
        )

    @property
    def accepted(self) -> NDArray[np.intp]:
        """Return the photos above the line that no check before it knows, in the order in which they are checked."""
        line = np.inf if self.line.score is None else self.line.score
        above = [i for i in np.flatnonzero(self.scores >= line) if self.keys[i] not in self.line.known]
        return np.array(above, np.intp)[check_order([self.keys[i] for i in above])]

    @property
    def name(self) -> str:
        """Return what tells this line of this pile from others: checks are of one of them."""
        keys = "\0".join(self.keys[i] for i in self.accepted)
        text = f"{self.line.score}\0{self.line.moved}\0{keys}".encode("utf-8", "surrogatepass")
        return hashlib.sha256(text).hexdigest()[:16]

    def take(self, text: str) -> bool:
        """Take the checks of a file that the page wrote; False where they are of another line.

        Raises:
            DataError: it is no such file.
        """
        try:
            given = parse_json(text)
            name, checks = given["pile"], dict(given["checks"])
        except (ValueError, TypeError, KeyError) as error:
            raise DataError("This is no file of checks: save it again from check.html.") from error
        strange = [name for name in checks.values() if name not in ("", *self.line.classes)]
        if strange:
            raise DataError(f"The checks name {strange[0]!r}, which is no class of this model.")
        self.checks = checks if name == self.name else {}
        return bool(name == self.name)

    @property
    def checked(self) -> list[int]:
        """Return the photos that were checked, as far as they follow each other in the order: only such are drawn at
        random.
        """
        accepted = self.accepted.tolist()
        missing = next((n for n, i in enumerate(accepted) if self.keys[i] not in self.checks), len(accepted))
        return accepted[:missing]

    @property
    def promise(self) -> Promise:
        """Return what the checks allow to promise."""
        right = sum(self.checks[self.keys[i]] == self.labels[i] for i in self.checked)
        return Promise(self.wrong, len(self.accepted), right, len(self.checked) - right, self.line.moved)

    def move(self, score: float) -> None:
        """Move the line. It costs only where there were checks, and they have not earned the promise."""
        given_up = bool(self.checks) and not replace(self.promise, wrong=self.line.strictest).kept
        moved, known = self.line.moved + given_up, self.line.known | self.checks
        self.line = replace(self.line, score=score, moved=moved, strictest=self.wrong, known=known)
        self.checks = {}

    @property
    def next_line(self) -> float | None:
        """Return the line to go on with, as ``gallop.evaluation.promise.next_line``."""
        some = self.scores[np.isfinite(self.scores)]
        return None if self.line.score is None else next_line(some, self.line.score, self.promise.kept)

    @property
    def targets(self) -> dict[str, str]:
        """Return the class of each photo that is accepted, and of those that were checked what the checks say."""
        answers = {self.keys[i]: self.labels[i] for i in self.accepted} | self.line.known | self.checks
        return {key: name for key, name in answers.items() if name}
