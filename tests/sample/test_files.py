"""The sample project: its photos are what is said of them, its model answers as it is said to, its maps hit."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.sample.figures import figures
from gallop import GalLoPClassifier, load_backbone, load_image, read_folder
from gallop.backbones import Backbone
from gallop.data import duplicates
from gallop.errors import DataError
from gallop.sample import SAMPLE_SHOTS, sample_folder, sample_mask, sample_photos, write_sample
from tests.conftest import ROOT

CLASSES = ("candle", "mug", "teapot", "vase")

needs_mini = pytest.mark.skipif(
    not (ROOT / "checkpoints" / "mini" / "mini.safetensors").is_file(), reason="the weights of mini are not here"
)


@pytest.fixture(scope="module")
def mini() -> Backbone:
    return load_backbone("mini", device="cpu")


@pytest.fixture(scope="module")
def shipped(mini: Backbone) -> GalLoPClassifier:
    return GalLoPClassifier.load(sample_folder() / "model", backbone=mini)


def test_each_class_has_photos_to_learn_from_and_others_to_test_with() -> None:
    counts = Counter((photo.part, photo.class_name) for photo in sample_photos())
    wanted = {("train", name): SAMPLE_SHOTS for name in CLASSES} | {("test", name): 6 for name in CLASSES}
    assert {key: count for key, count in counts.items() if key[1] is not None} == wanted
    assert 6 <= counts["other", None] <= 12


def test_no_photo_is_there_twice_and_all_are_small() -> None:
    contents = [load_image(photo.path).sha256 for photo in sample_photos()]
    assert len(set(contents)) == len(contents)
    assert not duplicates(read_folder(sample_folder(), split="train"), read_folder(sample_folder(), split="test"))
    model = sample_folder() / "model"
    files = [path for path in sample_folder().rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files if model not in path.parents) < 2**20


def test_every_photo_says_where_its_thing_is() -> None:
    """The mask of a photo parts it in two: what is sharp and stands out, and the rest."""
    for photo in sample_photos():
        mask = sample_mask(photo)
        with Image.open(photo.path) as picture:
            assert mask.shape == (picture.height, picture.width), photo.path
        assert 0.01 < mask.mean() < 0.6, photo.path
        assert mask[1:-1, 1:-1].sum() == mask.sum(), f"{photo.path}: the thing is whole"


def test_it_is_written_where_someone_can_use_it(tmp_path: Path) -> None:
    assert all(path.is_file() for path in write_sample(tmp_path / "photos"))
    for split, count in (("train", 8), ("test", 6)):
        assert Counter(read_folder(tmp_path / "photos", split=split).names) == dict.fromkeys(CLASSES, count)
    assert {path.name for path in (tmp_path / "photos").iterdir()} == {"README.md", "model", "other", "test", "train"}
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "holiday.jpg").write_bytes(b"mine")
    for place, said in ((mine, "mine is not empty"), (mine / "holiday.jpg", r"holiday\.jpg is a file")):
        with pytest.raises(DataError, match=said):
            write_sample(place)
    assert [path.name for path in mine.iterdir()] == ["holiday.jpg"]


@needs_mini
def test_its_model_answers_its_photos_as_was_kept(shipped: GalLoPClassifier) -> None:
    """What ``run.json`` says, of the very photos that are there."""
    kept = json.loads((sample_folder() / "run.json").read_text(encoding="utf-8"))["answers"]
    photos = [photo for photo in sample_photos() if photo.class_name is not None]
    found = shipped.predict_all([photo.path for photo in photos])
    assert len(kept) == len(photos)
    for i, photo in enumerate(photos):
        truth, label, probability, seen = kept[load_image(photo.path).sha256]
        assert (truth, seen, found.labels[i]) == (photo.class_name, photo.part == "train", label)
        assert found.probabilities[i].max() == pytest.approx(probability, abs=0.01)


@needs_mini
@pytest.mark.slow
def test_it_is_learned_and_its_maps_lie_on_the_things(mini: Backbone, shipped: GalLoPClassifier) -> None:
    """The figures of the README: zero-shot has as many right, and training tells the photos of other things better."""
    before = figures(GalLoPClassifier(backbone=mini, cache=False).zero_shot(CLASSES))
    after = figures(shipped)
    said = (sample_folder() / "README.md").read_text(encoding="utf-8")
    assert before.right <= after.right
    assert before.auroc < after.auroc
    for found in (before, after):
        assert found.hits.regions > 2.5 * found.hits.chance
        assert found.hits.best > 3 * found.hits.chance
        shares = found.auroc, found.hits.regions, found.hits.best
        row = " | ".join([f"{found.right} of {found.photos}", *(f"{100 * share:.0f}" for share in shares)])
        assert f"| {row} |" in said
