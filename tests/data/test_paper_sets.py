"""The paper's nineteen sets by name, in small trees of their true layouts; none is downloaded."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest
import torchvision

import gallop.data.listing
from gallop.backbones.imagenet import imagenet_names
from gallop.data import LabelledPhotos, Listing
from gallop.errors import DataError
from gallop.images import load_image
from gallop.lab.paper_sets import available_datasets, find_set, open_dataset
from gallop.names.class_names import clean_names
from gallop.names.templates import clean_templates
from tests import data_trees as trees
from tests.data_trees import LABELLED, SYNSETS, UNLABELLED, Write

PETS = next(tree for name, _, tree, *_ in LABELLED if name == "oxford_pets")


@pytest.mark.parametrize(
    ("name", "tree", "names", "counts"),
    [pytest.param(case[0], *case[2:], id=f"{case[0]} {case[1]}") for case in LABELLED],
)
def test_a_set_in_its_layout(
    tmp_path: Path, name: str, tree: Write, names: tuple[str, ...], counts: tuple[int, int, int]
) -> None:
    tree(tmp_path)
    data = open_dataset(name, tmp_path)
    assert (data.name, data.class_names) == (name, names)
    for part, count in zip((data.train, data.val, data.test), counts, strict=True):
        assert (part.class_names, Counter(part.names)) == (names, dict.fromkeys(names, count) if count else {})
        assert all(path.is_file() for path in part.paths)
        assert len(part.paths) == len(part.labels) == len(part)
    parts = [set(part.paths) for part in (data.train, data.val, data.test)]
    assert len(set().union(*parts)) == sum(map(len, parts)), "the parts are disjoint"
    assert find_set(name).template.count("{}") == 1
    inside = [folder for folder in tmp_path.iterdir() if folder.is_dir()]
    for place in (inside[0], str(inside[0])) if len(inside) == 1 else ():
        assert open_dataset(name, place).class_names == names


@pytest.mark.parametrize(
    ("name", "tree", "count"), [pytest.param(case[0], case[2], case[3], id=" ".join(case[:2])) for case in UNLABELLED]
)
def test_a_set_of_unknown_things(tmp_path: Path, name: str, tree: Write, count: int) -> None:
    tree(tmp_path)
    data = open_dataset(name, tmp_path)
    known = find_set(name)
    assert (known.kind, len(data.photos), data.class_names, known.template) == ("ood", count, (), "")
    assert all(path.is_file() for path in data.photos.paths)


@pytest.fixture
def eurosat(tmp_path: Path) -> Path:
    trees.eurosat(tmp_path)
    return tmp_path / "eurosat"


def test_photos_of_something_else_are_not_taken_for_a_set(eurosat: Path, tmp_path: Path) -> None:
    for name in {known.name for known in available_datasets()} - {"eurosat"}:
        with pytest.raises(DataError, match="are not in"):
            open_dataset(name, tmp_path)


def test_there_are_nineteen_sets_with_a_case_for_each() -> None:
    sets = available_datasets()
    assert Counter(known.kind for known in sets) == {"few-shot": 11, "variant": 4, "ood": 4}
    assert {known.name for known in sets} == {case[0] for case in (*LABELLED, *UNLABELLED)}
    for known in sets:
        assert (known.kind == "ood") == (known.template == "")
        assert not known.template or clean_templates([known.template]) == (known.template,)
        assert not known.torchvision or hasattr(torchvision.datasets, known.torchvision)
        assert known.address.startswith("https://")
        assert known.guide.startswith("https://") or not known.needs


@pytest.mark.parametrize(
    ("word", "said"),
    [("oxfrd_pets", "Did you mean oxford_pets"), ("imagenet-r", "Did you mean imagenet_r"), ("xyzzy", "Choose one of")],
)
def test_an_unknown_name_gets_near_ones(tmp_path: Path, word: str, said: str) -> None:
    with pytest.raises(DataError, match=rf"There is no data set '{word}'\. .*{said}"):
        open_dataset(word, tmp_path)


# ------------------------------------------------------------------ splits and names


def test_the_thousand_names_differ_and_stand_at_their_synset() -> None:
    names = imagenet_names()
    assert (list(names), len(clean_names(names.values()))) == (sorted(names), 1000)
    known = {
        "n01440764": "tench",
        "n02012849": "crane bird",
        "n03126707": "construction crane",
        "n03773504": "missile",
        "n04008634": "projectile",
        "n04355933": "sunglass",
        "n04356056": "sunglasses",
    }
    assert {synset: names[synset] for synset in known} == known


def test_names_from_classnames_txt_also_beside_a_variant(tmp_path: Path) -> None:
    trees.imagenet("imagenet/images")(tmp_path)
    trees.by_synset("imagenet-rendition/imagenet-r", SYNSETS[0])(tmp_path)
    lines = [f"{synset} name {i}" for i, synset in enumerate(SYNSETS)]
    trees.text(tmp_path / "imagenet" / "classnames.txt", *lines, "n03773504 missile", "n04008634 missile")
    assert open_dataset("imagenet", tmp_path).class_names == ("name 0", "name 1", "name 2", "name 3")
    assert open_dataset("imagenet_r", tmp_path).class_names == ("name 0",)
    trees.by_synset("imagenet/images/train", "n03773504", "n04008634")(tmp_path)
    assert open_dataset("imagenet", tmp_path).class_names[-2:] == ("missile", "projectile"), "told apart"


def test_the_variants_know_their_classes_among_the_thousand(tmp_path: Path) -> None:
    trees.by_number("imagenetv2-matched-frequency-format-val")(tmp_path)
    v2 = open_dataset("imagenet_v2", tmp_path / "imagenetv2-matched-frequency-format-val")
    order = list(imagenet_names())
    assert v2.class_ids == tuple(order[i] for i in (0, 2, 10, 517)), "as numbers: 10 comes after 2"
    assert {
        file.split("/")[0]: v2.class_names[label] for file, label in zip(v2.test.files, v2.test.labels, strict=True)
    } == {
        "0": "tench",
        "2": "great white shark",
        "10": "brambling",
        "517": "construction crane",
    }
    trees.by_synset("imagenet-adversarial/imagenet-a", SYNSETS[3], SYNSETS[1])(tmp_path)
    trees.text(tmp_path / "imagenet-adversarial" / "imagenet-a" / "README.txt", "not a class")
    a = open_dataset("imagenet_a", tmp_path)
    assert (a.class_ids, [order.index(synset) for synset in a.class_ids]) == ((SYNSETS[1], SYNSETS[3]), [1, 517])
    trees.by_synset("imagenet-adversarial/imagenet-a", "n99999999")(tmp_path)
    with pytest.raises(DataError, match="n99999999 is not one of ImageNet's 1000 classes"):
        open_dataset("imagenet_a", tmp_path)
    trees.photos(tmp_path, ["imagenetv2-matched-frequency-format-val/1000/a.jpeg"])
    with pytest.raises(DataError, match="1000 is not a class"):
        open_dataset("imagenet_v2", tmp_path)


def test_imagenet_with_one_half_and_with_a_flat_val(tmp_path: Path) -> None:
    trees.imagenet("imagenet/images")(tmp_path)
    folder = tmp_path / "imagenet" / "images"
    shutil.rmtree(folder / "train")
    data = open_dataset("imagenet", tmp_path)
    assert (len(data.train), len(data.test)) == (0, 8)
    with pytest.raises(DataError, match="no images to draw"):
        data.train.draw(1)
    shutil.rmtree(folder / "val")
    trees.photos(folder, ["val/ILSVRC2012_val_00000001.JPEG"])
    with pytest.raises(DataError, match=r"Sort them into such folders with https://.*valprep.sh"):
        open_dataset("imagenet", tmp_path)


# ------------------------------------------------------------------ draws


def test_a_draw_opens_what_it_draws_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees.imagenet("imagenet/images")(tmp_path)
    opened = mock.Mock(wraps=load_image)
    monkeypatch.setattr(gallop.data.listing, "load_image", opened)
    data = open_dataset("imagenet", tmp_path)
    assert opened.call_count == 0
    shots = data.train.draw(2, seed=1)
    assert opened.call_count == 8 == len(shots)
    assert Counter(shots.names) == dict.fromkeys(data.class_names, 2)
    assert all(load_image(path).sha256 == digest for path, digest in zip(shots.paths, shots.hashes, strict=True))
    assert set(data.train.draw(1, seed=1).paths) < set(shots.paths), "fewer shots are part of more"
    assert data.train.draw(2, seed=1) == shots
    assert any(data.train.draw(2, seed=seed).paths != shots.paths for seed in range(2, 6))


def test_a_draw_does_not_depend_on_where_the_set_lies(tmp_path: Path) -> None:
    trees.eurosat(tmp_path / "a")
    shutil.copytree(tmp_path / "a" / "eurosat", tmp_path / "elsewhere" / "eurosat")
    first, second = (open_dataset("eurosat", tmp_path / name).train.draw(1) for name in ("a", "elsewhere"))
    assert first.hashes == second.hashes


def test_a_listing_is_known_by_its_paths_and_classes_and_photos_by_their_content() -> None:
    """And things that belong to no class by paths, or content, alone."""
    names = ("dog", "cat")
    listing = Listing(Path("anywhere"), ("b/1.jpg", "a/2.jpg"), (1, 0), names)
    photos = LabelledPhotos((Path("x/1.jpg"), Path("x/2.jpg")), ("b/1.jpg", "a/2.jpg"), (1, 0), names)
    labelled, unlabelled = (
        hashlib.sha256(text.encode()).hexdigest() for text in ("a/2.jpg dog\nb/1.jpg cat", "a/2.jpg \nb/1.jpg ")
    )
    assert (listing.fingerprint, photos.fingerprint) == (f"listed {labelled}", labelled)
    assert (listing.unlabelled().fingerprint, photos.unlabelled().fingerprint) == (f"listed {unlabelled}", unlabelled)
    assert (listing.unlabelled().paths, photos.unlabelled().paths) == (listing.paths, photos.paths)


def test_what_cannot_be_drawn_is_replaced_and_told(tmp_path: Path) -> None:
    files = tuple(f"{name}/{i}.jpg" for name in ("cat", "dog") for i in range(4))
    trees.photos(tmp_path, files)
    (tmp_path / "cat" / "0.jpg").write_bytes(b"not a picture")
    shutil.copy(tmp_path / "cat" / "1.jpg", tmp_path / "dog" / "2.jpg")
    listing = Listing(tmp_path, files, (0,) * 4 + (1,) * 4, ("cat", "dog"))
    shots = listing.draw(3)
    assert (Counter(shots.names), len(set(shots.hashes))) == ({"cat": 3, "dog": 3}, 6)
    assert 1 <= len(shots.skipped) <= 2
    for count, said in (
        (4, r"'cat' has 3 usable images \(others .* 0.jpg is .*\) in .*, but 4 shots"),
        (5, r"'cat' has 4 images in .*, but 5 shots"),
        (0, "the minimum is 1"),
    ):
        with pytest.raises(DataError, match=said):
            listing.draw(count)
    most = listing.draw(4, allow_fewer=True)
    assert (len(most), sorted(path.name for path, _ in most.skipped if path.parent.name == "cat")[:1]) == (6, ["0.jpg"])


# ------------------------------------------------------------------ damage


def broken(tmp_path: Path, name: str) -> str:
    """The sentence of a set that cannot be opened."""
    with pytest.raises(DataError) as refused:
        open_dataset(name, tmp_path)
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100000, "cannot be read as JSON"),
        ("[]", "does not belong in this file"),
        ('{"train": 3, "test": []}', "does not belong in this file"),
        ('{"train": [], "test": []}', "no images under 'train' and 'test'"),
        ('{"train": [["a.jpg", 0]], "test": [["b.jpg", 0, "a"]]}', "which does not belong in this file"),
        (
            '{"train": [["a.jpg", 0, "a"]], "test": [["b.jpg", 0, "b"]]}',
            "gives class 0 two names: 'a', and 'b' for b.jpg",
        ),
        ('{"train": [["../a.jpg", 0, "a"]], "test": [["b.jpg", 0, "a"]]}', "points outside"),
        ('{"train": [["/etc/a.jpg", 0, "a"]], "test": [["b.jpg", 0, "a"]]}', "points outside"),
    ],
)
def test_a_damaged_split_file(eurosat: Path, tmp_path: Path, content: str, said: str) -> None:
    (eurosat / "split_zhou_EuroSAT.json").write_text(content)
    assert said in broken(tmp_path, "eurosat")


def test_a_split_that_names_files_that_are_not_there(eurosat: Path, tmp_path: Path) -> None:
    folder = eurosat / "2750"
    shutil.rmtree(folder / "Forest")
    (folder / "River" / "6.jpg").unlink()
    assert "lists 60 files, but 7 of them, such as Forest/1.jpg, are not in" in broken(tmp_path, "eurosat")


def test_damaged_files_of_the_sets(tmp_path: Path) -> None:
    trees.aircraft("fgvc_aircraft")(tmp_path)
    trees.text(tmp_path / "fgvc_aircraft" / "images_variant_val.txt", "1000001 Zeppelin")
    assert "'1000001 Zeppelin'" in broken(tmp_path, "fgvc_aircraft")
    (tmp_path / "fgvc_aircraft" / "images_variant_val.txt").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as text" in broken(tmp_path, "fgvc_aircraft")
    trees.imagenet("imagenet/images")(tmp_path)
    trees.text(tmp_path / "imagenet" / "classnames.txt", "tench")
    assert "contains 'tench', which does not" in broken(tmp_path, "imagenet")


def test_where_no_split_is_the_sentence_says_what_is_missing_and_where_it_is(eurosat: Path, tmp_path: Path) -> None:
    guide, place = "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md", re.escape(str(tmp_path))
    (eurosat / "split_zhou_EuroSAT.json").unlink()
    with pytest.raises(DataError, match=f"put split_zhou_EuroSAT.json in {place}/eurosat .*{guide}"):
        open_dataset("eurosat", tmp_path)
    trees.aircraft("fgvc_aircraft")(tmp_path)
    for part in ("train", "val"):
        (tmp_path / "fgvc_aircraft" / f"images_variant_{part}.txt").unlink()
    with pytest.raises(
        DataError, match=rf"put images_variant_train\.txt and images_variant_val\.txt in {place}/\S+ \(the official"
    ):
        open_dataset("fgvc_aircraft", tmp_path)
