"""A pile of photos without labels: kept small, scored by a model, accepted above a line, checked. Knows no Streamlit.

What lies above the line, what checks promise and what a move of the line costs is as in ``gallop sort``: a ``Pile``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from app.photos.archives import sorted_out
from app.photos.shelf import Verdicts, no_room, small, thumbnail_url
from app.text import shorten
from gallop import load_image
from gallop.data.project_file import SHOT_SIDE
from gallop.evaluation.promise import LEVELS
from gallop.images.file_types import printable_name
from gallop.maps.shown_photo import picture_url
from gallop.service.sorting.scored_pile import Pile
from gallop.wording import NONE_OF_THESE

MOST_IN_PILE = 2000
# Pixels of a tile of the grid; tiles that a browser is sent at once; photos to check that it knows of; changes to undo.
_TILE, _SENT_AT_ONCE, _CHECKS_AHEAD, _MOST_UNDONE = 112, 120, 24, 50


@dataclass(frozen=True)
class PilePhoto:
    """One photo, and the answer to it.

    Attributes:
        key: content hash, the same as on a card.
        data: a file with the photo, no larger than on a card.
        thumbnail: in a data URL.
        row: (K,) probabilities.
        answer: the number of its class; -1 for none of these.
        alone: (K,) probabilities without votes of other photos.
        feature: (D,) of the entire photo.
        outlier: GL-MCM.
    """

    key: str
    name: str
    data: bytes = field(repr=False)
    thumbnail: str = field(repr=False)
    row: NDArray[np.float32] = field(default_factory=lambda: np.zeros(1, np.float32), repr=False)
    answer: int = -1
    alone: NDArray[np.float32] = field(default_factory=lambda: np.zeros(1, np.float32), repr=False)
    feature: NDArray[np.float16] = field(default_factory=lambda: np.zeros(1, np.float16), repr=False)
    outlier: float = 0.0


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
    key = photo.sha256 if fits else load_image(data).sha256
    return PilePhoto(key, photo.name, data, thumbnail_url(photo.image, (_TILE, _TILE)))


@dataclass(frozen=True)
class ScoredPhotos:
    """What a model says of photos.

    Attributes:
        version: what decides about it: the model, its scales, its limit, and whether photos vote on each other.
        names: K class names.
        photos: by key.
        refused: a sentence for each file that is no photo, or is there twice.
        unlike: that the photos look unlike the shots, as a sentence, or nothing.
    """

    version: Any = None
    names: tuple[str, ...] = ()
    photos: dict[str, PilePhoto] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    unlike: str = ""


@dataclass
class PhotoPile:
    """The pile of one visitor.

    Attributes:
        now: the photos and their answers.
        scored: the same with a line, and what a person has said.
        found: what a job has made and nobody has taken over yet.
        waiting: name and content of files that are not yet checked and sorted.
        together: whether the photos most like a photo are to vote on its answer.
        by_hand: whether a person has moved the line.
        turn: the number of the sorting: what a browser says about another one is not heard.
        heard: the number of the last act of a browser that was heard.
        past: what was known, and the checks, before each change.
    """

    now: ScoredPhotos = field(default_factory=ScoredPhotos)
    scored: Pile = field(default_factory=lambda: Pile([], {}, LEVELS[0]))
    found: ScoredPhotos | None = None
    waiting: list[tuple[str, bytes]] = field(default_factory=list)
    together: bool = False
    by_hand: bool = False
    turn: int = 0
    heard: int = 0
    past: list[tuple[Any, Any]] = field(default_factory=list)

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
        refused, already = [], len((self.found or self.now).photos)
        for member in sorted_out(files, ""):
            if isinstance(member, str):
                refused.append(member)
                continue
            name, source = printable_name(member.place.name), member.source
            data = source if isinstance(source, bytes) else source.read()
            if already + len(self.waiting) >= MOST_IN_PILE:
                refused.append(f"{name} does not fit: a pile here has at most {MOST_IN_PILE} photos.")
            elif problem := no_room(name, len(data), held):
                refused.append(problem)
            else:
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
        self.scored.move(self.scored.state["line"])
        self._begin(made, self.scored.wrong)
        self.turn, self.past = self.turn + 1, []
        return made.refused

    def _begin(self, made: ScoredPhotos, wrong: float) -> None:
        photos = sorted(made.photos.values(), key=lambda photo: (photo.answer < 0, -photo.row.max(), photo.key))
        rows = [
            {
                "key": photo.key,
                "label": (*made.names, "")[photo.answer],
                "probability": float(photo.row.max()),
                "is_ood": photo.answer < 0,
            }
            for photo in photos
        ]
        state = {name: self.scored.state[name] for name in ("moved", "known", *(["line"] if self.by_hand else []))}
        self.now, self.scored = made, Pile(rows, state, wrong)

    # What a person says ----------------------------------------------------------------------------------------------

    def hear(self, acts: Any) -> None:
        """Do what a browser asks for and was not heard yet. It may send anything: what makes no sense does nothing."""
        for act in acts if isinstance(acts, list) else []:
            number = act.get("turn") if isinstance(act, dict) else None
            if type(number) is int and number > self.heard and act.get("version") == self.turn:
                self.heard = number
                self._do(act)

    def _do(self, said: Mapping[str, Any]) -> None:
        pile, act, keys, names = self.scored, said.get("act"), self._keys(said.get("photos")), (*self.now.names, "")
        count, label, level = (said.get(name, -1) for name in ("count", "label", "level"))
        before = pile.state["known"], pile.checks
        if act == "line" and _is_count(count, np.isfinite(pile.scores).sum()) and count != self.above:
            pile.move(float(pile.scores[count - 1]) if count else np.inf)
            self.by_hand, self.past = True, []
        elif act == "level" and level in LEVELS and not pile.begun:
            self._begin(self.now, level)
        elif act == "level" and level in LEVELS:
            pile.wrong, pile.state["strictest"] = level, min(level, pile.state["strictest"])
        elif act == "check" and (asked := set(self.to_check()).intersection(keys)):
            wrong = self._keys(said.get("wrong"))
            pile.say({key: None if key in wrong else pile.labels[key] for key in asked}, drawn=True)
            self.past.append(before)
        elif act == "label" and keys and _is_count(label, len(names) - 1):
            pile.say(dict.fromkeys(keys, names[label]), drawn=False)
            self.past.append(before)
        elif act == "undo" and self.past:
            pile.state["known"], pile.checks = self.past.pop()
            pile.draw()
        del self.past[:-_MOST_UNDONE]

    def _keys(self, numbers: Any) -> list[str]:
        some, keys = numbers if isinstance(numbers, list) else [], self.scored.keys
        return [keys[number] for number in some if _is_count(number, len(keys) - 1)]

    # What a browser is sent: photos are numbered by ``scored.keys``, classes with none of these as last ---------------

    @property
    def above(self) -> int:
        """How many photos lie above the line: the first ones."""
        return int((self.scored.scores >= self.scored.state["line"]).sum())

    def to_check(self) -> list[str]:
        """Return the photos to check next."""
        return [key for key in self.scored.accepted if key not in self.scored.checks][:_CHECKS_AHEAD]

    def shown(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return what may change at each act, the pictures that a browser asks for, and, unless it holds that, what
        stays until the next sorting: class names, and name, answer and score of each photo.
        """
        numbers, photos = {key: number for number, key in enumerate(self.scored.keys)}, self.now.photos
        names: dict[str | None, int] = {name: k for k, name in enumerate((*self.now.names, ""))}
        holds, promise = said.get("holds") == self.turn, self.scored.promise
        small, large = (self._keys(said.get(name)) if holds else [] for name in ("small", "large"))
        rows = [(shorten(p.name, 60), p.answer, round(float(p.row.max()), 4)) for p in map(photos.__getitem__, numbers)]
        return {
            "version": self.turn,
            "heard": self.heard,
            "accepted": self.above,
            "labels": [[numbers[key], names.get(label, -1)] for key, label in self.scored.said.items()],
            "level": self.scored.wrong,
            "levels": [
                (level, replace(promise, wrong=level, right=0, errors=0).remaining or promise.pile) for level in LEVELS
            ],
            "promise": promise.words,
            "kept": promise.kept,
            "next": int((self.scored.scores >= self.scored.next_line).sum())
            if promise.kept or (promise.errors and promise.remaining is None)
            else None,
            "check": [numbers[key] for key in self.to_check()],
            "undo": bool(self.past),
            "small": [[numbers[key], photos[key].thumbnail] for key in small[:_SENT_AT_ONCE]],
            "large": [
                [numbers[key], picture_url(load_image(photos[key].data).image, "JPEG", quality=80)]
                for key in large[:_CHECKS_AHEAD]
            ],
            "content": None
            if holds
            else {
                "names": [*self.now.names, NONE_OF_THESE],
                "photos": rows,
                "trusted": not self.now.unlike,
            },
        }


def _is_count(number: Any, most: float) -> TypeGuard[int]:
    return type(number) is int and 0 <= number <= most
