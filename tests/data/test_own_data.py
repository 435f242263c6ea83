"""Data of one's own: CSV tables and Hugging Face's data sets, in the library and on the command line."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gallop.cli.inputs import labelled_images
from gallop.data import LabelledPhotos, csv_splits, duplicates, from_csv, read_folder, training_set
from gallop.errors import ClassNameError, DataError
from gallop.images import load_image
from tests.tiny import classifier, picture, png, write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """photos/red/0.png, ..., with room for a table beside them."""
    write_folder(tmp_path / "photos", {"red": 3, "green": 3})
    return tmp_path


def write(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    table = folder / "data.csv"
    table.write_bytes("\n".join([*lines, ""]).encode(encoding))
    return table


ROWS = [f"photos/{colour}/{i}.png,{colour}" for colour in ("red", "green") for i in range(3)]


# ------------------------------------------------------------------ CSV


def test_a_table_is_a_data_set_with_paths_beside_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = from_csv(write(folder, "path,label", *ROWS))
    assert (data.class_names, Counter(data.names)) == (("green", "red"), {"red": 3, "green": 3})
    assert set(data.paths) == set(read_folder(folder / "photos").paths)
    assert all(load_image(path).sha256 == digest for path, digest in zip(data.paths, data.hashes, strict=True))
    monkeypatch.chdir(folder)
    assert from_csv("data.csv").hashes == data.hashes
    assert from_csv(write(folder, "path,label", *(f"{folder}/{row}" for row in ROWS))).paths == data.paths


@pytest.mark.parametrize(
    "lines",
    [
        ["\ufeffPath,Label", *ROWS],
        ["path;label", *(row.replace(",", ";") for row in ROWS)],
        ["path\tlabel", *(row.replace(",", "\t") for row in ROWS)],
        ["note, label ,path", "", *(f'"a, b",{row.split(",")[1]}, {row.split(",")[0]}' for row in ROWS), ",,"],
    ],
    ids=["Excel's mark", "semicolons", "tabs", "other columns"],
)
def test_tables_as_programs_write_them(folder: Path, lines: list[str]) -> None:
    assert Counter(from_csv(write(folder, *lines)).names) == {"red": 3, "green": 3}


def test_the_column_split(folder: Path) -> None:
    table = write(folder, "path,label,split", *(f"{row},{'Test' if '2.png' in row else 'train'}" for row in ROWS))
    assert len(from_csv(table)) == 4
    assert [path.name for path in from_csv(table, split="test").paths] == ["2.png", "2.png"]
    assert csv_splits(table) == ("train", "test")
    with pytest.raises(DataError, match="no rows of the split 'val'; its splits are train, test"):
        from_csv(table, split="val")
    assert csv_splits(write(folder, "path,label", *ROWS)) == ()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "has no rows"),
        (["path,label"], "has no rows"),
        (["file,class", *ROWS], "line 1: the first line must name the columns path and label, but it is 'file, class'"),
        (["path,label,label", *ROWS], "line 1: the column label appears twice"),
        (["path,label", ROWS[0], "photos/red/1.png"], "line 3: there are 1 cells, but the first line names 2 columns"),
        (["path,label", ROWS[0], "photos/red/1.png,a,b"], "line 3: there are 3 cells"),
        (["path,label", ROWS[0], "photos/red/1.png, "], "line 3: the label is empty"),
        (["path,label", ROWS[0], ",red"], "line 3: the path is empty"),
        (["path,label,split", f"{ROWS[0]},train", f"{ROWS[1]},"], "line 3: the split is empty"),
        (
            ["path,label", ROWS[0], "photos/red/9.png,red", "x.png,red"],
            r"line 3: the file .*9\.png does not exist\. Relative",
        ),
        (["path,label", ROWS[0], "", "https://a.b/c.png,red"], "line 4: the file .* does not exist"),
        (["path,label", ROWS[0], "photos/red/1.png,\u200b"], "line 3: The class name .* has no visible"),
        (["path,label", ROWS[0], 'photos/red/1.png,"red'], "line 3: this is not valid CSV"),
        (
            ["path,label", ROWS[0], "photos/red/0.png,green"],
            r"\(line 2 of .*line 3 of data.csv\) are the same picture",
        ),
    ],
)
def test_a_table_that_is_wrong_is_told_with_its_line(folder: Path, lines: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        from_csv(write(folder, *lines))


def test_tables_that_are_none(folder: Path) -> None:
    for place, said in (("absent.csv", "does not exist"), ("", "cannot be read")):
        with pytest.raises(DataError, match=said):
            from_csv(folder / place)
    with pytest.raises(DataError, match="is not UTF-8 text"):
        from_csv(write(folder, "path,label", "photos/red/0.png,rosé", encoding="latin-1"))
    with pytest.raises(ClassNameError, match=r"are the same \(case"):
        from_csv(write(folder, "path,label", ROWS[0], "photos/red/1.png,Red"))


def test_unreadable_images_of_a_table_are_told_and_doubles_count_once(folder: Path) -> None:
    (folder / "photos" / "red" / "0.png").write_bytes(b"<html>")
    shutil.copy(folder / "photos" / "red" / "1.png", folder / "copy.png")
    data = from_csv(write(folder, "path,label", *ROWS, "copy.png,red"))
    assert (Counter(data.names), [path.name for path, _ in data.skipped]) == ({"red": 2, "green": 3}, ["0.png"])
    assert "(line 2 of data.csv)" in data.skipped[0][1]
    with pytest.raises(DataError, match="none of the 1 images"):
        from_csv(write(folder, "path,label", ROWS[0]))


# ------------------------------------------------------------------ the command line


def test_a_folder_that_ends_in_csv_is_a_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "a.csv", {"red": 1})
    assert len(labelled_images(str(tmp_path / "a.csv"), split="train")) == 1


# ------------------------------------------------------------------ Hugging Face


class Image:
    """By its name alone the kind of a column is told, as for the package's own class."""


@dataclass
class ClassLabel:
    names: list[str]


class Value:
    """Any other kind."""


@dataclass
class Table:
    """As a ``datasets.Dataset``: rows by number, columns by name."""

    columns: dict[str, list[Any]]
    features: dict[str, Any]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, str):
            assert not isinstance(self.features[key], Image), "a column of images is never read whole"
            return self.columns[key]
        return {name: values[key] for name, values in self.columns.items()}


def table(labels: list[Any], feature: Any = None, images: list[Any] | None = None) -> Table:
    images = images or [picture(i) for i in range(len(labels))]
    features = {"img": Image(), "fine": feature or ClassLabel(["red", "fire_truck"])}
    return Table({"img": images, "fine": labels}, features)


def learned_from(data: Any, shots: int | None = None, seed: int = 0) -> LabelledPhotos:
    return training_set(data, None, shots=shots, seed=seed, allow_fewer=False)


def test_photos_and_names_come_from_the_kinds_of_columns() -> None:
    found = learned_from(table([0, 1, 0]))
    rows = {photo.name: (name, photo.sha256) for photo, name in zip(found.photos, found.names, strict=True)}
    assert rows == {
        f"row {i}": (name, load_image(picture(i)).sha256) for i, name in enumerate(("red", "fire truck", "red"))
    }
    assert sorted(classifier().fit(found.photos, found.names).classes_) == ["fire truck", "red"]
    assert sorted(classifier().fit(found).classes_) == ["fire truck", "red"]  # in memory or files: one kind of data
    assert found.take([2, 0]).hashes == (found.hashes[2], found.hashes[0])
    assert (found.paths, duplicates(found.take([0, 1]), found.take([1, 2]))) == ((), [(found.photos[1],) * 2])


def test_texts_as_labels_and_images_that_are_not_decoded(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    images = [{"bytes": None, "path": str(tmp_path / "a.png")}, {"bytes": png(2), "path": "b.png"}, {}]
    found = learned_from(Table({"img": images, "label": ["cat", "dog", "dog"]}, {"img": Image(), "label": Value()}))
    assert (sorted(found.names), [row for row, _ in found.skipped]) == (["cat", "dog"], [2])


def test_splits() -> None:
    assert len(learned_from({"train": table([0, 1, 1]), "test": table([1])})) == 3
    assert len(learned_from({"all": table([0, 1])})) == 2
    with pytest.raises(DataError, match=r"no split 'train'; it has val, test"):
        learned_from({"val": table([0, 1]), "test": table([1])})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            table([0, -1]),
            "The Table, row 1: the label is -1, which is not the number of a class, so this split may be",
        ),
        (
            table([0], Value()),
            r"The Table has no column of labels. Rename the column .*its columns are img, fine",
        ),
        (table([0], images=[b"x"]), "None of the 1 images could be read"),
    ],
)
def test_what_cannot_be_used(data: Table, said: str) -> None:
    with pytest.raises(DataError, match=said):
        learned_from(data)
