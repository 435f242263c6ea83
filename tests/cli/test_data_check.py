"""``gallop data check FOLDER``: what it shows of photos, and what a training after it has not to encode again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from gallop import load_backbone, read_folder
from gallop.cli import main
from gallop.features.encoding import FeatureCache, encode_centres
from gallop.sample import write_sample
from tests.cli.test_cli import cache_folder  # noqa: F401
from tests.features.test_encoding import counted


def write_few(root: Path) -> None:
    """The sample, with photos of one class alone to test on."""
    write_sample(root)
    for name in ("candle", "teapot", "vase"):
        shutil.rmtree(root / "test" / name)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of the sample in which nothing is to be looked at."""
    root = tmp_path_factory.mktemp("sound")
    write_few(root / "photos")
    return root / "photos"


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a copy, a brighter test photo of one to learn from, a wrong label and a file that is no picture."""
    root = tmp_path_factory.mktemp("broken") / "photos"
    write_few(root)
    mugs, vases = (sorted((root / "train" / name).iterdir()) for name in ("mug", "vase"))
    (mugs[1].parent / "wrong.jpg").write_bytes(vases[0].read_bytes())
    vases[0].unlink()
    (mugs[1].parent / "zz.jpg").write_bytes(mugs[1].read_bytes())
    (mugs[1].parent / "notes.jpg").write_text("no picture")
    with Image.open(mugs[2]) as image:
        ImageEnhance.Brightness(image).enhance(1.1).save(root / "test" / "mug" / "brighter.jpg")
    return root


def test_it_says_what_a_class_with_one_photo_does_without(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(sound, tmp_path / "photos")
    for path in sorted((tmp_path / "photos" / "train" / "candle").iterdir())[1:]:
        path.unlink()
    main(["data", "check", str(tmp_path / "photos")])
    assert "candle: a single photo is never held out, so its label is not checked" in capsys.readouterr().out


def test_it_shows_all_that_is_wrong(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(broken), "--json"]) == 2
    found, mugs = json.loads(capsys.readouterr().out), broken / "train" / "mug"
    second, third = (str(path) for path in sorted(mugs.glob("mug-*"))[1:3])
    assert found["classes"] == {"candle": 8, "mug": 9, "teapot": 8, "vase": 7}
    assert found["copies"] == [[second, str(mugs / "zz.jpg")]]
    assert found["leaks"] == [[third, str(broken / "test" / "mug" / "brighter.jpg")]]
    assert {"image": str(mugs / "wrong.jpg"), "label": "mug", "likely": "vase"} in found["doubted"]
    assert [each["image"] for each in found["skipped"]] == [str(mugs / "notes.jpg")]


def test_it_says_it_in_sentences(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "check", str(broken)])
    said = capsys.readouterr().out.splitlines()
    assert f"{broken / 'train' / 'mug' / 'wrong.jpg'} is labelled mug and looks like vase" in said
    assert said[-1].startswith("To look at: 1 pair of equal or nearly equal photos; 1 test photo also among")


def test_a_training_finds_the_features_of_the_centre_crops(
    sound: Path,
    cache_folder: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["data", "check", str(sound)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Nothing to look at."
    backbone, photos = load_backbone("mini"), read_folder(sound)
    with counted(backbone) as calls:
        assert sum(map(len, encode_centres(backbone, photos.photos, FeatureCache(cache_folder), photos.hashes))) == 32
    assert not calls


def test_one_word_that_is_no_folder_is_told_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "oxford_pets"]) == 2
    said = capsys.readouterr().err
    assert "The folder oxford_pets does not exist." in said
    assert "`gallop data check oxford_pets data`" in said
