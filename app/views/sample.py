"""The sample project: its run and model, put onto the cards of a visitor, and taken away again. Knows no Streamlit."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from app.photos.archives import CardPlace, Member
from app.photos.shelf import SHOT_SIDE, small
from app.runs.model_zip import Files, classifier_of, read_files
from app.runs.run import Run, run_of_row
from app.runs.store import RunsProblem
from app.teaching.tasks import drawn_shots, opened
from app.views.opening import Opened
from gallop import Photo
from gallop.runtime.reading import read_text
from gallop.sample import sample_folder, sample_photos

if TYPE_CHECKING:
    from app.visitor.session import Session
    from gallop.backbones import Backbone

SAMPLE_RUN = "Sample project"
RUN_FILE = "run.json"
_LARGEST = 2**20


@dataclass(frozen=True)
class _Row:
    """What ``written`` made, as a row of the store."""

    facts: str
    id: int = 0
    name: str = SAMPLE_RUN
    made: float = 0.0


@cache
def sample_run() -> Run:
    """Return the run, with no number yet; its photos are those of the sample."""
    found = run_of_row(_Row(read_text(sample_folder() / RUN_FILE, _LARGEST)))
    assert found is not None  # it comes with the package, and a test reads it
    return found


def sample_files() -> Files:
    """Return its checkpoint."""
    return read_files(sample_folder() / "model")


def is_sample_run(run: Run) -> bool:
    """Whether a run is the one that comes with the sample, whatever it is called by now."""
    mine = sample_run()
    return (run.content, run.history, run.answers) == (mine.content, mine.history, mine.answers)


def is_offered(session: Session) -> bool:
    """Whether the visitor has nothing yet that the sample could be mixed up with."""
    training = session.training
    return not (session.photos.deck.cards or training.taught or training.elsewhere or training.job)


def is_there(session: Session) -> bool:
    """Whether some of the sample is on the cards."""
    mine = sample_run().answers  # of every photo on its cards
    cards = session.photos.deck.cards
    return any(photo.sha256 in mine for card in cards for photo in card.all)


def put_in(session: Session) -> tuple[Photo, ...]:
    """Put the photos onto cards and shelves, and the run among the others; the photos of the cards."""
    photos = session.photos
    on_cards = [photo for photo in sample_photos() if photo.class_name is not None]
    members = [
        Member(CardPlace(photo.class_name or "", photo.part == "test", photo.path.name), photo.path)
        for photo in on_cards
    ]
    taken = photos.deck.add_photos(members).taken
    photos.unknown.add(photo.path for photo in sample_photos() if photo.part == "other")
    photos.shelf.add(_to_look_at(photos.tests()))
    ledger = session.training.ledger
    with contextlib.suppress(RunsProblem):  # Compare tells it, and the model is opened all the same
        if ledger is not None and not any(map(is_sample_run, ledger.runs())):
            ledger.bring(sample_run(), sample_files())
    return taken


def _to_look_at(tests: Mapping[str, Sequence[Photo]]) -> list[Photo]:
    """A photo of each class, and one that is answered rightly only since it was taught; the last is shown first."""
    before, after = sample_run().answers_before, sample_run().answers
    corrected = [
        photo
        for some in tests.values()
        for photo in some
        if after[photo.sha256].right and not before[photo.sha256].right
    ]
    right = [next(photo for photo in some if after[photo.sha256].right) for some in tests.values()]
    return [*corrected[:1], *sorted(right, key=lambda photo: after[photo.sha256].probability)]


def sample_opened(backbone: Backbone) -> Opened:
    """The run's model, as what was taught: its photos are here, so those that voted can be told.

    Raises:
        ModelProblem: this backbone is not the one that it learned on.
    """
    run = sample_run()
    assert run.settings is not None
    taught = opened(classifier_of(sample_files(), backbone), backbone, run.settings, run)
    learned = tuple(drawn_shots(_shots(), run.settings))
    return Opened(replace(taught, learned=learned), SAMPLE_RUN, "sample")


def _shots() -> dict[str, list[Photo]]:
    """What it learned from, as the cards keep it."""
    found: dict[str, list[Photo]] = {}
    for photo in sample_photos():
        if photo.part == "train" and photo.class_name is not None:
            found.setdefault(photo.class_name, []).append(small(photo.path, SHOT_SIDE))
    return found


def take_out(session: Session) -> Run | None:
    """Take all of it away: photos, what was taught, and the run, which is returned where there was one."""
    training, photos = session.training, session.photos
    photos.deck.clear_out(_contents(), "the sample project")
    for shelf in (photos.unknown, photos.shelf):
        for digest in _contents() & set(shelf.photos):
            del shelf.photos[digest]
    if training.taught is not None and training.taught.history == sample_run().history:
        training.forget(training.taught)
    found = next((run for run in training.ledger.runs() if is_sample_run(run)), None) if training.ledger else None
    if found is not None and training.ledger is not None:
        training.ledger.delete(found.id)
    return found


@cache
def _contents() -> frozenset[str]:
    """Of all photos, as the cards and shelves keep them."""
    return frozenset(small(photo.path, SHOT_SIDE).sha256 for photo in sample_photos())
