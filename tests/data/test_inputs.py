"""Every kind of thing that ``fit``, ``score`` and ``predict`` take, each against the same photos as plain lists."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gallop import GalLoPClassifier, load_image
from gallop.data import Listing, PhotoSet, from_csv, labelled_photos, many, read_folder
from gallop.data.project_file import Project, ProjectClass, project_file
from gallop.data.tabular.columns import names_of_numbers
from gallop.errors import DataError
from tests.conftest import ROOT
from tests.tiny import classifier, equal, learned, picture, write_folder

CLASSES = ("green", "red")
COUNT = 3


@dataclass(frozen=True)
class Photos:
    """Eight files of two classes, as a folder and as lists in the folder's order."""

    root: Path
    paths: list[Path]
    names: list[str]

    @property
    def numbers(self) -> list[int]:
        return [CLASSES.index(name) for name in self.names]

    @property
    def images(self) -> list[Image.Image]:
        return [Image.open(path).convert("RGB") for path in self.paths]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    root = write_folder(tmp_path_factory.mktemp("inputs") / "photos", dict.fromkeys(CLASSES, COUNT))
    data = read_folder(root)
    return Photos(root, list(data.paths), data.names)


class MapStyle(torch.utils.data.Dataset[Any]):
    """A data set as people write them, with what they may add."""

    def __init__(self, items: list[Any], **known: Any) -> None:
        self.items, self.asked = items, 0
        vars(self).update(known)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        self.asked += 1
        return self.items[index]


def frame(photos: Photos, **columns: Any) -> Any:
    pandas = pytest.importorskip("pandas", reason="needs the extra 'app'")
    return pandas.DataFrame(columns or {"path": [str(path) for path in photos.paths], "label": photos.names})


def tensors(photos: Photos) -> list[torch.Tensor]:
    """As torchvision's ToTensor makes them."""
    return [torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 for image in photos.images]


def csv(photos: Photos) -> Path:
    lines = ["path,label", *(f"{path},{name}" for path, name in zip(photos.paths, photos.names, strict=True))]
    table = photos.root.parent / "table.csv"
    table.write_text("\n".join(lines))
    return table


def project(photos: Photos) -> Path:
    classes = by_class(photos, photos.paths).items()
    made = (ProjectClass(name, True, tuple(load_image(path) for path in some)) for name, some in classes)
    file = photos.root.parent / "project.zip"
    file.write_bytes(project_file(Project(tuple(made))))
    return file


def image_folder(photos: Photos) -> Any:
    return pytest.importorskip("torchvision.datasets").ImageFolder(str(photos.root))


def hugging_face(photos: Photos) -> Any:
    datasets = pytest.importorskip("datasets", reason="needs the package datasets")
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(CLASSES))})
    columns = {"image": [str(path) for path in photos.paths], "label": photos.numbers}
    return datasets.Dataset.from_dict(columns, features=kinds)


def series(values: Any, **named: Any) -> Any:
    return pytest.importorskip("pandas", reason="needs the extra 'app'").Series(values, **named)


def by_class(photos: Photos, values: list[Any]) -> dict[str, list[Any]]:
    return {name: [v for v, own in zip(values, photos.names, strict=True) if own == name] for name in CLASSES}


Given = tuple[tuple[Any, ...], dict[str, Any]]
NUMBERED = {"class_names": list(CLASSES)}
KINDS: dict[str, Callable[[Photos], Given]] = {
    "a folder of class folders": lambda p: ((p.root,), {}),
    "a project file, `.zip`": lambda p: ((str(project(p)),), {}),
    "the path of a CSV table": lambda p: ((str(csv(p)),), {}),
    "`from_csv(table)`": lambda p: ((from_csv(csv(p)),), {}),
    "`read_folder(folder)`": lambda p: ((read_folder(p.root),), {}),
    "`open_dataset(name, folder)`": lambda p: ((PhotoSet("mine", read_folder(p.root), read_folder(p.root)),), {}),
    "one split of it, not opened yet": lambda p: (
        (Listing(p.root, tuple(str(q.relative_to(p.root)) for q in p.paths), tuple(p.numbers), CLASSES),),
        {},
    ),
    "lists of images and class names": lambda p: ((p.images, p.names), {}),
    "arrays of paths and class names": lambda p: ((np.array([str(q) for q in p.paths]), np.array(p.names)), {}),
    "an array (B, H, W, 3) and class names": lambda p: ((np.stack([np.array(i) for i in p.images]), p.names), {}),
    "a tensor (B, 3, H, W) and class names": lambda p: ((torch.stack(tensors(p)), p.names), {}),
    "a list of images and integers": lambda p: ((p.paths, p.numbers), NUMBERED),
    "an array of images and an array of numbers": lambda p: ((np.array(p.paths), np.array(p.numbers)), NUMBERED),
    "pandas Series of paths and of labels": lambda p: (
        (series([str(q) for q in p.paths]), series(p.names, dtype="category")),
        {},
    ),
    "a pandas DataFrame of paths and labels": lambda p: ((frame(p),), {}),
    "a pandas DataFrame of images and numbers": lambda p: ((frame(p, image=p.images, label=p.numbers),), NUMBERED),
    "a DataFrame of one column, and labels": lambda p: ((frame(p)[["path"]], frame(p)["label"]), {}),
    "a pyarrow Table of paths and labels": lambda p: (
        (pytest.importorskip("pyarrow").table({"path": [str(q) for q in p.paths], "label": p.names}),),
        {},
    ),
    "torchvision's `ImageFolder`": lambda p: ((image_folder(p),), {}),
    "a `Subset` of it": lambda p: ((torch.utils.data.Subset(image_folder(p), range(2 * COUNT)),), {}),
    "a torch data set of (image, number) with `classes`": lambda p: (
        (MapStyle(list(zip(p.images, p.numbers, strict=True)), classes=list(CLASSES)),),
        {},
    ),
    "a torch data set of (tensor, number)": lambda p: (
        (MapStyle(list(zip(tensors(p), p.numbers, strict=True))),),
        NUMBERED,
    ),
    "a list of (image, class name)": lambda p: ((list(zip(p.paths, p.names, strict=True)),), {}),
    "a Hugging Face `Dataset`": lambda p: ((hugging_face(p),), {}),
    "a Hugging Face `DatasetDict`": lambda p: (
        (pytest.importorskip("datasets").DatasetDict({"train": hugging_face(p), "test": hugging_face(p)}),),
        {},
    ),
    "columns of a Hugging Face `Dataset`": lambda p: ((hugging_face(p)["image"], hugging_face(p)["label"]), {}),
    "a dict of class names and images": lambda p: ((by_class(p, p.images),), {}),
    "a dict of class names and folders": lambda p: (({name: p.root / name for name in CLASSES},), {}),
}
"""By the words of the table in ``docs/reference/inputs.md``."""


@pytest.fixture(scope="module")
def reference(photos: Photos) -> GalLoPClassifier:
    return classifier(epochs=1).fit(photos.root)


@pytest.mark.parametrize("kind", KINDS)
def test_fit_score_and_predict_take(kind: str, photos: Photos, reference: GalLoPClassifier) -> None:
    given, named = KINDS[kind](photos)
    made = classifier(epochs=1).fit(*given, **named)
    assert (sorted(made.classes_), made.predict_proba(photos.paths[0]).shape) == (sorted(CLASSES), (1, 2))
    assert reference.score(*given, **named) == reference.score(photos.paths, photos.names)
    assert reference.predict(given[0]).tolist() == reference.predict(photos.paths).tolist(), "in the same order"


def test_the_table_of_kinds_is_whole() -> None:
    lines = (ROOT / "docs" / "reference" / "inputs.md").read_text(encoding="utf-8").splitlines()
    told = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    assert [kind for kind in told if kind not in ("What", "---")] == list(KINDS)


@pytest.mark.parametrize("kind", ["the path of a CSV table", "torchvision's `ImageFolder`"])
def test_files_are_the_same_photos_however_they_are_named(kind: str, photos: Photos) -> None:
    """The same shots are drawn by their content, so the same is learned, bit for bit."""
    given, named = KINDS[kind](photos)
    assert equal(learned(classifier(shots=2).fit(*given, **named)), learned(classifier(shots=2).fit(photos.root)))


# --- Shots, and what is decoded ----------------------------------------------------------------------------------


def test_shots_of_a_data_set_are_drawn_before_anything_is_decoded(photos: Photos) -> None:
    items = list(zip(photos.images, photos.numbers, strict=True))
    data = MapStyle(items, classes=list(CLASSES), targets=photos.numbers)
    made = classifier(shots=1, epochs=1, batch_size=9).fit(data)
    assert (data.asked, len(made.history_[0].images)) == (2, 2)
    with pytest.raises(DataError, match=r"'green' has 3 images, but 4 shots were requested.*allow_fewer=True"):
        classifier(shots=4).fit(data)
    assert len(classifier(shots=4, allow_fewer=True, epochs=1, batch_size=9).fit(data).history_[0].images) == 6


def test_a_row_that_cannot_be_read_gives_its_place_to_the_next(photos: Photos) -> None:
    images: list[Any] = [*photos.images]
    images[1] = b"<html>"
    for seed in range(3):  # whichever comes first
        made = classifier(shots=2, epochs=1, batch_size=9, seed=seed).fit(by_class(photos, images))
        assert len(made.history_[0].images) == 4
    with pytest.raises(DataError, match=r"'green' has 2 usable images \(others .* row 1 is .*\), but 3 shots"):
        classifier(shots=3).fit(by_class(photos, images))


def test_a_test_is_never_in_memory_at_once(photos: Photos) -> None:
    data = MapStyle(
        list(zip(photos.images, photos.numbers, strict=True)), classes=list(CLASSES), targets=photos.numbers
    )
    images, names = labelled_photos(data, None, split="test")
    assert (data.asked, names) == (0, photos.names)
    half = images[2:4]
    assert data.asked == 0
    wanted = [load_image(path).sha256 for path in photos.paths[2:4]]
    assert ([photo.sha256 for photo in half], data.asked) == (wanted, 2)


def test_the_part_of_a_data_set_that_is_meant(photos: Photos) -> None:
    table = frame(
        photos,
        path=[str(path) for path in photos.paths],
        label=photos.names,
        split=["train", "Train", "test"] * 2,
    )
    made = classifier(epochs=1, batch_size=9).fit(table)
    assert len(made.history_[0].images) == 4
    assert made.score(table) in (0.0, 0.5, 1.0)
    table["split"] = [*table["split"][:5], None]
    assert len(made.predict(table)) == len(table), "an answer a row, whatever its split"
    with pytest.raises(DataError, match="row 5: the split is missing"):
        made.score(table)
    table["split"] = [*table["split"][:5], "test"]
    with pytest.raises(DataError, match="has no rows of the split 'test'; its splits are train"):
        made.score(table[table["split"] != "test"])


# --- Class names -------------------------------------------------------------------------------------------------


def test_numbers_count_in_class_names(photos: Photos) -> None:
    names = ["lime", "ruby"]
    made = classifier(epochs=1).fit(photos.paths, photos.numbers, class_names=names)
    assert made.classes_.tolist() == names
    in_words = [names[number] for number in photos.numbers]
    assert made.score(photos.paths, photos.numbers) == made.score(photos.paths, in_words), "as fit was told"
    assert made.score(photos.paths, [1 - n for n in photos.numbers], class_names=names[::-1]) == made.score(
        photos.paths, in_words
    )
    named = classifier(epochs=1).fit(photos.paths, in_words)
    with pytest.raises(DataError, match=r"Label 1 of 6 is the number 0. .*class_names=\[\.\.\.\]"):
        named.score(photos.paths, photos.numbers)


def test_class_names_are_the_order_of_the_classes(photos: Photos) -> None:
    for given in ((photos.paths, photos.names), (photos.root,), (image_folder(photos),), (frame(photos),)):
        made = classifier(epochs=1).fit(*given, class_names=["red", "green"])
        score = made.score(photos.paths, photos.names)
        assert (made.classes_.tolist(), made.score(*given)) == (["red", "green"], score)
    assert names_of_numbers(["fire truck", "cat"], ["cat", "fire_truck"]) == ["fire truck", "cat"], "its own order"
    renamed = classifier(epochs=1).fit(image_folder(photos), class_names=["lime", "ruby"])
    assert renamed.classes_.tolist() == ["lime", "ruby"]
    for names, said in (
        (["red", "green", "blue"], "class_names contains classes without images: blue"),
        (["red", "blue"], "Labels contain green, but class_names does not"),
    ):
        with pytest.raises(DataError, match=said):
            classifier().fit(photos.paths, photos.names, class_names=names)


def test_underscores_of_tables_and_data_sets_are_spaces_as_those_of_folders(photos: Photos, tmp_path: Path) -> None:
    shutil.copytree(photos.root / "red", tmp_path / "fire_truck")
    shutil.copytree(photos.root / "green", tmp_path / "frog")
    folder = pytest.importorskip("torchvision.datasets").ImageFolder(str(tmp_path))
    names = ["fire_truck" if name == "red" else "frog" for name in photos.names]
    for given in (tmp_path, folder, frame(photos, path=[str(path) for path in photos.paths], label=names)):
        assert classifier(epochs=1).fit(given).classes_.tolist() == ["fire truck", "frog"]


# --- Photos to be asked about ------------------------------------------------------------------------------------


def test_a_folder_is_asked_about_in_natural_order(tmp_path: Path, reference: GalLoPClassifier) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("10.png", "2.png", "deep/1.png"):
        picture(int(Path(name).stem)).save(tmp_path / name)
    wanted = [tmp_path / "2.png", tmp_path / "10.png", tmp_path / "deep" / "1.png"]
    assert many(tmp_path) == many(str(tmp_path)) == wanted
    assert reference.predict_proba(tmp_path).tolist() == reference.predict_proba(wanted).tolist()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty contains no images. Only files that end in \.avif"):
        reference.predict(tmp_path / "empty")
    write_folder(tmp_path / "split" / "train", {"red": 2})
    write_folder(tmp_path / "split" / "test", {"red": 1})
    assert len(many(tmp_path / "split")) == 1, "what score would test"


def test_images_in_other_hands(photos: Photos, reference: GalLoPClassifier) -> None:
    wanted = reference.predict_proba(photos.paths)
    pandas = pytest.importorskip("pandas", reason="needs the extra 'app'")
    paths = [str(path) for path in photos.paths]
    for images in (
        iter(photos.paths),
        dict(enumerate(photos.paths)).values(),
        pandas.Index(paths),
        pandas.DataFrame({"file": paths, "features": 0}),
        np.array(paths, dtype=object).reshape(-1, 1),
        MapStyle(photos.images),
        [torch.from_numpy(np.array(image)) for image in photos.images],
    ):
        assert np.allclose(reference.predict_proba(images), wanted, atol=1e-6)
    table = photos.root.parent / "paths.csv"
    table.write_text("path\n" + "\n".join(paths))
    assert reference.predict_proba(str(table)).tolist() == wanted.tolist(), "a table needs no labels for that"
    one = torch.from_numpy(np.array(photos.images[0])).permute(2, 0, 1)
    assert np.allclose(reference.predict_proba(one), wanted[:1], atol=1e-6)


def test_what_is_left_of_a_folder_that_is_not_split(photos: Photos) -> None:
    whole = read_folder(photos.root)
    shots = whole.draw(2)
    left = whole.left_over(shots)
    assert (sorted(left.names), set(left.hashes) & set(shots.hashes)) == (["green", "red"], set())
    with pytest.raises(
        DataError, match=r"All photos of green, red were drawn for training, so none are left for testing"
    ):
        whole.left_over(whole.draw(COUNT))
