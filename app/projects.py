"""A project as one file: photos on cards and shelves, runs, and how things were set. Knows no Streamlit and no torch.

The same project gives the same bytes. Unpacked it is what the command line reads: ``train`` and ``test`` hold a folder
of photos a class, each folder in ``runs`` is a checkpoint. Photos are written without loss as they lie in memory,
upright, shrunk and without what a camera adds (where, when, with what): a person who receives the file sees no more
than the app showed.

A file that is opened is untrusted: it is read as ``archives`` reads photos, completely or not at all, and nothing is
written to disk. Every value of its JSON must have the expected type, and every photo and run the fingerprint that the
manifest gives.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import stat
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, BinaryIO

from app.backbones import DEFAULT_BACKBONE
from app.jobs import PlainError
from app.photos.archives import (
    MAX_ARCHIVE_BYTES,
    MAX_MEMBERS,
    MAX_RATIO,
    MAX_TOTAL_BYTES,
    PIECE,
    ArchiveError,
    check_zip,
    member_bytes,
)
from app.photos.shelf import MAX_PHOTOS, SHOT_SIDE, SHOWN_SIDE, in_memory_once, size_of
from app.runs.run import (
    MOST_ZIP_BYTES,
    ZIP_SETTINGS,
    ZIP_TENSORS,
    Files,
    Run,
    backbone_key,
    recorded_settings,
    run_of_row,
    written,
    zipped,
)
from app.runs.store import MOST_NAME, MOST_RUNS
from app.teaching.cards import MOST_ALTOGETHER, MOST_CARDS, MOST_PHOTOS, Card
from app.teaching.training import Answer, Settings
from gallop import Photo, __version__, load_image
from gallop.errors import ConfigError, GallopError
from gallop.images import DEFAULT_LIMITS, ImageLimits
from gallop.images.formats import printable_name
from gallop.names.class_names import clean_names
from gallop.runtime.reading import parse_json
from gallop.setting import settings_of
from gallop.wording import listed, one_line

# Of the file. Raised when an older version could not read it, or would read it wrongly.
PROJECT_FORMAT = 2
MANIFEST, RUN_FACTS = "project.json", "run.json"
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
        settings: of the next training on a backbone, by its name.
        tuned: the k that were chosen on test photos, and the content hashes of those; None where none were.
        explore: the state of the page Explore, as JSON values.
    """

    cards: tuple[Card, ...] = ()
    shelves: Mapping[str, tuple[Photo, ...]] = field(default_factory=dict)
    runs: tuple[ProjectRun, ...] = ()
    taught: int | None = None
    limit: float | None = None
    backbone_name: str = DEFAULT_BACKBONE
    settings: Mapping[str, Settings] = field(default_factory=dict)
    explore: Mapping[str, Any] = field(default_factory=dict)
    tuned: tuple[tuple[int, ...], frozenset[str]] | None = None

    @property
    def photos(self) -> int:
        on_cards = sum(len(card.shots) + len(card.tests) for card in self.cards)
        return on_cards + sum(map(len, self.shelves.values()))

    @property
    def size(self) -> int:
        on_cards = (photo for card in self.cards for photo in card.all)
        return sum(map(size_of, (*on_cards, *(photo for shelf in self.shelves.values() for photo in shelf))))


def run_fingerprint(facts: str, files: Files) -> str:
    """Return SHA-256 over the facts of a run and its checkpoint."""
    digest = hashlib.sha256()
    for part in (facts.encode(), files.settings.encode(), files.prompts):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


_ABOUT = "A GalLoP Explorer project. Open it on the page Teach or Export."
# Characters of a file's or a folder's name; the full name is in the manifest.
_LONGEST = 60


def project_file(project: Project) -> bytes:
    """Return a project as a zip.

    Raises:
        ProjectProblem: it is larger than a project that can be opened.
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
        "backbone": project.backbone_name,
        "settings": {name: recorded_settings(each) for name, each in sorted(project.settings.items())},
        "explore": dict(project.explore),
        "tuned": None if project.tuned is None else _tuned(*project.tuned),
    }
    contents = {MANIFEST: (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode()} | files
    made = zipped(contents)
    if len(made) > MAX_ARCHIVE_BYTES or len(contents) > MAX_MEMBERS:
        raise ProjectProblem(
            f"This project is too large to save: it has {len(made) / 2**20:.0f} MB in {len(contents)} files. The "
            f"limits are {MAX_ARCHIVE_BYTES // 2**20} MB and {MAX_MEMBERS} files. Remove some photos, or delete runs "
            "on Compare."
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


def _run(number: int, entry: ProjectRun, files: dict[str, bytes]) -> dict[str, str]:
    folder, facts = f"runs/{number}", written(entry.run)
    files.update(entry.files.as_folder(folder=folder))
    files[f"{folder}/{RUN_FACTS}"] = facts.encode()
    return {"folder": folder, "name": entry.run.name, "sha256": run_fingerprint(facts, entry.files)}


def _free(words: str, used: list[str]) -> str:
    """Return a file name that every system allows and that is not used here yet, ignoring case."""
    allowed = "".join(char if char.isalnum() or char in " -()" else "_" for char in words)[:_LONGEST].strip() or "_"
    taken, number, free = {name.casefold() for name in used}, 1, allowed
    while free.casefold() in taken:
        number += 1
        free = f"{allowed} ({number})"
    return free


# Characters of any text.
MOST_TEXT = 20_000
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class CheckedJson:
    """A JSON object whose values are checked when they are read, and its name for messages.

    All methods raise ProjectProblem where a value is missing or has another type.
    """

    held: Mapping[str, Any]
    where: str

    @classmethod
    def of_text(cls, text: str, where: str) -> CheckedJson:
        try:
            held = parse_json(text)
        except ValueError as error:
            raise wrong(where, f"cannot be read as JSON ({one_line(str(error))})") from error
        return cls._of(held, where)

    @classmethod
    def _of(cls, held: Any, where: str) -> CheckedJson:
        if not isinstance(held, dict):
            raise wrong(where, "does not have the expected structure")
        return cls(held, where)

    def _get(self, key: str, fits: Callable[[Any], bool], otherwise: str) -> Any:
        value = self.held.get(key)
        if not fits(value):
            raise wrong(self.where, f"{otherwise} {key!r}")
        return value

    def text(self, key: str, most: int = MOST_TEXT) -> str:
        return str(self._get(key, lambda value: isinstance(value, str) and len(value) <= most, "has no valid text in"))

    def sha256(self, key: str) -> str:
        self.text(key)  # another message where it is not text
        return str(self._get(key, _is_digest, "has no fingerprint in"))

    def flag(self, key: str) -> bool:
        return bool(self._get(key, lambda value: isinstance(value, bool), "has no true or false in"))

    def number(self, key: str) -> Any:
        """Return a number, or None where the value is null."""
        return self._get(key, lambda value: value is None or _finite(value), "has no number in")

    def integer(self, key: str, below: int) -> Any:
        """Return an integer from 0, or None where the value is null."""
        return self._get(
            key, lambda value: value is None or (_is_integer(value) and value < below), "has no valid number in"
        )

    def integers(self, key: str) -> tuple[int, ...]:
        return tuple(self._get(key, lambda value: _is_list(value, _is_integer), "has no list of numbers in"))

    def digests(self, key: str) -> frozenset[str]:
        return frozenset(self._get(key, lambda value: _is_list(value, _is_digest), "has no list of fingerprints in"))

    def objects(self, key: str) -> list[CheckedJson]:
        items = self._get(key, lambda value: isinstance(value, list), "has no list in")
        return [self._of(item, self.where) for item in items]

    def object(self, key: str) -> CheckedJson:
        return self._of(self.held.get(key), self.where)


def wrong(where: str, what: str) -> ProjectProblem:
    """Return the error for a file that is damaged or was changed."""
    return ProjectProblem(
        f"{where} {what}. The file is damaged or was changed, so the project was not opened. Use another copy of the "
        "file, or save the project again."
    )


def checked_run(facts: str, name: str, where: str) -> Run:
    """Return the run that a project describes, with every fact checked: the file is untrusted.

    Raises:
        ProjectProblem: a fact has another type, or settings are out of range.
    """
    try:
        facts = json.dumps(parse_json(facts))
        run = run_of_row(SimpleNamespace(id=0, name=" ".join(name.split())[:MOST_NAME], made=0.0, facts=facts))
        sound = run is not None and run.name.isprintable() and _is_sound(run)
    except (ValueError, TypeError, AttributeError):  # a setting, a name, or a list in a name's place
        sound = False
    if not sound or run is None:
        raise wrong(where, "does not contain a valid description of a run")
    return run


def _is_sound(run: Run) -> bool:
    counts = (run.shots, run.steps, run.of_steps, *((run.best_epoch,) if run.best_epoch is not None else ()))
    return (
        clean_names(run.class_names) == run.class_names
        and run.settings is not None
        and all(map(_is_integer, counts))
        and all(name in run.class_names and _is_digest(digest) for name, digest in run.content)
        and all(_is_integer(point.step) and _finite(point.loss) and _finite(point.accuracy) for point in run.history)
        and len(run.backbone_name) <= MOST_TEXT
        and (run.fingerprint == "" or _is_digest(run.fingerprint))
        and all(
            _is_digest(digest) and _is_answer(answer, run.class_names)
            for answers in (run.answers, run.answers_before)
            for digest, answer in answers.items()
        )
    )


def _is_list(value: Any, of: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(of, value))


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _is_answer(answer: Answer, names: tuple[str, ...]) -> bool:
    seen: Any = answer.seen
    of_names = answer.truth in names and answer.label in names
    return of_names and isinstance(seen, bool) and _finite(answer.probability) and 0 <= answer.probability <= 1


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# Bytes of the manifest, or of the facts of a run.
_MOST_JSON = 4 * 2**20


def read_project(file: BinaryIO, name: str) -> Project:
    """Return the project in a file.

    Raises:
        ProjectProblem: not a zip or not a project; of a newer version; incomplete, changed, hostile or too large.
    """
    shown = printable_name(name)
    try:
        check_zip(file, shown)
        with zipfile.ZipFile(file) as archive:
            return _Opened(archive, shown).project()
    except ProjectProblem:
        raise
    except ArchiveError as error:
        rest = "" if shown in str(error) else f" Because of this, {shown} was not opened."
        raise ProjectProblem(f"{error}{rest}") from error
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, struct.error) as error:
        raise ProjectProblem(f"{shown} cannot be read as a zip file: it is damaged or incomplete.") from error


@dataclass
class _Opened:
    archive: zipfile.ZipFile
    shown: str
    members: dict[str, zipfile.ZipInfo] = field(init=False)
    left: int = MAX_TOTAL_BYTES

    def __post_init__(self) -> None:
        members = [member for member in self.archive.infolist() if not member.is_dir()]
        if len(members) > MAX_MEMBERS:
            raise ProjectProblem(
                f"{self.shown} was not opened: it contains {len(members)} files, and the maximum is {MAX_MEMBERS}."
            )
        for member in members:
            parts = member.filename.replace("\\", "/").split("/")
            if parts[0].endswith(":") or any(part in ("", ".", "..") for part in parts):
                raise wrong(self.shown, f"contains a file with an unsafe path ({printable_name(member.filename)})")
            if stat.S_ISLNK(member.external_attr >> 16):
                raise wrong(self.shown, f"contains a link ({printable_name(member.filename)})")
        self.members = {member.filename: member for member in members}
        if len(self.members) < len(members):
            raise wrong(self.shown, "contains two files with the same name")
        if sum(member.file_size for member in members) > MAX_TOTAL_BYTES:
            raise self._too_much()

    def project(self) -> Project:
        if MANIFEST not in self.members:
            raise ProjectProblem(
                f"{self.shown} is not a project: it does not contain {MANIFEST}. If it contains photos in class "
                "folders, open it on Teach; if it is a model's zip, open it on Export."
            )
        manifest = CheckedJson.of_text(self._text(MANIFEST), f"{MANIFEST} in {self.shown}")
        self._check_version(manifest)
        runs = tuple(self._run(each) for each in manifest.objects("runs")[: MOST_RUNS + 1])
        if len(runs) > MOST_RUNS:
            raise ProjectProblem(f"{self.shown} was not opened: it contains more than {MOST_RUNS} runs, the maximum.")
        return Project(
            self._cards(manifest),
            self._shelves(manifest.object("shelves")),
            runs,
            manifest.integer("taught", len(runs)),
            manifest.number("limit"),
            manifest.text(backbone_key(manifest.held)),
            self._settings(manifest.object("settings")),
            manifest.object("explore").held,
            self._tuned(manifest),
        )

    def _check_version(self, manifest: CheckedJson) -> None:
        format_ = manifest.held.get("format")
        if not isinstance(format_, int) or isinstance(format_, bool) or format_ < 1:
            raise wrong(manifest.where, "has no valid format number")
        if format_ > PROJECT_FORMAT:
            by = printable_name(manifest.text("version", 80)) if "version" in manifest.held else "another version"
            raise ProjectProblem(
                f"{self.shown} was saved by a newer version of this app ({by}, format {format_}) and was not opened. "
                f"This version reads formats up to {PROJECT_FORMAT}. Update the app: pip install -U "
                "'gallop-explorer[app]'."
            )

    # Photos ----------------------------------------------------------------------------------------------------------

    def _cards(self, manifest: CheckedJson) -> tuple[Card, ...]:
        listed_cards = manifest.objects("cards")
        if len(listed_cards) > MOST_CARDS:
            raise ProjectProblem(
                f"{self.shown} was not opened: it has {len(listed_cards)} classes, and the maximum is {MOST_CARDS}."
            )
        names = [each.text("name") for each in listed_cards]
        try:
            as_they_are = not names or clean_names(names) == tuple(names)
        except GallopError:  # too long, invisible, or two that are the same
            as_they_are = False
        if not as_they_are:
            raise wrong(manifest.where, f"has a class name that is invalid or used twice ({listed(names)})")
        cards = []
        for number, (name, each) in enumerate(zip(names, listed_cards, strict=True), 1):
            shots, tests = (self._pile(each, pile, MOST_PHOTOS, SHOT_SIDE) for pile in ("shots", "tests"))
            cards.append(Card(number, name, each.flag("enabled"), shots, tests))
        self._check_once(photo for card in cards for photo in card.all)
        return tuple(cards)

    def _shelves(self, shelves: CheckedJson) -> dict[str, tuple[Photo, ...]]:
        sides = {"look": SHOWN_SIDE, "other": SHOT_SIDE}
        photos_by_shelf = {shelf: self._pile(shelves, shelf, MAX_PHOTOS, sides[shelf]) for shelf in SHELVES}
        for photos in photos_by_shelf.values():
            self._check_once(photos)
        return photos_by_shelf

    def _check_once(self, photos: Iterable[Photo]) -> None:
        digests = [photo.sha256 for photo in photos]
        if len(digests) > MOST_ALTOGETHER:
            raise ProjectProblem(
                f"{self.shown} was not opened: it contains {len(digests)} photos on class cards, and the maximum is "
                f"{MOST_ALTOGETHER}."
            )
        if len(set(digests)) < len(digests):
            raise wrong(self.shown, "contains a photo twice")

    def _pile(self, card_or_shelves: CheckedJson, pile: str, most: int, side: int) -> tuple[Photo, ...]:
        photos = card_or_shelves.objects(pile)
        if len(photos) > most:
            raise ProjectProblem(
                f"{self.shown} was not opened: one of its photo lists has {len(photos)} photos, and the maximum is "
                f"{most}."
            )
        return tuple(self._photo(each, side) for each in photos)

    def _photo(self, entry: CheckedJson, side: int) -> Photo:
        path, name = entry.text("file"), entry.text("name")
        limits = ImageLimits(DEFAULT_LIMITS.max_bytes, side * side, side)  # the app holds no larger ones
        try:
            photo = load_image(self._bytes(path, limits.max_bytes), name=name, limits=limits)
        except GallopError as error:
            if isinstance(error, ProjectProblem | ArchiveError):
                raise
            raise ProjectProblem(f"{error} Because of this, {self.shown} was not opened.") from error
        if photo.sha256 != entry.sha256("sha256"):
            raise wrong(f"{printable_name(path)} in {self.shown}", "is not the photo that was saved")
        return in_memory_once(photo)

    # Runs and settings -----------------------------------------------------------------------------------------------

    def _run(self, entry: CheckedJson) -> ProjectRun:
        folder, where = entry.text("folder"), f"{printable_name(entry.text('folder'))} in {self.shown}"
        facts = self._text(f"{folder}/{RUN_FACTS}")
        files = Files(
            self._text(f"{folder}/{ZIP_SETTINGS}"), self._bytes(f"{folder}/{ZIP_TENSORS}", MOST_ZIP_BYTES[ZIP_TENSORS])
        )
        if run_fingerprint(facts, files) != entry.sha256("sha256"):
            raise wrong(where, "is not the run that was saved")
        return ProjectRun(checked_run(facts, entry.text("name", MOST_NAME), where), files)

    def _tuned(self, manifest: CheckedJson) -> tuple[tuple[int, ...], frozenset[str]] | None:
        if manifest.held.get("tuned") is None:
            return None
        tuned = manifest.object("tuned")
        return tuned.integers("topk"), tuned.digests("photos")

    def _settings(self, by_backbone: CheckedJson) -> dict[str, Settings]:
        settings = {}
        for name in by_backbone.held:
            held = by_backbone.object(name).held
            if unknown := sorted(held.keys() - settings_of(Settings)):
                raise wrong(by_backbone.where, f"has unknown settings ({listed(unknown)})")
            try:
                settings[name] = Settings(**held)
            except ConfigError as error:
                raise wrong(by_backbone.where, f"has an invalid setting ({str(error).rstrip('.')})") from error
        return settings

    # Members ---------------------------------------------------------------------------------------------------------

    def _text(self, path: str) -> str:
        try:
            return self._bytes(path, _MOST_JSON).decode("utf-8")
        except UnicodeDecodeError as error:
            raise wrong(f"{printable_name(path)} in {self.shown}", "is not valid UTF-8 text") from error

    def _bytes(self, path: str, most: int) -> bytes:
        shown = f"{printable_name(path)} in {self.shown}"
        if path not in self.members:
            raise ProjectProblem(f"{shown} is missing, so the project was not opened. Use another copy of the project.")
        member = self.members[path]
        most = min(most, MAX_RATIO * max(member.compress_size, PIECE))
        data = member_bytes(
            self.archive,
            member,
            self.shown,
            most,
            ArchiveError(f"{shown} is too large when unpacked. This project was not saved by this app."),
        )
        self.left -= len(data)
        if self.left < 0:
            raise self._too_much()
        return data

    def _too_much(self) -> ProjectProblem:
        return ProjectProblem(f"{self.shown} unpacks to more than {MAX_TOTAL_BYTES // 2**20} MB, which is the limit.")
