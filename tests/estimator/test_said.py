"""What is said aloud: how far a training is, what it leaves out or would drop, what a wrong name may have meant."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from contextlib import redirect_stderr
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gallop import MethodConfig, load_backbone
from gallop.backbones import pick_device
from gallop.data import LabelledPhotos
from gallop.errors import BackboneError, ConfigError, DataError
from gallop.features.encoding import ImageFeatures
from gallop.images import Photo
from tests import tiny
from tests.cli.test_cli import Terminal

IMAGES, LABELS = tiny.pictures({"red": 6, "green": 6})
NO_SUGGESTION = r"(?s)^(?!.*Did you mean)"


# ------------------------------------------------------------------ progress


def test_a_training_is_quiet_unless_it_is_asked_to_speak(capfd: pytest.CaptureFixture[str]) -> None:
    tiny.classifier(calibration_folds=2).fit(IMAGES, LABELS)
    assert capfd.readouterr() == ("", "")
    tiny.classifier(calibration_folds=2).fit(IMAGES, LABELS, verbose=True)
    said = capfd.readouterr()
    assert said.out == ""
    stages = [re.sub(r" \d+/\d+.*", "", line) for line in said.err.splitlines()]
    assert stages == ["encoding views", "training", "calibrating on held-out shots"], "the end of each, without a bar"


def test_a_bar_stands_in_a_terminal_and_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with redirect_stderr(Terminal()) as err:
        tiny.classifier(calibration_folds=2).fit(IMAGES, LABELS, verbose=1)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err.getvalue())
    for stage in ("encoding views ━+ ", "training ━+ 6/6 ", r"calibrating on held-out shots ━+ 4/4"):
        assert re.search(stage, plain), stage
    assert "loss" in plain
    assert err.getvalue().endswith("\x1b[2K"), "nothing of it stays"


# ------------------------------------------------------------------ what is left out, or would be


def test_files_that_cannot_be_read_are_warned_of_and_kept(tmp_path: Path) -> None:
    folder = tiny.write_folder(tmp_path / "photos", {"red": 2, "green": 2})
    for name in ("a.png", "b.png"):
        (folder / "red" / name).write_bytes(b"no picture")
    with pytest.warns(UserWarning, match=r"a\.png was skipped \(and 1 more, see skipped_\): ") as told:
        model = tiny.classifier().fit(folder)
    assert (len(told), [path.name for path, _ in model.skipped_]) == (1, ["a.png", "b.png"])
    assert all(reason for _, reason in model.skipped_)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tiny.classifier().fit(IMAGES, LABELS).skipped_ == ()


def test_a_name_that_looks_like_several_labels_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="A photo has one class; red,green, which may be several labels") as told:
        tiny.classifier().fit([*IMAGES, tiny.picture(3, "blue")], [*LABELS, "red,green"])
    assert len(told) == 1


def test_what_python_shows_of_large_things_is_short() -> None:
    names = [f"a class with a long name, number {i}" for i in range(300)]
    photos = LabelledPhotos((Path("a.png"),) * 300, ("0" * 64,) * 300, tuple(range(300)), tuple(names))
    features = ImageFeatures(torch.ones(300, 512), torch.ones(300, 196, 512))
    photo = Photo(tiny.picture(1, "red"), "n" * 255)
    fitted = tiny.classifier(method=MethodConfig(), warm_start=True, keep_shots=True, allow_fewer=True).zero_shot(names)
    for thing in (photos, features, photo, fitted):
        assert len(repr(thing)) < 400
    assert repr(photos).startswith("LabelledPhotos(300 photos of 300 classes: ('a class with")
    assert "global (300, 512), regions (300, 196, 512), torch.float32" in repr(features)


def test_shots_are_drawn_from_lists_as_from_folders(tmp_path: Path) -> None:
    folder = tiny.write_folder(tmp_path / "photos", {"red": 6, "green": 6})
    paths = sorted(folder.rglob("*.png"), reverse=True)
    names = [path.parent.name for path in paths]
    ours = tiny.classifier(shots=3, seed=4, calibration_folds=3).fit(paths, names)
    theirs = tiny.classifier(shots=3, seed=4, calibration_folds=3).fit(folder)
    drawn = []
    for model in (ours, theirs):
        found = tiny.there(model.evaluation)
        drawn.append(sorted(zip(model.classes_[found.truth].tolist(), found.files, strict=True)))
    assert drawn[0] == drawn[1]
    assert Counter(name for name, _ in drawn[0]) == {"red": 3, "green": 3}
    with pytest.raises(DataError, match="'red' has 6 images, but 7 shots were requested"):
        tiny.classifier(shots=7).fit(IMAGES, LABELS)
    fewer = tiny.classifier(shots=7, allow_fewer=True, calibration_folds=2).fit(IMAGES, LABELS)
    assert len(tiny.there(fewer.evaluation).truth) == 12


def test_a_scale_above_the_number_of_regions_is_warned_of() -> None:
    regions = int(np.prod(tiny.vit().vision.grid))
    with pytest.warns(UserWarning, match=rf"topk contains {regions + 1}, but .* has {regions} regions"):
        model = tiny.classifier(topk=(2, regions + 1)).zero_shot(["red", "green"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = tiny.classifier(topk=(2, regions)).zero_shot(["red", "green"])
    assert np.array_equal(model.predict_proba(IMAGES[:2]), same.predict_proba(IMAGES[:2]))


def test_a_warm_start_that_would_drop_classes_says_which_and_refuses_unless_told() -> None:
    more, names = tiny.pictures({"blue": 3, "red": 3}, first_seed=30)
    model = tiny.classifier(warm_start=True).fit([*IMAGES, *more], [*LABELS, *names])
    before = tiny.learned(model)
    with pytest.raises(ConfigError, match=r"knows green, but that class has no photos here.*drop_classes=True"):
        model.fit(more, names)
    assert tiny.equal(tiny.learned(model), before)
    assert model.fit(more, names, drop_classes=True).classes_.tolist() == ["blue", "red"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tiny.classifier().fit(IMAGES, LABELS).fit(more, names).classes_.tolist() == ["blue", "red"]


# ------------------------------------------------------------------ what a wrong name may have meant


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("minni", "mini"),
        ("ViT-B-16", "ViT-B-16/openai"),
        ("vit-b-16", "ViT-B-16/openai"),
        ("ViT-B16/openai", "ViT-B-16"),
        ("vit-b-16/openai", "ViT-B-16"),
        ("ViT-B-16/open-ai", "openai"),
        ("ViT-B-16/laion2b_s34b_b88", "laion2b_s34b_b88k"),
        ("qqqqqqq", None),
    ],
)
def test_a_backbone_that_is_unknown_gets_a_suggestion_if_one_is_like_it(name: str, meant: str | None) -> None:
    with pytest.raises(BackboneError, match=rf"Did you mean {re.escape(meant)}\b" if meant else NO_SUGGESTION):
        load_backbone(name, download=False)


@pytest.mark.parametrize(
    ("device", "end"), [("cdua", r"Did you mean cuda\?"), ("gpu", r"'cuda'\."), ("mp", r"Did you mean mps\?")]
)
def test_a_device_that_is_unknown_gets_one_too(device: str, end: str) -> None:
    with pytest.raises(BackboneError, match=f"(?s)Unknown device '{device}'.*{end}$"):
        pick_device(device)


def test_apples_gpu_is_asked_for_before_anything_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends, "mps", SimpleNamespace(is_available=lambda: False))
    with pytest.raises(BackboneError, match="mps is not available: torch finds none of that kind"):
        pick_device("mps")
    monkeypatch.setattr(torch.backends, "mps", SimpleNamespace(is_available=lambda: True))
    assert pick_device("mps").type == "mps"
