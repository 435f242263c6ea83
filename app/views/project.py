"""A visitor's things as a project, a project in a visitor's hands, the sample project, and models that are opened.

Of the runs those go along that are about photos of the project: others on this machine are nobody else's business.
A model is opened on its own backbone: at once where that is loaded, else as a job that waits. Knows no Streamlit, and
loads torch only when a model is opened.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from app import text
from app.backbones import PAPERS_KIND, BackboneRoom, called
from app.jobs import Counted, PlainError
from app.library import Backbone
from app.photos.archives import CardPlace, Member
from app.photos.shelf import SHOT_SIDE, Shelf, allowed, no_room, small
from app.projects import Project, ProjectRun
from app.runs.run import Files, Run, classifier_of, file_name, files_of, of_taught, read_files, run_of_row, written
from app.runs.store import RunsProblem
from app.teaching.cards import MOST_ALTOGETHER, MOST_CARDS, Card, left_out
from app.teaching.tasks import drawn_shots, opened
from app.teaching.training import Settings, Taught
from app.views.explore_as_text import explore_said
from app.visitor.session import Session
from gallop import Photo
from gallop.runtime.reading import read_text
from gallop.sample import sample_folder, sample_photos


@dataclass(frozen=True)
class Opened:
    """What came of it.

    Attributes:
        name: of the run, the file or the sample.
        source: where it came from; one from a file is no run yet.
        settings, limit: of a project's, as they stand with it: of the next training, and for "none of these".
        tuned: of a project's, the k that were chosen on test photos, and those photos by content hash.
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
    """Return the name here of the backbone of a model in files; ``usual`` where it is not known.

    Then the library tells what does not fit. What the files say opens nothing: it is looked up in the list.
    """
    try:
        said = json.loads(files.settings)
        name, fingerprint = said["backbone"], said["fingerprint"]
        kind = said.get("regions", PAPERS_KIND)
    except (ValueError, KeyError, TypeError, RecursionError):
        return usual
    if not all(isinstance(word, str) for word in (name, fingerprint, kind)):
        return usual
    known = room.named_by(fingerprint) or called(name, kind)
    return known if room.listing.seek(known) is not None else usual


SAMPLE_RUN = "Sample project"
RUN_FILE = "run.json"
_LARGEST = 2**20


@dataclass(frozen=True)
class _Row:
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
    return read_files(sample_folder() / "model")


def is_sample_run(run: Run) -> bool:
    """Return whether a run is the one that comes with the sample, whatever its name is now."""
    mine = sample_run()
    return (run.content, run.history, run.answers) == (mine.content, mine.history, mine.answers)


def is_offered(session: Session) -> bool:
    """Return whether the visitor has nothing yet that the sample could be mixed up with."""
    training = session.training
    return not (session.photos.deck.cards or training.taught or training.elsewhere or training.job)


def is_there(session: Session) -> bool:
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
    """Return a photo of each class, and one that only the trained model gets right; the last is shown first."""
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
    """Return the sample run's model as the trained one: its photos are here, so those that voted are known.

    Raises:
        ModelProblem: this backbone is not the one that it learned on.
    """
    run = sample_run()
    assert run.settings is not None
    taught = opened(classifier_of(sample_files(), backbone), backbone, run.settings, run)
    learned = tuple(drawn_shots(_shots(), run.settings))
    return Opened(replace(taught, learned=learned), SAMPLE_RUN, "sample")


def _shots() -> dict[str, list[Photo]]:
    found: dict[str, list[Photo]] = {}
    for photo in sample_photos():
        if photo.part == "train" and photo.class_name is not None:
            found.setdefault(photo.class_name, []).append(small(photo.path, SHOT_SIDE))
    return found


def take_out(session: Session) -> Run | None:
    """Remove the sample: photos, the trained model and the run, which is returned if there was one."""
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
    """Return the content hashes of all sample photos, as the cards and shelves keep them."""
    return frozenset(small(photo.path, SHOT_SIDE).sha256 for photo in sample_photos())


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
        training.backbone_name,
        dict(training.settings_by_backbone),
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
    """Return the runs about these photos, the oldest first, and which of them was trained last."""
    ledger, taught = session.training.ledger, session.training.taught
    here = {photo.sha256 for card in session.photos.deck.cards for photo in card.all}
    found: list[ProjectRun] = []
    with contextlib.suppress(RunsProblem):  # Compare tells it, and the photos are saved all the same
        if ledger is not None:
            about = [
                run
                for run in reversed(ledger.runs())
                if here & ({digest for _, digest in run.content} | set(run.answers))
            ]
            found = [ProjectRun(run, ledger.files(run.id)) for run in about]
    if taught is None:
        return found, None
    last = ProjectRun(of_taught(taught, "Taught", 0.0), files_of(taught.after))
    for number in reversed(range(len(found))):
        if written(found[number].run) == written(last.run) and found[number].files.prompts == last.files.prompts:
            return found, number
    return [*found, last], len(found)


def _tuned(session: Session) -> tuple[tuple[int, ...], frozenset[str]] | None:
    """Return the k that were chosen on test photos, for the current model: its figures are optimistic."""
    tuned = session.test.tuned
    return None if tuned is None or tuned.of != session.training.version else (tuned.topk, tuned.photos)


def take_over(session: Session, project: Project, name: str) -> str:
    """Replace what is here with a project, and return what came with it; runs that are here stay.

    The cards as they were come back by their Undo.

    Raises:
        PlainError: a training is under way, or there is no room for its photos.
    """
    if session.training.job is not None:
        raise PlainError(f"Training is in progress. Wait for it to end or cancel it, then open {name} again.")
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
    """Add a project's photos to those that are here, and return what was added; settings stay."""
    photos = session.photos
    for card in project.cards:
        if photos.deck.find(card.name) is None and not (card.shots or card.tests):
            photos.deck.add(card.name)
    found = photos.deck.add_photos(_members(project.cards))
    for shelf, held in _shelves(session).items():
        found += held.add(project.shelves.get(shelf, ()))
    taken, most = f"{len(found.taken)} photos.", (MOST_CARDS, MOST_ALTOGETHER)
    taken = left_out(found.left_out, len(found.taken), most) if found.left_out else taken
    left = f" {len(found.refused)} photos were already here or did not fit." if found.refused else ""
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
    """Add the runs that are not there yet; return why not all of them are kept, as a sentence."""
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
    return Opened(
        opened(classifier_of(kept.files, backbone), backbone, kept.run.settings, kept.run),
        name,
        "project",
        project.settings.get(project.backbone_name),
        project.limit,
        project.tuned,
    )
