"""The files that are taken away: the current picture of Explore, ONNX, model cards. Knows no Streamlit.

Torch is loaded only when something is computed.
"""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Generator, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from app import text
from app.jobs import Counted, PlainError
from app.library import Backbone, Explanation, GalLoPClassifier
from app.teaching.tasks import answers_to, opened
from app.teaching.training import Score, Taught, TeachSettings, TrainingRecord
from app.views.exploring import photo_on_explore
from app.visitor.page_state import TAUGHT, ExploreState, Question
from app.visitor.session import Session
from gallop import Photo
from gallop.config import train_preset
from gallop.errors import GallopError
from gallop.export.formats import Exported, ExportFormat, ModelToExport
from gallop.maps.map_style import Style, Subject, shared_scale

# Seconds between two checks of an export.
BEAT = 0.5
# One export at a time: PyTorch's is not made for several threads.
_exports = ThreadPoolExecutor(1, "export")


@dataclass(frozen=True)
class Screen:
    """What the Explore page shows: a photo, the question about it, its explanation, a class, and the map style."""

    photo: Photo
    question: Question
    explanation: Explanation
    class_name: str
    style: Style

    def picture(self, prompt: int) -> bytes:
        """Return the map of a local prompt (counted from 0) as a PNG file, coloured as on Explore."""
        from gallop.maps.pictures import map_picture

        subject, scale = Subject(self.explanation, self.class_name), shared_scale(self.explanation)
        stream = io.BytesIO()
        map_picture(subject, prompt, scale=scale, style=self.style).save(stream, "PNG")
        return stream.getvalue()


def exported_question(session: Session) -> Question:
    """Return the question that Explore asks about a visitor's photos: class list and templates, zero-shot or taught.

    Raises:
        PlainError: names or templates that cannot be used.
    """
    state = session.explore
    if state.prompts == TAUGHT and state.names is None:  # a sample is shown, with the sample's names
        state = replace(state, names=state.typed_names)
    return _question(session, state)


def _question(session: Session, state: ExploreState) -> Question:
    try:
        return state.question(session.training)
    except GallopError as error:
        raise PlainError(f"{error} Fix it on the page Explore.") from error


def exported_classifier(session: Session, backbone: Backbone, asked: Question) -> GalLoPClassifier:
    """Return the classifier of Explore, with the k set there and the visitor's custom limit.

    Raises:
        PlainError: the text encoder cannot encode a name or a template.
    """
    try:
        classifier = copy.copy(session.answers.classifier(backbone, asked))
    except GallopError as error:
        raise PlainError(f"{error} Fix it on the page Explore.") from error
    model = copy.copy(classifier.model_)
    model.config = replace(model.config, topk=session.explore.scales_of(model.config.topk))
    classifier.model_, classifier.backbone = model, backbone
    if (custom := session.limit.custom_for(asked)) is not None:
        classifier.calibration_ = replace(
            classifier.calibration_, threshold=custom, note=session.limit.origin, photos=0
        )
    return classifier


def screen(session: Session, backbone: Backbone) -> Screen | None:
    """Return what Explore shows; None without a photo there. Raises as ``exported_question``."""
    shown, photo = session.explore, photo_on_explore(session)
    if photo is None:
        return None
    asked = _question(session, shown)
    try:
        now, missing = session.answers.ways(backbone, photo, asked, second_look=bool(shown.second_look))
        explanation = (missing or now)(backbone, photo, asked)
    except GallopError as error:
        raise PlainError(f"{error} Fix it on the page Explore.") from error
    explanation = explanation.with_topk(shown.scales_of(explanation.topk))
    chosen = shown.explainer.class_name if shown.explainer.class_name in explanation.class_names else None
    return Screen(photo, asked, explanation, chosen or explanation.label, shown.explainer.style)


def version(session: Session, asked: Question, topk: Sequence[int]) -> Hashable:
    taught = session.training.taught.after.model_.prompts if asked.taught and session.training.taught else None
    return (session.training.backbone_name, asked, tuple(topk), id(taught), session.limit.custom_for(asked))


# Words ---------------------------------------------------------------------------------------------------------------


def measured(taught: Taught) -> list[str]:
    scores = {"test photos, which it has not seen": taught.on_tests, "training photos": taught.on_shots}
    return [_right(score, which) for which, score in scores.items() if score.photos and score.after is not None]


def _right(score: Score, which: str) -> str:
    before = f" (zero-shot {text.share(score.before, 1)})" if score.before is not None else ""
    return f"Right on {text.share(score.after or 0, 1)} of {score.photos} {which}{before}."


def learned_from(taught: Taught) -> str:
    if not taught.shots:  # it came as a file, which does not state it
        return f"Trained elsewhere, {len(taught.names)} classes"
    stopped = f", stopped at step {taught.steps} of {taught.of_steps}" if taught.stopped_early else ""
    return f"Trained on {taught.shots} photos of {len(taught.names)} classes{stopped}"


def facts(session: Session, asked: Question) -> list[tuple[str, str]]:
    if not asked.taught or session.training.taught is None:
        return [
            ("backbone", session.training.backbone_name),
            ("prompts", "zero-shot: nothing was learned"),
            ("templates", "; ".join(asked.templates)),
        ]
    taught = session.training.taught
    return [
        ("backbone", taught.backbone_name),
        ("prompts", learned_from(taught)),
        *(("how good", sentence) for sentence in measured(taught)),
        ("seed", str(taught.settings.seed)),
        ("epochs", str(taught.settings.epochs)),
    ]


def model_to_export(
    session: Session, asked: Question, classifier: GalLoPClassifier, photos: Sequence[Photo] = ()
) -> ModelToExport:
    """Return the classifier as export formats take it, with the known facts of its training."""
    taught = session.training.taught if asked.taught else None
    if taught is None:
        return ModelToExport(classifier, photos)
    return ModelToExport(classifier, photos, measured(taught), learned_from(taught))


def imported(session: Session, model: GalLoPClassifier, backbone: Backbone) -> Taught:
    """Return a model from a file as a training's result, tested on the cards of the classes that it knows."""
    taught = opened(
        model,
        backbone,
        TeachSettings.of(model.model_.config, model.training_ or train_preset(backbone.preset)),
        TrainingRecord(),
    )
    pairs = [(photo, name) for name, some in session.photos.tests().items() if name in model.classes_ for photo in some]
    before, now = (answers_to(asked, session.photos.features(), pairs, seen=False) for asked in (taught.before, model))
    return replace(taught, answers_before=before, answers=now)


# Tasks for the job manager -------------------------------------------------------------------------------------------


def exporting(
    format_: ExportFormat[ModelToExport], model: ModelToExport, key: Hashable
) -> Generator[Counted, None, tuple[Hashable, Exported]]:
    """Make a file of a slow format, such as an ONNX file, which is checked; return it with its key.

    Writing such a file is one call, which may take minutes on a busy machine. So it runs in a separate thread, and the
    job makes a step each half second while the thread runs: the job manager never takes it for stuck. Cancelled, it
    leaves the call to its end, which nobody takes; the next export waits for that.
    """
    start, takes, export = time.monotonic(), format_.seconds, _exports.submit(format_.make, model)
    while not export.done():
        seconds = time.monotonic() - start
        sentence = f"In progress: {seconds:.0f} of about {takes:.0f} seconds"
        yield Counted(seconds / (seconds + takes / 2), sentence)
        wait([export], BEAT)
    return key, export.result()
