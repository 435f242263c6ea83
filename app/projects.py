"""A project as one file: photos on cards and shelves, runs, and how things were set. Knows no Streamlit and no torch.

The same project gives the same bytes. Unpacked it is what the command line reads: ``train`` and ``test`` hold a folder
of photos a class, each folder in ``runs`` is a checkpoint. Photos are written without loss as they lie in memory,
upright, shrunk and without what a camera adds (where, when, with what): a person who receives the file sees no more
than the app showed.

A file that is opened is untrusted: ``gallop.data.project`` reads its photos; here every run must have the fingerprint
that the manifest gives.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from app.backbones import DEFAULT_BACKBONE
from app.jobs import PlainError
from app.photos.shelf import MAX_PHOTOS, SHOWN_SIDE, in_memory_once
from app.runs.run import (
    MOST_ZIP_BYTES,
    ZIP_SETTINGS,
    ZIP_TENSORS,
    Files,
    Run,
    backbone_key,
    run_of_facts,
    written,
    zipped,
)
from app.runs.store import MOST_NAME, MOST_RUNS
from app.teaching.cards import Card
from app.teaching.training import Answer
from gallop import Photo, __version__
from gallop.data.project import (
    MANIFEST,
    MOST_TEXT,
    PROJECT_FORMAT,
    SHOT_SIDE,
    CheckedJson,
    OpenedProject,
    is_digest,
    is_finite,
    is_integer,
    opened_project,
    wrong,
)
from gallop.data.zip_files import MAX_ARCHIVE_BYTES, MAX_MEMBERS
from gallop.errors import DataError, UnknownPart
from gallop.images.formats import printable_name
from gallop.names.class_names import clean_names
from gallop.runtime.reading import parse_json
from gallop.service.sorting.folders import free_names

RUN_FACTS = "run.json"
# Folders of the photos on no card: to look at, and of none of the classes.
SHELVES = ("look", "other")


class ProjectProblem(PlainError):
    """A project that is not saved or opened; the message says why and what to do."""


@dataclass(frozen=True)
class ProjectRun:
    """A run, whose number is ignored, and its checkpoint."""

    run: Run
    files: Files


@dataclass(frozen=True)
class Project:
    """What a visitor saves as a file.

    Attributes:
        shelves: photos on no card, by the names in ``SHELVES``.
        runs: the oldest first.
        taught: which of the runs answers, counted from 0; None where nothing was taught.
        limit: for "none of these", where it was set by hand.
        backbone_name: the one that answers.
    """

    cards: tuple[Card, ...] = ()
    shelves: Mapping[str, tuple[Photo, ...]] = field(default_factory=dict)
    runs: tuple[ProjectRun, ...] = ()
    taught: int | None = None
    limit: float | None = None
    backbone_name: str = DEFAULT_BACKBONE

    @property
    def photos(self) -> tuple[Photo, ...]:
        """All photos, of cards and shelves."""
        on_cards = [photo for card in self.cards for photo in card.all]
        return (*on_cards, *(photo for shelf in self.shelves.values() for photo in shelf))


def run_fingerprint(facts: str, files: Files) -> str:
    """Return SHA-256 over the facts of a run and its checkpoint."""
    digest = hashlib.sha256()
    for part in (facts.encode(), files.settings.encode(), files.prompts):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def project_file(project: Project) -> bytes:
    """Return a project as a zip.

    Raises:
        ProjectProblem: it is larger than a project that can be opened.
    """
    files: dict[str, bytes] = {}
    manifest = {
        "about": "A GalLoP Explorer project. Open it on the page Teach.",
        "format": PROJECT_FORMAT,
        "version": __version__,
        "cards": list(_cards(project.cards, files)),
        "shelves": {shelf: list(_pile(shelf, project.shelves.get(shelf, ()), files)) for shelf in SHELVES},
        "runs": [_run(number, each, files) for number, each in enumerate(project.runs, 1)],
        "taught": project.taught,
        "limit": project.limit,
        "backbone": project.backbone_name,
        "settings": {},  # earlier versions want this and what follows, and the page that teaches writes it
        "explore": {},
        "tuned": None,
    }
    contents = {MANIFEST: (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode()} | files
    made = zipped(contents)
    if len(made) > MAX_ARCHIVE_BYTES or len(contents) > MAX_MEMBERS:
        raise ProjectProblem(
            f"This project is too large to save: it has {len(made) / 2**20:.0f} MB in {len(contents)} files. The "
            f"limits are {MAX_ARCHIVE_BYTES // 2**20} MB and {MAX_MEMBERS} files. Remove some photos, or delete runs "
            "on the page Test."
        )
    return made


def _cards(cards: tuple[Card, ...], files: dict[str, bytes]) -> Iterator[dict[str, Any]]:
    for card, folder in zip(cards, free_names(card.name for card in cards), strict=True):
        shots, tests = (
            list(_pile(f"{part}/{folder}", photos, files))
            for part, photos in (("train", card.shots), ("test", card.tests))
        )
        yield {"name": card.name, "enabled": card.enabled, "shots": shots, "tests": tests}


def _pile(folder: str, photos: tuple[Photo, ...], files: dict[str, bytes]) -> Iterator[dict[str, str]]:
    names = free_names(photo.name.rpartition(".")[0] or photo.name for photo in photos)
    for photo, name in zip(photos, names, strict=True):
        path = f"{folder}/{name}.webp"
        files[path] = _picture(photo)
        yield {"file": path, "name": photo.name, "sha256": photo.sha256}


def _picture(photo: Photo) -> bytes:
    stream = io.BytesIO()
    photo.image.save(stream, "WEBP", lossless=True, quality=0, method=0)
    return stream.getvalue()


def _run(number: int, entry: ProjectRun, files: dict[str, bytes]) -> dict[str, str]:
    folder, facts = f"runs/{number}", written(entry.run)
    files.update(entry.files.as_folder(folder=folder))
    files[f"{folder}/{RUN_FACTS}"] = facts.encode()
    return {"folder": folder, "name": entry.run.name, "sha256": run_fingerprint(facts, entry.files)}


def checked_run(facts: str, name: str, where: str) -> Run:
    """Return the run that a project describes, with every fact checked: the file is untrusted.

    Raises:
        UnknownPart: its settings name a head, or a function, that this program does not have.
        DataError: a fact has another type, or settings are out of range.
    """
    try:
        run = run_of_facts(parse_json(facts), 0, " ".join(name.split())[:MOST_NAME], 0.0)
        if run.name.isprintable() and _is_sound(run):
            return run
    except UnknownPart:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):  # a setting, a name, or a list in a name's place
        pass
    raise wrong(where, "does not contain a valid description of a run")


def _is_sound(run: Run) -> bool:
    counts = (run.shots, run.steps, run.of_steps, *((run.best_epoch,) if run.best_epoch is not None else ()))
    return (
        clean_names(run.class_names) == run.class_names
        and run.settings is not None
        and all(map(is_integer, counts))
        and all(name in run.class_names and is_digest(digest) for name, digest in run.content)
        and all(is_integer(point.step) and is_finite(point.loss) and is_finite(point.accuracy) for point in run.history)
        and len(run.backbone_name) <= MOST_TEXT
        and (run.fingerprint == "" or is_digest(run.fingerprint))
        and all(
            is_digest(digest) and _is_answer(answer, run.class_names)
            for answers in (run.answers, run.answers_before)
            for digest, answer in answers.items()
        )
    )


def _is_answer(answer: Answer, names: tuple[str, ...]) -> bool:
    seen: Any = answer.seen
    of_names = answer.truth in names and answer.label in names
    return of_names and isinstance(seen, bool) and is_finite(answer.probability) and 0 <= answer.probability <= 1


def read_project(file: BinaryIO, name: str) -> Project:
    """Return the project in a file.

    Raises:
        ProjectProblem: not a zip or not a project; of a newer version; incomplete, changed, hostile or too large.
    """
    try:
        with opened_project(file, name) as opened:
            return _project(opened, opened.manifest())
    except UnknownPart as error:
        raise ProjectProblem(
            f"{printable_name(name)} was not opened: {error} `gallop train` learns from the photos in it."
        ) from error
    except DataError as error:
        raise ProjectProblem(str(error)) from error


def _project(opened: OpenedProject, manifest: CheckedJson) -> Project:
    runs = tuple(_read_run(opened, each) for each in manifest.objects("runs")[: MOST_RUNS + 1])
    if len(runs) > MOST_RUNS:
        raise ProjectProblem(f"{opened.shown} was not opened: it contains more than {MOST_RUNS} runs, the maximum.")
    if (taught := manifest.get("taught", "valid number")) is not None and taught >= len(runs):
        raise wrong(manifest.where, "has no valid number in 'taught'")
    classes = enumerate(opened.classes(manifest), 1)
    return Project(
        tuple(Card(i, each.name, each.enabled, _once(each.shots), _once(each.tests)) for i, each in classes),
        _shelves(opened, manifest.object("shelves")),
        runs,
        taught,
        manifest.get("limit", "number"),
        manifest.get(backbone_key(manifest.held), "valid text"),
    )


def _once(photos: tuple[Photo, ...]) -> tuple[Photo, ...]:
    return tuple(map(in_memory_once, photos))


def _shelves(opened: OpenedProject, shelves: CheckedJson) -> dict[str, tuple[Photo, ...]]:
    sides = {"look": SHOWN_SIDE, "other": SHOT_SIDE}
    photos_by_shelf = {shelf: _once(opened.photos(shelves, shelf, MAX_PHOTOS, sides[shelf])) for shelf in SHELVES}
    for photos in photos_by_shelf.values():
        opened.check_once(photos)
    return photos_by_shelf


def _read_run(opened: OpenedProject, entry: CheckedJson) -> ProjectRun:
    folder = entry.get("folder", "valid text")
    where = f"{printable_name(folder)} in {opened.shown}"
    facts = opened.text(f"{folder}/{RUN_FACTS}")
    files = Files(
        opened.text(f"{folder}/{ZIP_SETTINGS}"), opened.read(f"{folder}/{ZIP_TENSORS}", MOST_ZIP_BYTES[ZIP_TENSORS])
    )
    if run_fingerprint(facts, files) != entry.get("sha256", "fingerprint"):
        raise wrong(where, "is not the run that was saved")
    return ProjectRun(checked_run(facts, entry.get("name", "valid text"), where), files)
