"""The page for browsers: which files it is, whether its encoders agree with the classifier, what it refuses."""

from __future__ import annotations

import copy
import gzip
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gallop import GalLoPClassifier
from gallop.cli import main
from gallop.errors import OnnxError, PageError
from gallop.export.web import FIRST_NAMES, check_folder, checked_origins, write
from gallop.export.web import fetch as fetching
from gallop.export.web.encoders import check_encoders
from gallop.export.web.page_files import page_facts, page_files, photos_to_begin_with
from gallop.names.class_names import clean_names
from tests import tiny

NAMES = ("red", "green", "blue")


@pytest.fixture(scope="module")
def taught(onnxruntime_web: None) -> tuple[GalLoPClassifier, dict[str, bytes], dict[str, Any]]:
    """With all that a page takes of a model: projections, two looks, a head, a limit; and its page."""
    classifier = tiny.classifier(head="ridge", detail=2, local_projection=True, calibration_folds=2)
    return classifier, *page_files(classifier.fit(*tiny.pictures(dict.fromkeys(NAMES, 4))))


@pytest.mark.slow
def test_a_taught_models_page_holds_its_classes_and_answers_as_it_does(
    taught: tuple[GalLoPClassifier, dict[str, bytes], dict[str, Any]],
) -> None:
    classifier, files, facts = taught
    assert facts["agreement"]["difference"] <= 1e-4
    assert classifier.calibration_.threshold is not None
    keys = ("fixed", "names", "looks", "branches", "threshold", "large", "samples", "embed")
    assert {key: facts[key] for key in keys} == {
        "fixed": True,
        "names": list(NAMES),
        "looks": [1.0, 2],
        "branches": [{"name": "head", "weight": tiny.head_of(classifier).mix.weight}],
        "threshold": classifier.calibration_.threshold,
        "large": {name: len(data) for name, data in files.items() if name.endswith(".packed")},
        "samples": [],
        "embed": [],
    }
    assert not {"encoders/text.onnx.packed", "encoders/merges.txt.packed"} & {*files}
    of_classes = 4 * 3 * sum(classifier.model_.prompts.sizes) * facts["width"]
    assert len(gzip.decompress(files["encoders/classes.bin.packed"])) == of_classes


def test_what_the_page_asks_for_is_in_the_folder_and_is_kept_for_later(
    taught: tuple[GalLoPClassifier, dict[str, bytes], dict[str, Any]],
) -> None:
    _, files, facts = taught
    wanted = re.findall(r'(?:href|src)="([^":]+)"', files["index.html"].decode())
    for name in (name for name in files if name.endswith(".js")):
        found = re.findall(r'from "(\.[^"]+)"', files[name].decode())
        wanted += [os.path.normpath(Path(name).parent / path) for path in found]
    assert {*wanted} <= {*files}
    ((version, kept),) = re.findall(r"const VERSION = (.*);\n(?:.*\n)*?const FILES = (.*);", files["sw.js"].decode())
    assert (json.loads(version), {*json.loads(kept)}) == (facts["version"], {*files} - {"sw.js"})
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', files["index.html"].decode())
    assert {"default-src 'none'", "connect-src 'self'", "form-action 'none'"} <= {*policy.split("; ")}


@pytest.mark.slow
def test_a_zero_shot_models_page_takes_names(onnxruntime_web: None, tmp_path: Path) -> None:
    """Of a CLIP whose numbers are no halves, stored in half precision."""
    classifier = GalLoPClassifier(backbone=str(tiny.backbone_folder(tmp_path)), cache=False, topk=(2, 4))
    files, facts = page_files(classifier.zero_shot(NAMES, ["a {} thing"]), "fp16")
    assert (facts["fixed"], facts["templates"], facts["room"]) == (False, ["a {} thing"], 32)
    assert 1e-7 < facts["agreement"]["difference"] <= 1e-2
    assert {"encoders/text.onnx.packed", "encoders/merges.txt.packed"} <= {*files}
    assert gzip.decompress(files["encoders/merges.txt.packed"]).decode().startswith("i n\nt h\n")


def test_a_page_whose_answers_differ_is_not_handed_out(
    taught: tuple[GalLoPClassifier, dict[str, bytes], dict[str, Any]],
) -> None:
    """Of a classifier that has learned another photo since."""
    classifier, files, _ = taught
    other = copy.deepcopy(classifier).add_shots(*tiny.pictures({"red": 4}, first_seed=50))
    vision = gzip.decompress(files["encoders/vision.onnx.packed"])
    with pytest.raises(OnnxError, match=r"The page's probabilities or text features differ from the classifier's"):
        check_encoders(other, vision, None, "fp32", [])


def test_photos_that_are_resized_otherwise_are_refused() -> None:
    backbone = tiny.new_vit()
    backbone.preprocess = replace(backbone.preprocess, interpolation="lanczos")
    with pytest.raises(PageError, match="the page resizes photos with bicubic interpolation"):
        page_facts(tiny.classifier(backbone=backbone).zero_shot(NAMES))


def test_a_page_that_teaches_begins_without_training(
    onnxruntime_web: None, taught: tuple[GalLoPClassifier, dict[str, bytes], dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(PageError, match="A page that teaches begins with a model without training"):
        write(tmp_path, taught[0], teach=True)
    assert [*tmp_path.iterdir()] == []


def test_a_page_that_teaches_takes_minis_zero_shot_model_without_its_templates(onnxruntime_web: None) -> None:
    _, facts = page_files(GalLoPClassifier(device="cpu").zero_shot(NAMES), teach=True)
    assert (facts["names"], facts["templates"], "teach" in facts) == ([*NAMES], ["A photo of a {}"], True)


def test_names_and_photos_to_begin_with_go_together() -> None:
    assert clean_names(FIRST_NAMES) == FIRST_NAMES
    assert [path.parent.name for path in photos_to_begin_with((*FIRST_NAMES, "cat"))] == [*FIRST_NAMES]


# Files and folders ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin", ["http://school.example", "https://school.example/page", "https://*.example", "https://a@b.example", "*"]
)
def test_what_is_no_origin_of_a_page_is_refused(origin: str) -> None:
    with pytest.raises(PageError, match=r"is not the origin of a page\. Write it without a path"):
        checked_origins(["https://school.example", origin])


def test_origins_are_written_as_browsers_write_them() -> None:
    given = ["https://School.example:443/", "http://localhost:8000"]
    assert checked_origins(given) == ["https://school.example", "http://localhost:8000"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    assert main(["export", "--web", str(tmp_path)]) == 2
    told = "contains files that do not belong to an exported page. Choose a folder that is empty or does not exist yet."
    assert told in capsys.readouterr().err
    with pytest.raises(PageError, match=r"letter\.txt is a file. Choose a folder"):
        check_folder(tmp_path / "letter.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    check_folder(tmp_path / "new")


def test_the_command_line_writes_the_folder(
    onnxruntime_web: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"index.html": b"<html>", "model.json": b"{}", "encoders/vision.onnx.packed": b"1"}
    facts = {"fixed": True, "agreement": {"photos": 4, "difference": 1e-6}}
    monkeypatch.setattr("gallop.export.web.page_files.page_files", lambda *_, **__: (files, facts))
    monkeypatch.setattr("gallop.estimator.arguments.load_backbone", lambda name, **_: tiny.vit())
    for _ in range(2):  # a page may be written over
        assert main(["export", "--web", str(tmp_path / "page"), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["files"], said["loads"], said["bytes"]) == (3, 9, 9)
        assert said["class_names"] == list(FIRST_NAMES)
        found = {path.relative_to(tmp_path / "page").as_posix(): path for path in (tmp_path / "page").rglob("*.*")}
        assert {name: path.read_bytes() for name, path in found.items()} == files


def test_the_command_line_counts_no_classes_of_a_page_that_teaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"fixed": False, "agreement": {"photos": 4, "difference": 1e-6}}
    monkeypatch.setattr("gallop.export.web.page_files.page_files", lambda *_, **__: ({"model.json": b"{}"}, facts))
    monkeypatch.setattr("gallop.estimator.arguments.load_backbone", lambda name, **_: tiny.vit())
    assert main(["export", "--web", str(tmp_path / "page"), "--teach"]) == 0
    assert capsys.readouterr().out.startswith(f"The page for browsers is in {tmp_path / 'page'} (1 kB).\nClasses are")
    assert main(["export", "--web", str(tmp_path / "page"), "--teach", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["class_names"] == []


# onnxruntime-web -----------------------------------------------------------------------------------------------------


def test_what_is_missing_is_told_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        PageError, match=r"which is not installed with this package.*python -m gallop\.export\.web\.fetch"
    ):
        fetching.runtime_files(tmp_path)
    for name in fetching.FETCHED:
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(PageError, match="differs from the file in onnxruntime-web"):
        fetching.runtime_files(tmp_path)
    monkeypatch.setattr("gallop.export.web.page_files.runtime_files", lambda: fetching.runtime_files(tmp_path))
    with pytest.raises(PageError):
        write(tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_an_npm_that_fails_or_gives_something_else_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python stands for it, so that nobody asks a registry; npm's last word is the folder that it packs into."""
    run = subprocess.run
    for npm, sentence in {
        "import sys; sys.exit('npm error: no route')": "no route. Check the network connection.",
        "": "could not download onnxruntime-web",
        "import pathlib, sys; pathlib.Path(sys.argv[-1], 'other.tgz').write_bytes(b'other')": (
            "differs from the published"
        ),
    }.items():
        command = [sys.executable, "-c", npm]
        monkeypatch.setattr(subprocess, "run", lambda asked, at=command, **how: run([*at, *asked], **how))
        with pytest.raises(PageError, match=re.escape(sentence)):
            fetching.fetch(tmp_path / "fetched")
        assert not (tmp_path / "fetched").exists()
