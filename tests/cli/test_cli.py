"""The command line, through ``main(argv)``: numbers, files, exit statuses and what is said on which stream."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from PIL import Image, ImageDraw, ImageFilter
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from gallop import GalLoPClassifier, draw_shots, read_folder
from gallop.backbones.weights import TOKENIZERS, KnownBackbone
from gallop.checkpoints.folder import TENSORS
from gallop.cli import main, many
from gallop.cli.commands import app, evaluate, serve, train
from gallop.cli.console import Console, percentage, plain_line
from gallop.model import calibration
from gallop.model.calibration import accepted_range
from gallop.predictions.next_to_label import next_to_label
from gallop.runtime.machine import PACKAGES
from gallop.sample import sample_folder
from gallop.training.learn import CalibrationEvent, EncodeEvent
from gallop.training.loop import TRAINING, StepEvent
from tests.tiny import backbone_folder, edit_settings, equal, there, vit, write_images
from tests.weight_server import Hub, weight_server

CLASSES = {"red_disc": (200, 40, 30), "green_square": (40, 170, 60), "blue_disc": (30, 50, 210)}
NAMES = ["blue disc", "green square", "red disc"]
QUICK = ("--shots", "4", "--epochs", "3", "--views", "2", "--batch-size", "4", "--lr", "0.5")
TRAIN_KEYS = {
    "out",
    "steps",
    "seconds",
    "loss",
    "accuracy_train",
    "accuracy_held_out",
    "interval_held_out",
    "threshold",
    "threshold_note",
    "threshold_photos",
    "threshold_keeps",
    "temperature",
    "changes",
    "skipped",
}


# ------------------------------------------------------------------ what is tested on


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def call(*argv: object) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(word) for word in argv])
    return Outcome(code, out.getvalue(), err.getvalue())


def done(*argv: object) -> Outcome:
    """A call that ends well."""
    outcome = call(*argv)
    assert outcome.code == 0, outcome.err
    return outcome


def rows_of(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"), newline="")))


def draw(name: str, seed: int) -> Image.Image:
    """A coloured shape somewhere on noise."""
    rng = np.random.default_rng([seed, len(name), *CLASSES[name]])
    image = Image.fromarray(rng.integers(90, 166, (44, 66, 3)).astype(np.uint8))
    left, top, side = rng.integers(2, 36), rng.integers(2, 14), rng.integers(20, 28)
    pen = ImageDraw.Draw(image)
    shape = pen.ellipse if name.endswith("disc") else pen.rectangle
    shape((int(left), int(top), int(left + side), int(top + side)), fill=CLASSES[name])
    return image


@pytest.fixture(scope="module", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("GALLOP_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ and test/ with three classes, and a folder of unknown things that holds a folder."""
    root = tmp_path_factory.mktemp("photos")
    for split, first, count in (("train", 0, 6), ("test", 100, 4)):
        for name in CLASSES:
            write_images(root / split / name, [draw(name, first + i) for i in range(count)])
    rng = np.random.default_rng(0)
    (root / "unknown" / "below").mkdir(parents=True)
    for i in range(5):
        noise = Image.fromarray(rng.integers(0, 256, (40, 40, 3)).astype(np.uint8))
        noise.save(root / "unknown" / ("below" if i % 2 else "") / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def model(photos: Path, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "model"
    outcome = done("train", photos, "--out", out, "--backbone", backbone, *QUICK, "--json")
    (out.parent / "train.json").write_text(outcome.out)
    return out


# ------------------------------------------------------------------ train


def test_train_tells_what_it_did(photos: Path, model: Path, backbone: Path) -> None:
    told, settings = (json.loads(path.read_text()) for path in (model.parent / "train.json", model / "gallop.json"))
    assert (set(told), told["out"], told["skipped"], told["seconds"] > 0) == (TRAIN_KEYS, str(model), [], True)
    assert told["steps"] == 3 * 3, "3 epochs of 12 images in batches of 4"
    assert told["threshold_note"].startswith("unreliable: the smallest class has 4 shots")
    assert (told["threshold_photos"], told["threshold_keeps"]) == (12, list(accepted_range(12)))
    kept = {"threshold": told["threshold"], "temperature": told["temperature"], "photos": 12}
    assert (settings["class_names"], settings["calibration"] | kept) == (NAMES, settings["calibration"])
    assert sorted(path.name for path in model.iterdir()) == ["gallop.json", TENSORS], "nothing else is left in OUT"
    shots = draw_shots(read_folder(photos), 4)
    found = call("predict", *shots.paths, "--model", model, "--json").json
    right = [answer["label"] == name for answer, name in zip(found, shots.names, strict=True)]
    assert told["accuracy_train"] == pytest.approx(np.mean(right))
    taught = GalLoPClassifier(str(backbone), shots=4, epochs=3, views=2, batch_size=4, lr=0.5, cache=False).fit(photos)
    held_out = there(taught.evaluation).accuracy
    assert (held_out.of, told["accuracy_held_out"]) == (12, held_out.value)
    assert told["interval_held_out"] == list(held_out.interval)


def test_the_same_call_gives_the_same_model(photos: Path, model: Path, backbone: Path, tmp_path: Path) -> None:
    again = call("train", photos / "train", "--out", tmp_path / "deep" / "model", "--backbone", backbone, *QUICK)
    assert (again.code, (tmp_path / "deep" / "model" / TENSORS).read_bytes()) == (0, (model / TENSORS).read_bytes())
    low, high = (round(100 * share) for share in accepted_range(12))
    assert re.match(
        r"Trained on 3 classes and 12 images in .*\n"
        r"loss \d+\.\d{3}, accuracy on the shots \d+\.\d%, on held-out shots \d+\.\d% \(\d+\.\d% to \d+\.\d%\), "
        r"OOD threshold -?\d\.\d{4}\n"
        rf"Of new photos of the classes, {low} to {high} % are expected to pass",
        again.out,
    )


@pytest.mark.parametrize(
    ("options", "stored"),
    [
        (("--topk", "3, 7"), {"topk": [3, 7]}),
        (("--local-prompts", "2", "--dropout", "0.5"), {"topk": [5, 10], "dropout": 0.5}),
        (("--local-prompts", "1", "--topk", "9"), {"topk": [9]}),
        (("--no-projection",), {"topk": [5, 10, 15, 20], "local_projection": False}),
        (("--regions", "query-query"), {"topk": [5, 10, 15, 20]}),
        (
            ("--global-prompts", "1", "--local-prompts", "0", "--dropout", "0"),
            {"global_prompts": 1, "topk": [], "dropout": 0.0},
        ),
    ],
)
def test_the_method_that_was_asked_for(
    photos: Path, backbone: Path, tmp_path: Path, options: tuple[str, ...], stored: dict[str, Any]
) -> None:
    done("train", photos, "--out", tmp_path / "m", "--backbone", backbone, *QUICK, "--epochs", "1", *options)
    method = {"global_prompts": 4, "dropout": 0.75, "local_projection": True} | stored
    said = json.loads((tmp_path / "m" / "gallop.json").read_text())
    assert (said["method"], said["regions"]) == (method, "query-query" if "--regions" in options else "value")


def stop_at(monkeypatch: pytest.MonkeyPatch, kind: type, number: int) -> None:
    """Ctrl-C at the event ``number`` of a kind."""
    steps, seen = GalLoPClassifier.fit_steps, 0

    def stopped(self: GalLoPClassifier, *given: Any, **named: Any) -> Iterator[Any]:
        nonlocal seen
        for event in steps(self, *given, **named):
            seen += isinstance(event, kind)
            if seen == number and isinstance(event, kind):
                raise KeyboardInterrupt
            yield event

    monkeypatch.setattr(GalLoPClassifier, "fit_steps", stopped)


@pytest.mark.parametrize(
    ("kind", "number", "kept"),
    [
        (EncodeEvent, 1, []),
        (StepEvent, 2, []),
        (StepEvent, 4, [f"training/{TRAINING}"]),
        (CalibrationEvent, 3, [f"training/{TRAINING}"]),
    ],
)
@pytest.mark.slow
def test_ctrl_c_keeps_the_last_epoch_and_resume_goes_on(
    photos: Path,
    model: Path,
    backbone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type,
    number: int,
    kept: list[str],
) -> None:
    out = tmp_path / "model"
    words = ("train", photos, "--out", out, "--backbone", backbone, *QUICK)
    with monkeypatch.context() as patch:
        stop_at(patch, kind, number)
        stopped = call(*words)
    said = (
        f"gallop: Stopped. The training up to the last completed epoch is saved in {out}. Add --resume to "
        "the same command to continue."
        if kept
        else "gallop: Stopped before the end of the first epoch. Nothing was saved."
    )
    assert (stopped.code, stopped.out, stopped.err.splitlines()[-1]) == (130, "", said)
    assert ([path.relative_to(out).as_posix() for path in out.rglob("*.*")], out.exists()) == (kept, bool(kept))
    assert not kept or call(*words).code == 2, "without --resume nothing is touched"
    again = done(*words, "--resume", "--json")
    told = json.loads((model.parent / "train.json").read_text())
    same = TRAIN_KEYS - {"out", "seconds"}
    assert {key: again.json[key] for key in same} == {key: told[key] for key in same}
    assert sorted(path.name for path in out.iterdir()) == ["gallop.json", TENSORS]
    assert equal(load_file(out / TENSORS), load_file(model / TENSORS))


def test_ctrl_c_after_the_training(
    photos: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "encode_centres", mock.Mock(side_effect=KeyboardInterrupt))
    out = tmp_path / "model"
    stopped = call("train", photos, "--out", out, "--backbone", backbone, *QUICK, "--epochs", "1")
    said = f"gallop: Stopped. The model is complete and saved in {out}."
    assert (stopped.code, stopped.err.splitlines()[-1]) == (130, said)
    done("predict", photos / "test", "--model", out)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "is not empty. Choose another folder, add --resume"),
        (("--resume",), "is finished, so there is nothing to resume"),
    ],
)
def test_a_model_is_not_overwritten_by_chance(
    photos: Path, model: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in model.iterdir()}
    monkeypatch.setattr(train, "load_backbone", lambda *_, **__: pytest.fail("work was done"))
    outcome = call("train", photos, "--out", model, *QUICK, *options)
    assert (outcome.code, outcome.out, said in outcome.err) == (2, "", True), outcome.err
    assert {path.name: path.stat().st_mtime_ns for path in model.iterdir()} == before


def test_overwrite_replaces_the_model_alone(photos: Path, model: Path, backbone: Path, tmp_path: Path) -> None:
    for name, text in (("gallop.json", "{}"), ("notes.txt", "mine")):
        (tmp_path / name).write_text(text)
    told = done("train", photos, "--out", tmp_path, "--backbone", backbone, *QUICK, "--overwrite")
    assert f"The new model will not be compared with the one in {tmp_path}: " in told.err, "that one is damaged"
    assert told.out.startswith("Trained on 3 classes")
    found = (tmp_path / "notes.txt").read_text(), (tmp_path / TENSORS).read_bytes()
    assert found == ("mine", (model / TENSORS).read_bytes())


def test_what_fell_against_the_model_that_is_replaced_comes_first(
    photos: Path, model: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training after which no unknown photo is noticed, whatever else it says of itself."""
    out = shutil.copytree(model, tmp_path / "model")
    edit_settings(out, lambda settings: settings["calibration"].update(threshold=-99.0))
    monkeypatch.setattr(calibration, "threshold_at_tpr", lambda *_: 99.0)
    told = done(
        *("train", photos, "--out", out, "--overwrite", "--backbone", backbone, *QUICK),
        *("--ood", f"noise={photos / 'unknown'}"),
    )
    right = there(GalLoPClassifier.load(model).calibration_).right
    assert told.out.splitlines()[0] == (
        f"Worse than the model that was in {out}: unknown photos noticed (noise), 5 of 5 -> 0 of 5. Otherwise: "
        f"held-out shots right, {right} of 12 -> {right} of 12; "
        "held-out shots called none of these, 12 of 12 -> 0 of 12."
    )


def test_a_model_can_be_named_to_compare_with(photos: Path, model: Path, backbone: Path, tmp_path: Path) -> None:
    words = ("train", photos, "--backbone", backbone, *QUICK, "--json", "--out", tmp_path / "new")
    changes = done(*words, "--against", model).json["changes"]
    assert (changes["than"], changes["fell"], changes["before"]) == (str(model), {}, changes["after"])
    assert changes["after"]["held-out shots called none of these"] == {"right": 0, "of": 12}
    assert list(changes["after"]) == ["held-out shots right", "held-out shots called none of these"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--against", "nowhere"), "nowhere is not a checkpoint"),
        (("--ood", "noise=nowhere"), "nowhere"),
        (("--ood", "noise"), "--ood needs NAME=DIR"),
    ],
)
def test_what_cannot_be_compared_with_is_refused_before_the_training(
    photos: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr(GalLoPClassifier, "fit_steps", lambda *_, **__: pytest.fail("it trains"))
    refused = call("train", photos, "--out", tmp_path / "new", "--backbone", backbone, *QUICK, *options)
    assert (refused.code, said in refused.err) == (2, True), refused.err


def test_without_an_earlier_model_unknown_photos_are_said_not_to_be_used(
    photos: Path, backbone: Path, tmp_path: Path
) -> None:
    words = ("--epochs", "0", "--ood", f"noise={photos / 'unknown'}", "--json")
    told = done("train", photos, "--out", tmp_path / "new", "--backbone", backbone, *QUICK, *words)
    assert ("so --ood is not used" in told.err, told.json["changes"]) == (True, None)


def test_a_broken_photo_is_named_and_left_out(backbone: Path, tmp_path: Path) -> None:
    data, model = tmp_path / "data", tmp_path / "model"
    for name in CLASSES:
        write_images(data / name, [draw(name, i) for i in range(4)])
    broken = data / "red_disc" / "9.png"
    broken.write_bytes((data / "red_disc" / "0.png").read_bytes()[:200])
    words = ("train", data, "--backbone", backbone, *QUICK, "--json")
    outcome = call(*words, "--out", model)
    assert (outcome.code, [entry["image"] for entry in outcome.json["skipped"]]) == (2, [str(broken)])
    assert f"gallop: warning: {broken} is left out: " in outcome.err
    done("predict", data / "red_disc" / "0.png", "--model", model)
    short = call(*words, "--out", tmp_path / "other", "--shots", "5")
    assert (short.code, short.out, (tmp_path / "other").exists()) == (2, "", False)
    assert "The class 'blue disc' has 4 images, but 5 shots were requested" in short.err
    fewer = call(*words, "--out", tmp_path / "other", "--shots", "5", "--allow-fewer")
    assert fewer.json["steps"] == 9, "3 epochs of 12 images in batches of 4"


def test_pictures_in_train_and_test_are_told(backbone: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for split, first in (("train", 0), ("test", 50)):
        for name in CLASSES:
            write_images(data / split / name, [draw(name, first * (name != "red_disc") + i) for i in range(2)])
    outcome = done("train", data, "--out", tmp_path / "m", "--backbone", backbone, *QUICK, "--shots", "2")
    warning = next(line for line in outcome.err.splitlines() if "have images in common" in line)
    learned, tested = (data / split / "red_disc" / "0.png" for split in ("train", "test"))
    assert warning.endswith(f"{learned} is the same image as {tested} (pair 1 of 2).")


# ------------------------------------------------------------------ evaluate


def test_photos_unlike_the_shots_are_told(tmp_path: Path) -> None:
    """The sample's photos out of focus; of the photos themselves nothing is said. Only those that pass are compared."""
    model, test, photos = tmp_path / "model", sample_folder() / "test", tmp_path / "photos"
    GalLoPClassifier.load(sample_folder() / "model").set_threshold(1.0).save(model)
    for photo in sorted(test.rglob("*.jpg")):
        blurred = photos / photo.parent.name / f"{photo.stem}.png"
        blurred.parent.mkdir(exist_ok=True, parents=True)
        Image.open(photo).filter(ImageFilter.GaussianBlur(4)).save(blurred)
    sentence = "look unlike the shots"
    for command in (("evaluate", model, photos), ("predict", photos, "--model", model)):
        assert sentence in call(*command).err
    assert sentence not in call("predict", test, "--model", model).err
    assert call("evaluate", model, test, "--json").json["unlike_shots"] == ""
    for pile, told in ((photos, True), (test, False)):
        sorted_ = call("sort", pile, "--model", model, "--out", out := tmp_path / str(told), "--json")
        page = (out / "check.html").read_text(encoding="utf-8")
        words = (sorted_.err, sorted_.json["unlike_shots"], page)
        assert [sentence in each for each in words] == [told] * 3
        assert ('"score": ""' in page) is told, "no probability is shown that is not to be trusted"


def test_evaluate_agrees_with_predict(photos: Path, model: Path) -> None:
    result = call("evaluate", model, photos, "--ood", f"noise={photos / 'unknown'}", "--json").json
    told = {"accuracy", "accuracy_global", "accuracy_local", "interval", "calibration_error"}
    told |= {"n", "per_class", "tpr", "ood", "n_ood", "skipped", "unlike_shots"}
    assert (set(result), result["skipped"], result["n_ood"]) == (told, [], {"noise": 5})
    answers = call("predict", photos / "test", "--model", model, "--json").json
    truth = np.array([Path(answer["image"]).parent.name.replace("_", " ") for answer in answers])
    right = np.array([answer["label"] for answer in answers]) == truth
    assert result["n"] == len(answers) == 12
    assert (result["accuracy"], list(result["per_class"])) == (pytest.approx(right.mean()), NAMES)
    assert result["per_class"] == pytest.approx({name: right[truth == name].mean() for name in NAMES})
    assert result["tpr"] == pytest.approx(np.mean([not answer["is_ood"] for answer in answers]))
    unknown = call("predict", photos / "unknown", "--model", model, "--json").json
    assert len(unknown) == 5, "folders below are read"
    known, strange = (np.array([answer["ood_score"] for answer in some]) for some in (answers, unknown))
    found = result["ood"]["noise"]["GL-MCM"]
    assert found["auroc"] == pytest.approx(roc_auc_score([0] * 12 + [1] * 5, [*known, *strange]), abs=1e-9)
    # 95% of 12 images: all of them; 11 are nearer to 95% than all, and the authors go up to the twelfth.
    assert found["fpr95"] == pytest.approx(np.mean(strange <= known.max()))
    assert found["fpr95_authors"] == pytest.approx(np.mean(strange < known.max()))


def test_test_is_found_and_classes_may_be_absent(photos: Path, model: Path, tmp_path: Path) -> None:
    whole = call("evaluate", model, photos, "--json").json
    assert call("evaluate", model, photos / "test", "--json").json == whole
    os.symlink(photos / "test" / "red_disc", tmp_path / "red_disc")
    part = call("evaluate", model, tmp_path, "--json").json
    assert part["per_class"] == {"red disc": whole["per_class"]["red disc"]}
    assert part["accuracy"] == whole["per_class"]["red disc"]


def test_evaluate_zero_shot(photos: Path, backbone: Path) -> None:
    result = call("evaluate", "zero-shot", photos, "--backbone", backbone, "--json").json
    words = ("--classes", ",".join(NAMES), "--backbone", backbone, "--json")
    answers = call("predict", photos / "test", *words).json
    right = [Path(answer["image"]).parent.name.replace("_", " ") == answer["label"] for answer in answers]
    assert result["accuracy"] == pytest.approx(np.mean(right))
    assert (result["tpr"], result["ood"], {answer["is_ood"] for answer in answers}) == (None, {}, {None})


def test_several_ood_groups_and_the_table(photos: Path, model: Path) -> None:
    unknown = photos / "unknown"
    words = ("--ood", f"a={unknown}", "--ood", f"b={unknown / 'below'}", "--ood", f"c={photos / 'test' / 'red_disc'}")
    result = call("evaluate", *words, model, photos, "--json").json
    assert [(group, *scores) for group, scores in result["ood"].items()] == [
        (g, "MCM", "L-MCM", "GL-MCM") for g in "abc"
    ]
    table = done("evaluate", model, photos, *words).out
    accuracy, auroc = 100 * result["accuracy"], 100 * result["ood"]["a"]["MCM"]["auroc"]
    assert table.startswith(f"accuracy {accuracy:.1f}% on 12 images")
    assert re.search(rf"^a +MCM +\d+\.\d% +{auroc:.1f}%$", table, re.MULTILINE)


def test_evidence_is_a_page_and_figures_that_add_up(photos: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "evidence.html"
    result = done("evidence", model, photos, "--out", out, "--what-if", "1", "--json").json
    assert (result["photos"], [each["class"] for each in result["classes"]]) == (12, NAMES)
    for each in result["classes"]:
        assert sum(c["adds"] for c in each["clusters"]) + each["rest"] == pytest.approx(each["score"], abs=1e-5)
    page = out.read_text(encoding="utf-8")
    assert "This page holds parts of these photos" in page
    assert page.count("What if it were not there:") == len(result["what_ifs"]) > 0


def test_evaluate_names_what_it_left_out(photos: Path, model: Path, tmp_path: Path) -> None:
    shutil.copytree(photos / "test", tmp_path / "test")
    shutil.copytree(photos / "unknown", tmp_path / "unknown")
    bad = [tmp_path / "test" / "red_disc" / "bad.png", tmp_path / "unknown" / "gone.png"]
    bad[0].write_text("no picture")
    bad[1].symlink_to("nowhere.png")  # as a photo that has not been fetched
    found = call("evaluate", model, tmp_path / "test", "--ood", f"a={tmp_path / 'unknown'}", "--json")
    assert (found.code, [skipped["image"] for skipped in found.json["skipped"]]) == (2, [str(path) for path in bad])
    assert all(skipped["error"] in found.err for skipped in found.json["skipped"])
    assert (found.json["n"], found.json["n_ood"]) == (12, {"a": 5})


# ------------------------------------------------------------------ predict


def test_predict_answers_what_can_be_read(photos: Path, model: Path, tmp_path: Path) -> None:
    good, text, gone = photos / "test" / "red_disc" / "0.png", tmp_path / "text.png", tmp_path / "gone.png"
    text.write_text("no picture")
    empty, table = tmp_path / "empty", tmp_path / "new" / "answers.csv"
    empty.mkdir()
    outcome = call("predict", text, good, gone, empty, good, "--model", model, "--csv", table, "--json")
    images = [answer["image"] for answer in outcome.json]
    assert (outcome.code, images) == (2, [str(text), str(good), str(gone), str(empty)])
    bad = [answer for answer in outcome.json if "error" in answer]
    assert [set(answer) for answer in bad] == [{"image", "error"}] * 3
    assert all(answer["error"] and answer["image"] in outcome.err for answer in bad)
    assert bad[2]["error"] == f"{empty} contains no photos."
    answer, shares = outcome.json[1], outcome.json[1]["probabilities"]
    assert set(answer) == {"image", "label", "probability", "probabilities", "ood_score", "is_ood"}
    assert (list(shares), sum(shares.values())) == (NAMES, pytest.approx(1, abs=1e-5))
    assert answer["probability"] == max(shares.values()) == shares[answer["label"]]
    threshold = json.loads((model / "gallop.json").read_text())["calibration"]["threshold"]
    assert answer["is_ood"] is (answer["ood_score"] > threshold)
    rows = rows_of(table)
    assert [row["image"] for row in rows] == images
    numbers = [float(rows[1][column]) for column in ("probability", "ood_score", "p(red disc)")]
    assert numbers == [answer["probability"], answer["ood_score"], shares["red disc"]]
    assert numbers[1] < 0, "a negative number is no formula"
    assert rows[0]["error"] == bad[0]["error"]
    assert [path.name for path in table.parent.iterdir()] == ["answers.csv"], "nothing unfinished is left behind"


def test_csv_holds_no_formulas(photos: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = ("=1+1.png", "+1.png", "@SUM(A1).png", "plain.png")
    for name in images:
        draw("red_disc", 1).save(name)
    outcome = done("predict", *images, "--classes", "-1, =A1", "--backbone", backbone, "--csv", "a.csv", "--json")
    assert set(outcome.json[0]["probabilities"]) == {"-1", "=A1"}, "JSON has the names as they are"
    rows = rows_of(Path("a.csv"))
    assert [row["image"] for row in rows] == ["'=1+1.png", "'+1.png", "'@SUM(A1).png", "plain.png"]
    assert {row["label"] for row in rows} <= {"'-1", "'=A1"}


@pytest.mark.parametrize("names", ["-shirt,dress", "-shirt, dress", "-shirt\ndress"])
def test_a_class_name_may_begin_with_a_dash(photos: Path, backbone: Path, tmp_path: Path, names: str) -> None:
    image = photos / "test" / "red_disc" / "0.png"
    common = (f"--classes={names}", "--backbone", backbone, "--json")
    assert set(call("predict", image, *common).json[0]["probabilities"]) == {"-shirt", "dress"}
    assert call("explain", image, *common, "--class=-shirt", "--out", tmp_path / "w.png").json["class"] == "-shirt"


def test_photos_are_answered_together_as_in_python(photos: Path, model: Path, tmp_path: Path) -> None:
    asked = photos / "test"
    outcome = call("predict", asked, "--model", model, "--together", "--json")
    assert "Answered together" in outcome.err
    assert "With fewer than 16 photos that makes answers worse" in outcome.err
    alone = GalLoPClassifier.load(model).predict_all([answer["image"] for answer in outcome.json])
    found = alone.together()
    assert [answer["label"] for answer in outcome.json] == found.labels.tolist()
    assert [answer["alone"]["label"] for answer in outcome.json] == alone.labels.tolist()
    probabilities = [[answer["probabilities"][name] for name in NAMES] for answer in outcome.json]
    assert np.allclose(probabilities, found.probabilities, atol=1e-5)
    first, near = outcome.json[0]["neighbours"][0], there(found.neighbourhood)
    assert first["image"] == outcome.json[int(near.neighbours[0, 0])]["image"]
    assert list(first["votes"].values()) == pytest.approx(near.votes[0, 0].tolist(), abs=1e-5)


def test_one_class_folder_is_told_from_ordinary_things(photos: Path, backbone: Path, tmp_path: Path) -> None:
    shutil.copytree(photos / "train" / "red_disc", tmp_path / "one" / "red_disc")
    told = done("train", tmp_path / "one", "--out", tmp_path / "m", "--backbone", backbone, *QUICK)
    assert "learned as 'something else'" in told.err
    assert re.search(r"Trained on 1 class and 4 images(.|\n)*expected not to be answered no", told.out)
    asked = call("predict", photos / "test", "--model", tmp_path / "m", "--json").json
    model = GalLoPClassifier.load(tmp_path / "m")
    assert model.classes_.tolist() == ["red disc", "something else"]
    expected = model.predict_all([answer["image"] for answer in asked]).answers.tolist()
    assert [answer["answer"] for answer in asked] == expected
    lines = call("predict", photos / "test", "--model", tmp_path / "m").out.splitlines()[1:]
    assert [re.split(r"\s{2,}", line)[1] for line in lines] == expected


def test_the_photos_to_label_next_are_those_of_the_library(photos: Path, model: Path, tmp_path: Path) -> None:
    asked, gone = photos / "test", tmp_path / "gone.png"
    outcome = call("predict", gone, asked, "--model", model, "--next", 3, "--json")
    answers = [answer for answer in outcome.json if "error" not in answer]
    found = GalLoPClassifier.load(model).predict_all([answer["image"] for answer in answers])
    assert found.embeddings is not None
    expected = [each.photo for each in next_to_label(found.probabilities, found.embeddings, 3)]
    assert [answers[photo]["next"] for photo in expected] == [1, 2, 3]
    assert sum(answer["next"] is None for answer in answers) == len(answers) - 3
    told = call("predict", asked, "--model", model, "--next", 3).out.splitlines()
    assert told[-4:] == ["Label next:", *(f"  {answers[photo]['image']}" for photo in expected)]


def test_the_table_of_predict_cannot_steer_the_terminal(photos: Path, model: Path, tmp_path: Path) -> None:
    image = tmp_path / "\x1b[31m.png"
    draw("red_disc", 1).save(image)
    outcome = call("predict", image, tmp_path / "\x1b[2J", "--model", model)
    assert (outcome.code, "\x1b" in outcome.out + outcome.err) == (2, False)
    assert outcome.out.splitlines()[0].split() == ["image", "answer", "probability", "OOD", "score"]
    assert "\\x1b[31m.png" in outcome.out


@pytest.mark.parametrize(
    ("limit", "note", "wanted"),
    [
        (-1e9, "", "none of these (nearest: {})"),
        (1e9, "", "{}"),
        (None, "", "{}"),
        (-1e9, "unreliable: the smallest class has 3 shots", "nearest: {}"),
    ],
)
def test_predict_says_none_of_these_where_the_limit_does(
    photos: Path, model: Path, tmp_path: Path, limit: float | None, note: str, wanted: str
) -> None:
    shutil.copytree(model, tmp_path / "m")
    edit_settings(tmp_path / "m", lambda settings: settings["calibration"].update(threshold=limit, note=note))
    image = photos / "test" / "red_disc" / "0.png"
    (answer,) = call("predict", image, "--model", tmp_path / "m", "--json").json
    assert answer["is_ood"] is (None if limit is None else limit < 0)
    told = call("predict", image, "--model", tmp_path / "m")
    assert ("This threshold is unreliable here: the smallest class has 3 shots." in told.err) == bool(note)
    _, line = told.out.splitlines()
    assert line.removeprefix(str(image)).strip().startswith(f"{wanted.format(answer['label'])}  ")


# ------------------------------------------------------------------ the cache of features


@pytest.mark.parametrize(("options", "dtype"), [((), torch.float16), (("--cache-precision", "fp32"), torch.float32)])
def test_features_are_kept_in_the_precision_that_was_asked_for(
    photos: Path, backbone: Path, tmp_path: Path, own_cache: Path, options: Any, dtype: torch.dtype
) -> None:
    done("train", photos, "--backbone", backbone, *QUICK, "--out", tmp_path / "out", *options)
    kept = list(own_cache.rglob("*.safetensors"))
    assert {tensor.dtype for file in kept for tensor in load_file(file).values()} == {dtype}


# ------------------------------------------------------------------ explain


@pytest.mark.parametrize("class_name", [None, "green square"])
def test_explain_agrees_with_its_maps(photos: Path, model: Path, tmp_path: Path, class_name: str | None) -> None:
    image, out = photos / "test" / "red_disc" / "0.png", tmp_path / "new" / "w.png"
    words = ("explain", image, "--model", model, "--out", out, *(("--class", class_name) if class_name else ()))
    told = call(*words, "--json").json
    label = call("predict", image, "--model", model, "--json").json[0]["label"]
    scores = {"global_scores", "local_scores", "branch_scores"}
    assert set(told) == {"image", "label", "class", "topk", "regions"} | scores
    wanted = {"image": str(image), "label": label, "class": class_name or label, "topk": [5, 10, 15, 20]}
    assert ({key: told[key] for key in wanted}, len(told["global_scores"])) == (wanted, 4)
    why = GalLoPClassifier.load(model).explain(image)
    values = np.stack([why.region_scores(class_name or label, n) for n in range(4)])
    assert [regions["prompt"] for regions in told["regions"]] == [1, 2, 3, 4]
    for n, (regions, k) in enumerate(zip(told["regions"], [5, 10, 15, 16], strict=True)):
        assert regions["k"] == len(regions["boxes"]) == k, "there are 16 regions"
        order = np.argsort(-values[n].ravel(), kind="stable")[:k]
        assert told["local_scores"][n] == pytest.approx(values[n].ravel()[order].mean(), abs=1e-6)
        # The photo is 66 x 44: the model saw its middle 44 x 44 in 4 x 4 regions of 11 pixels.
        wanted = [[11 + 11 * c, 11 * r, 22 + 11 * c, 11 + 11 * r] for r, c in (divmod(int(i), 4) for i in order)]
        assert sorted(regions["boxes"]) == sorted(wanted)
        assert regions["boxes"][0] == wanted[0], "the best comes first"
    with Image.open(out) as picture:
        assert (picture.format, picture.width > picture.height > 300) == ("PNG", True), picture.size
    assert [path.name for path in out.parent.iterdir()] == ["w.png"]
    lines = call(*words).out.splitlines()
    assert lines[0].startswith(f"{image}: {label} (")
    share = percentage(why.probabilities[class_name or label])
    assert lines[1] == f"scores for {class_name or label!r} ({share}); the picture is in {out}"
    assert re.fullmatch(rf"local 1, k = 5 +{told['local_scores'][0]:.3f}  .+ of 5 regions", lines[8])


# ------------------------------------------------------------------ curve


def test_curve_says_what_twice_as_many_photos_would_add(backbone: Path, photos: Path) -> None:
    asked = ("data", photos, "--curve", "--backbone", backbone)
    told = call(*asked, "--json").json
    assert told["twice"]["shots"] == 2 * told["photos"] / len(told["classes"])
    table = call(*asked).out.splitlines()
    figures = [line.split()[1] for line in table[1 : 1 + len(told["points"])]]
    assert figures == [f"{point['accuracy']:.1%}" for point in told["points"]]
    assert told["words"] in table
    assert call("data", "check", *asked[1:]).out.splitlines() == table


def test_a_curve_reads_no_test_photo(backbone: Path, photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    for path in (tmp_path / "photos" / "test").rglob("*.png"):
        path.write_bytes(b"")
    told = call("data", tmp_path / "photos", "--curve", "--backbone", backbone)
    assert (told.code, told.out) == (0, call("data", photos, "--curve", "--backbone", backbone).out)
    assert "left out" not in told.err


# ------------------------------------------------------------------ backbones


def test_backbones_lists_what_is_here_and_what_can_be_had() -> None:
    told = {each["name"]: each for each in call("backbones", "--json").json}
    assert told["mini"]["here"]
    small = told["hf-hub:timm/vit_xsmall_patch16_clip_224.tinyclip_yfcc15m"]
    assert (small["here"], small["licence"], small["grid"]) == (False, "MIT", [14, 14])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", small["licence_date"])
    line = next(line for line in call("backbones").out.splitlines() if line.startswith(small["name"]))
    assert re.fullmatch(r"\S+ +no +47 +14 x 14 +- +MIT", line)


def test_backbones_get_and_rm_say_what_they_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = backbone_folder(tmp_path)
    config = {"model_cfg": json.loads((folder / "config.json").read_text())["model_cfg"], "preprocess_cfg": {}}
    files = {
        "someone/clip/open_clip_config.json": json.dumps(config).encode(),
        "someone/clip/open_clip_model.safetensors": (folder / "weights.safetensors").read_bytes(),
    }
    with weight_server(Hub(files)) as hub:
        template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        got = done("backbones", "get", "hf-hub:someone/clip")
    told = "The licence of hf-hub:someone/clip: not known." in got.err, "is here now" in got.out
    assert told == (True, True), got
    assert call("backbones", "get", "hf-hub:someone/clip").out.startswith("hf-hub:someone/clip was here already")
    assert {"name": "hf-hub:someone/clip", "here": True}.items() <= call("backbones", "--json").json[1].items()
    assert call("backbones", "rm", "hf-hub:someone/clip").out.startswith("hf-hub:someone/clip is removed (")
    gone = call("backbones", "rm", "hf-hub:someone/clip")
    assert (gone.code, "there is nothing to remove" in gone.err) == (2, True)
    monkeypatch.setattr("gallop.cli.commands.backbones.remove_weights", lambda name: 605_000_000)
    assert call("backbones", "rm", "ViT-B-16/openai").out == "ViT-B-16/openai is removed (605 MB).\n"


def test_backbones_check_tells_what_is_here_and_what_is_missing(cache_folder: Path, monkeypatch: Any) -> None:
    told = call("backbones", "--check", "--json").json
    assert set(told["versions"]) == {"gallop", "python", "torch", "torchvision", "open_clip", "timm", "numpy"}
    assert (told["versions"]["torch"], told["cache"]) == (torch.__version__, str(cache_folder))
    assert told["backbones"]["mini"] == ""
    siglip = KnownBackbone("ViT-B-16-SigLIP/own", "own", needs=TOKENIZERS)
    monkeypatch.setattr("gallop.cli.commands.backbones.backbones_here", lambda: [siglip])
    monkeypatch.setitem(PACKAGES, "timm", "no-such-package")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    table = call("backbones", "--check").out
    for line in (
        "timm +not installed",
        "device +cpu: torch sees no GPU",
        f"backbone {siglip.name} +here, {TOKENIZERS}",
    ):
        assert re.search(f"^{line}$", table, re.MULTILINE), table


# ------------------------------------------------------------------ what is refused


@pytest.fixture(scope="module")
def places(photos: Path, model: Path, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Names that the calls below may use."""
    root = tmp_path_factory.mktemp("places")
    (root / "file.txt").write_text("text")
    (root / "none").mkdir()
    (root / "one" / "cat").mkdir(parents=True)
    draw("red_disc", 1).save(root / "one" / "cat" / "1.png")
    for name in ("a_b", "A b"):
        (root / "equal" / name).mkdir(parents=True)
        draw("red_disc", ord(name[0])).save(root / "equal" / name / "1.png")
    (root / "hollow" / "cat").mkdir(parents=True)
    (root / "damaged").mkdir()
    (root / "damaged" / "gallop.json").write_text("{")
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "pipe")
    return {
        "ROOT": str(root),
        "PHOTOS": str(photos),
        "MODEL": str(model),
        "BACKBONE": str(backbone),
        "PICTURE": str(photos / "test" / "red_disc" / "0.png"),
    }


def filled(text: str, places: dict[str, str]) -> str:
    return re.sub("|".join(places), lambda found: places[found.group()], text)


TRAIN = "train PHOTOS --out ROOT/out --backbone BACKBONE"
REFUSED = [
    ("", "the following arguments are required: COMMAND"),
    ("fly", "invalid choice: 'fly' (choose from "),
    ("trian", "'train'). Did you mean train? (`gallop --help` shows examples)"),
    ("data chek", "The folder chek does not exist."),
    ("train", "the following arguments are required"),
    ("train PHOTOS", "the following arguments are required: --out"),
    (
        "train PHOTOS --out ROOT/out --epoch 3",
        "--epoch 3. Did you mean --epochs? (`gallop train --help` shows examples)",
    ),
    ("train PHOTOS --out ROOT/out --shotz=3 -q", "unrecognized arguments: --shotz=3 -q. Did you mean --shots?"),
    ("sample ROOT/out --zeal", "unrecognized arguments: --zeal. (`gallop sample"),
    ("train PHOTOS --out ROOT/file.txt", "is a file: choose a folder"),
    ("train PHOTOS --out PHOTOS/train/model", "where it would be read as a class"),
    ("train ROOT/one --out ROOT/one", "where it would be read as a class"),
    ("train PHOTOS --out MODEL --resume --overwrite", "not allowed with argument"),
    ("train ROOT/absent --out ROOT/out --backbone BACKBONE", "is not a folder. Use a folder"),
    ("train ROOT/none --out ROOT/out --backbone BACKBONE", "contains no class folders"),
    ("train ROOT/hollow --out ROOT/out --backbone BACKBONE", "contain no readable images"),
    ("train ROOT/equal --out ROOT/out --backbone BACKBONE", "are the same (case"),
    (f"{TRAIN}", "has 6 images, but 16 shots were requested"),
    (f"{TRAIN} --shots 0", "the minimum is 1"),
    (f"{TRAIN} --shots two", "invalid int value: 'two'"),
    (f"{TRAIN} --seed -1", "seed is -1"),
    (f"{TRAIN} --lr -1", "lr is -1.0"),
    (f"{TRAIN} --lr nan", "lr is nan"),
    (f"{TRAIN} --epochs -1", "epochs is -1"),
    (f"{TRAIN} --views -1", "views is -1"),
    (f"{TRAIN} --batch-size 0", "batch_size is 0"),
    (f"{TRAIN} --dropout 1", "dropout is 1.0"),
    (f"{TRAIN} --global-prompts 0", "global_prompts is 0"),
    (f"{TRAIN} --local-prompts -1", "'-1' is not an integer of 0 or more"),
    (f"{TRAIN} --topk 5,x", "'5,x' is not a list of integers"),
    (f"{TRAIN} --topk 5,0", "topk contains 0"),
    (f"{TRAIN} --topk 5,10 --local-prompts 3", "--topk has 2 values but --local-prompts is 3"),
    (f"{TRAIN} --preset best", "invalid choice: 'best'"),
    (f"{TRAIN} --regions values", "'value', 'query-query'"),
    ("train PHOTOS --out ROOT/out --backbone maxi", "There is no backbone 'maxi'"),
    ("train PHOTOS --out ROOT/out --device toaster", "Unknown device 'toaster'"),
    ("evaluate MODEL", "the following arguments are required: DATA"),
    ("evaluate ROOT/none PHOTOS", "is not a checkpoint: it does not contain gallop.json"),
    ("evaluate ROOT/damaged PHOTOS", "is damaged or was not written by gallop"),
    ("evaluate MODEL ROOT/one", "does not know these classes of ROOT/one: cat."),
    ("evaluate MODEL PHOTOS --backbone mini", "was trained on different weights"),
    ("evaluate MODEL PHOTOS --ood ROOT/one", "--ood needs NAME=DIR"),
    ("evaluate MODEL PHOTOS --ood =ROOT/one", "--ood needs NAME=DIR"),
    ("evaluate MODEL PHOTOS --ood a=ROOT/absent", "absent is not a folder"),
    ("evaluate MODEL PHOTOS --ood a=ROOT/none", "(OOD group a) contains no images"),
    ("evaluate MODEL PHOTOS --ood a=ROOT/one --ood a=ROOT/one", "The OOD group name 'a' is used twice"),
    ("predict PICTURE", "one of the arguments --model --classes is required"),
    ("predict --model MODEL", "the following arguments are required: IMAGE"),
    ("predict PICTURE --model MODEL --classes a,b", "not allowed with argument"),
    ("predict PICTURE --model ROOT/absent", "is not a checkpoint"),
    ("predict PICTURE --classes , --backbone BACKBONE", "No class names were given"),
    ("predict PICTURE --classes cat,Cat --backbone BACKBONE", "are the same (case"),
    ("predict PICTURE --classes --json", "expected one argument"),
    ("predict PICTURE --model MODEL --csv ROOT/none", "is a folder: choose the name of a file"),
    ("predict PICTURE --model MODEL --csv ROOT/pipe", "is a device or a pipe: choose the name of a file"),
    ("predict PICTURE --model MODEL --csv ROOT/file.txt/a.csv", "is not a folder"),
    ("predict PICTURE --model MODEL --csv PICTURE", "would replace"),
    ("explain PICTURE --model MODEL", "the following arguments are required: --out"),
    ("explain PICTURE --model MODEL --out ROOT/w.jpg", "must end in .png"),
    ("explain PICTURE --model MODEL --out PICTURE", "would replace"),
    ("explain PICTURE --model MODEL --out ROOT/w.png --class cat", "The model has no class 'cat'. Its classes are"),
    ("explain ROOT/absent --model MODEL --out ROOT/w.png", "absent"),
    ("explain ROOT/file.txt --model MODEL --out ROOT/w.png", "file.txt"),
    ("explain ROOT/none --model MODEL --out ROOT/w.png", "none"),
    ("evidence MODEL PHOTOS --out ROOT/evidence.pdf", "must end in .html"),
    ("predict PHOTOS --model MODEL --together --out ROOT/o.csv", "leave out --out"),
    ("predict PHOTOS --model MODEL --next 3 --out ROOT/o.csv", "--next needs all answers"),
    ("predict PICTURE --classes a,b --backbone BACKBONE --format label-studio --out ROOT/o.csv", "leave out --out"),
    ("data check oxford_pets", "The folder oxford_pets does not exist. Pass a folder that contains one folder"),
    ("data ROOT/none --curve", "contains no class folders"),
    ("backbones get", "needs the name of a backbone"),
    ("backbones get mini --check", "argument --check: not allowed with argument action"),
    ("sample PHOTOS", "is not empty"),
    # many photos
    (
        "predict ROOT/absent --model MODEL --out ROOT/o.csv",
        "is not a folder: use a folder, a photo, a .txt list",
    ),
    ("predict ROOT/none --model MODEL --out ROOT/o.csv", "contains no photos"),
    ("predict PHOTOS --model MODEL --out ROOT/out", "must end in .csv or .jsonl or .parquet"),
    ("predict ROOT/list.csv --model MODEL --out ROOT/list.csv", "would replace"),
    ("predict https://example.org/x.txt --model MODEL --out ROOT/o.csv", "is an address, and nothing is fetched"),
    ("predict PHOTOS --classes a,b --out ROOT/o.csv --csv ROOT/a.csv", "--csv needs all answers at once"),
    (
        "predict PHOTOS --classes a,b --with regions --backbone BACKBONE",
        "--with adds values to --json, and to a file of --out that ends in .jsonl or .parquet: add one of these",
    ),
    ("predict PHOTOS --classes a,b --with regions --json --out ROOT/o.csv", "--with adds values to --json, and"),
    ("predict PHOTOS --classes a,b --out ROOT/out --with maps", "invalid choice: 'maps'"),
    # servers
    ("serve MODEL MODEL", "unrecognized arguments: "),
    ("serve pets=MODEL", "is not a checkpoint"),
    ("serve MODEL --queue 8", "--queue 8 is less than --photos 32, the limit for one request"),
    ("serve MODEL --host 0.0.0.256!", "nor an IP address such as 192.168.1.20"),
    ("serve MODEL --host 203.0.113.7", "cannot listen on 203.0.113.7"),
    ("serve MODEL --host 0.0.0.0", "under any host name. Add --key-file FILE, or --allowed-host NAME"),
    ("serve MODEL --host ::", "under any host name. Add --key-file FILE, or --allowed-host NAME"),
    ("serve MODEL --batch 8", "unrecognized arguments: --batch 8"),
    ("serve MODEL --key-file none.txt", "none.txt of --key-file cannot be read"),
    ("serve none", "none is not a checkpoint"),
    ("app --host 0.0.0.0", "0.0.0.0 is not an address that others can use"),
    ("app --host ::", ":: is not an address that others can use"),
    ("app --host *", "'*' is neither a host name"),
    ("app --host http://lab-pc", "'http://lab-pc' is neither a host name"),
    ("app --host lab-pc:8501", "'lab-pc:8501' is neither a host name"),
    ("app --port 0", "'0' is not a port"),
    ("app --port 65536", "'65536' is not a port"),
    ("app --port http", "'http' is not a port"),
    ("app --backbones nothing", "'nothing' is not a backbone on this machine"),
    ("app --backbones ViT-B-16=nothing.pt", "is not a backbone on this machine"),
    ("app --backbone-memory much", "'much' is not a number of GB"),
    ("app --backbone-memory 0", "'0' is not a number of GB"),
    ("app --precision fp8", "invalid choice: 'fp8'"),
    ("app --regions patches", "invalid choice: 'patches'"),
    ("app --visitor-memory none", "'none' is not a number of GB"),
    ("app --keep long", "'long' is not a duration such as 90s, 30m or 2h"),
    ("app --keep 5s", "5s is not a duration from 2m to 24h"),
    ("app --keep 48h", "48h is not a duration from 2m to 24h"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[words or "nothing" for words, _ in REFUSED])
def test_bad_input_is_one_sentence(places: dict[str, str], words: str, said: str) -> None:
    outcome = call(*(filled(word, places) for word in shlex.split(words)))
    assert (outcome.code, outcome.out) == (2, ""), outcome
    (line,) = [line for line in outcome.err.splitlines() if not line.startswith(("encoding", "training"))]
    assert re.fullmatch(r"gallop: error: .*(\.|examples\))", line), "a whole sentence"
    assert filled(said, places) in line
    assert not Path(places["ROOT"], "out").exists()


@pytest.mark.parametrize(
    ("command", "words", "missing", "said"),
    [
        (
            many,
            "predict PICTURE --classes a,b --out ROOT/out.parquet",
            ["pyarrow"],
            "for Parquet tables: pip install 'gallop-explorer[many]'",
        ),
        (app, "app", ["streamlit", "plotly"], "for the app: pip install 'gallop-explorer[app]'"),
        (serve, "serve MODEL", ["fastapi"], "for the service: pip install 'gallop-explorer[serve]'"),
    ],
)
def test_what_is_not_installed_is_named_with_the_way_out(
    places: dict[str, str], monkeypatch: pytest.MonkeyPatch, command: Any, words: str, missing: list[str], said: str
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name in missing else find_spec(name))
    refused = call(*filled(words, places).split())
    assert (refused.code, refused.err) == (2, f"gallop: error: {' and '.join(missing)} must be installed {said}.\n")


def test_a_mistake_of_ours_is_not_hidden(photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(train, "images_with_warnings", lambda *_, **__: 1 / 0)
    monkeypatch.setattr(train, "load_backbone", lambda *_, **__: vit())
    with pytest.raises(ZeroDivisionError):
        call("train", photos, "--out", tmp_path / "m")


# ------------------------------------------------------------------ streams


WITHOUT_A_BACKBONE = ("app",)


@pytest.mark.parametrize(
    "command",
    ["train", "evaluate", "predict", "explain", "bench", "export", "data", *WITHOUT_A_BACKBONE],
)
def test_every_help_has_examples(command: str) -> None:
    told = done(*command.split(), "--help").out
    assert f"\n  gallop {command}" in "\n" + told.partition("examples:\n")[2]
    options = () if command in WITHOUT_A_BACKBONE else ("--device", "--json")
    assert [option for option in options if option not in told] == []


def test_help_does_not_import_torch() -> None:
    probe = "import sys; from gallop.cli import main; print(main(['train', '--help']), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("0 False", "")
    whole = subprocess.run([sys.executable, "-m", "gallop", "--help"], capture_output=True, text=True, timeout=60)
    assert (whole.returncode, whole.stderr, whole.stdout[:18]) == (0, "", "usage: gallop [-h]")


@pytest.mark.slow
def test_json_is_alone_on_standard_output(photos: Path, model: Path, tmp_path: Path) -> None:
    words = ["predict", str(photos / "test"), str(tmp_path / "gone.png"), "--model", str(model), "--json"]
    done = subprocess.run([sys.executable, "-m", "gallop", *words], capture_output=True, timeout=120)
    assert (done.returncode, len(json.loads(done.stdout))) == (2, 13)
    assert done.stdout.isascii(), "whatever the encoding of the terminal"
    said = done.stderr.decode().splitlines()
    assert said[0].startswith(f"gallop: warning: No answer for {tmp_path / 'gone.png'}: ")
    assert said[1] == "predicting 13/13"
    assert [line.split(":")[2] for line in said[2:]] == [
        " This threshold is unreliable here",
        " Only 0 of 12 photos pass the threshold",
    ]


def test_too_little_memory_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gallop.cli.commands.backbones.run", mock.Mock(side_effect=MemoryError()))
    outcome = call("backbones")
    found = re.match(r"gallop: error: There is not enough memory for this\..*batch size", outcome.err, re.DOTALL)
    assert (outcome.code, bool(found)) == (2, True), outcome.err


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    with redirect_stdout(Gone()), redirect_stderr(io.StringIO()) as err:
        assert (main(["backbones"]), err.getvalue()) == (141, "")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="shells there close no streams")
@pytest.mark.parametrize(
    ("words", "streams", "status", "said"),
    [
        ("--help", ">&-", 0, ""),
        ("--help", ">/dev/full", 2, "gallop: error: No space left on device.\n"),
        ("--none", "2>&-", 2, ""),
        ("--none", "2>/dev/full", 2, ""),
        ("backbones --check", "<&- >&- 2>&-", 0, ""),
        ("backbones --check", ">/dev/full", 2, "gallop: error: No space left on device.\n"),
        ("predict PHOTO --classes a,b --csv CSV", ">&-", 0, "predicting 1/1\n"),
    ],
)
def test_a_stream_that_is_closed_or_full_is_no_traceback(
    words: str, streams: str, status: int, said: str, tmp_path: Path
) -> None:
    if "/dev/full" in streams and not Path("/dev/full").exists():
        pytest.skip("the system has no /dev/full")
    Image.new("RGB", (32, 32)).save(tmp_path / "photo.png")
    places = {"PHOTO": str(tmp_path / "photo.png"), "CSV": str(tmp_path / "answers.csv")}
    given = [places.get(word, word) for word in words.split()]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    shell = ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", "gallop", *given]
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr, done.stdout) == (status, said, "")
    assert (tmp_path / "answers.csv").exists() == ("--csv" in words)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_a_bar_and_colours_where_it_may_have_them(
    monkeypatch: pytest.MonkeyPatch, no_color: str
) -> None:
    for name, value in (("NO_COLOR", no_color), ("TERM", "xterm-256color"), ("COLUMNS", "100")):
        monkeypatch.setenv(name, value)
    with redirect_stderr(Terminal()) as err:
        console = Console(as_json=True)
        for step in range(1, 4):
            console.progress("training [red]", step, 3, "loss 0.123")
        console.warn("careful")
        console.error("no")
    said = err.getvalue()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
    assert " 1/3 " in plain
    assert re.search(r"training \[red\] ━+ 3/3 .*loss 0.123", plain), "the bar, and what a name has of markup as text"
    assert "gallop: warning: careful\ngallop: error: no\n" in plain
    assert bool(re.findall(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", said)) == (not no_color)
    assert ("\x1b[33mgallop: warning:\x1b[0m careful" in said) == (not no_color)
    assert said.endswith("no\n"), "what follows a bar stands on a line of its own"


@pytest.mark.parametrize(
    ("by_the_library", "by_the_command"),
    [
        ("use device='cpu' or 'auto'.", "use --device cpu or 'auto'."),
        ("allow fewer (allow_fewer=True).", "allow fewer (--allow-fewer)."),
        ("name its CLIP with backbone=...", "name its CLIP with --backbone ..."),
        ("Train again with detail=1.5.", "Train again with --detail 1.5."),
        ("or set warm_start=True, allow_fewer=False.", "or set warm_start=True, allow_fewer=False."),
        ("a/device=b.png, device=c/d.png and device='e f' are left out", ""),
    ],
)
def test_arguments_of_python_are_said_as_options_of_the_command(by_the_library: str, by_the_command: str) -> None:
    with redirect_stderr(io.StringIO()) as err:
        Console(False, options=("device", "allow_fewer", "backbone", "detail")).error(by_the_library)
    assert err.getvalue() == f"gallop: error: {by_the_command or by_the_library}\n"


def test_a_dumb_terminal_and_a_pipe_get_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, term in ((Terminal(), "dumb"), (io.StringIO(), "xterm")):
        monkeypatch.setenv("TERM", term)
        with redirect_stderr(stream) as err:
            console = Console(as_json=False)
            console.progress("training", 3, 3, "loss 0.1")
            console.warn("careful")
        assert err.getvalue() == "training 3/3: loss 0.1\ngallop: warning: careful\n"


def test_progress_is_sparse_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with redirect_stderr(io.StringIO()) as err:
        console = Console(as_json=True)
        for step in range(1, 101):
            now[0] += 0.3
            console.progress("training", step, 100)
    assert err.getvalue() == "training 35/100\ntraining 69/100\ntraining 100/100\n"


def test_what_is_printed_is_plain() -> None:
    found = plain_line(
        {"a": float("nan"), "b": np.float32(0.5), "c": (np.int64(1), np.array([np.inf])), "d": True, "e": None}
    )
    assert found == {"a": None, "b": 0.5, "c": [1, [None]], "d": True, "e": None}
    assert type(found["b"]) is float
