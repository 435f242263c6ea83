"""A pile of photos without labels: kept small, sorted by a model, accepted above a line, checked. Knows no Streamlit.

What is accepted is what a person has labelled, and of the other photos those above the line. A check says whether the
answer to one of these is right: ``gallop.evaluation.promise`` says what checks promise. A photo that was checked is
labelled too, so after a move of the line it is no longer among those that the next promise is about.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.photos.archives import sorted_out
from app.photos.shelf import Verdicts, no_room, small
from app.text import shorten
from gallop import Photo, load_image
from gallop.data.project import SHOT_SIDE
from gallop.errors import ImageError
from gallop.evaluation.promise import LEVELS, Promise, check_order, suggested_line
from gallop.images.formats import printable_name
from gallop.maps.photo import picture_url
from gallop.wording import NONE_OF_THESE

MOST_IN_PILE = 2000
# Pixels: a tile of the grid, and the longest side of a photo that is checked.
_TILE, _CHECKED = 112, 320
# Photos that are checked at a time, and thumbnails that are sent at once.
CHECKED_AT_ONCE, _SENT_AT_ONCE = 12, 120
_MOST_UNDONE = 50
# The label of a photo whose answer is wrong while nobody has said what it is.
WRONG = ""


@dataclass(frozen=True)
class PilePhoto:
    """One photo.

    Attributes:
        key: content hash, the same as on a card.
        data: the photo in a file format, no larger than on a card.
        thumbnail: in a data URL.
    """

    key: str
    name: str
    data: bytes = field(repr=False)
    thumbnail: str = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.data) + len(self.thumbnail)

    def load(self) -> Photo:
        return load_image(self.data, name=self.name)


def kept_small(source: bytes, name: str) -> tuple[PilePhoto, Photo]:
    """Return a photo as the pile keeps it, and with the picture that is scored: later it is scored the same.

    Raises:
        ImageError: as ``load_image``.
    """
    full = load_image(source, name=name)
    photo = small(full, SHOT_SIDE)
    stream = io.BytesIO()
    photo.image.save(stream, "JPEG", quality=92)
    data = stream.getvalue()
    if photo.sha256 == full.sha256 and len(source) <= len(data):
        data = source
    kept = photo if data is source else load_image(data, name=photo.name)
    tile = ImageOps.fit(photo.image, (_TILE, _TILE), Image.Resampling.BILINEAR)
    return PilePhoto(kept.sha256, photo.name, data, picture_url(tile, "JPEG", quality=78)), kept


@dataclass(frozen=True)
class Scores:
    """The answers of one model to photos.

    Attributes:
        version: what decides about them: the model, its scales, its limit.
        names: K class names.
        rows: (K,) probabilities by photo.
        outliers: the score that decides about none of these, by photo.
        limit: for that score; None where it decides nothing.
    """

    version: Any
    names: tuple[str, ...]
    rows: Mapping[str, NDArray[np.float32]]
    outliers: Mapping[str, float]
    limit: float | None

    def answer(self, key: str) -> int:
        """Return the number of the class, -1 for none of these."""
        odd = self.limit is not None and self.outliers[key] > self.limit
        return -1 if odd else int(self.rows[key].argmax())

    def score(self, key: str) -> float:
        return float(self.rows[key].max())


@dataclass(frozen=True)
class Sorted:
    """What a job has made: photos that came new, scores of all it has seen, a sentence for each photo refused."""

    photos: tuple[PilePhoto, ...]
    scores: Scores
    refused: tuple[str, ...] = ()


@dataclass
class PhotoPile:
    """The pile of one visitor.

    Attributes:
        photos: those sorted, by key.
        waiting: name and content of files that are not yet checked and sorted.
        scores: None before the first sorting.
        order: keys, surest answer first, then those of none of the classes.
        accepted: how many of ``order`` lie above the line; at most ``candidates``.
        candidates: how many are of one of the classes.
        labels: class, ``NONE_OF_THESE`` or ``WRONG`` by key, from a person.
        checks: whether the answer was right, by key, since the line was moved last.
        moved: as ``Promise.moved``.
        level: the fraction of wrong photos that is to be promised.
        turn: the number of the sorting; what a browser says about another one is not heard.
        found: what a job has made and nobody has taken over yet.
    """

    photos: dict[str, PilePhoto] = field(default_factory=dict)
    waiting: list[tuple[str, bytes]] = field(default_factory=list)
    scores: Scores | None = None
    order: tuple[str, ...] = ()
    accepted: int = 0
    candidates: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    checks: dict[str, bool] = field(default_factory=dict)
    moved: int = 0
    level: float = LEVELS[0]
    turn: int = 0
    found: Sorted | None = None
    held_out: tuple[Sequence[float], Sequence[bool]] = ((), ())
    _line_is_own: bool = False
    _past: list[tuple[dict[str, str], dict[str, bool]]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The bytes that the photos take, with those that wait."""
        return sum(photo.size for photo in self.photos.values()) + sum(len(data) for _, data in self.waiting)

    def take(self, files: Iterable[Any], held: int = 0) -> Verdicts:
        """Let files wait to be sorted: photos, or zips of them in any folders.

        Args:
            held: bytes that the visitor uses already.
        """
        refused = []
        for member in sorted_out(files, ""):
            if isinstance(member, str):
                refused.append(member)
                continue
            name = printable_name(member.place.name)
            data = member.source if isinstance(member.source, bytes) else member.source.read()
            if len(self.photos) + len(self.waiting) >= MOST_IN_PILE:
                refused.append(f"{name} does not fit: a pile here has at most {MOST_IN_PILE} photos.")
            elif problem := no_room(name, len(data), held):
                refused.append(problem)
            else:
                held += len(data)
                self.waiting.append((member.place.name, data))
        return Verdicts((), tuple(refused))

    # Sorting ---------------------------------------------------------------------------------------------------------

    def settle(self) -> tuple[str, ...]:
        """Take over what a job has made; return the sentences about refused photos.

        What was scored anew only in part, since it was cancelled, changes nothing.
        """
        made, self.found = self.found, None
        if made is None:
            return ()
        new = {photo.key: photo for photo in made.photos}
        if self.photos.keys() <= made.scores.rows.keys():
            self.photos |= new
            self._sort(made.scores)
        return made.refused

    def _sort(self, scores: Scores) -> None:
        keys = sorted(self.photos, key=lambda key: (scores.answer(key) < 0, -scores.score(key), key))
        line = self.line
        self._give_up_line()
        self.scores, self.order, self.turn = scores, tuple(keys), self.turn + 1
        self.candidates = sum(scores.answer(key) >= 0 for key in keys)
        self._past.clear()
        self.accepted = self._above(line) if self._line_is_own else self._suggested()

    @property
    def line(self) -> float:
        """The score of the last photo above the line; more than 1 where there is none."""
        if self.scores is None or not self.accepted:
            return 2.0
        return self.scores.score(self.order[self.accepted - 1])

    def _above(self, line: float) -> int:
        assert self.scores is not None
        return sum(self.scores.score(key) >= line for key in self.order[: self.candidates])

    def _suggested(self) -> int:
        scores, right = self.held_out
        return self._above(suggested_line(scores, right, self.level)) if len(scores) else self.candidates

    # What a person says ----------------------------------------------------------------------------------------------

    def hear(self, said: Mapping[str, Any]) -> None:
        """Do what a browser asks for. It may send anything: what makes no sense does nothing."""
        act, keys = said.get("act"), self._keys(said.get("photos"))
        if act == "line" and _is_count(said.get("count"), self.candidates):
            self._line_is_own = True
            self._move_line(said["count"])
        elif act == "level" and said.get("level") in LEVELS:
            self.level = said["level"]
            if not self._line_is_own and not self.checks:
                self.accepted = self._suggested()
        elif act == "check":
            self._check(keys, set(self._keys(said.get("wrong"))))
        elif act == "label" and self.scores is not None:
            names, number = (*self.scores.names, NONE_OF_THESE), said.get("label")
            if keys and _is_count(number, len(names) - 1):
                self._change(dict.fromkeys(keys, names[number]), {})
        elif act == "undo" and self._past:
            self.labels, self.checks = self._past.pop()

    def _keys(self, numbers: Any) -> list[str]:
        if not isinstance(numbers, list):
            return []
        return [self.order[number] for number in numbers if _is_count(number, len(self.order) - 1)]

    def _move_line(self, accepted: int) -> None:
        if accepted != self.accepted:
            self._give_up_line()
            self.accepted = accepted

    def _give_up_line(self) -> None:
        if self.checks:
            self.moved = 0 if self.promise.kept else self.moved + 1
            self.checks = {}
            self._past.clear()

    def _check(self, keys: Sequence[str], wrong: set[str]) -> None:
        asked = self.to_check()
        known = {key: key not in wrong for key in keys if key in asked}
        labels = {key: self.answer(key) if right else WRONG for key, right in known.items()}
        self._change(labels, known)

    def _change(self, labels: Mapping[str, str], checks: Mapping[str, bool]) -> None:
        self._past = [*self._past, (dict(self.labels), dict(self.checks))][-_MOST_UNDONE:]
        self.labels |= labels
        self.checks |= checks

    @property
    def undoable(self) -> bool:
        return bool(self._past)

    # What follows ----------------------------------------------------------------------------------------------------

    def answer(self, key: str) -> str:
        """Return the class of a photo, ``NONE_OF_THESE`` or ``WRONG``: what a person said, else the model's answer."""
        if key in self.labels or self.scores is None:
            return self.labels.get(key, WRONG)
        number = self.scores.answer(key)
        return NONE_OF_THESE if number < 0 else self.scores.names[number]

    def _promised(self) -> list[str]:
        """Return the photos that the promise is about: above the line, and not labelled but by a check."""
        return [key for key in self.order[: self.accepted] if key not in self.labels or key in self.checks]

    @property
    def promise(self) -> Promise:
        """What the checks allow to promise; those of the sample's beginning count, without a gap."""
        about = self._promised()
        count = next((n for n, i in enumerate(self._drawn(about)) if about[i] not in self.checks), len(about))
        right = sum(self.checks[about[i]] for i in self._drawn(about)[:count])
        return Promise(self.level, len(about), right, count - right, self.moved)

    def _drawn(self, about: Sequence[str]) -> list[int]:
        order: list[int] = check_order(about, seed=self.turn).tolist()
        return order

    def to_check(self) -> list[str]:
        """Return the photos to check next: those asked about, and as many that a browser gets ready."""
        about = self._promised()
        left = (about[i] for i in self._drawn(about) if about[i] not in self.checks)
        return list(islice(left, 2 * CHECKED_AT_ONCE))

    def sorted_out(self) -> dict[str, str]:
        """Return the class of each accepted photo, by key: those that a person has labelled first, then at random."""
        above = [key for key in self.order[: self.accepted] if key not in self.labels]
        labelled = [key for key in self.order if self.labels.get(key, WRONG) not in (WRONG, NONE_OF_THESE)]
        return {key: self.answer(key) for key in (*labelled, *(above[i] for i in self._drawn(above)))}

    # What a browser is sent ------------------------------------------------------------------------------------------

    def shown(self) -> dict[str, Any]:
        """Return what the grid needs to know and what may change at each act; photos are numbered by ``order``."""
        numbers = {key: number for number, key in enumerate(self.order)}
        names = {} if self.scores is None else {name: k for k, name in enumerate((*self.scores.names, NONE_OF_THESE))}
        promise = self.promise
        return {
            "version": self.turn,
            "accepted": self.accepted,
            "candidates": self.candidates,
            "labels": [[numbers[key], names.get(label, -1)] for key, label in self.labels.items() if key in numbers],
            "level": self.level,
            "levels": LEVELS,
            "promise": promise.words,
            "kept": promise.kept,
            "checked": promise.checked,
            "check": [numbers[key] for key in self.to_check()],
            "undo": self.undoable,
        }

    def content(self) -> dict[str, Any]:
        """Return what stays until the next sorting: class names, and name, answer and score of each photo."""
        scores = self.scores
        if scores is None:
            return {"names": [], "photos": []}
        rows = [
            [shorten(self.photos[key].name, 60), scores.answer(key), round(scores.score(key), 4)] for key in self.order
        ]
        return {"names": [*scores.names, NONE_OF_THESE], "photos": rows}

    def pictures(self, numbers: Any, what: str) -> list[list[Any]]:
        """Return the number and picture of photos that a browser asks for, as data URLs.

        Args:
            what: "small" for the grid, "large" for those that are checked.
        """
        keys = self._keys(numbers)[: _SENT_AT_ONCE if what == "small" else 2 * CHECKED_AT_ONCE]
        places = {key: number for number, key in enumerate(self.order)}
        return [[places[key], self.photos[key].thumbnail if what == "small" else self._large(key)] for key in keys]

    def _large(self, key: str) -> str:
        picture = ImageOps.contain(self.photos[key].load().image, (_CHECKED, _CHECKED))
        return picture_url(picture, "JPEG", quality=82)


def _is_count(number: Any, most: int) -> bool:
    return type(number) is int and 0 <= number <= most


def checked(waiting: Sequence[tuple[str, bytes]], there: set[str]) -> tuple[dict[PilePhoto, Photo], list[str]]:
    """Return the photos of files as kept and as scored, and a sentence for each file that is refused.

    Args:
        there: keys of the photos that are in the pile already; those of these files are added.
    """
    taken, refused = {}, []
    for name, data in waiting:
        try:
            kept, photo = kept_small(data, name)
        except ImageError as error:
            refused.append(str(error))
            continue
        if kept.key in there:
            refused.append(f"{kept.name} is already here. The same picture twice adds nothing.")
        else:
            there.add(kept.key)
            taken[kept] = photo
    return taken, refused
