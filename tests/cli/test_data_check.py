"""``gallop data check FOLDER``: what it shows of photos, and what a training after it has not to encode again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from gallop import load_backbone, read_folder
from gallop.features.encoding import FeatureCache, encode_centres
from gallop.sample import write_sample
from tests.cli.test_cli import cache_folder, call  # noqa: F401
from tests.features.test_encoding import counted


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of the sample in which nothing is to be looked at, of one class alone to test on."""
    root = tmp_path_factory.mktemp("sound") / "photos"
    write_sample(root)
    for name in ("candle", "teapot", "vase"):
        shutil.rmtree(root / "test" / name)
    return root


@pytest.fixture(scope="module")
def broken(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a copy, a brighter test photo of one to learn from, a wrong label and a file that is no picture."""
    root = shutil.copytree(sound, tmp_path_factory.mktemp("broken") / "photos")
    mugs, vases = (sorted((root / "train" / name).iterdir()) for name in ("mug", "vase"))
    (mugs[1].parent / "wrong.jpg").write_bytes(vases[0].read_bytes())
    vases[0].unlink()
    (mugs[1].parent / "zz.jpg").write_bytes(mugs[1].read_bytes())
    (mugs[1].parent / "notes.jpg").write_text("no picture")
    with Image.open(mugs[2]) as image:
        ImageEnhance.Brightness(image).enhance(1.1).save(root / "test" / "mug" / "brighter.jpg")
    return root


def test_it_says_what_a_class_with_one_photo_does_without(sound: Path, tmp_path: Path) -> None:
    shutil.copytree(sound, tmp_path / "photos")
    for path in sorted((tmp_path / "photos" / "train" / "candle").iterdir())[1:]:
        path.unlink()
    said = call("data", "check", tmp_path / "photos").out
    assert "candle: a single photo is never held out, so its label is not checked" in said


def test_it_shows_all_that_is_wrong_and_says_it_in_sentences(broken: Path) -> None:
    outcome, mugs = call("data", "check", broken, "--json"), broken / "train" / "mug"
    second, third = (str(path) for path in sorted(mugs.glob("mug-*"))[1:3])
    wanted = {
        "classes": {"candle": 8, "mug": 9, "teapot": 8, "vase": 7},
        "copies": [[second, str(mugs / "zz.jpg")]],
        "leaks": [[third, str(broken / "test" / "mug" / "brighter.jpg")]],
    }
    assert (outcome.code, {name: outcome.json[name] for name in wanted}) == (2, wanted)
    assert {"image": str(mugs / "wrong.jpg"), "label": "mug", "likely": "vase"} in outcome.json["doubted"]
    assert [each["image"] for each in outcome.json["skipped"]] == [str(mugs / "notes.jpg")]
    said = call("data", "check", broken).out.splitlines()
    assert f"{mugs / 'wrong.jpg'} is labelled mug and looks like vase" in said
    assert said[-1].startswith("To look at: 1 pair of equal or nearly equal photos; 1 test photo also among")


def test_a_training_finds_the_features_of_the_centre_crops(
    sound: Path,
    cache_folder: Path,  # noqa: F811
) -> None:
    outcome = call("data", "check", sound)
    assert (outcome.code, outcome.out.splitlines()[-1]) == (0, "Nothing to look at.")
    backbone, photos = load_backbone("mini"), read_folder(sound)
    with counted(backbone) as calls:
        assert sum(map(len, encode_centres(backbone, photos.photos, FeatureCache(cache_folder), photos.hashes))) == 32
    assert not calls
