"""A checkpoint folder: what comes back, what is refused with a sentence, and what a failed save leaves."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gallop import GalLoPClassifier
from gallop.checkpoints.folder import SETTINGS, TENSORS, read_checkpoint
from gallop.checkpoints.settings_file import FORMAT
from gallop.errors import BackboneError, CheckpointError
from gallop.model.calibration import Calibration
from gallop.training.loop import TrainState, drop_training, load_training, save_training
from tests.tiny import classifier, edit_settings, equal, learned, other_vit, pictures, there, vit, write_folder

IMAGES, LABELS = pictures({"red": 3, "green": 3})


@pytest.fixture(scope="module")
def trained() -> GalLoPClassifier:
    return classifier(calibration_folds=2, lr=0.3, seed=9).fit(IMAGES, LABELS)


@pytest.fixture
def folder(trained: GalLoPClassifier, tmp_path: Path) -> Path:
    trained.save(tmp_path / "model")
    return tmp_path / "model"


def load(folder: Path) -> GalLoPClassifier:
    return GalLoPClassifier.load(folder, backbone=vit())


def test_a_round_trip_gives_the_same_answers_bit_for_bit(trained: GalLoPClassifier, folder: Path) -> None:
    loaded = load(folder)
    assert equal(learned(trained), learned(loaded))
    images, _ = pictures({"red": 2, "blue": 3}, first_seed=20)
    before, after = trained.predict_all(images), load(str(folder)).predict_all(images)  # type: ignore[arg-type]
    for name in ("probabilities", "labels", "is_ood"):
        assert np.array_equal(getattr(before, name), getattr(after, name)), name
    assert all(np.array_equal(scores, after.ood[name]) for name, scores in before.ood.items())
    assert (loaded.calibration_, loaded.classes_.tolist()) == (trained.calibration_, ["red", "green"])


def test_the_settings_come_back_as_parameters(trained: GalLoPClassifier, folder: Path) -> None:
    loaded = load(folder)
    params = loaded.get_params()
    assert (params["method"], params["preset"]) == (trained.model_.config, trained.training_)
    assert equal(learned(loaded.set_params(cache=False).fit(IMAGES, LABELS)), learned(load(folder))), "trained again"


def test_the_folder_is_two_readable_files(trained: GalLoPClassifier, folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [SETTINGS, TENSORS]
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    wanted = {
        "format": 1,  # the oldest that can say it
        "backbone": "golden-vit",
        "fingerprint": vit().fingerprint,
        "class_names": ["red", "green"],
        # A later setting stands there only where it is used.
        "method": {"global_prompts": 2, "topk": [2, 4], "dropout": 0.75, "local_projection": True},
    }
    assert {key: settings[key] for key in wanted} == wanted
    assert len(settings["data_fingerprint"]) == 64
    assert {key: tuple(value.shape) for key, value in load_file(folder / TENSORS).items()} == {
        "global_contexts": (2, 4, 64),
        "local_contexts": (2, 4, 64),
        "local_projection": (64, 64),
    }
    assert read_checkpoint(folder).training is not None


def test_a_checkpoint_can_be_read_by_whom_the_umask_allows(trained: GalLoPClassifier, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        trained.save(tmp_path / "model")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in [tmp_path / "model", *(tmp_path / "model").iterdir()]}
    assert modes == {"model": 0o755, SETTINGS: 0o644, TENSORS: 0o644}


def test_names_in_every_script_come_back(tmp_path: Path) -> None:
    names = ["na\u00efve caf\u00e9", "\u72ac", "\u0438\u0442\u0438", 'quotes " and \\ and $', "\U0001f436"]
    classifier().zero_shot(names).save(tmp_path / "model")
    assert load(tmp_path / "model").classes_.tolist() == names


def test_zero_shot_and_coop_can_be_kept(tmp_path: Path) -> None:
    zero = classifier().zero_shot(["red"])
    zero.save(tmp_path / "deeper" / "zero")
    assert load(tmp_path / "deeper" / "zero").calibration_ == zero.calibration_
    assert read_checkpoint(tmp_path / "deeper" / "zero").training is None
    coop = classifier(global_prompts=1, topk=(), dropout=0.0).fit(IMAGES, LABELS)
    coop.save(tmp_path / "coop")
    assert np.array_equal(load(tmp_path / "coop").predict_proba(IMAGES), coop.predict_proba(IMAGES))


def test_held_out_shots_are_counted_where_older_versions_do_not_look(trained: GalLoPClassifier, folder: Path) -> None:
    """They refuse a setting that they do not know; no answer depends on this."""
    trained.save(folder.parent / "again")
    assert (folder.parent / "again" / TENSORS).read_bytes() == (folder / TENSORS).read_bytes(), "to the last byte"
    counts = trained.calibration_.right, trained.calibration_.asked
    assert (load(folder).calibration_.right, load(folder).calibration_.asked) == counts
    assert (counts[0] <= counts[1], counts[1]) == (True, 6)
    known = {"temperature", "threshold", "note", "photos", "held_out"}
    assert set(json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["calibration"]) == known


@pytest.mark.parametrize(
    ("right", "said"),
    [("7 of 6", "right is 7; it must be between 0 and 6"), ("6", "is missing or damaged"), ("x of y", "or damaged")],
)
def test_counts_that_make_no_sense_are_refused(folder: Path, right: str, said: str) -> None:
    counted(folder, {"right": right})
    with pytest.raises(CheckpointError, match=said):
        load(folder)


def counted(folder: Path, counts: dict[str, str] | None = None) -> None:
    """Write the tensors with other counts of held-out shots, or as older versions did, without."""
    save_file(load_file(folder / TENSORS), folder / TENSORS, counts)
    change(folder, prompts_sha256=hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest())


def test_older_checkpoints_do_not_say_what_a_threshold_was_found_on(folder: Path) -> None:
    kept = {"temperature": 1.5, "threshold": -0.5, "note": ""}
    change(folder, calibration=kept)
    counted(folder)
    older = load(folder)
    assert older.calibration_ == Calibration(1.5, -0.5)
    older.save(folder)
    assert json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["calibration"] == kept


@pytest.mark.parametrize("inside", ["", "below/model"])
def test_a_file_is_no_place_for_a_model(trained: GalLoPClassifier, tmp_path: Path, inside: str) -> None:
    (tmp_path / "notes").write_text("of mine")
    with pytest.raises(CheckpointError, match=r"saved as a folder, but .*notes is a file\. Save to a different folder"):
        trained.save(tmp_path / "notes" / inside)
    assert [path.name for path in tmp_path.rglob("*")] == ["notes"]


@pytest.mark.parametrize("split", ["", "train"])
def test_a_model_among_folders_of_photos_is_told(trained: GalLoPClassifier, tmp_path: Path, split: str) -> None:
    write_folder(tmp_path / "photos" / split, {"red": 1})
    (tmp_path / "photos" / "test").mkdir()
    with pytest.warns(UserWarning, match=r"photos contains folders of photos, and the model's files will"):
        trained.save(tmp_path / "photos")
    trained.save(tmp_path / "photos")  # a model, by now


@pytest.mark.filterwarnings("error")
def test_a_model_beside_other_folders_needs_no_word(trained: GalLoPClassifier, tmp_path: Path) -> None:
    write_folder(tmp_path / ".git", {"red": 1})
    write_folder(tmp_path / "plots", {"of": 0})
    with pytest.warns(UserWarning, match="cannot be loaded by its name"):
        trained.save(tmp_path)


def test_saving_again_replaces_and_leaves_other_files_alone(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    other = classifier(lr=0.9, seed=1).fit(IMAGES, LABELS).add_class("blue")
    other.save(folder)
    loaded = load(folder)
    assert (loaded.classes_.tolist(), equal(learned(loaded), learned(other))) == (["red", "green", "blue"], True)
    assert (folder / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in folder.parent.iterdir()) == ["model"]  # no temporary ones


def fail_at(monkeypatch: pytest.MonkeyPatch, place: str, call: int) -> None:
    """The ``call``-th call of a function ends as on a full disk."""
    sound, calls = resolve_name(place), count(1)

    def failing(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == call:
            raise OSError(28, "No space left on device")
        return sound(*args, **kwargs)

    monkeypatch.setattr(place, failing)


@pytest.mark.parametrize(
    ("place", "call"),
    [
        ("secrets.token_hex", 1),
        ("secrets.token_hex", 2),
        ("os.fsync", 1),
        ("os.fsync", 2),
        ("os.replace", 1),
        ("os.replace", 2),
    ],
)
def test_a_save_that_fails_keeps_the_old_checkpoint_and_leaves_nothing(
    trained: GalLoPClassifier, folder: Path, monkeypatch: pytest.MonkeyPatch, place: str, call: int
) -> None:
    other = classifier(lr=0.9, seed=1).fit(IMAGES, LABELS)
    with monkeypatch.context() as patch:
        fail_at(patch, place, call)
        with pytest.raises(OSError, match="No space left"):
            other.save(folder)
    loaded = load(folder)
    assert equal(learned(loaded), learned(trained))
    assert loaded.calibration_ == trained.calibration_
    left = {str(path.relative_to(folder.parent)) for path in folder.parent.rglob("*")}
    assert left == {"model", f"model/{SETTINGS}", f"model/{TENSORS}"}


def change(folder: Path, **values: Any) -> None:
    edit_settings(folder, lambda settings: settings.update(values))


def test_other_weights_of_the_backbone_are_refused_naming_both_fingerprints(folder: Path) -> None:
    other = other_vit()
    with pytest.raises(CheckpointError) as refused:
        GalLoPClassifier.load(folder, backbone=other)
    named = ("'golden-vit'", vit().fingerprint[:12], other.fingerprint[:12], str(folder))
    assert not [part for part in named if part not in str(refused.value)]


def test_a_backbone_that_is_not_here_says_so(folder: Path) -> None:
    with pytest.raises(BackboneError, match="'golden-vit'"):
        GalLoPClassifier.load(folder)


@pytest.mark.parametrize("missing", ["folder", SETTINGS])
def test_no_checkpoint_is_refused(folder: Path, missing: str) -> None:
    where = folder / "nothing here" if missing == "folder" else folder
    (folder / SETTINGS).unlink()
    with pytest.raises(CheckpointError, match=rf"{where.name} is not a checkpoint: it does not contain {SETTINGS}"):
        load(where)


TWICE = (b'"class_names"', b'"class_names": ["cat", "dog"], "class_names"')
"""A key that two readers may read otherwise."""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        *(
            (lambda _, content=content: content, "is damaged or was not written by gallop")
            for content in (b"", b"{", b"[]", b"null", b"3", b'"text"', b"\xff\xfe\x00", b"{}", b"[" * 100_000)
        ),
        (lambda text: text.replace(*TWICE), "is damaged.*'class_names' appears twice"),
        (lambda text: text + b" " * 50_000_000, r"cannot be read \(it is larger than 16 MB"),
    ],
)
def test_damaged_settings_are_refused_by_name(folder: Path, change: Callable[[bytes], bytes], said: str) -> None:
    (folder / SETTINGS).write_bytes(change((folder / SETTINGS).read_bytes()))
    with pytest.raises(CheckpointError, match=rf"gallop\.json {said}"):
        load(folder)


NAN = float("nan")
SENSELESS: list[dict[str, Any]] = [
    {"format": "1"},
    {"format": None},
    {"format": 0},
    {"format": -1},
    {"class_names": []},
    {"class_names": ["cat", "Cat"]},
    {"class_names": "cat"},
    {"class_names": {"cat": 1, "dog": 2}},
    {"templates": {"a {}": 1}},
    {"class_names": [1, 2]},
    {"class_names": None},
    {"method": {}},
    {"method": {"global_prompts": 2, "dropout": 0.75}},
    {"method": {"global_prompts": 2, "topk": [0, 4], "dropout": 0.75}},
    {"method": {"global_prompts": 2, "topk": 4, "dropout": 0.75}},
    {"method": {"global_prompts": "2", "topk": [2, 4], "dropout": 0.75}},
    {"method": None},
    {"training": {"epochs": -1}},
    {"training": []},
    {"calibration": None},
    {"calibration": {"temperature": 0.0}},
    {"calibration": {"temperature": 1e-320}},
    {"calibration": {"temperature": NAN}},
    {"calibration": {"temperature": "1"}},
    {"calibration": {"temperature": 1.0, "threshold": NAN}},
    {"calibration": {"temperature": 1.0, "threshold": "high"}},
    {"calibration": {"temperature": 1.0, "threshold": -1.0, "note": 3}},
    {"calibration": {"temperature": 1.0, "note": ["none"]}},
    {"calibration": [1.0]},
    {"backbone": ["golden-vit"]},
    {"backbone": 3},
    {"fingerprint": None},
    {"data_fingerprint": {}},
    {"data_fingerprint": "my photos"},
    {"data_fingerprint": "0" * 63},
    {"prompts_sha256": 0},
]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        *((values, r"gallop\.json is damaged") for values in SENSELESS),
        (
            {"ensemble": "mean"},
            r"contains settings that this version .* know and would ignore: ensemble\..* Update gallop",
        ),
        (
            {"Backbone": "golden-vit", "\x1b[2J": 1},
            r"contains settings that this version .* know and would ignore: Backbone, \\x1b\[2J\..* Update gallop",
        ),
        (
            {"method": {"global_prompts": 2, "topk": [2, 4], "dropout": 0.75, "more": 1}},
            r"contains settings that this version .* know and would ignore: method\.more\..* Update gallop",
        ),
        (
            {"training": {"epochs": 2, "warm_up": 5}},
            r"contains settings that this version .* know and would ignore: training\.warm_up\..* Update gallop",
        ),
        (
            {"calibration": {"temperature": 1.0, "per_class": [1]}},
            r"contains settings that this version .* know and would ignore: calibration\.per_class\..* Update gallop",
        ),
        (
            {f"key {i}": i for i in range(100_000)},
            r"contains settings that this version .* ignore: key 0, .*key 5 and 99994 more\..* Update gallop",
        ),
        (
            {"format": FORMAT + 1, "something_new": [1, 2]},
            rf"format {FORMAT + 1}, but .* up to {FORMAT}..* Update gallop",
        ),
    ],
)
def test_settings_that_make_no_sense_or_are_not_known_are_refused(
    folder: Path, values: dict[str, Any], said: str
) -> None:
    """What is not known would mean something that this version does not do."""
    change(folder, **values)
    with pytest.raises(CheckpointError, match=said):
        load(folder)


@pytest.mark.parametrize(
    "key", ["backbone", "fingerprint", "class_names", "method", "training", "calibration", "format"]
)
def test_a_missing_setting_is_refused(folder: Path, key: str) -> None:
    edit_settings(folder, lambda settings: settings.pop(key))
    with pytest.raises(CheckpointError, match=rf"damaged.*{key}"):
        load(folder)


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 40, b"\x02\x00\x00\x00\x00\x00\x00\x00{}", "truncated"])
def test_damaged_tensors_are_refused(folder: Path, content: bytes | str | None) -> None:
    data = (folder / TENSORS).read_bytes()
    (folder / TENSORS).unlink()
    if content is not None:
        (folder / TENSORS).write_bytes(data[: len(data) // 2] if isinstance(content, str) else content)
    with pytest.raises(CheckpointError, match=r"prompts\.safetensors.* damaged"):
        load(folder)


def altered(name: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    projection = tensors["local_projection"]
    poisoned = projection.clone()
    poisoned[3, 5] = NAN if name == "NaN" else float("inf")
    return {
        "wrong shape": {**tensors, "local_projection": projection[:, :32].contiguous()},
        "transposed": {**tensors, "global_contexts": tensors["global_contexts"].transpose(1, 2).contiguous()},
        "too few prompts": {**tensors, "local_contexts": tensors["local_contexts"][:1].contiguous()},
        "scalar": {**tensors, "global_contexts": torch.tensor(1.0)},
        "extra": {**tensors, "more": torch.zeros(2)},
        "missing": {k: v for k, v in tensors.items() if k != "local_contexts"},
        "NaN": {**tensors, "local_projection": poisoned},
        "inf": {**tensors, "local_projection": poisoned},
        "integers": {**tensors, "local_projection": projection.to(torch.int32)},
        "long contexts": {**tensors, **{f"{kind}_contexts": torch.zeros(2, 90, 64) for kind in ("global", "local")}},
    }[name]


UNLIKE, NOT_FINITE = (
    (CheckpointError, rf"prompts\.safetensors.*{said}")
    for said in ("does not match its settings", "values that are not finite")
)


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        *((name, UNLIKE) for name in ("wrong shape", "transposed", "too few prompts", "scalar", "extra", "missing")),
        *((name, NOT_FINITE) for name in ("NaN", "inf", "integers")),
        ("long contexts", (ValueError, "room for only 0")),
    ],
)
def test_tensors_that_do_not_fit_are_refused(folder: Path, name: str, refused: tuple[type[Exception], str]) -> None:
    save_file(altered(name, load_file(folder / TENSORS)), folder / TENSORS)
    change(folder, prompts_sha256=hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest())
    with pytest.raises(refused[0], match=refused[1]):
        load(folder)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (
            5_000,
            r"does not match its settings: it contains tensors that gallop does not know: x 0, .* and 4994 more\.$",
        ),
        (100_000, r"is missing or damaged \(its header claims \d+ bytes"),
    ],
)
def test_a_flood_of_tensors_is_refused_before_they_are_made(
    folder: Path, tensors: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallop.runtime.tensor_file.load", lambda data: pytest.fail("tensors were made"))
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"x {i}": empty for i in range(tensors)}).encode()
    (folder / TENSORS).write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(CheckpointError, match=said) as refused:
        load(folder)
    assert len(str(refused.value)) < 500


def test_prompts_and_settings_of_two_saves_are_refused(folder: Path) -> None:
    """What a kill between the two renames of a save would leave."""
    save_file({key: 2 * value for key, value in load_file(folder / TENSORS).items()}, folder / TENSORS)
    with pytest.raises(CheckpointError, match="two different saves"):
        load(folder)


# --- A training under way ------------------------------------------------------------------------------------------


def state(epoch: int = 2) -> TrainState:
    return TrainState(
        epoch=epoch,
        parameters=[torch.randn(2, 3), torch.randn(4)],
        momentum=[torch.randn(2, 3), torch.randn(4)],
        generators=torch.Generator().manual_seed(5).get_state()[None],
    )


def test_a_training_of_another_key_is_refused_and_none_is_none(tmp_path: Path) -> None:
    assert (load_training(tmp_path, "key"), load_training(tmp_path / "missing", "key")) == (None, None)
    save_training(tmp_path, state(), "key")
    with pytest.raises(CheckpointError, match="different settings, a different backbone or different images"):
        load_training(tmp_path, "other")
    drop_training(tmp_path)
    drop_training(tmp_path)  # gone already
    assert load_training(tmp_path, "key") is None


def test_a_training_that_cannot_be_kept_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_training(tmp_path, state(1), "key")
    for place in ("secrets.token_hex", "os.fsync", "os.replace"):
        with monkeypatch.context() as patch:
            fail_at(patch, place, 1)
            with pytest.raises(OSError, match="No space left"):
                save_training(tmp_path, state(2), "key")
        assert (there(load_training(tmp_path, "key")).epoch, len(list(tmp_path.iterdir()))) == (1, 1)


@pytest.mark.parametrize("what", ["truncated", "no metadata", "missing tensor", "odd epoch"])
def test_a_damaged_training_is_refused(tmp_path: Path, what: str) -> None:
    save_training(tmp_path, state(), "key")
    (path,) = tmp_path.iterdir()
    if what == "truncated":
        path.write_bytes(path.read_bytes()[:-8])
    else:
        tensors = {
            key: value for key, value in load_file(path).items() if (what, key) != ("missing tensor", "momentum.1")
        }
        metadata = {"key": "key", "epoch": "two" if what == "odd epoch" else "2"}
        save_file(tensors, path, metadata=None if what == "no metadata" else metadata)
    with pytest.raises(CheckpointError, match=r"damaged.*without resuming"):
        load_training(tmp_path, "key")
