"""A session saved as a project, a project opened in a session, the sample project, and models that are opened.

A project contains only runs about its photos: other runs on this machine are private. A model is opened on the
backbone it was trained on: at once where that is loaded, else as a job that waits. Knows no Streamlit, and loads torch
only when a model is opened.
"""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from app import text
from app.backbones import PAPERS_KIND, BackboneRoom, called
from app.jobs import Counted, PlainError
from app.library import Backbone
from app.photos.shelf import Shelf, allowed, no_room, size_of, small
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
from app.teaching.cards import Card
from app.teaching.tasks import opened
from app.teaching.training import Taught
from app.visitor.session import Session
from gallop import Photo
from gallop.data.project import SHOT_SIDE
from gallop.runtime.reading import parse_json, read_text
from gallop.sample import sample_folder, sample_photos
from gallop.wording import counted


@dataclass(frozen=True)
class Opened:
    """A model that was opened.

    Attributes:
        name: of the run, the file or the project.
        source: where it came from; a model from a file is not a run yet.
        limit: from a project, for "none of these".
    """

    taught: Taught
    name: str
    source: Literal["run", "file", "project"]
    limit: float | None = None


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


SAMPLE = "Sample project"
RUN_FILE = "run.json"
_LARGEST = 2**20


@cache
def sample_run() -> Run:
    """Return the run of the sample, without a number; its photos are those of the sample."""
    facts = parse_json(read_text(sample_folder() / RUN_FILE, _LARGEST))
    return run_of_facts(facts, ZERO_SHOT, SAMPLE, 0.0)


def is_offered(session: Session) -> bool:
    """Return whether the visitor has nothing yet that could be confused with the sample."""
    training = session.training
    return not (session.photos.deck.cards or training.taught or training.elsewhere or training.job)


def is_there(session: Session) -> bool:
    """Return whether photos of the sample are on the cards."""
    mine = sample_run().answers  # of every photo on its cards
    return any(photo.sha256 in mine for card in session.photos.deck.cards for photo in card.all)


def sample_project(session: Session) -> Project:
    """Return the sample: cards, the run that learned them, and its other photos beside those that the visitor has."""
    run, piles = sample_run(), defaultdict[tuple[str, str | None], list[Photo]](list)
    for photo in sample_photos():
        piles[photo.part, photo.class_name].append(small(photo.path, SHOT_SIDE))
    cards = tuple(
        Card(n, name, True, tuple(piles["train", name]), tuple(piles["test", name]))
        for n, name in enumerate(run.class_names)
    )
    more = {"look": _to_look_at(run, [card.tests for card in cards]), "other": piles["other", None]}
    shelves = {name: (*shelf.photos.values(), *more[name]) for name, shelf in _shelves(session).items()}
    saved = ProjectRun(run, read_files(sample_folder() / "model"))
    return Project(cards, shelves, (saved,), taught=0)


def _to_look_at(run: Run, tests: Iterable[Sequence[Photo]]) -> list[Photo]:
    """Return a photo of each class, and one that only the trained model gets right; the last one is displayed."""
    right = [[photo for photo in some if run.answers[photo.sha256].right] for some in tests]
    corrected = [photo for some in right for photo in some if not run.answers_before[photo.sha256].right]
    best = sorted((some[0] for some in right), key=lambda photo: run.answers[photo.sha256].probability)
    return [*corrected[:1], *best]


def project_of(session: Session) -> Project:
    """Return the session of a visitor as a project.

    Raises:
        ModelProblem: a file cannot be written.
    """
    photos, training = session.photos, session.training
    runs, taught = _runs(session)
    return Project(
        photos.deck.cards,
        {name: tuple(shelf.photos.values()) for name, shelf in _shelves(session).items()},
        tuple(runs),
        taught,
        session.limit.custom,
        training.backbone_name,
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
    with contextlib.suppress(RunsProblem):  # the page Test reports it, and the photos are saved all the same
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
    if problem := no_room(name, sum(map(size_of, project.photos)), 0):
        raise PlainError(problem)
    session.photos.deck.lay_out(project.cards, f"opened {name}")
    for shelf, held in _shelves(session).items():
        held.photos = {photo.sha256: photo for photo in project.shelves.get(shelf, ())}
    session.photos.make_room(allowed())
    session.photos.verdicts.clear()
    session.training.begin_anew()
    classes = f"{len(project.cards)} class{'' if len(project.cards) == 1 else 'es'}"
    return (
        f"Opened {name}: {classes}, {counted(len(project.photos), 'photo')}, {counted(len(project.runs), 'run')}."
        f"{_bring_runs(session, project)}"
    )


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
        project.limit,
    )
