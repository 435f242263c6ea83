"""What a project is: photos on cards and shelves, runs, and how things were set; and the zip of one.

The same project gives the same bytes. Unpacked it is what the command line reads: ``train`` and ``test`` hold a folder
of photos a class, each folder in ``runs`` is a checkpoint. Photos are written without loss as they lie in memory,
upright, shrunk and without what a camera adds (where, when, with what): whoever is handed the file gets no more than
was seen here. Knows no Streamlit and no torch.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.jobs.manager import PlainError
from app.photos.archives import MAX_ARCHIVE_BYTES, MAX_MEMBERS
from app.photos.shelf import size_of
from app.runs.model_zip import Files, zipped
from app.runs.run import Run, recorded_settings, written
from app.teaching.cards import Card
from app.teaching.settings import Settings
from app.towers.listing import DEFAULT_TOWER
from gallop import Photo, __version__

PROJECT_FORMAT = 1
"""Of the file. Raised when an older version could not read it, or would read it wrongly."""
MANIFEST, RUN_FACTS = "project.json", "run.json"
SHELVES = ("look", "other")
"""Folders of the photos on no card: to look at, and of none of the classes."""


class ProjectProblem(PlainError):
    """A project that is not saved or opened; the message says why and what to do."""


@dataclass(frozen=True)
class ProjectRun:
    """A run, whose number counts for nothing, and its checkpoint."""

    run: Run
    files: Files


@dataclass(frozen=True)
class Project:
    """What a visitor takes along.

    Attributes:
        shelves: photos on no card, by the names in ``SHELVES``.
        runs: the oldest first.
        taught: which of the runs answers, counted from 0; None where nothing was taught.
        limit: for "none of these", where it was set by hand.
        tower: the one that answers.
        settings: of the next training on a tower, by its name.
        tuned: the k that were chosen on test photos, and the content hashes of those; None where none were.
        explore: what the page Explore stands at, as JSON has it.
    """

    cards: tuple[Card, ...] = ()
    shelves: Mapping[str, tuple[Photo, ...]] = field(default_factory=dict)
    runs: tuple[ProjectRun, ...] = ()
    taught: int | None = None
    limit: float | None = None
    tower: str = DEFAULT_TOWER
    settings: Mapping[str, Settings] = field(default_factory=dict)
    explore: Mapping[str, Any] = field(default_factory=dict)
    tuned: tuple[tuple[int, ...], frozenset[str]] | None = None

    @property
    def photos(self) -> int:
        """How many there are on cards and shelves."""
        on_cards = sum(len(card.shots) + len(card.tests) for card in self.cards)
        return on_cards + sum(map(len, self.shelves.values()))

    @property
    def size(self) -> int:
        """The bytes that its photos take in memory."""
        on_cards = (photo for card in self.cards for photo in card.all)
        return sum(map(size_of, (*on_cards, *(photo for shelf in self.shelves.values() for photo in shelf))))


def run_fingerprint(facts: str, files: Files) -> str:
    """Return SHA-256 over what is known of a run and over its checkpoint."""
    digest = hashlib.sha256()
    for part in (facts.encode(), files.settings.encode(), files.prompts):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


_ABOUT = "A project of GalLoP Explorer: its pages Teach and Export open it."
_LONGEST = 60
"""Characters of a file's or a folder's name; the whole name stands in the manifest."""


def project_file(project: Project) -> bytes:
    """Return a project as a zip.

    Raises:
        ProjectProblem: it is larger than what is opened again.
    """
    files: dict[str, bytes] = {}
    manifest = {
        "about": _ABOUT,
        "format": PROJECT_FORMAT,
        "version": __version__,
        "cards": list(_cards(project.cards, files)),
        "shelves": {shelf: list(_pile(shelf, project.shelves.get(shelf, ()), files)) for shelf in SHELVES},
        "runs": [_run(number, each, files) for number, each in enumerate(project.runs, 1)],
        "taught": project.taught,
        "limit": project.limit,
        "tower": project.tower,
        "settings": {tower: recorded_settings(each) for tower, each in sorted(project.settings.items())},
        "explore": dict(project.explore),
        "tuned": None if project.tuned is None else _tuned(*project.tuned),
    }
    whole = {MANIFEST: (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode()} | files
    made = zipped(whole)
    if len(made) > MAX_ARCHIVE_BYTES or len(whole) > MAX_MEMBERS:
        raise ProjectProblem(
            f"This project has {len(made) / 2**20:.0f} MB in {len(whole)} files; {MAX_ARCHIVE_BYTES // 2**20} MB and "
            f"{MAX_MEMBERS} files are the most. Remove some photos, or delete runs on the page Compare."
        )
    return made


def _tuned(topk: tuple[int, ...], photos: frozenset[str]) -> dict[str, Any]:
    return {"topk": list(topk), "photos": sorted(photos)}


def _cards(cards: tuple[Card, ...], files: dict[str, bytes]) -> Iterator[dict[str, Any]]:
    folders: list[str] = []
    for card in cards:
        folders.append(_free(card.name, folders))
        shots, tests = (
            list(_pile(f"{part}/{folders[-1]}", photos, files))
            for part, photos in (("train", card.shots), ("test", card.tests))
        )
        yield {"name": card.name, "enabled": card.enabled, "shots": shots, "tests": tests}


def _pile(folder: str, photos: tuple[Photo, ...], files: dict[str, bytes]) -> Iterator[dict[str, str]]:
    names: list[str] = []
    for photo in photos:
        names.append(_free(photo.name.rpartition(".")[0] or photo.name, names))
        path = f"{folder}/{names[-1]}.webp"
        files[path] = _picture(photo)
        yield {"file": path, "name": photo.name, "sha256": photo.sha256}


def _picture(photo: Photo) -> bytes:
    stream = io.BytesIO()
    photo.image.save(stream, "WEBP", lossless=True, quality=0, method=0)
    return stream.getvalue()


def _run(number: int, kept: ProjectRun, files: dict[str, bytes]) -> dict[str, str]:
    folder, facts = f"runs/{number}", written(kept.run)
    files.update(kept.files.as_folder(folder=folder))
    files[f"{folder}/{RUN_FACTS}"] = facts.encode()
    return {"folder": folder, "name": kept.run.name, "sha256": run_fingerprint(facts, kept.files)}


def _free(words: str, used: list[str]) -> str:
    """A name that every system allows and that no other here has, upper and lower case alike."""
    kept = "".join(char if char.isalnum() or char in " -()" else "_" for char in words)[:_LONGEST].strip() or "_"
    taken, number, free = {name.casefold() for name in used}, 1, kept
    while free.casefold() in taken:
        number += 1
        free = f"{kept} ({number})"
    return free
