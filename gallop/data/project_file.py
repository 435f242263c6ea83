"""A project as one file, which the app and the page for browsers write and open: photos by class, and models.

It is a zip. Unpacked it is what the command line reads: ``train`` and ``test`` hold a folder of photos a class, each
folder in ``runs`` is a checkpoint. What it holds is listed in ``project.json``, with the fingerprint of each photo and
run. Photos are written without loss as they lie in memory, upright, shrunk and without what a camera adds (where, when,
with what). The same project gives the same bytes.

A file that is opened is untrusted: nothing of it is written to disk, it is read completely or not at all, and every
value of its JSON must have the expected type. What the app has written of a run is read by the app. Knows no torch.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any, BinaryIO

from gallop import __version__
from gallop.data.labelled import LabelledPhotos
from gallop.data.zip_files import MAX_ARCHIVE_BYTES, MAX_MEMBERS, OpenedZip, opened_zip, zipped
from gallop.errors import DataError, GallopError
from gallop.images import DEFAULT_LIMITS, ImageLimits, Photo, load_image
from gallop.images.file_types import printable_name
from gallop.names.class_names import clean_names
from gallop.runtime.reading import open_file, parse_json
from gallop.runtime.writing import free_names
from gallop.wording import listed, one_line

PROJECT_FORMAT = 2
"""Of the file. Raised when an older version could not read it, or would read it wrongly."""
MANIFEST = "project.json"
RUN_FILES = {"run.json": 4 * 2**20, "gallop.json": 4 * 2**20, "prompts.safetensors": 64 * 2**20}
"""Of a run, with the most bytes of each: what the app knows of it, and its checkpoint. Ten times what models need."""
MOST_CARDS, MOST_RUNS = 100, 200
MOST_PHOTOS, MOST_ALTOGETHER = 64, 1600
"""Of one class to learn from, as many to test on; and of all classes: they are held in memory."""
SHOT_SIDE, SHOWN_SIDE = 512, 1024
"""Longest side of a photo of a class, of which the model sees crops of 224, and of one to look at."""
SHELVES, MOST_ON_SHELF = {"look": SHOWN_SIDE, "other": SHOT_SIDE}, 60
"""Photos of no card: to look at, and of none of the classes. With their longest side."""
MOST_TEXT = 20_000
"""Characters of any text."""


@dataclass(frozen=True)
class ProjectClass:
    """A class of a project, the photos to learn from and those to test on. ``enabled``: it is trained on."""

    name: str
    enabled: bool = True
    shots: tuple[Photo, ...] = ()
    tests: tuple[Photo, ...] = ()

    @property
    def all(self) -> tuple[Photo, ...]:
        """Return its photos."""
        return (*self.shots, *self.tests)


@dataclass(frozen=True)
class ProjectRun:
    """A training by its name, and the contents of ``RUN_FILES`` by their names."""

    name: str
    files: Mapping[str, bytes]

    @property
    def fingerprint(self) -> str:
        """Return SHA-256 over all files."""
        return hashlib.sha256(b"".join(hashlib.sha256(self.files[name]).digest() for name in RUN_FILES)).hexdigest()


@dataclass(frozen=True)
class Project:
    """What the file holds.

    Attributes:
        shelves: photos of no class, by the names in ``SHELVES``.
        runs: the oldest first.
        taught: which of the runs answers, counted from 0; None where nothing was taught.
        limit: for "none of these", where it was set by hand.
        backbone_name: the one that answers.
    """

    classes: tuple[ProjectClass, ...] = ()
    shelves: Mapping[str, tuple[Photo, ...]] = field(default_factory=dict)
    runs: tuple[ProjectRun, ...] = ()
    taught: int | None = None
    limit: float | None = None
    backbone_name: str = "mini"

    @property
    def photos(self) -> tuple[Photo, ...]:
        """Return all photos, of classes and shelves."""
        piles = (*(each.all for each in self.classes), *self.shelves.values())
        return tuple(photo for pile in piles for photo in pile)


# Writing -------------------------------------------------------------------------------------------------------------


def project_file(project: Project) -> bytes:
    """Return a project as a zip.

    Raises:
        DataError: it is larger than a project that can be opened.
    """
    files: dict[str, bytes] = {}
    folders = free_names(each.name for each in project.classes)
    runs = [(f"runs/{number}", run) for number, run in enumerate(project.runs, 1)]
    manifest = {
        "about": "A GalLoP Explorer project. Open it on the page Teach.",
        "format": PROJECT_FORMAT,
        "version": __version__,
        "cards": [
            {
                "name": each.name,
                "enabled": each.enabled,
                "shots": _pile(f"train/{folder}", each.shots, files),
                "tests": _pile(f"test/{folder}", each.tests, files),
            }
            for each, folder in zip(project.classes, folders, strict=True)
        ],
        "shelves": {shelf: _pile(shelf, project.shelves.get(shelf, ()), files) for shelf in SHELVES},
        "runs": [{"folder": folder, "name": run.name, "sha256": run.fingerprint} for folder, run in runs],
        "taught": project.taught,
        "limit": project.limit,
        "backbone": project.backbone_name,
        "settings": {},  # earlier versions want this and what follows, and the page that teaches writes it
        "explore": {},
        "tuned": None,
    }
    files |= {f"{folder}/{name}": run.files[name] for folder, run in runs for name in RUN_FILES}
    made = zipped({MANIFEST: (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode()} | files)
    if len(made) > MAX_ARCHIVE_BYTES or len(files) >= MAX_MEMBERS:
        raise DataError(
            f"This project is too large to save: it has {len(made) / 2**20:.0f} MB in {len(files) + 1} files. The "
            f"limits are {MAX_ARCHIVE_BYTES // 2**20} MB and {MAX_MEMBERS} files. Remove some photos, or delete runs "
            "on the page Test."
        )
    return made


def _pile(folder: str, photos: Sequence[Photo], files: dict[str, bytes]) -> list[dict[str, str]]:
    """The entries of photos in the manifest; their pictures become files."""
    names = free_names(photo.name.rpartition(".")[0] or photo.name for photo in photos)
    paths = [f"{folder}/{name}.webp" for name in names]
    for path, photo in zip(paths, photos, strict=True):
        stream = io.BytesIO()
        photo.image.save(stream, "WEBP", lossless=True, quality=0, method=0)
        files[path] = stream.getvalue()
    return [{"file": p, "name": photo.name, "sha256": photo.sha256} for p, photo in zip(paths, photos, strict=True)]


# Reading -------------------------------------------------------------------------------------------------------------


def wrong(where: str, what: str) -> DataError:
    """Return the error for a file that is damaged or was changed."""
    return DataError(
        f"{where} {what}. The file is damaged or was changed, so the project was not opened. Use another copy of the "
        "file, or save the project again."
    )


def is_digest(value: Any) -> bool:
    """Return whether a value of JSON is a SHA-256."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def is_integer(value: Any) -> bool:
    """Return whether a value of JSON is an integer from 0."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def is_finite(value: Any) -> bool:
    """Return whether a value of JSON is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "valid text": lambda value: isinstance(value, str) and len(value) <= MOST_TEXT,
    "fingerprint": is_digest,
    "true or false": lambda value: isinstance(value, bool),
    "number": lambda value: value is None or is_finite(value),
    "valid number": lambda value: value is None or is_integer(value),
}
_PHOTO = {"file": "valid text", "name": "valid text", "sha256": "fingerprint"}
_CLASS = {"name": "valid text", "enabled": "true or false", "shots": [_PHOTO], "tests": [_PHOTO]}
_MANIFEST = {
    "cards": [_CLASS],
    "shelves": {shelf: [_PHOTO] for shelf in SHELVES},
    "runs": [{"folder": "valid text", "name": "valid text", "sha256": "fingerprint"}],
    "taught": "valid number",
    "limit": "number",
    "backbone": "valid text",
}
"""What each value must be: one of ``_KINDS``, an object of such values, or a list of one of them."""


def _check(value: Any, kind: Any, where: str, key: str = "") -> None:
    """Refuse a value of JSON that is not of a kind, as ``_MANIFEST`` names it."""
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            raise wrong(where, "does not have the expected structure")
        for each, inner in kind.items():
            _check(value.get(each), inner, where, each)
    elif isinstance(kind, list):
        if not isinstance(value, list):
            raise wrong(where, f"has no list in {key!r}")
        for each in value:
            _check(each, kind[0], where)
    elif not _KINDS[kind](value):
        raise wrong(where, f"has no {kind} in {key!r}")


class _Opened:
    """The zip of a project, open: its manifest, checked, and what that lists. All raise DataError for what is wrong."""

    def __init__(self, archive: OpenedZip) -> None:
        self.archive, self.shown, self.where = archive, archive.shown, f"{MANIFEST} in {archive.shown}"
        for member in archive.files:
            parts = member.filename.replace("\\", "/").split("/")
            if parts[0].endswith(":") or any(part in ("", ".", "..") for part in parts):
                raise wrong(self.shown, f"contains a file with an unsafe path ({printable_name(member.filename)})")
            if stat.S_ISLNK(member.external_attr >> 16):
                raise wrong(self.shown, f"contains a link ({printable_name(member.filename)})")
        self.members = {member.filename: member for member in archive.files}
        if len(self.members) < len(archive.files):
            raise wrong(self.shown, "contains two files with the same name")
        if MANIFEST not in self.members:
            raise DataError(
                f"{self.shown} is not a project: it does not contain {MANIFEST}. If it contains photos in class "
                "folders, open it on Teach; if it is a model's zip, open it there with Project, Open a model."
            )
        self.manifest: dict[str, Any] = self._manifest()

    def _manifest(self) -> Any:
        data = self.read(MANIFEST, 4 * 2**20)
        try:
            manifest = parse_json(data.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise wrong(self.where, "is not valid UTF-8 text") from error
        except ValueError as error:
            raise wrong(self.where, f"cannot be read as JSON ({one_line(str(error))})") from error
        _check(manifest, {}, self.where)
        if not is_integer(number := manifest.get("format")) or number < 1:
            raise wrong(self.where, "has no valid format number")
        if number > PROJECT_FORMAT:
            by = printable_name(str(manifest.get("version", "another version"))[:80])
            raise DataError(
                f"{self.shown} was saved by a newer version of this app ({by}, format {number}) and was not opened. "
                f"This version reads formats up to {PROJECT_FORMAT}. Update the app: pip install -U "
                "'gallop-explorer[app]'."
            )
        manifest["backbone"] = manifest.get("tower", manifest.get("backbone"))  # its name in older files
        _check(manifest, _MANIFEST, self.where)
        self._check_amounts(manifest)
        return manifest

    def _check_amounts(self, manifest: Mapping[str, Any]) -> None:
        """Refuse more than there may be, and photos that are there twice, before any is decoded."""
        piles = [each[pile] for each in manifest["cards"] for pile in ("shots", "tests")]
        on_cards, shelves = [photo for pile in piles for photo in pile], [manifest["shelves"][name] for name in SHELVES]
        amounts = [
            ("classes", MOST_CARDS, [manifest["cards"]]),
            ("runs", MOST_RUNS, [manifest["runs"]]),
            ("photos in one list", MOST_PHOTOS, piles),
            ("photos in one list", MOST_ON_SHELF, shelves),
            ("photos on class cards", MOST_ALTOGETHER, [on_cards]),
        ]
        for what, most, lists in amounts:
            if (count := max(map(len, lists), default=0)) > most:
                raise DataError(f"{self.shown} was not opened: it has {count} {what}, and the maximum is {most}.")
        if any(len({photo["sha256"] for photo in photos}) < len(photos) for photos in (on_cards, *shelves)):
            raise wrong(self.shown, "contains a photo twice")

    def classes(self) -> tuple[ProjectClass, ...]:
        """Return the classes with their photos."""
        cards, names = self.manifest["cards"], [each["name"] for each in self.manifest["cards"]]
        try:
            as_they_are = not names or clean_names(names) == tuple(names)
        except GallopError:  # too long, invisible, or two that are the same
            as_they_are = False
        if not as_they_are:
            raise wrong(self.where, f"has a class name that is invalid or used twice ({listed(names)})")
        piles = [[self.photos(each[pile]) for pile in ("shots", "tests")] for each in cards]
        return tuple(
            ProjectClass(each["name"], each["enabled"], *some) for each, some in zip(cards, piles, strict=True)
        )

    def photos(self, entries: Sequence[Mapping[str, str]], side: int = SHOT_SIDE) -> tuple[Photo, ...]:
        """Return the photos of a list; ``side`` is the longest that one may have."""
        limits = ImageLimits(DEFAULT_LIMITS.max_bytes, side * side, side)  # no larger ones are saved
        photos: list[Photo] = []
        for entry in entries:
            data = self.read(entry["file"], limits.max_bytes)
            try:
                photos.append(load_image(data, name=entry["name"], limits=limits))
            except GallopError as error:
                raise DataError(f"{error} Because of this, {self.shown} was not opened.") from error
            if photos[-1].sha256 != entry["sha256"]:
                raise wrong(f"{printable_name(entry['file'])} in {self.shown}", "is not the photo that was saved")
        return tuple(photos)

    def run(self, entry: Mapping[str, str]) -> ProjectRun:
        """Return a run."""
        folder = entry["folder"]
        run = ProjectRun(entry["name"], {name: self.read(f"{folder}/{name}", most) for name, most in RUN_FILES.items()})
        if run.fingerprint != entry["sha256"]:
            raise wrong(f"{printable_name(folder)} in {self.shown}", "is not the run that was saved")
        return run

    def read(self, path: str, most: int) -> bytes:
        """Return the bytes of a file, of which there may be ``most``."""
        if path not in self.members:
            raise DataError(
                f"{printable_name(path)} in {self.shown} is missing, so the project was not opened. Use another copy "
                "of the project."
            )
        return self.archive.read(self.members[path], most)


def read_project(file: BinaryIO, name: str) -> Project:
    """Return the project in a file; its runs may still be of a newer version, or damaged.

    Raises:
        DataError: not a zip or not a project; of a newer version; incomplete, changed, hostile or too large.
    """
    with opened_zip(file, printable_name(name)) as archive:
        opened = _Opened(archive)
        manifest = opened.manifest
        runs = tuple(map(opened.run, manifest["runs"]))
        if (taught := manifest.get("taught")) is not None and taught >= len(runs):
            raise wrong(opened.where, "has no valid number in 'taught'")
        shelves = {shelf: opened.photos(manifest["shelves"][shelf], side) for shelf, side in SHELVES.items()}
        return Project(opened.classes(), shelves, runs, taught, manifest.get("limit"), manifest["backbone"])


def project_photos(path: str | PathLike[str], *, split: str = "train") -> LabelledPhotos:
    """Return the photos of the classes of a project that are trained on, by name, as folders of classes are read.

    Args:
        split: those to learn from ("train"), or those to test on ("test"), of classes with some. Where there are none
            to test on, these are those to learn from, as of a folder that has one part.

    Raises:
        DataError: no project, or one that is damaged, hostile, of a newer version, or of which a class has no photos to
            learn from.
    """
    shown = printable_name(fspath(path))
    try:
        file = open_file(path, MAX_ARCHIVE_BYTES)
    except OSError as error:
        raise DataError(f"{shown} cannot be read ({error.strerror}). Check the path.") from error
    with file, opened_zip(file, shown) as archive:
        classes = sorted((each for each in _Opened(archive).classes() if each.enabled), key=lambda each: each.name)
    piles = {each.name: each.tests for each in classes if each.tests}
    if split == "train" or not piles:
        piles = {each.name: each.shots for each in classes}
    empty = [name for name, photos in piles.items() if not photos]
    if empty or not piles:
        raise DataError(
            f"{shown} has no photos to learn {listed(empty) or 'any class'} from. Add some, or remove or turn off "
            "classes without photos, and save the project again."
        )
    photos = tuple(photo for pile in piles.values() for photo in pile)
    return LabelledPhotos(
        photos=photos,
        hashes=tuple(photo.sha256 for photo in photos),
        labels=tuple(k for k, pile in enumerate(piles.values()) for _ in pile),
        class_names=tuple(piles),
    )
