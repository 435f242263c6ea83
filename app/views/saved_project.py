"""A session saved as a project, a project opened in a session, and the sample project.

A project contains only runs about its photos: other runs on this machine are private. Knows no Streamlit, and loads
torch only when a model is saved.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import BinaryIO

from app.jobs import PlainError
from app.photos.shelf import Shelf, allowed, in_memory_once, no_room, size_of, small
from app.runs.run import CHECKPOINT, FACTS, Run, files_of, of_taught, plain_name, read_files, read_run, written
from app.visitor.session import Session
from gallop import Photo
from gallop.data.project_file import RUN_FILES, SHOT_SIDE, Project, ProjectClass, ProjectRun, read_project
from gallop.errors import UnknownPart, sentence_of
from gallop.images.file_types import printable_name
from gallop.runtime.reading import read_bytes
from gallop.sample import sample_folder, sample_photos
from gallop.wording import counted

SAMPLE = "Sample project"
# Of the files of a run: settings may be written in another order.
_DECISIVE = (FACTS, CHECKPOINT[-1])


@cache
def sample_run() -> Run:
    """Return the run of the sample, without a number; its photos are those of the sample."""
    return replace(read_run(read_bytes(sample_folder() / FACTS, RUN_FILES[FACTS]), SAMPLE), name=SAMPLE)


def is_there(session: Session) -> bool:
    """Return whether photos of the sample are on the cards."""
    mine = sample_run().answers  # of every photo on its cards
    return any(photo.sha256 in mine for card in session.photos.deck.cards for photo in card.all)


def sample_project(session: Session) -> tuple[Project, list[Run]]:
    """Return the sample: classes, the run that learned them, and its other photos beside those that the visitor has."""
    run, piles = sample_run(), defaultdict[tuple[str, str | None], list[Photo]](list)
    for photo in sample_photos():
        piles[photo.part, photo.class_name].append(small(photo.path, SHOT_SIDE))
    classes = tuple(
        ProjectClass(name, True, tuple(piles["train", name]), tuple(piles["test", name])) for name in run.class_names
    )
    more = {"look": _to_look_at(run, [each.tests for each in classes]), "other": piles["other", None]}
    shelves = {name: (*shelf.photos.values(), *more[name]) for name, shelf in _shelves(session).items()}
    return Project(classes, shelves, (_packed(run, read_files(sample_folder() / "model")),), taught=0), [run]


def _to_look_at(run: Run, tests: Iterable[Sequence[Photo]]) -> list[Photo]:
    """Return a photo of each class, and one that only the trained model gets right; the last one is displayed."""
    right = [[photo for photo in some if run.answers[photo.sha256].right] for some in tests]
    corrected = [photo for some in right for photo in some if not run.answers_before[photo.sha256].right]
    best = sorted((some[0] for some in right), key=lambda photo: run.answers[photo.sha256].probability)
    return [*corrected[:1], *best]


def _shelves(session: Session) -> dict[str, Shelf]:
    return {"look": session.photos.shelf, "other": session.photos.unknown}


def _packed(run: Run, files: Mapping[str, bytes]) -> ProjectRun:
    return ProjectRun(run.name, {FACTS: written(run), **files})


def about_these_photos(session: Session, runs: Iterable[Run]) -> list[Run]:
    """Return the runs that learned or answered photos of the cards."""
    here = {photo.sha256 for card in session.photos.deck.cards for photo in card.all}
    return [run for run in runs if here & ({digest for _, digest in run.content} | set(run.answers))]


def project_of(session: Session) -> Project:
    """Return the session of a visitor as a project.

    Raises:
        OSError: a file cannot be written.
    """
    photos, training = session.photos, session.training
    runs: list[ProjectRun] = []
    with contextlib.suppress(PlainError, OSError):  # the page Test reports it, and the photos are saved all the same
        if (ledger := training.ledger) is not None:
            about = reversed(about_these_photos(session, ledger.runs()))
            runs = [_packed(run, ledger.files(run.id)) for run in about]
    taught = None
    if training.taught is not None:
        last = _packed(of_taught(training.taught, name="Taught"), files_of(training.taught.after))
        same = [n for n, run in enumerate(runs) if all(run.files[key] == last.files[key] for key in _DECISIVE)]
        taught = same[-1] if same else len(runs)
        runs += [] if same else [last]
    return Project(
        photos.deck.cards,
        {name: tuple(shelf.photos.values()) for name, shelf in _shelves(session).items()},
        tuple(runs),
        taught,
        session.limit.custom,
        training.backbone_name,
    )


def opened_project(file: BinaryIO, name: str) -> tuple[Project, list[Run]]:
    """Return the project in a file, and what is known of its runs, every fact checked.

    Raises:
        DataError: as ``read_project``, or a run is damaged.
        PlainError: this program does not have a head that was trained.
    """
    project, shown = read_project(file, name), printable_name(name)
    places = [f"runs/{number} in {shown}" for number, _ in enumerate(project.runs, 1)]
    try:
        runs = [read_run(each.files[FACTS], place) for each, place in zip(project.runs, places, strict=True)]
    except UnknownPart as error:
        raise PlainError(f"{shown} was not opened: {error} `gallop train` learns from the photos in it.") from error
    named = zip(runs, project.runs, strict=True)
    return project, [replace(run, name=plain_name(each.name), made=0.0, project="") for run, each in named]


def take_over(session: Session, project: Project, runs: Sequence[Run], name: str) -> str:
    """Replace the session's contents with a project, and return what it contained; runs that are here stay.

    Undo brings the previous cards back.

    Raises:
        PlainError: a training is running, or there is no room for the project's photos.
    """
    if session.training.job is not None:
        raise PlainError(f"Training is in progress. Wait for it to end or cancel it, then open {name} again.")
    if problem := no_room(name, sum(map(size_of, project.photos)), 0):
        raise PlainError(problem)
    session.photos.project = name.removesuffix(".zip")
    session.photos.deck.lay_out(project.classes, f"opened {name}")
    for shelf, held in _shelves(session).items():
        held.photos = {photo.sha256: photo for photo in map(in_memory_once, project.shelves.get(shelf, ()))}
    session.photos.make_room(allowed())
    session.photos.verdicts.clear()
    session.training.begin_anew()
    classes = f"{len(project.classes)} class{'' if len(project.classes) == 1 else 'es'}"
    photos, learned = counted(len(project.photos), "photo"), counted(len(runs), "run")
    return f"Opened {name}: {classes}, {photos}, {learned}. {_bring_runs(session, project, runs)}".strip()


def _bring_runs(session: Session, project: Project, runs: Sequence[Run]) -> str:
    """Add the runs that are not there yet; return why not all of them are saved, as a sentence."""
    try:
        if (ledger := session.training.ledger) is not None:
            there = set(map(written, ledger.runs()))
            for run, each in zip(runs, project.runs, strict=True):
                if written(run) not in there:
                    ledger.add(replace(run, project=session.photos.project), each.files)
    except (PlainError, OSError) as error:
        return sentence_of(error) or ""
    return ""
