"""A project to the bytes of a zip: the same project gives the same bytes. Knows no Streamlit and no torch.

Unpacked it is what the command line reads: ``train`` and ``test`` hold a folder of photos a class, each folder in
``runs`` is a checkpoint. Photos are written without loss as they lie in memory, upright, shrunk and without what a
camera adds (where, when, with what): whoever is handed the file gets no more than was seen here.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

from app.photos.archives import MAX_ARCHIVE_BYTES, MAX_MEMBERS
from app.projects.content import (
    MANIFEST,
    PROJECT_FORMAT,
    RUN_FACTS,
    SHELVES,
    Project,
    ProjectProblem,
    ProjectRun,
    run_fingerprint,
)
from app.runs.facts import recorded_settings, written
from app.runs.model_zip import zipped
from app.teaching.cards import Card
from gallop import Photo, __version__

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
