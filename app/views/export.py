"""What the page Take away hands out: what is on the screen of Explore, tables, ONNX, cards. Knows no Streamlit.

Torch is loaded only when something is computed.
"""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.jobs.manager import PlainError
from app.teaching.progress import Answer, Course, Score, Taught
from app.teaching.settings import Settings
from app.teaching.tasks import answers_by_photo, opened
from app.visitor.question import DEFAULT_NAMES, DEFAULT_TEMPLATES, Question
from app.visitor.session import Session
from gallop import Photo, parse_names
from gallop.config import train_preset
from gallop.errors import GallopError
from gallop.maps.region_grid.panel import Style, Subject
from gallop.names.templates import parse_templates

if TYPE_CHECKING:
    from gallop import Explanation, GalLoPClassifier
    from gallop.backbones import Backbone
    from gallop.export.onnx import OnnxFile

_PHOTOS_AT_ONCE = 16
BEAT, HALF_WAY = 1.0, 15.0
"""Seconds: between two looks at an export, and after which its bar stands in the middle."""


@dataclass(frozen=True)
class Counted:
    """How far a piece of work is."""

    share: float
    sentence: str


@dataclass(frozen=True)
class Screen:
    """What the page Explore shows: a photo, explained for a class, and how its maps are drawn."""

    photo: Photo
    explanation: Explanation
    class_name: str
    style: Style

    def picture(self, prompt: int) -> bytes:
        """The map of a local prompt (counted from 0) as a PNG file, coloured as on Explore."""
        from gallop.maps.pictures import map_picture
        from gallop.maps.region_grid.panel import scale_of

        subject = Subject(self.explanation, self.class_name)
        scale = scale_of([subject.scores(n) for n in range(len(self.explanation.topk))])
        stream = io.BytesIO()
        map_picture(subject, prompt, scale=scale, style=self.style).save(stream, "PNG")
        return stream.getvalue()


def exported_question(session: Session) -> Question:
    """What Explore asks at present: its class list and templates, zero-shot or taught.

    Raises:
        PlainError: names or templates that cannot be used.
    """
    typed = session.kept.get("names", "\n".join(DEFAULT_NAMES))
    try:
        names = parse_names(typed)
        templates = parse_templates(session.kept.get("templates", "\n".join(DEFAULT_TEMPLATES)))
    except GallopError as error:
        raise PlainError(f"{error} Mend it on the page Explore.") from error
    return Question(names, session.training.use_taught and session.training.knows(names), templates)


def exported_scales(session: Session, usual: Sequence[int]) -> tuple[int, ...]:
    """The k of each local prompt, as the sliders of Explore stand."""
    return tuple(session.kept.get(f"k {n}", k) for n, k in enumerate(usual))


def exported_classifier(session: Session, backbone: Backbone, asked: Question) -> GalLoPClassifier:
    """What answers on Explore, with the k that it is read with there, and the limit that was set by hand.

    Raises:
        PlainError: the text tower cannot take a name or a template.
    """
    try:
        found = copy.copy(session.answers.classifier(backbone, asked))
    except GallopError as error:
        raise PlainError(f"{error} Mend it on the page Explore.") from error
    model = copy.copy(found.model_)
    model.config = replace(model.config, topk=exported_scales(session, model.config.topk))
    found.model_, found.backbone = model, backbone
    own = session.limit.own_for(asked)
    if own is not None:
        found.calibration_ = replace(found.calibration_, threshold=own, note="set by hand")
    return found


def screen(session: Session, backbone: Backbone, asked: Question) -> Screen | None:
    """What Explore shows; None without a photo there. Raises as ``classifier``."""
    photos = session.photos.shelf.photos
    photo = photos.get(session.kept.get("photo", "")) or next(reversed(photos.values()), None)
    if photo is None:
        return None
    try:
        found = session.answers.explain(backbone, photo, asked)
    except GallopError as error:
        raise PlainError(f"{error} Mend it on the page Explore.") from error
    found = found.with_topk(exported_scales(session, found.topk))
    chosen = session.kept.get("class")
    kept = {key: session.kept[key] for key in ("colours", "opacity", "threshold", "cells") if key in session.kept}
    style = Style(
        kept.get("colours", Style.colours),
        kept.get("opacity", 100 * Style.opacity) / 100,
        kept.get("threshold", 0) / 100,
        kept.get("cells", "Smooth") == "Smooth",
    )
    return Screen(photo, found, chosen if chosen in found.class_names else found.label, style)


def version(session: Session, asked: Question, topk: Sequence[int]) -> Hashable:
    """Tells files of this classifier from files of another."""
    taught = session.training.taught.after.model_.prompts if asked.taught and session.training.taught else None
    return (asked, tuple(topk), id(taught), session.limit.own_for(asked))


# Words ---------------------------------------------------------------------------------------------------------------


def measured(taught: Taught) -> list[str]:
    """How good a training is, in sentences."""
    scores = {"test photos, which it has not seen": taught.on_tests, "photos that it learned from": taught.on_shots}
    return [_right(score, which) for which, score in scores.items() if score.photos and score.after is not None]


def _right(score: Score, which: str) -> str:
    before = f" (zero-shot {score.before:.1%})" if score.before is not None else ""
    return f"Right on {score.after:.1%} of {score.photos} {which}{before}."


def learned_from(taught: Taught) -> str:
    if not taught.shots:  # it came as a file, which does not tell
        return f"Learned elsewhere, {len(taught.names)} classes"
    stopped = f", stopped at step {taught.steps} of {taught.of_steps}" if taught.stopped_early else ""
    return f"Learned from {taught.shots} photos of {len(taught.names)} classes{stopped}"


def facts(session: Session, asked: Question) -> list[tuple[str, str]]:
    """The classifier in a few lines, for a report."""
    if not asked.taught or session.training.taught is None:
        return [("prompts", "zero-shot: nothing was learned"), ("templates", "; ".join(asked.templates))]
    taught = session.training.taught
    return [
        ("prompts", learned_from(taught)),
        *(("how good", sentence) for sentence in measured(taught)),
        ("seed", str(taught.settings.seed)),
        ("epochs", str(taught.settings.epochs)),
    ]


def imported(session: Session, found: GalLoPClassifier, backbone: Backbone) -> Taught:
    """A model that came as a file, as what a training leaves; asked about the test photos of the cards it knows."""
    settings = Settings.of(found.model_.config, found.training_ or train_preset("default"))
    taught = opened(found, backbone, settings, Course())
    pairs = [(photo, name) for name, some in session.photos.tests().items() if name in found.classes_ for photo in some]
    said = [_said(session, asked, backbone, pairs) for asked in (taught.before, found)]
    return replace(taught, answers_before=said[0], answers=said[1])


def _said(
    session: Session, asked: GalLoPClassifier, backbone: Backbone, pairs: Sequence[tuple[Photo, str]]
) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for part in answers_by_photo(asked, backbone, session.photos.features(), pairs, seen=False):
        found |= part
    return found


# Tasks for the job manager -------------------------------------------------------------------------------------------


@dataclass
class Tabling:
    """Answers to photos as a CSV table, a few at a time.

    Attributes:
        names: of the photos, by content hash.
    """

    classifier: GalLoPClassifier
    photos: Sequence[Photo]
    names: Mapping[str, str]
    key: Hashable
    made: tuple[Hashable, bytes] | None = None

    def run(self) -> Iterator[Counted]:
        from gallop.predictions.rows import answer_row, answers_csv

        rows, classes = [], self.classifier.classes_.tolist()
        for start in range(0, len(self.photos), _PHOTOS_AT_ONCE):
            some = self.photos[start : start + _PHOTOS_AT_ONCE]
            yield Counted(start / len(self.photos), f"Photo {start} of {len(self.photos)}")
            found = self.classifier.predict_all(list(some))
            rows += [answer_row(self.names[photo.sha256], found, i, classes) for i, photo in enumerate(some)]
        self.made = (self.key, answers_csv(rows, classes))

    def result(self) -> tuple[Hashable, bytes] | None:
        return self.made


@dataclass
class Exporting:
    """A classifier as an ONNX file, checked with some photos.

    Torch writes the file in one go, on a busy machine for minutes. So that is done in a thread beside the job, which
    takes a step each second as long as the thread lives: it is never given up for being stuck.
    """

    classifier: GalLoPClassifier
    photos: Sequence[Photo]
    key: Hashable
    made: tuple[Hashable, OnnxFile] | None = None

    def run(self) -> Iterator[Counted]:
        from gallop.export.onnx import export_onnx

        start = time.monotonic()
        with ThreadPoolExecutor(1, "onnx") as beside:  # which waits for its end, after a cancel too
            found = beside.submit(export_onnx, self.classifier, self.photos)
            while not found.done():
                seconds = time.monotonic() - start
                words = f"Writing and checking, about half a minute; {seconds:.0f} seconds so far"
                yield Counted(seconds / (seconds + HALF_WAY), words)
                wait([found], BEAT)
            self.made = (self.key, found.result())

    def result(self) -> tuple[Hashable, OnnxFile] | None:
        return self.made
