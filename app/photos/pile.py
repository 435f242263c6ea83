"""A pile of photos without labels: kept small, sorted by a model, accepted above a line, checked. Knows no Streamlit.

What is accepted is what a person has labelled, and of the other photos those above the line. A check says whether the
answer to one of these is right: ``gallop.evaluation.promise`` says what checks promise. A photo that was checked is
labelled too, so after a move of the line it is no longer among those that the next promise is about.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.photos.archives import sorted_out
from app.photos.shelf import Verdicts, no_room, small
from app.text import shorten
from gallop import load_image
from gallop.data.project import SHOT_SIDE
from gallop.evaluation.promise import LEVELS, Promise, check_order, suggested_line
from gallop.images.formats import printable_name
from gallop.maps.photo import picture_url
from gallop.wording import NONE_OF_THESE

MOST_IN_PILE = 2000
# Pixels: a tile of the grid, and the longest side of a photo that is checked.
_TILE, _CHECKED = 112, 320
# Photos to check that a browser knows of, and pictures of the grid that it is sent at once.
_CHECKS_AHEAD, _SENT_AT_ONCE = 24, 120
_MOST_UNDONE = 50
# The label of a photo whose answer is wrong while nobody has said what it is.
WRONG = ""


@dataclass(frozen=True)
class PilePhoto:
    """One photo, and the answer to it.

    Attributes:
        key: content hash, the same as on a card.
        data: a file with the photo, no larger than on a card.
        thumbnail: in a data URL.
        row: (K,) probabilities.
        answer: the number of its class; -1 for none of these.
    """

    key: str
    name: str
    data: bytes = field(repr=False)
    thumbnail: str = field(repr=False)
    row: NDArray[np.float32] = field(default_factory=lambda: np.zeros(1, np.float32), repr=False)
    answer: int = -1

    @property
    def score(self) -> float:
        return float(self.row.max())


def kept_small(name: str, source: bytes) -> PilePhoto:
    """Return a photo as the pile keeps it: as it came, where that is smaller. It is scored as it is kept.

    Raises:
        ImageError: as ``load_image``.
    """
    full, stream = load_image(source, name=name), io.BytesIO()
    photo = small(full, SHOT_SIDE)
    photo.image.save(stream, "JPEG", quality=92)
    fits = photo.sha256 == full.sha256 and len(source) <= stream.tell()
    data = source if fits else stream.getvalue()
    tile = picture_url(ImageOps.fit(photo.image, (_TILE, _TILE), Image.Resampling.BILINEAR), "JPEG", quality=78)
    return PilePhoto(photo.sha256 if fits else load_image(data).sha256, photo.name, data, tile)


@dataclass(frozen=True)
class SortedPhotos:
    """What a model says of photos.

    Attributes:
        version: what decides about it: the model, its scales, its limit.
        names: K class names.
        photos: by key.
        refused: a sentence for each file that is no photo, or is there twice.
        held_out: probability and rightness of the model's answers to photos that it has not learned from.
    """

    version: Any = None
    names: tuple[str, ...] = ()
    photos: dict[str, PilePhoto] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    held_out: tuple[Sequence[float], Sequence[bool]] = ((), ())


@dataclass
class PhotoPile:
    """The pile of one visitor.

    Attributes:
        now: the photos and their answers.
        found: what a job has made and nobody has taken over yet.
        waiting: name and content of files that are not yet checked and sorted.
        order: keys, surest answer first, then those of none of the classes.
        candidates: how many of ``order`` are of one of the classes.
        accepted: how many of these lie above the line.
        line: the score from which photos are accepted, where a person has moved it.
        level: the fraction of wrong photos that is to be promised.
        labels: class, ``NONE_OF_THESE`` or ``WRONG`` by key, from a person.
        checks: whether the answer was right, by key, since the line was moved last.
        moved: as ``Promise.moved``.
        turn: the number of the sorting: what a browser says about another one is not heard.
        past: labels and checks before each change.
    """

    now: SortedPhotos = field(default_factory=SortedPhotos)
    found: SortedPhotos | None = None
    waiting: list[tuple[str, bytes]] = field(default_factory=list)
    order: tuple[str, ...] = ()
    candidates: int = 0
    accepted: int = 0
    line: float | None = None
    level: float = LEVELS[0]
    labels: dict[str, str] = field(default_factory=dict)
    checks: dict[str, bool] = field(default_factory=dict)
    moved: int = 0
    turn: int = 0
    past: list[tuple[dict[str, str], dict[str, bool]]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The bytes that the photos take, with those that wait."""
        kept = (len(photo.data) + len(photo.thumbnail) for photo in self.now.photos.values())
        return sum(kept) + sum(len(data) for _, data in self.waiting)

    def take(self, files: Iterable[Any], held: int) -> Verdicts:
        """Let files wait to be sorted: photos, or zips of them in any folders.

        Args:
            held: bytes that the visitor uses already.
        """
        refused = []
        for member in sorted_out(files, ""):
            if isinstance(member, str):
                refused.append(member)
                continue
            name, source = printable_name(member.place.name), member.source
            data = source if isinstance(source, bytes) else source.read()
            full = len((self.found or self.now).photos) + len(self.waiting) >= MOST_IN_PILE
            problem = f"{name} does not fit: a pile here has at most {MOST_IN_PILE} photos." if full else ""
            if problem := problem or no_room(name, len(data), held):
                refused.append(problem)
                continue
            held += len(data)
            self.waiting.append((member.place.name, data))
        return Verdicts((), tuple(refused))

    def settle(self) -> list[str]:
        """Take over what a job has made; return the sentences about refused files.

        A new model's answers to a part of the photos, where it was cancelled, change nothing.
        """
        made, self.found = self.found, None
        if made is None or not self.now.photos.keys() <= made.photos.keys():
            return []
        self._give_up_line()
        photos, self.now, self.turn = made.photos, made, self.turn + 1
        ranked = sorted(photos.values(), key=lambda photo: (photo.answer < 0, -photo.score, photo.key))
        self.order = tuple(photo.key for photo in ranked)
        self.candidates = sum(photo.answer >= 0 for photo in ranked)
        self._draw_line()
        return made.refused

    def _draw_line(self) -> None:
        """Put the line where a person has moved it, else where the held-out photos suggest."""
        line = self.line
        if line is None and len(self.now.held_out[0]):
            line = suggested_line(*self.now.held_out, self.level)
        scores = (self.now.photos[key].score for key in self.order[: self.candidates])
        self.accepted = sum(score >= (line or 0) for score in scores)

    def _give_up_line(self) -> None:
        if self.checks:
            self.moved = 0 if self.promise.kept else self.moved + 1
        self.checks, self.past = {}, []

    # What a person says ----------------------------------------------------------------------------------------------

    def hear(self, said: Mapping[str, Any]) -> None:
        """Do what a browser asks for. It may send anything: what makes no sense does nothing."""
        act, keys, names = said.get("act"), self._keys(said.get("photos")), (*self.now.names, NONE_OF_THESE)
        count, label, level = (said.get(name, -1) for name in ("count", "label", "level"))
        if act == "line" and _is_count(count, self.candidates) and count != self.accepted:
            self._give_up_line()
            self.accepted = count
            self.line = self.now.photos[self.order[count - 1]].score if count else 2.0
        elif act == "level" and level in LEVELS:
            self.level = level
            if self.line is None and not self.checks:
                self._draw_line()
        elif act == "check":
            wrong, asked = self._keys(said.get("wrong")), self.to_check()
            known = {key: key not in wrong for key in keys if key in asked}
            self._change({key: self.answer(key) if right else WRONG for key, right in known.items()}, known)
        elif act == "label" and keys and _is_count(label, len(names) - 1):
            self._change(dict.fromkeys(keys, names[label]), {})
        elif act == "undo" and self.past:
            self.labels, self.checks = self.past.pop()

    def _keys(self, numbers: Any) -> list[str]:
        some = numbers if isinstance(numbers, list) else []
        return [self.order[number] for number in some if _is_count(number, len(self.order) - 1)]

    def _change(self, labels: Mapping[str, str], checks: Mapping[str, bool]) -> None:
        self.past = [*self.past, (self.labels, self.checks)][-_MOST_UNDONE:]
        self.labels, self.checks = {**self.labels, **labels}, {**self.checks, **checks}

    # What follows ----------------------------------------------------------------------------------------------------

    def answer(self, key: str) -> str:
        """Return the class of a photo, ``NONE_OF_THESE`` or ``WRONG``: what a person said, else the model's answer."""
        model = (*self.now.names, NONE_OF_THESE)[self.now.photos[key].answer]
        return self.labels.get(key, model)

    def _drawn(self, keys: Sequence[str]) -> list[str]:
        """Return photos in the order of checks, which is another one in each sorting."""
        return [keys[i] for i in check_order(keys, seed=self.turn)]

    def _promised(self) -> list[str]:
        """Return the photos that the promise is about, as they are checked: labelled by a check, or not at all."""
        above = self.order[: self.accepted]
        return self._drawn([key for key in above if key not in self.labels or key in self.checks])

    @property
    def promise(self) -> Promise:
        """What the checks allow to promise: those up to the first photo that was not checked."""
        about = self._promised()
        found = [self.checks[key] for key in takewhile(self.checks.__contains__, about)]
        return Promise(self.level, len(about), sum(found), len(found) - sum(found), self.moved)

    def to_check(self) -> list[str]:
        """Return the photos to check next."""
        return list(islice((key for key in self._promised() if key not in self.checks), _CHECKS_AHEAD))

    def sorted_out(self) -> dict[str, str]:
        """Return the class of each accepted photo, by key: those that a person has labelled first, then at random."""
        above = [key for key in self.order[: self.accepted] if key not in self.labels]
        labelled = [key for key in self.order if self.labels.get(key, WRONG) not in (WRONG, NONE_OF_THESE)]
        return {key: self.answer(key) for key in (*labelled, *self._drawn(above))}

    # What a browser is sent ------------------------------------------------------------------------------------------

    def shown(self) -> dict[str, Any]:
        """Return what may change at each act; photos are numbered by ``order``, classes with none of these as last."""
        numbers = {key: number for number, key in enumerate(self.order)}
        names, promise = {name: k for k, name in enumerate((*self.now.names, NONE_OF_THESE))}, self.promise
        return {
            "version": self.turn,
            "accepted": self.accepted,
            "candidates": self.candidates,
            "labels": [[numbers[key], names.get(label, -1)] for key, label in self.labels.items()],
            "level": self.level,
            "levels": LEVELS,
            "promise": promise.words if promise.pile else "Nothing above the line to check.",
            "kept": promise.kept,
            "check": [numbers[key] for key in self.to_check()],
            "undo": bool(self.past),
        }

    def content(self) -> dict[str, Any]:
        """Return what stays until the next sorting: class names, and name, answer and score of each photo."""
        photos = (self.now.photos[key] for key in self.order)
        rows = [[shorten(photo.name, 60), photo.answer, round(photo.score, 4)] for photo in photos]
        return {"names": [*self.now.names, NONE_OF_THESE], "photos": rows}

    def pictures(self, numbers: Any, *, large: bool = False) -> list[list[Any]]:
        """Return number and picture, in a data URL, of those photos that a browser asks for.

        Args:
            large: to be judged; else those of the grid.
        """
        keys = self._keys(numbers)[: _CHECKS_AHEAD if large else _SENT_AT_ONCE]
        photos = [(self.order.index(key), self.now.photos[key]) for key in keys]
        return [[number, _large(photo) if large else photo.thumbnail] for number, photo in photos]


def _large(photo: PilePhoto) -> str:
    picture = ImageOps.contain(load_image(photo.data).image, (_CHECKED, _CHECKED))
    return picture_url(picture, "JPEG", quality=82)


def _is_count(number: Any, most: int) -> TypeGuard[int]:
    return type(number) is int and 0 <= number <= most
