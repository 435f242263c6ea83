"""Exports by the command line: they are the library's, and what cannot be is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gallop.cli import main
from gallop.documents.model_card import model_card
from gallop.estimator import GalLoPClassifier
from gallop.export.formats import FORMATS, Exported, ModelToExport
from gallop.export.report import html_report
from tests import tiny


def test_card_and_report_of_the_command_line_are_the_librarys(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, card, report = (tmp_path / name for name in ("a photo.png", "model.md", "why.html"))
    tiny.picture(3, "red").save(photo)
    assert main(["export", str(model), "--card", str(card)]) == 0
    assert "The model card of 3 classes is in" in capsys.readouterr().out
    assert main(["export", str(model), "--report", str(report), "--photo", str(photo), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["out"], said["bytes"]) == (str(report), report.stat().st_size)
    found = GalLoPClassifier.load(model)
    assert card.read_text(encoding="utf-8") == model_card(found)
    assert report.read_text(encoding="utf-8") == html_report(found.explain(photo), photo_name="a photo.png")


def test_a_card_states_the_accuracy_on_test_photos(model: Path, tmp_path: Path) -> None:
    card, photos = tmp_path / "model.md", tiny.write_folder(tmp_path / "photos", {"red": 1, "green": 1}, first_seed=5)
    assert main(["export", str(model), "--card", str(card), "--test", str(photos)]) == 0
    right = GalLoPClassifier.load(model).evaluate(photos).accuracy
    assert f"- Accuracy on test photos: {right.right} of 2, " in card.read_text(encoding="utf-8")


def exported(monkeypatch: pytest.MonkeyPatch, key: str) -> list[ModelToExport]:
    """Let nothing be made in a format; return what it would be made of."""
    subjects: list[ModelToExport] = []

    def make(subject: ModelToExport) -> Exported:
        subjects.append(subject)
        return Exported(b"PK\5\6" + bytes(18))  # a zip without files

    monkeypatch.setitem(FORMATS, key, replace(FORMATS[key], make=make))
    return subjects


def test_of_more_photos_than_it_is_checked_with_some_of_all_the_folder_are_taken(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = exported(monkeypatch, "onnx")
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(65):
        (photos / f"{number}.png").touch()
    assert main(["export", str(model), "--onnx", str(tmp_path / "out"), "--photos", str(photos)]) == 0
    assert [path.stem for path in subjects[0].photos] == [str(number) for number in range(0, 65, 2)]


def test_a_page_is_stored_in_single_precision_unless_another_is_asked_for(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = exported(monkeypatch, "web")
    for more in ((), ("--precision", "fp16")):
        assert main(["export", str(model), "--web", str(tmp_path / "page"), *more]) == 0
    assert [subject.precision for subject in subjects] == ["fp32", "fp16"]


REFUSED = {
    "--report OUT": "--report needs a photo to explain: add --photo IMAGE.",
    "--card OUT --photo a.png": "--photo does not apply to --card: leave out --photo.",
    "--web OUT --test a": "--test does not apply to --web: leave out --test.",
    "--card OUT --teach": "--teach does not apply to --card: leave out --teach.",
    "--card OUT --photos a": "--photos does not apply to --card: leave out --photos.",
    "--card OUT --onnx OUT": "argument --onnx: not allowed with argument --card",
    "": "one of the arguments --card --onnx --report --web is required",
    "--card OUT --precision fp16": "--precision does not apply to --card: leave out --precision.",
    "--report OUT --photo nowhere.png": "nowhere.png",
}


def test_what_cannot_be_is_told_and_nothing_is_written(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for words, sentence in REFUSED.items():
        assert main(["export", str(model), *(str(out) if word == "OUT" else word for word in words.split())]) == 2
        assert sentence in capsys.readouterr().err
        assert not out.exists()
    assert main(["export", "--card", str(out)]) == 2
    assert "--card needs a trained model: gallop export MODEL --card FILE." in capsys.readouterr().err
