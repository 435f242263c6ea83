"""A visitor's things as a project, and a project in a visitor's hands. Knows no Streamlit, and no torch but to open it.

Of the runs those go along that are about photos of the project: others on this machine are nobody else's business.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from app import text
from app.jobs.manager import PlainError
from app.photos.allowance import allowed, no_room
from app.photos.archives import CardPlace, Member
from app.photos.shelf import Shelf
from app.projects.content import Project, ProjectRun
from app.runs.model_zip import classifier_of, file_name, files_of
from app.runs.run import Run, of_taught, written
from app.runs.store import RunsProblem
from app.teaching.cards import MOST_ALTOGETHER, MOST_CARDS, Card, left_out
from app.teaching.tasks import opened
from app.views.explore_as_text import explore_said
from app.views.opening import Opened
from app.visitor.session import Session

if TYPE_CHECKING:
    from gallop.backbones import Backbone


def project_of(session: Session) -> Project:
    """Return what the visitor has.

    Raises:
        ModelProblem: the disk refuses.
    """
    photos, training = session.photos, session.training
    runs, taught = _runs(session)
    return Project(
        photos.deck.cards,
        {name: tuple(shelf.photos.values()) for name, shelf in _shelves(session).items()},
        tuple(runs),
        taught,
        session.limit.own,
        training.tower,
        training.settings_set,
        explore_said(session.explore),
        _tuned(session),
    )


def project_name(session: Session) -> str:
    """Return what the file of the visitor's project is called."""
    cards = " ".join(text.shorten(card.name, 20) for card in session.photos.deck.cards)
    return f"{file_name(f'project {cards}')}.zip"


def _shelves(session: Session) -> dict[str, Shelf]:
    return {"look": session.photos.shelf, "other": session.photos.unknown}


def _runs(session: Session) -> tuple[list[ProjectRun], int | None]:
    """Those that are about these photos, the oldest first, and which of them was taught last."""
    ledger, taught = session.training.ledger, session.training.taught
    here = {photo.sha256 for card in session.photos.deck.cards for photo in card.all}
    found: list[ProjectRun] = []
    with contextlib.suppress(RunsProblem):  # Compare tells it, and the photos are saved all the same
        if ledger is not None:
            about = [run for run in reversed(ledger.runs()) if here & _photos_of(run)]
            found = [ProjectRun(run, ledger.files(run.id)) for run in about]
    if taught is None:
        return found, None
    last = ProjectRun(of_taught(taught, "Taught", 0.0), files_of(taught.after))
    for number in reversed(range(len(found))):
        if _same(found[number], last):
            return found, number
    return [*found, last], len(found)


def _tuned(session: Session) -> tuple[tuple[int, ...], frozenset[str]] | None:
    """The k that were chosen on test photos, for what answers now: its figures are optimistic, and Test says so."""
    tuned = session.test.tuned
    return None if tuned is None or tuned.of != session.training.version else (tuned.topk, tuned.photos)


def _photos_of(run: Run) -> set[str]:
    return {digest for _, digest in run.content} | set(run.answers)


def _same(one: ProjectRun, other: ProjectRun) -> bool:
    """Whether they are one training, whatever it is called."""
    return written(one.run) == written(other.run) and one.files.prompts == other.files.prompts


def take_over(session: Session, project: Project, name: str) -> str:
    """Put a project in place of what is here, and tell what came with it; the runs that are here stay.

    The cards as they were come back by their Undo.

    Raises:
        PlainError: a training is under way, or there is no room for its photos.
    """
    if session.training.job is not None:
        raise PlainError(f"A training is under way: wait for its end, or cancel it. Then open {name} again.")
    if problem := no_room(name, project.size, 0):
        raise PlainError(problem)
    session.photos.deck.lay_out(project.cards, f"opened {name}")
    for shelf, held in _shelves(session).items():
        held.photos = {photo.sha256: photo for photo in project.shelves.get(shelf, ())}
    session.photos.keep_within(allowed())
    session.photos.verdicts.clear()
    session.training.begin_anew(project.settings)
    return f"Opened {name}: {_in_words(project)}.{_bring_runs(session, project)}"


def add_to(session: Session, project: Project, name: str) -> str:
    """Put a project's photos beside those that are here, and tell what came of it; settings stay as they are."""
    photos = session.photos
    for card in project.cards:
        if photos.deck.find(card.name) is None and not (card.shots or card.tests):
            photos.deck.add(card.name)
    found = photos.deck.add_photos(_members(project.cards))
    for shelf, held in _shelves(session).items():
        found += held.add(project.shelves.get(shelf, ()))
    taken, most = f"{len(found.taken)} photos.", (MOST_CARDS, MOST_ALTOGETHER)
    taken = left_out(found.left_out, len(found.taken), most) if found.left_out else taken
    left = f" {len(found.refused)} photos were here already, or find no room." if found.refused else ""
    return f"Added {name}: {taken}{left}{_bring_runs(session, project)}"


def _members(cards: tuple[Card, ...]) -> Iterator[Member]:
    for card in cards:
        for pile in (card.shots, card.tests):
            for photo in pile:
                yield Member(CardPlace(card.name, pile is card.tests, photo.name), photo)


def _in_words(project: Project) -> str:
    cards, runs = len(project.cards), len(project.runs)
    counted = ((cards, "class", "classes"), (project.photos, "photo", "photos"), (runs, "run", "runs"))
    return ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in counted)


def _bring_runs(session: Session, project: Project) -> str:
    """Put those runs among the others that are not there yet; why not all of them are kept, as a sentence."""
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
    """Return the model that answers in a project.

    Raises:
        ModelProblem: it is damaged, or this backbone is not the one that it learned on.
    """
    assert project.taught is not None
    kept = project.runs[project.taught]
    assert kept.run.settings is not None
    taught = opened(classifier_of(kept.files, backbone), backbone, kept.run.settings, kept.run)
    return Opened(taught, name, "project", project.settings.get(project.tower), project.limit, project.tuned)
