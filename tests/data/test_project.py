"""The file of a project, as photos to learn from: those that the app writes into it, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from gallop import Photo, load_image
from gallop.cli import main
from gallop.data import labelled_path
from gallop.data.labelled import content_hash
from gallop.data.project_file import Project, ProjectClass, project_file, project_photos
from gallop.errors import DataError
from tests import tiny


def photos(colour: str, count: int, first: int = 0) -> tuple[Photo, ...]:
    return tuple(load_image(tiny.picture(first + i, colour), name=f"{colour} {i}.jpg") for i in range(count))


def saved(folder: Path, *classes: ProjectClass) -> Path:
    path = folder / "shop.zip"
    path.write_bytes(project_file(Project(classes)))
    return path


RED = ProjectClass("red", True, photos("red", 4), photos("red", 2, 50))
GREEN = ProjectClass("a green one", True, photos("green", 3))
OFF = ProjectClass("blue", False, photos("blue", 2))


def test_a_projects_photos_are_those_of_the_classes_that_are_on(tmp_path: Path) -> None:
    path = saved(tmp_path, GREEN, OFF, RED)
    found = project_photos(path)
    assert found == project_photos(saved(tmp_path, RED, GREEN)), "by name, as folders are"
    assert found.class_names == ("a green one", "red")
    contents = tuple(photo.sha256 for photo in (*GREEN.shots, *RED.shots))
    assert (found.hashes, found.names) == (contents, ["a green one"] * 3 + ["red"] * 4)
    tests = labelled_path(path, split="test", content=content_hash)
    assert (tests.class_names, tests.hashes) == (("red",), tuple(photo.sha256 for photo in RED.tests))


def test_a_classifier_learns_from_a_project_as_from_its_photos(tmp_path: Path) -> None:
    path = saved(tmp_path, RED, GREEN)
    settings = {"epochs": 0, "head": "ridge", "calibration_folds": 2}
    made = tiny.classifier(**settings).fit(path)
    same = tiny.classifier(**settings).fit(
        {card.name: list(card.shots) for card in (GREEN, RED)}
    )  # by name, as folders
    assert made.calibration_ == same.calibration_
    assert made.predict(RED.tests).tolist() == same.predict(RED.tests).tolist()
    assert made.score(path) == same.score(list(RED.tests), ["red", "red"])


@pytest.mark.parametrize(
    ("classes", "split", "said"),
    [
        ((RED, ProjectClass("cup", True)), "train", r"shop\.zip has no photos to learn cup from\. Add some"),
        ((OFF,), "train", "no photos to learn any class from"),
        ((OFF,), "test", "no photos to learn any class from"),
    ],
)
def test_a_project_without_photos_is_refused(
    classes: tuple[ProjectClass, ...], split: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=said):
        project_photos(saved(tmp_path, *classes), split=split)


def test_where_there_is_nothing_to_test_on_a_project_has_one_part_as_a_folder_may(tmp_path: Path) -> None:
    path = saved(tmp_path, GREEN, OFF)
    assert project_photos(path, split="test") == project_photos(path)


def test_what_is_no_project_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("not a zip")
    (tmp_path / "photos.zip").write_bytes(tiny.zip_of({"red/1.png": b"x"}))
    for name, said in (("gone", "cannot be read"), ("text", "is not a zip file"), ("photos", "is not a project")):
        with pytest.raises(DataError, match=f"{name}.zip {said}"):
            project_photos(tmp_path / f"{name}.zip")


def test_the_command_line_trains_on_a_project(
    tmp_path: Path, backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = saved(tmp_path, RED, GREEN), tmp_path / "model"
    options = ["--shots", "64", "--allow-fewer", "--epochs", "0", "--head", "ridge", "--backbone", str(backbone)]
    assert main(["train", str(path), "--out", str(out), *options]) == 0
    assert "Trained on 2 classes and 7 images" in capsys.readouterr().out
    assert main(["evaluate", str(out), str(path), "--backbone", str(backbone)]) == 0
