"""A project as one file, which the app and the page for browsers write and open: its photos, by class.

It is a zip. Unpacked it is what the command line reads: ``train`` and ``test`` hold a folder of photos a class, each
folder in ``runs`` is a checkpoint. What it holds is listed in ``project.json``, with the fingerprint of each photo.

A file that is opened is untrusted: nothing of it is written to disk, it is read completely or not at all, and every
value of its JSON must have the expected type. Knows no torch.
"""

from __future__ import annotations

import math
import re
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any, BinaryIO

from gallop.data.labelled import LabelledPhotos
from gallop.data.zip_files import MAX_ARCHIVE_BYTES, ArchiveError, OpenedZip, opened_zip
from gallop.errors import DataError, GallopError
from gallop.images import DEFAULT_LIMITS, ImageLimits, Photo, load_image
from gallop.images.formats import printable_name
from gallop.names.class_names import clean_names
from gallop.runtime.reading import open_file, parse_json
from gallop.wording import listed, one_line

PROJECT_FORMAT = 2
"""Of the file. Raised when an older version could not read it, or would read it wrongly."""
MANIFEST = "project.json"
MOST_CARDS = 100
MOST_PHOTOS, MOST_ALTOGETHER = 64, 1600
"""Of one class to learn from, as many to test on; and of all classes: they are held in memory."""
SHOT_SIDE = 512
"""Longest side of a photo of a class; the model sees crops of 224."""
MOST_TEXT = 20_000
"""Characters of any text."""
_MOST_JSON = 4 * 2**20
"""Bytes of the manifest, or of the facts of a run."""


@dataclass(frozen=True)
class ProjectClass:
    """A class of a project, the photos to learn from and those to test on. ``enabled``: it is trained on."""

    name: str
    enabled: bool
    shots: tuple[Photo, ...]
    tests: tuple[Photo, ...]


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
    "list": lambda value: isinstance(value, list),
}


@dataclass(frozen=True)
class CheckedJson:
    """A JSON object whose values are checked when they are read, and its name for messages.

    All methods raise DataError where a value is missing or has another type; so does making one of no object.
    """

    held: Mapping[str, Any]
    where: str

    def __post_init__(self) -> None:
        if not isinstance(self.held, dict):
            raise wrong(self.where, "does not have the expected structure")

    def get(self, key: str, what: str) -> Any:
        """Return a value, which is a "valid text", "fingerprint" (SHA-256), "true or false", "number" (finite, or
        null), "valid number" (an integer from 0, or null) or "list".
        """
        value = self.held.get(key)
        if not _KINDS[what](value):
            raise wrong(self.where, f"has no {what} in {key!r}")
        return value

    def objects(self, key: str) -> list[CheckedJson]:
        """Return a list of objects."""
        return [CheckedJson(item, self.where) for item in self.get(key, "list")]

    def object(self, key: str) -> CheckedJson:
        """Return an object."""
        return CheckedJson(self.held.get(key), self.where)  # type: ignore[arg-type]  # which is checked


@dataclass
class OpenedProject:
    """The file of a project, open; all methods raise DataError for what is wrong in it.

    Attributes:
        shown: its name in a sentence.
        members: its files, by path.
    """

    archive: OpenedZip
    shown: str
    members: dict[str, zipfile.ZipInfo] = field(init=False)

    def __post_init__(self) -> None:
        for member in self.archive.files:
            parts = member.filename.replace("\\", "/").split("/")
            if parts[0].endswith(":") or any(part in ("", ".", "..") for part in parts):
                raise wrong(self.shown, f"contains a file with an unsafe path ({printable_name(member.filename)})")
            if stat.S_ISLNK(member.external_attr >> 16):
                raise wrong(self.shown, f"contains a link ({printable_name(member.filename)})")
        self.members = {member.filename: member for member in self.archive.files}
        if len(self.members) < len(self.archive.files):
            raise wrong(self.shown, "contains two files with the same name")

    def manifest(self) -> CheckedJson:
        """Return the list of contents, of a format that can be read."""
        if MANIFEST not in self.members:
            raise DataError(
                f"{self.shown} is not a project: it does not contain {MANIFEST}. If it contains photos in class "
                "folders, open it on Teach; if it is a model's zip, open it there with Project, Open a model."
            )
        where = f"{MANIFEST} in {self.shown}"
        try:
            manifest = CheckedJson(parse_json(self.text(MANIFEST)), where)
        except ValueError as error:
            raise wrong(where, f"cannot be read as JSON ({one_line(str(error))})") from error
        format_ = manifest.held.get("format")
        if not isinstance(format_, int) or isinstance(format_, bool) or format_ < 1:
            raise wrong(manifest.where, "has no valid format number")
        if format_ > PROJECT_FORMAT:
            by = printable_name(str(manifest.held.get("version", "another version"))[:80])
            raise DataError(
                f"{self.shown} was saved by a newer version of this app ({by}, format {format_}) and was not opened. "
                f"This version reads formats up to {PROJECT_FORMAT}. Update the app: pip install -U "
                "'gallop-explorer[app]'."
            )
        return manifest

    def classes(self, manifest: CheckedJson) -> tuple[ProjectClass, ...]:
        """Return the classes with their photos."""
        cards = manifest.objects("cards")
        if len(cards) > MOST_CARDS:
            raise DataError(
                f"{self.shown} was not opened: it has {len(cards)} classes, and the maximum is {MOST_CARDS}."
            )
        names = [each.get("name", "valid text") for each in cards]
        try:
            as_they_are = not names or clean_names(names) == tuple(names)
        except GallopError:  # too long, invisible, or two that are the same
            as_they_are = False
        if not as_they_are:
            raise wrong(manifest.where, f"has a class name that is invalid or used twice ({listed(names)})")
        made = tuple(
            ProjectClass(
                name=name,
                shots=self.photos(each, "shots", MOST_PHOTOS, SHOT_SIDE),
                tests=self.photos(each, "tests", MOST_PHOTOS, SHOT_SIDE),
                enabled=each.get("enabled", "true or false"),
            )
            for name, each in zip(names, cards, strict=True)
        )
        self.check_once(photo for each in made for photo in (*each.shots, *each.tests))
        return made

    def check_once(self, photos: Iterable[Photo]) -> None:
        """Check that no photo is there twice, and that there are not too many."""
        digests = [photo.sha256 for photo in photos]
        if len(digests) > MOST_ALTOGETHER:
            raise DataError(
                f"{self.shown} was not opened: it contains {len(digests)} photos on class cards, and the maximum is "
                f"{MOST_ALTOGETHER}."
            )
        if len(set(digests)) < len(digests):
            raise wrong(self.shown, "contains a photo twice")

    def photos(self, card_or_shelves: CheckedJson, pile: str, most: int, side: int) -> tuple[Photo, ...]:
        """Return the photos of a list; ``side`` is the longest that one may have."""
        photos = card_or_shelves.objects(pile)
        if len(photos) > most:
            raise DataError(
                f"{self.shown} was not opened: one of its photo lists has {len(photos)} photos, and the maximum is "
                f"{most}."
            )
        return tuple(self._photo(each, side) for each in photos)

    def _photo(self, entry: CheckedJson, side: int) -> Photo:
        path, name = entry.get("file", "valid text"), entry.get("name", "valid text")
        limits = ImageLimits(DEFAULT_LIMITS.max_bytes, side * side, side)  # no larger ones are saved
        try:
            photo = load_image(self.read(path, limits.max_bytes), name=name, limits=limits)
        except DataError:
            raise
        except GallopError as error:
            raise DataError(f"{error} Because of this, {self.shown} was not opened.") from error
        if photo.sha256 != entry.get("sha256", "fingerprint"):
            raise wrong(f"{printable_name(path)} in {self.shown}", "is not the photo that was saved")
        return photo

    def text(self, path: str) -> str:
        """Return the text of a file."""
        try:
            return self.read(path, _MOST_JSON).decode("utf-8")
        except UnicodeDecodeError as error:
            raise wrong(f"{printable_name(path)} in {self.shown}", "is not valid UTF-8 text") from error

    def read(self, path: str, most: int) -> bytes:
        """Return the bytes of a file, of which there may be ``most``."""
        if path not in self.members:
            raise DataError(
                f"{printable_name(path)} in {self.shown} is missing, so the project was not opened. Use another copy "
                "of the project."
            )
        return self.archive.read(self.members[path], most)


@contextmanager
def opened_project(file: BinaryIO, name: str) -> Iterator[OpenedProject]:
    """Open the file of a project.

    Raises:
        DataError: not a zip; or, where it is used, damaged or hostile.
    """
    shown = printable_name(name)
    try:
        with opened_zip(file, shown) as archive:
            yield OpenedProject(archive, shown)
    except ArchiveError as error:
        rest = "" if shown in str(error) else f" Because of this, {shown} was not opened."
        raise DataError(f"{error}{rest}") from error


def is_project(path: str | PathLike[str]) -> bool:
    """Return whether a path is that of a project's file, by its name."""
    return fspath(path).lower().endswith(".zip")


def read_project(path: str | PathLike[str], *, split: str = "train") -> LabelledPhotos:
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
    with file, opened_project(file, shown) as project:
        classes = sorted(
            (each for each in project.classes(project.manifest()) if each.enabled), key=lambda each: each.name
        )
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
