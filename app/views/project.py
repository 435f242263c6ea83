"""A session saved as a project, a project opened in a session, the sample project, and models that are opened.

A project contains only runs about its photos: other runs on this machine are private. A model is opened on the
backbone it was trained on: at once where that is loaded, else as a job that waits. Knows no Streamlit, and loads torch
only when a model is opened.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from app import text
from app.backbones import PAPERS_KIND, BackboneRoom, called
from app.jobs import Counted, PlainError
from app.library import Backbone
from app.photos.archives import CardPlace, Member
from app.photos.shelf import Shelf, allowed, no_room, small
from app.projects import Project, ProjectRun
from app.runs.run import (
    ZERO_SHOT,
    Files,
    Run,
    classifier_of,
    file_name,
    files_of,
    of_taught,
    read_files,
    run_of_facts,
    written,
)
from app.runs.store import RunsProblem
from app.teaching.cards import Deck, left_out
from app.teaching.tasks import drawn_shots, opened
from app.teaching.training import Settings, Taught
from app.views.explore_as_text import explore_as_json
from app.visitor.session import Session
from gallop import Photo
from gallop.data.project import MOST_ALTOGETHER, MOST_CARDS, SHOT_SIDE
from gallop.runtime.reading import parse_json, read_text
from gallop.sample import sample_folder, sample_photos
from gallop.wording import counted


@dataclass(frozen=True)
class Opened:
    """A model that was opened.

    Attributes:
        name: of the run, the file or the sample.
        source: where it came from; a model from a file is not a run yet.
        settings, limit: from a project: the settings of the next training, and the limit for "none of these".
        tuned: from a project: the k that were chosen on test photos, and those photos by content hash.
    """

    taught: Taught
    name: str
    source: Literal["run", "file", "sample", "project"]
    settings: Settings | None = None
    limit: float | None = None
    tuned: tuple[tuple[int, ...], frozenset[str]] | None = None


def opening(make: Callable[[], Opened]) -> Generator[Counted, None, Opened]:
    yield Counted(0.5, "Reading the file")
    return make()


def backbone_of_files(room: BackboneRoom, files: Files, usual: str) -> str:
    """Return the app's name for the backbone of a model in files; ``usual`` where it is not known.

    The library then reports what does not fit. The names in the files are only looked up in the list, never opened.
    """
    try:
        settings = json.loads(files.settings)
        name, fingerprint = settings["backbone"], settings["fingerprint"]
        kind = settings.get("regions", PAPERS_KIND)
    except (ValueError, KeyError, TypeError, RecursionError):
        return usual
    if not all(isinstance(word, str) for word in (name, fingerprint, kind)):
        return usual
    known = room.named_by(fingerprint) or called(name, kind)
    return known if room.listing.seek(known) is not None else usual


SAMPLE_RUN = "Sample project"
RUN_FILE = "run.json"
_LARGEST = 2**20


@cache
def sample_run() -> Run:
    """Return the run, without a number; its photos are those of the sample."""
    facts = parse_json(read_text(sample_folder() / RUN_FILE, _LARGEST))
    return run_of_facts(facts, ZERO_SHOT, SAMPLE_RUN, 0.0)


def sample_files() -> Files:
    return read_files(sample_folder() / "model")


def is_sample_run(run: Run) -> bool:
    """Return whether a run is the one of the sample, whatever its current name."""
    mine = sample_run()
    return (run.content, run.history, run.answers) == (mine.content, mine.history, mine.answers)


def is_offered(session: Session) -> bool:
    """Return whether the visitor has nothing yet that could be confused with the sample."""
    training = session.training
    return not (session.photos.deck.cards or training.taught or training.elsewhere or training.job)


def is_there(session: Session) -> bool:
    mine = sample_run().answers  # of every photo on its cards
    return any(photo.sha256 in mine for card in session.photos.deck.cards for photo in card.all)


def put_in(session: Session) -> tuple[Photo, ...]:
    """Add the photos to cards and shelves, and the run to the others; return the photos of the cards."""
    photos = session.photos
    members = [
        Member(CardPlace(photo.class_name, photo.part == "test", photo.path.name), photo.path)
        for photo in sample_photos()
        if photo.class_name is not None
    ]
    taken = photos.deck.add_photos(members).taken
    photos.unknown.add(photo.path for photo in sample_photos() if photo.part == "other")
    photos.shelf.add(_to_look_at(photos.tests()))
    ledger = session.training.ledger
    with contextlib.suppress(RunsProblem):  # Compare reports it, and the model is opened all the same
        if ledger is not None and not any(map(is_sample_run, ledger.runs())):
            ledger.bring(sample_run(), sample_files())
    return taken


def _to_look_at(tests: Mapping[str, Sequence[Photo]]) -> list[Photo]:
    """Return a photo of each class, and one that only the trained model gets right; the last one is displayed."""
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
    """Return the sample run's model as the trained one, with its photos, so that the shots that voted are known.

    Raises:
        ModelProblem: it was trained on another backbone.
    """
    run = sample_run()
    assert run.settings is not None
    taught = opened(classifier_of(sample_files(), backbone), backbone, run.settings, run)
    taught = replace(taught, learned=tuple(drawn_shots(_shots(), run.settings)))
    return Opened(taught, SAMPLE_RUN, "sample", run.settings)


def _shots() -> dict[str, list[Photo]]:
    by_class: dict[str, list[Photo]] = {}
    for photo in sample_photos():
        if photo.part == "train" and photo.class_name is not None:
            by_class.setdefault(photo.class_name, []).append(small(photo.path, SHOT_SIDE))
    return by_class


def take_out(session: Session) -> Run | None:
    """Remove the sample: photos, the trained model and the run, which is returned if there was one."""
    training, photos = session.training, session.photos
    photos.deck.clear_out(_contents(), "the sample project")
    for shelf in (photos.unknown, photos.shelf):
        shelf.photos = {digest: photo for digest, photo in shelf.photos.items() if digest not in _contents()}
    if training.taught is not None and training.taught.history == sample_run().history:
        training.forget(training.taught)
    if training.settings == sample_run().settings:  # chosen for the sample's photos alone
        training.settings_by_backbone.pop(training.backbone_name)
        session.teach = replace(session.teach, backbone_name=None)
    run = next(filter(is_sample_run, training.ledger.runs()), None) if training.ledger else None
    if run is not None and training.ledger is not None:
        training.ledger.delete(run.id)
    return run


@cache
def _contents() -> frozenset[str]:
    """Return the content hashes of all sample photos, as on cards and shelves."""
    return frozenset(small(photo.path, SHOT_SIDE).sha256 for photo in sample_photos())


def project_of(session: Session) -> Project:
    """Return the session of a visitor as a project.

    Raises:
        ModelProblem: a file cannot be written.
    """
    photos, training = session.photos, session.training
    runs, taught = _runs(session)
    tuned = session.test.tuned  # the figures of a model whose k were chosen on test photos are optimistic
    return Project(
        photos.deck.cards,
        {name: tuple(shelf.photos.values()) for name, shelf in _shelves(session).items()},
        tuple(runs),
        taught,
        session.limit.custom,
        training.backbone_name,
        dict(training.settings_by_backbone),
        explore_as_json(session.explore),
        None if tuned is None or tuned.of != training.version else (tuned.topk, tuned.photos),
    )


def project_name(session: Session) -> str:
    """Return the file name of the visitor's project."""
    names = [text.shorten(card.name, 20) for card in session.photos.deck.cards]
    return f"{file_name(' '.join(['project', *names]))}.zip"


def _shelves(session: Session) -> dict[str, Shelf]:
    return {"look": session.photos.shelf, "other": session.photos.unknown}


def _runs(session: Session) -> tuple[list[ProjectRun], int | None]:
    """Return the runs about these photos, the oldest first, and which of them was trained last."""
    ledger, taught = session.training.ledger, session.training.taught
    here = {photo.sha256 for card in session.photos.deck.cards for photo in card.all}
    saved: list[ProjectRun] = []
    with contextlib.suppress(RunsProblem):  # Compare reports it, and the photos are saved all the same
        if ledger is not None:
            about = [
                run
                for run in reversed(ledger.runs())
                if here & ({digest for _, digest in run.content} | set(run.answers))
            ]
            saved = [ProjectRun(run, ledger.files(run.id)) for run in about]
    if taught is None:
        return saved, None
    last = ProjectRun(of_taught(taught, "Taught", 0.0), files_of(taught.after))
    for number in reversed(range(len(saved))):
        if written(saved[number].run) == written(last.run) and saved[number].files.prompts == last.files.prompts:
            return saved, number
    return [*saved, last], len(saved)


def take_over(session: Session, project: Project, name: str) -> str:
    """Replace the session's contents with a project, and return what it contained; runs that are here stay.

    Undo brings the previous cards back.

    Raises:
        PlainError: a training is running, or there is no room for the project's photos.
    """
    if session.training.job is not None:
        raise PlainError(f"Training is in progress. Wait for it to end or cancel it, then open {name} again.")
    if problem := no_room(name, project.size, 0):
        raise PlainError(problem)
    session.photos.deck.lay_out(project.cards, f"opened {name}")
    for shelf, held in _shelves(session).items():
        held.photos = {photo.sha256: photo for photo in project.shelves.get(shelf, ())}
    session.photos.make_room(allowed())
    session.photos.verdicts.clear()
    session.training.begin_anew(project.settings)
    classes = f"{len(project.cards)} class{'' if len(project.cards) == 1 else 'es'}"
    return (
        f"Opened {name}: {classes}, {counted(project.photos, 'photo')}, {counted(len(project.runs), 'run')}."
        f"{_bring_runs(session, project)}"
    )


def add_to(session: Session, project: Project, name: str) -> str:
    """Add a project's photos to the visitor's, and return what was added; settings stay."""
    photos = session.photos
    for card in project.cards:
        if photos.deck.find(card.name) is None and not (card.shots or card.tests):
            photos.deck.add(card.name)
    verdicts = photos.deck.add_photos(
        Member(CardPlace(card.name, pile == "tests", photo.name), photo)
        for card, pile, photo in Deck(project.cards).photos()
    )
    for shelf, held in _shelves(session).items():
        verdicts += held.add(project.shelves.get(shelf, ()))
    taken = f"{len(verdicts.taken)} photos."
    if verdicts.left_out:
        taken = left_out(verdicts.left_out, len(verdicts.taken), (MOST_CARDS, MOST_ALTOGETHER))
    left = f" {len(verdicts.refused)} photos were already here or did not fit." if verdicts.refused else ""
    return f"Added {name}: {taken}{left}{_bring_runs(session, project)}"


def _bring_runs(session: Session, project: Project) -> str:
    """Add the runs that are not there yet; return why not all of them are saved, as a sentence."""
    ledger = session.training.ledger
    if ledger is None:
        return ""
    try:
        there = {written(run) for run in ledger.runs()}
    except RunsProblem as error:
        return f" {error}"
    for each in project.runs:
        if written(each.run) not in there:
            ledger.bring(each.run, each.files)
            if ledger.problem:
                return f" {ledger.problem}"
    return ""


def project_opened(project: Project, name: str, backbone: Backbone) -> Opened:
    """Return the taught model of a project.

    Raises:
        ModelProblem: it is damaged, or was trained on another backbone.
    """
    assert project.taught is not None
    saved = project.runs[project.taught]
    assert saved.run.settings is not None
    return Opened(
        opened(classifier_of(saved.files, backbone), backbone, saved.run.settings, saved.run),
        name,
        "project",
        project.settings.get(project.backbone_name),
        project.limit,
        project.tuned,
    )
