"""The file of a project: what is saved comes back, and nothing else comes in."""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.jobs import PlainError
from app.runs.run import Run, classifier_of, files_of, written
from app.teaching.tasks import opened as taught_of
from app.teaching.training import Answer
from app.views.saved_project import opened_project
from gallop import GalLoPClassifier, Photo, load_image, read_folder
from gallop.data import project_file as project_files
from gallop.data import zip_files
from gallop.data.project_file import Project, ProjectClass, ProjectRun, project_file, project_photos
from gallop.errors import DataError, GallopError
from tests import tiny
from tests.app.test_runs import run
from tests.nasty_images import png_bomb
from tests.tiny import members_of, zip_of

STORED = Path(__file__).with_name("project-format-1.zip")
"""As the first version wrote it."""


def photo(seed: int, colour: str = "red", name: str = "") -> Photo:
    return load_image(tiny.picture(seed, colour), name=name or f"{colour} {seed}.jpg")


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    images, labels = tiny.pictures({"red": 3, "green": 3})
    return files_of(tiny.classifier().fit(images, labels))


def learned(files: dict[str, bytes], name: str, digests: tuple[str, ...], **changes: Any) -> ProjectRun:
    answers = {digest: Answer("x", "y", 0.1 + 0.2, seen=False) for digest in digests}
    changes |= {"content": frozenset({("x", "a" * 64), ("y", "b" * 64)}), "answers": answers, "answers_before": answers}
    return ProjectRun(name, {"run.json": written(run(0, **changes)), **files})


@pytest.fixture
def project(files: dict[str, bytes]) -> Project:
    cards = (
        ProjectClass("red", True, (photo(1), photo(2, name="a/b:c.jpg")), (photo(3),)),
        ProjectClass("Red_ (2)", False, (photo(4, name="image.jpg"), photo(5, name="image.jpg (2)"))),
        ProjectClass("ein Käfer / *bold*", True),
    )
    return Project(
        cards,
        {"look": (photo(6, "blue"), cards[0].tests[0]), "other": (photo(7, "yellow"),)},
        (learned(files, "first", ("c" * 64,)), learned(files, "<b>second</b>", ("d" * 64,))),
        taught=1,
        limit=-0.25,
    )


def opened(data: bytes) -> Project:
    return opened_project(io.BytesIO(data), "shop.zip")[0]


def first_run(data: bytes) -> Run:
    return opened_project(io.BytesIO(data), "shop.zip")[1][0]


def pixels(project: Project) -> list[bytes]:
    piles = [pile for card in project.classes for pile in (card.shots, card.tests)]
    return [each.image.tobytes() for pile in (*piles, *project.shelves.values()) for each in pile]


def test_what_is_saved_is_what_is_opened_to_the_pixel_and_to_the_digit(project: Project) -> None:
    data = project_file(project)
    again = opened(data)
    assert (again, pixels(again)) == (project, pixels(project)), "photos are compared by their fingerprints alone"
    assert project_file(again) == data, "nothing in it depends on the time, or on who saves it"
    assert opened(project_file(Project())) == Project(shelves={"look": (), "other": ()})


def test_unpacked_it_is_what_the_library_and_the_command_line_read(project: Project, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(project_file(project))) as archive:
        archive.extractall(tmp_path)
    found = read_folder(tmp_path)
    assert set(found.hashes) == {each.sha256 for card in project.classes for each in card.shots}
    assert "red" in found.class_names
    assert [each.sha256 for each in project.classes[0].tests] == list(read_folder(tmp_path, split="test").hashes)
    assert GalLoPClassifier.load(tmp_path / "runs" / "2", backbone=tiny.vit()).classes_.tolist() == ["red", "green"]


# Strangers' files ----------------------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], object]


def refused(data: bytes, words: str) -> None:
    with pytest.raises((DataError, PlainError), match=words) as raised:
        opened(data)
    assert "shop.zip" in str(raised.value)


def with_json(found: dict[str, bytes], member: str, says: object) -> bytes:
    """The zip with other JSON in a member, and the fingerprint of its run that goes with it."""
    changed = found | {member: json.dumps(says).encode()}
    if member != "project.json":
        manifest = json.loads(found["project.json"])
        files = {name: changed[f"runs/1/{name}"] for name in project_files.RUN_FILES}
        manifest["runs"][0]["sha256"] = ProjectRun("", files).fingerprint
        changed["project.json"] = json.dumps(manifest).encode()
    return zip_of(changed, zipfile.ZIP_STORED)


def said(project: Project, change: Change, member: str = "project.json") -> bytes:
    """The project with other JSON in a member."""
    found = members_of(project_file(project))
    says = json.loads(found[member])
    change(says)
    return with_json(found, member, says)


FACTS = "runs/1/run.json"
CHANGES: dict[str, tuple[str, Change]] = {
    "another photo": (
        "not the photo that was saved",
        lambda m: m["cards"][0]["shots"][0].update(file=m["cards"][0]["shots"][1]["file"]),
    ),
    "a photo twice": ("a photo twice", lambda m: m["cards"][0]["shots"].append(m["cards"][0]["shots"][0])),
    "a photo missing": ("is missing", lambda m: m["cards"][0]["shots"][0].update(file="train/red/none.webp")),
    "a path out": ("is missing", lambda m: m["cards"][0]["shots"][0].update(file="../../etc/passwd")),
    "a run that is another": ("not the run", lambda m: m["runs"][0].update(sha256="0" * 64)),
    "a run elsewhere": ("is missing", lambda m: m["runs"][0].update(folder="/tmp")),
    "no fingerprint": ("no fingerprint", lambda m: m["runs"][0].update(sha256="5")),
    "a fingerprint of another kind": ("no fingerprint in 'sha256'", lambda m: m["runs"][0].update(sha256=5)),
    "cards that are none": ("no list", lambda m: m.update(cards={"a": 1})),
    "a card that is none": ("expected structure", lambda m: m.update(cards=[[]])),
    "no name": ("no valid text in 'name'", lambda m: m["cards"][0].update(name=7)),
    "a name too long": ("invalid or used twice", lambda m: m["cards"][0].update(name="x" * 300)),
    "a name that is there": (
        "invalid or used twice",
        lambda m: m["cards"][0].update(name="RED_ (2)"),
    ),
    "an invisible name": ("invalid or used twice", lambda m: m["cards"][0].update(name="re\u202ed")),
    "too many classes": ("the maximum is 100", lambda m: m.update(cards=m["cards"] * 40)),
    "too many photos": ("the maximum is 64", lambda m: m["cards"][0].update(shots=m["cards"][0]["shots"] * 40)),
    "too many runs": ("300 runs, and the maximum is 200", lambda m: m.update(runs=m["runs"] * 150)),
    "neither on nor off": ("no true or false", lambda m: m["cards"][0].update(enabled="yes")),
    "taught beyond": ("no valid number", lambda m: m.update(taught=2)),
    "taught no number": ("no valid number", lambda m: m.update(taught=True)),
    "an endless limit": ("no number", lambda m: m.update(limit=float("inf"))),
    "no shelves": ("expected structure", lambda m: m.pop("shelves")),
    "no format": ("has no valid format", lambda m: m.pop("format")),
    "an older format": ("has no valid format", lambda m: m.update(format=0)),
    "a newer format": (
        r"newer version of this app \(9\.9, format 3.*Update",
        lambda m: m.update(format=3, version="9.9"),
    ),
}


@pytest.mark.parametrize(("words", "change"), CHANGES.values(), ids=CHANGES)
def test_a_manifest_that_lies_is_refused_in_a_sentence(project: Project, words: str, change: Change) -> None:
    refused(said(project, change), words)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.update(class_names=["x", 5]),
        lambda f: f.update(class_names=["x", "x"]),
        lambda f: f.update(class_names=[]),
        lambda f: f.update(settings=None),
        lambda f: f["settings"].update(epochs=10**9),
        lambda f: f["settings"].update(warp=1),
        lambda f: f.update(backbone=["mini"]),
        lambda f: f.update(fingerprint="mini"),
        lambda f: f.update(content=[["x", "short"]]),
        lambda f: f.update(content=[["stranger", "a" * 64]]),
        lambda f: f.update(content=[[[], {}]]),
        lambda f: f.update(steps="many"),
        lambda f: f.update(steps=-1),
        lambda f: f.update(history=[[1, float("nan"), 0.5]]),
        lambda f: f.update(history=[[1, 2]]),
        lambda f: f.update(history=7),
        lambda f: f["answers"].update({"c" * 64: ["x", "stranger", 0.5, True]}),
        lambda f: f["answers"].update({"c" * 64: ["x", "y", 1.5, True]}),
        lambda f: f["answers"].update({"c" * 64: ["x", "y", 0.5, "yes"]}),
        lambda f: f["answers"].update({"../x": ["x", "y", 0.5, True]}),
        lambda f: f.pop("answers_before"),
    ],
)
def test_a_run_that_lies_is_refused(project: Project, change: Change) -> None:
    assert written(first_run(said(project, lambda facts: None, FACTS))) == project.runs[0].files["run.json"]
    refused(said(project, change, FACTS), r"runs/1 in shop\.zip does not contain a valid description of a run")


def test_a_run_with_a_head_that_was_removed_is_refused_and_its_photos_are_learned_from(
    project: Project, tmp_path: Path
) -> None:
    one = replace(project, classes=project.classes[:1])
    data = said(one, lambda facts: facts["settings"].update(head="ridge+pairs"), FACTS)
    refused(
        data, r"was not opened: head is 'ridge\+pairs'; .*train again with head='ridge'\. `gallop train` learns from"
    )
    (tmp_path / "shop.zip").write_bytes(data)
    assert len(project_photos(tmp_path / "shop.zip").hashes) == len(one.classes[0].shots)


WRONG = (None, True, -1, 1.5, 1e308, 10**400, "x" * 5000, "\ud800", "\u202e", [], [[1], {}], {"": {}})
PYTHONS_WORDS = r"not supported|indices|argument|iterable|object|subscript|codec|unhashable|convert|__|Error"


def places(held: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in JSON: of a list the first two."""
    yield at
    inside = held.items() if isinstance(held, dict) else enumerate(held[:2]) if isinstance(held, list) else ()
    for key, value in inside:
        yield from places(value, (*at, key))


def with_value(held: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    copied = held.copy()
    copied[at[0]] = with_value(held[at[0]], at[1:], value)
    return copied


@pytest.mark.filterwarnings("ignore:topk contains")
@pytest.mark.parametrize(
    "member",
    [
        FACTS,
        pytest.param("project.json", marks=pytest.mark.slow),
        pytest.param("runs/1/gallop.json", marks=pytest.mark.slow),
    ],
)
def test_json_of_a_wrong_type_is_refused_in_a_short_sentence(member: str) -> None:
    """Whatever stands in whatever place: it is used, and saved again, or a person can read why not."""
    found = members_of(STORED.read_bytes())
    says = json.loads(found[member])
    if member == "project.json":
        says |= {"limit": 0.5}
    told = set()
    for at in places(says):
        for value in WRONG:
            try:
                data = with_json(found, member, with_value(says, at, value))
                project, (facts, *_) = opened_project(io.BytesIO(data), "shop.zip")
                assert opened(project_file(project)) == project
                if project.taught is not None:
                    model = classifier_of(project.runs[project.taught].files, tiny.vit())
                    taught_of(model, tiny.vit(), facts.settings, facts)
            except GallopError as error:
                told.add(str(error))
    odd = [words for words in told if len(words) > 400 or not words.isprintable() or re.search(PYTHONS_WORDS, words)]
    assert (odd, told != set()) == ([], True)


def link() -> zipfile.ZipInfo:
    found = zipfile.ZipInfo("train/red/link.webp")
    found.external_attr = 0o120777 << 16
    return found


def also(data: bytes, *more: tuple[Any, bytes]) -> bytes:
    stream = io.BytesIO(data)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in more:
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_zips_are_refused_in_a_sentence(project: Project) -> None:
    whole, found = project_file(project), members_of(project_file(project))
    first = "train/red/red 1.webp"
    damaged = bytearray(whole)
    damaged[whole.index(found[first]) + 40] ^= 0xFF
    locked = bytearray(whole)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.find(mark) + at] |= 1
    cases = {
        "not a zip": b"hello" * 20,
        "not a zip file, or it is incomplete": whole[: len(whole) // 2],
        "cannot be read as a zip|not a zip|damaged": whole[1000:],
        "damaged": bytes(damaged),
        "encrypted": bytes(locked),
        r"does not contain project\.json": zip_of({"ant/1.jpg": b"x"}),
        "cannot be read as JSON": zip_of(found | {"project.json": b"(lp0\nI1\na."}),
        "is not valid UTF-8 text": zip_of(found | {"project.json": pickle.dumps({"format": 1})}),
        "JSON": zip_of(found | {"project.json": b'{"a":' * 100_000 + b"1" + b"}" * 100_000}),
        "expected structure": zip_of(found | {"project.json": b"[1]"}),
        r"contains a file with an unsafe path \(\.\./\.\./evil": also(whole, ("../../evil.webp", b"x")),
        r"contains a file with an unsafe path \(/etc/cron": also(whole, ("/etc/cron", b"x")),
        r"contains a file with an unsafe path \(C:": also(whole, ("C:\\evil.webp", b"x")),
        "contains a link": also(whole, (link(), b"/etc/passwd")),
        "two files with the same name": also(whole, (first, b"x")),
        "files, but a zip file may contain at most 2000": also(whole, *((f"{n}", b"") for n in range(2600))),
        "too many files": also(whole, *((f"{n:0200}", b"") for n in range(6000))),
        "is larger than 20 MB": zip_of(found | {first: b"\0" * (30 * 2**20)}),
        r"red 1\.jpg has .*pixels|red 1\.jpg .*side": zip_of(found | {first: png_bomb(6000)}),
        r"red 1\.jpg .* not": zip_of(found | {first: pickle.dumps(list(range(99)))}),
        "is not the run": zip_of(found | {"runs/1/prompts.safetensors": pickle.dumps([1])}),
    }
    for words, data in cases.items():
        refused(data, words)


@pytest.mark.parametrize(
    ("module", "limit", "most", "words"),
    [
        # What nobody could open again is not saved.
        (project_files, "MAX_ARCHIVE_BYTES", 1000, "The limits are .* Remove some photos"),
        (zip_files, "MAX_TOTAL_BYTES", 20_000, "unpacks to more than"),
        (zip_files, "MAX_ARCHIVE_BYTES", 1000, "larger than"),
    ],
)
def test_what_is_more_than_is_allowed_is_neither_saved_nor_opened(
    project: Project, monkeypatch: pytest.MonkeyPatch, module: Any, limit: str, most: int, words: str
) -> None:
    monkeypatch.setattr(module, limit, most)
    with pytest.raises((DataError, PlainError), match=words):
        opened(project_file(project))


@pytest.mark.parametrize("cut", range(0, 100, 7))
def test_no_cut_file_is_taken_for_a_smaller_project(project: Project, cut: int) -> None:
    data = project_file(project)
    refused(data[: len(data) * cut // 100], "zip")


def test_a_picture_as_large_as_is_kept_comes_back(project: Project) -> None:
    rng = np.random.default_rng(0)
    pictures = (rng.integers(0, 256, shape).astype(np.uint8) for shape in ((512, 512, 3), (3, 1024, 3)))
    big, wide = (load_image(Image.fromarray(picture), name="large.png") for picture in pictures)
    large = replace(project, classes=(ProjectClass("red", True, (big,)),), shelves={"look": (wide,), "other": ()})
    assert opened(project_file(large)) == large


def test_a_project_of_the_first_format_is_opened_by_every_version() -> None:
    found, (kept,) = opened_project(io.BytesIO(STORED.read_bytes()), STORED.name)
    counts = [(each.name, len(each.shots), len(each.tests)) for each in found.classes]
    assert (counts, found.taught) == ([("red", 2, 1), ("green", 2, 0)], 0)
    shots = [photo for each in found.classes for photo in (*each.shots, *each.tests)]
    said = classifier_of(found.runs[0].files, tiny.vit()).predict_all(shots)
    answers = [kept.answers[each.sha256] for each in shots]
    assert said.labels.tolist() == [answer.label for answer in answers]
    assert said.probabilities.max(axis=1) == pytest.approx([answer.probability for answer in answers], abs=1e-5)


def called_tower(facts: dict[str, Any]) -> None:
    del facts["backbone"]
    facts["tower"] = "small"


def test_a_project_of_the_first_format_and_an_older_run_name_their_backbone_otherwise(project: Project) -> None:
    assert opened(said(project, called_tower)).backbone_name == "small"
    assert first_run(said(project, called_tower, FACTS)).backbone_name == "small"


def test_facts_are_as_a_run_has_them(project: Project) -> None:
    """The first runs had no backbone and no fingerprint."""
    old = first_run(said(project, lambda f: [f.pop(key) for key in ("backbone", "fingerprint")], FACTS))
    assert (old.backbone_name, old.fingerprint, old.name) == ("mini", "", "first")
    assert written(old) == project.runs[0].files["run.json"]
