"""What the page that teaches writes and opens, by Node alone: projects as the app has them, and checkpoints."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.runs.run import files_of, written
from app.teaching.training import Answer
from gallop import GalLoPClassifier, ImageFeatures, Photo, load_image
from gallop.data.project_file import Project, ProjectClass, ProjectRun, project_file, project_photos, read_project
from tests import tiny
from tests.app.test_runs import run
from tests.export import test_teach_scripts as scripts
from tests.export.conftest import Ask
from tests.nasty_images import encode, png

MODEL = {"gallop": "0.1", "backbone": "mini"}


def photo(seed: int, colour: str = "red", name: str = "") -> Photo:
    return load_image(tiny.picture(seed, colour), name=name or f"{colour} {seed}.jpg")


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def as_photo(one: Photo) -> dict[str, str]:
    return {"name": one.name, "sha256": one.sha256, "bytes": text(encode(one.image, "PNG"))}


@pytest.fixture(scope="module")
def project() -> Project:
    images, labels = tiny.pictures({"red": 3, "green": 3})
    files = files_of(tiny.classifier().fit(images, labels))
    cards = (
        ProjectClass("red", True, (photo(1), photo(2, name="a/b:c.jpg")), (photo(3),)),
        ProjectClass("Red_ (2)", False, (photo(4, name="image.jpg"), photo(5, name="image.jpg (2)"))),
        ProjectClass("ein Käfer / *bold*", True),
    )
    shelves = {"look": (photo(6, "blue"),), "other": (photo(7, "yellow"),)}
    known: dict[str, Any] = {"content": frozenset({("x", "a" * 64), ("y", "b" * 64)})}
    known |= {key: {"c" * 64: Answer("x", "y", 0.1 + 0.2, seen=False)} for key in ("answers", "answers_before")}
    runs = (ProjectRun("<b>first</b>", {"run.json": written(run(0, **known)), **files}),)
    return Project(cards, shelves, runs, 0, -0.25)


# Projects ------------------------------------------------------------------------------------------------------------


def test_a_picture_has_the_fingerprint_that_it_has_in_python(ask_taught: Ask) -> None:
    pictures = [tiny.picture(i, size=size) for i, size in enumerate([(40, 32), (1, 1), (7, 90)])]
    questions = [
        {"kind": "digest", "rgba": text(one.convert("RGBA").tobytes()), "width": one.width, "height": one.height}
        for one in pictures
    ]
    assert ask_taught(*questions) == [load_image(one).sha256 for one in pictures]


def as_class(name: str, *shots: Photo) -> dict[str, Any]:
    return {"name": name, "shots": [as_photo(one) for one in shots]}


def test_the_app_opens_what_the_page_writes(ask_taught: Ask, tmp_path: Path) -> None:
    cards = (
        ProjectClass("red", True, (photo(1, name="frame 1"), photo(2, name="frame 1"))),
        ProjectClass("RED?", True, (photo(4, name=".."), photo(5, name="../../etc/passwd.png"))),
        ProjectClass("żółw 🐢 " + "x" * 150, True, (photo(6, name="<script>.png"),)),
    )
    (written,) = ask_taught(
        {"kind": "write", "model": MODEL, "classes": [as_class(card.name, *card.shots) for card in cards]}
    )
    data = base64.b64decode(written)
    assert read_project(io.BytesIO(data), "page.zip") == Project(cards, {"look": (), "other": ()})
    assert sorted(tiny.members_of(data))[:2] == ["project.json", "train/RED_/_.png"]  # read, with their checksums
    (tmp_path / "page.zip").write_bytes(data)
    hashes = project_photos(tmp_path / "page.zip").hashes
    assert [*hashes] == [one.sha256 for card in sorted(cards, key=lambda card: card.name) for one in card.shots]


def test_a_project_of_the_app_comes_back_from_the_page_as_it_was(ask_taught: Ask, project: Project) -> None:
    zipped = text(project_file(project))
    again, read = ask_taught({"kind": "again", "zipped": zipped, "model": MODEL}, {"kind": "read", "zipped": zipped})
    assert read_project(io.BytesIO(base64.b64decode(again)), "again.zip") == project
    on = [card for card in project.classes if card.enabled]
    assert [each["name"] for each in read] == [card.name for card in on]
    shots = [one for each in read for one in each["shots"]]
    found = [(one["name"], one["sha256"], load_image(base64.b64decode(one["bytes"])).sha256) for one in shots]
    assert found == [(one.name, one.sha256, one.sha256) for card in on for one in card.shots]


def test_what_the_page_does_not_show_of_a_project_outlives_changes_there(ask_taught: Ask, project: Project) -> None:
    """Red gets its test photo as a shot, the class that is off is made anew, another one is deleted."""
    red, off, _ = project.classes
    classes = [as_class("red", red.tests[0]), as_class("RED_ (2)", photo(8)), as_class("new", off.shots[1])]
    question = {"kind": "again", "zipped": text(project_file(project)), "model": MODEL, "classes": classes}
    found = read_project(io.BytesIO(base64.b64decode(ask_taught(question)[0])), "again.zip")
    cards = [(card.name, card.enabled, len(card.shots), len(card.tests)) for card in found.classes]
    assert cards == [("red", True, 1, 0), ("RED_ (2)", True, 1, 0), ("new", True, 1, 0)]
    assert (found.shelves, found.runs) == (project.shelves, project.runs)
    question["classes"] = [as_class("red", red.shots[0])]
    found = read_project(io.BytesIO(base64.b64decode(ask_taught(question)[0])), "again.zip")
    assert [(card.name, card.enabled) for card in found.classes] == [("red", True), (off.name, False)]
    assert (found.classes[0].tests, found.classes[1].shots) == (red.tests, off.shots)


def test_a_project_that_could_not_be_opened_again_is_not_written(ask_taught: Ask) -> None:
    shots = [{"name": str(i), "sha256": f"{i:064}", "bytes": text(b"x")} for i in range(2000)]
    with pytest.raises(AssertionError, match=r"The limits are 200 MB and 2000 files\. Remove some photos\."):
        ask_taught({"kind": "write", "model": MODEL, "classes": [{"name": "a", "shots": shots}]})


# Strangers' files ----------------------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], object]


def told(project: Project, change: Change) -> bytes:
    """The project with another manifest."""
    found = tiny.members_of(project_file(project))
    manifest = json.loads(found["project.json"])
    change(manifest)
    return tiny.zip_of(found | {"project.json": json.dumps(manifest).encode()})


LIES: dict[str, tuple[str, Change]] = {
    "a photo twice": ("a photo twice", lambda m: m["cards"][0]["shots"].append(m["cards"][0]["shots"][0])),
    "a photo missing": ("is missing", lambda m: m["cards"][0]["shots"][0].update(file="train/red/none.webp")),
    "a path out": ("is missing", lambda m: m["cards"][0]["shots"][0].update(file="../../etc/passwd")),
    "no picture": ("not a PNG or WebP", lambda m: m["cards"][0]["shots"][0].update(file="project.json")),
    "another run": ("is not the run", lambda m: m["runs"][0].update(sha256="0" * 64)),
    "a run outside": ("folder of another kind", lambda m: m["runs"][0].update(folder="train/red")),
    "a name twice": ("invalid or used twice", lambda m: m["cards"][1].update(name="RED")),
    "a name that does not show": ("invalid or used twice", lambda m: m["cards"][0].update(name="a\u200bb")),
    "too many classes": (
        "100 are the most",
        lambda m: m.update(cards=[{**m["cards"][2], "name": f"c{i}"} for i in range(101)]),
    ),
    "too many photos": ("64 are the most", lambda m: m["cards"][0].update(shots=m["cards"][0]["shots"] * 33)),
    "a newer format": ("newer version", lambda m: m.update(format=3)),
    "no format": ("no valid format", lambda m: m.pop("format")),
    "a list": ("no list of classes", lambda m: m.pop("cards")),
}


def assert_told(ask_taught: Ask, cases: Mapping[str, tuple[str, Any]], zips: Iterable[bytes]) -> None:
    """Of the zip of each case the page says a sentence on one line, with its words."""
    (said,) = ask_taught({"kind": "refusals", "zips": [*map(text, zips)]})
    for (case, (words, _)), sentence in zip(cases.items(), said, strict=True):
        assert words in sentence, (case, sentence)
        assert re.fullmatch(r".*\.", sentence), (case, sentence)


def test_a_manifest_that_lies_is_refused_with_a_sentence(ask_taught: Ask, project: Project) -> None:
    assert_told(ask_taught, LIES, (told(project, change) for _, change in LIES.values()))


@pytest.mark.slow
def test_no_value_of_the_manifest_breaks_the_page(ask_taught: Ask, project: Project) -> None:
    values = [None, True, -1, 1.5, 10**30, "", "x", [], [None], {}, {"a": 1}]
    (said,) = ask_taught({"kind": "lies", "zipped": text(project_file(project)), "values": values})
    assert len(said) > 400
    assert not [sentence for sentence in said if sentence and ("\n" in sentence or "shop.zip" not in sentence)]


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("train/red/link.png")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


def also(data: bytes, *more: tuple[Any, bytes]) -> bytes:
    stream = io.BytesIO(data)
    with zipfile.ZipFile(stream, "a") as archive:
        for name, content in more:
            archive.writestr(name, content)
    return stream.getvalue()


def patched(data: bytes, signature: bytes, at: int, value: bytes) -> bytes:
    """The zip with other bytes in its last record of a kind."""
    start = data.rindex(signature) + at
    return data[:start] + value + data[start + len(value) :]


def hostile(data: bytes) -> dict[str, tuple[str, bytes]]:
    bomb = tiny.zip_of({"project.json": b" " * 2**24})
    manifest = tiny.zip_of({"project.json": b"{}" * 1000})
    size = struct.pack("<I", 10)
    lying = patched(patched(manifest, b"PK\x01\x02", 24, size), b"PK\x03\x04", 22, size)
    end = data.rindex(b"PK\x05\x06")
    return {
        "text": ("is not a zip file", b"a text" * 10),
        "nothing": ("is not a zip file", b""),
        "up and out": ("unsafe path", also(data, ("../evil.png", b"x"))),
        "absolute": ("unsafe path", also(data, ("/etc/passwd", b"x"))),
        "a drive": ("unsafe path", also(data, ("C:/evil.png", b"x"))),
        "backwards": ("unsafe path", also(data, ("train\\..\\evil", b"x"))),
        "a link": ("contains a link", also(data, (link(), b"/etc/passwd"))),
        "two of a name": ("two files with the same name", also(data, ("train/a", b"x"), ("train/a", b"y"))),
        "encrypted": ("is encrypted", patched(data, b"PK\x01\x02", 8, b"\x01")),
        "zip64": ("Zip64", data[:end] + b"PK\x06\x07" + bytes(16) + data[end:]),
        "a long list": ("too many files", patched(data, b"PK\x05\x06", 12, struct.pack("<I", 2**21))),
        "a list elsewhere": ("damaged or incomplete", patched(data, b"PK\x05\x06", 16, struct.pack("<I", 2**20 * 8))),
        "too many": ("2000 are the most", tiny.zip_of({str(i): b"" for i in range(2001)})),
        "a bomb": ("too large when unpacked", bomb),
        "a bomb that lies": ("it is damaged", lying),
        "another checksum": ("it is damaged", patched(manifest, b"PK\x01\x02", 16, b"abcd")),
        "packed otherwise": ("not supported", patched(manifest, b"PK\x01\x02", 10, b"\x0c\x00")),
        "a start elsewhere": ("damaged or incomplete", patched(manifest, b"PK\x01\x02", 42, b"\x05")),
        "photos alone": ("is not a project", tiny.zip_of({"red/1.png": b"x"})),
        "no JSON": ("cannot be read as JSON", tiny.zip_of({"project.json": b"{"})),
        "no text": ("is not text", tiny.zip_of({"project.json": b"\xff\xfe"})),
        "a picture bomb": ("pixels a side", with_picture(data, png((30_000, 30_000), b""))),
    }


def with_picture(data: bytes, picture: bytes) -> bytes:
    found = tiny.members_of(data)
    first = next(name for name in found if name.startswith("train/"))
    return tiny.zip_of(found | {first: picture})


def test_hostile_zips_are_refused_with_a_sentence(ask_taught: Ask, project: Project) -> None:
    cases = hostile(project_file(project))
    assert_told(ask_taught, cases, (data for _, data in cases.values()))


def test_no_cut_file_is_taken_for_a_smaller_project(ask_taught: Ask, project: Project) -> None:
    data = project_file(project)
    cuts = [*range(0, len(data), len(data) // 40), len(data) - 1]
    (said,) = ask_taught({"kind": "refusals", "zips": [text(data[:cut]) for cut in cuts]})
    assert all(said)


# Models --------------------------------------------------------------------------------------------------------------


def opened(written: str, folder: Path) -> GalLoPClassifier:
    """The model of a checkpoint, as zip and in base64."""
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(written))) as archive:
        assert archive.namelist() == ["model/gallop.json", "model/prompts.safetensors"]
        archive.extractall(folder)
    return GalLoPClassifier.load(folder / "model", backbone=tiny.vit())


@pytest.mark.parametrize("case", ["enough shots", "a class without shots", "one class has shots"])
def test_python_opens_what_was_taught_and_answers_as_the_page(case: str, ask_taught: Ask, tmp_path: Path) -> None:
    question = scripts.question(case)
    written, said = ask_taught({"kind": "checkpoint", **question}, {"kind": "taught", **question})
    model = opened(written, tmp_path)
    found = model.predict_all(ImageFeatures.cat([one.features for one in scripts.ASKED]))
    probabilities = np.array([answer["probabilities"] for answer in said["answers"]])
    assert found.probabilities == pytest.approx(probabilities, abs=1e-5)
    assert found.ood["GL-MCM"] == pytest.approx([answer["outlier"] for answer in said["answers"]], abs=1e-6)
    calibration = model.calibration_
    told = (calibration.note, calibration.photos, calibration.threshold, [*calibration.held_out], [*model.classes_])
    assert told == tuple(said[key] for key in ("note", "photos", "threshold", "heldOut", "names"))
    made = scripts.taught(said["names"], scripts.photos_of(*scripts.CASES[case][:1], copies=scripts.CASES[case][1]))
    made.save(tmp_path / "python")
    kept = [json.loads((tmp_path / name / "gallop.json").read_text()) for name in ("model", "python")]
    assert kept[0]["data_fingerprint"] == kept[1]["data_fingerprint"]


def test_a_model_of_the_page_can_be_saved_again_and_learn_more(ask_taught: Ask, tmp_path: Path) -> None:
    (written,) = ask_taught({"kind": "checkpoint", **scripts.question("enough shots")})
    model = opened(written, tmp_path)
    model.save(tmp_path / "again")
    assert json.loads((tmp_path / "again/gallop.json").read_text())["format"] == 3
    model.add_shots(scripts.photos_of({"red": 2}, seed=77)["red"], ["red", "red"])
    assert model.model_.branches[0].sums.counts.tolist() == [8, 9, 4]
