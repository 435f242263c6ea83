"""Sources: every photo once, in an order that stays, what cannot be read is a sentence or a row."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from gallop.answers.sources import SourceItem, open_source
from gallop.answers.sources.tables import LONGEST_LINE
from gallop.errors import DataError, ImageError
from gallop.images import DEFAULT_LIMITS
from gallop.images.photo import read_photo
from tests import tiny
from tests.connects import Connects
from tests.tiny import png

FILES = {"b.png": 0, "a.JPG": 1, "cats/2.png": 2, "cats/10.png": 3, "cats/old/x.heic": 4, "dogs/1.webp": 5}
OTHERS = ("notes.txt", ".hidden.png", ".git/1.png", "__MACOSX/b.png", "cats/list.csv")
IN_ORDER = ["a.JPG", "b.png", "cats/10.png", "cats/2.png", "cats/old/x.heic", "dogs/1.webp"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*FILES, *OTHERS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(FILES[name]) if name in FILES else b"no photo")
    return tmp_path


def items(source: object, column: str | None = None) -> list[SourceItem]:
    return list(open_source(str(source), column))


def contents(found: list[SourceItem]) -> dict[str, bytes]:
    return {item.key: read_photo(item.place) if item.data is None else item.data for item in found}


def test_a_folder_gives_its_photos_by_name(folder: Path) -> None:
    assert list(contents(items(folder)).items()) == [(key, png(FILES[key])) for key in IN_ORDER]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_what_lies_below_two_links_to_one_folder_is_there_once(tmp_path: Path) -> None:
    for name in ("away/inner", "photos"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "away" / "inner" / "1.png").write_bytes(b"")
    for name, to in (("a", "away"), ("b", "away/inner")):
        (tmp_path / "photos" / name).symlink_to(tmp_path / to)
    assert [item.key for item in items(tmp_path / "photos")] == ["a/inner/1.png"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_that_leads_back_ends_and_one_that_cannot_be_followed_is_a_row(folder: Path) -> None:
    """Neither loses another photo."""
    for name, to in (("cats/round", folder), ("elsewhere", folder / "dogs"), ("cats/x", "x"), ("cats/y.png", "y.png")):
        (folder / name).symlink_to(to)
    found = items(folder)
    keys = [*IN_ORDER[:4], "cats/x", "cats/y.png", *IN_ORDER[4:], "elsewhere/1.webp"]
    assert [item.key for item in found] == keys
    said = os.strerror(errno.ELOOP)
    assert found[4].problem == f"The link {folder / 'cats' / 'x'} cannot be followed: {said}."


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_folders_that_link_to_each_other_end_and_every_photo_is_there(tmp_path: Path) -> None:
    names = [f"f{i}" for i in range(8)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.png").write_bytes(b"")
        for other in names:
            (tmp_path / name / f"to-{other}").symlink_to(tmp_path / other)
    keys = [item.key for item in items(tmp_path)]
    assert {f"{name}/{name}.png" for name in names} <= set(keys)
    assert len(keys) == len(set(keys)) < 8 * 8 * 2


def test_a_folder_that_may_not_be_listed_is_a_row_and_the_others_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refused(path: Any) -> Any:
        if Path(path).name == "cats":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refused)
    found = items(folder)
    assert [item.key for item in found] == ["a.JPG", "b.png", "cats/", "dogs/1.webp"]
    assert found[2].problem == f"The folder {folder / 'cats'} cannot be read: Permission denied."


def test_a_list_names_photos_beside_it_and_elsewhere(folder: Path) -> None:
    lines = ["cats/2.png", "", f"  {folder}/b.png  ", "gone.png", str(folder / "a.JPG")]
    (folder / "list.txt").write_text("\n".join(lines), encoding="utf-8-sig")
    found = items(folder / "list.txt")
    assert [item.key for item in found] == [line.strip() for line in lines if line]
    assert [read_photo(found[i].place) for i in (0, 1, 3)] == [png(2), png(0), png(1)]
    with pytest.raises(ImageError, match=r"gone\.png cannot be opened"):
        read_photo(found[2].place)


def test_tables_of_paths(folder: Path) -> None:
    rows = {"label": ["x", "y", "z"], "path": ["b.png", "cats/2.png", None], "id": [7, 8, 9]}
    (folder / "t.csv").write_text("label,path,id\nx,b.png,7\ny,cats/2.png,8\nz,,9\n")
    parquet.write_table(pa.table(rows), folder / "t.parquet")
    for table in ("t.csv", "t.parquet"):
        found = items(folder / table)
        assert ([item.key for item in found], contents(found[:2])) == (["7", "8", "9"], {"7": png(0), "8": png(2)})
        assert found[2].problem.startswith("Row 3 of the table does not name a photo")


def test_tables_of_bytes(tmp_path: Path) -> None:
    """As webdataset's tables and Hugging Face's have them."""
    plain = {"jpg": [png(0), png(1)], "__key__": ["a", "b"]}
    pairs = {"image": [{"bytes": png(i), "path": None} for i in range(600)]}
    for columns, found in ((plain, {"a": png(0), "b": png(1)}), (pairs, {f"row {i + 1}": png(i) for i in range(600)})):
        parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
        assert contents(items(tmp_path / "t.parquet")) == found


def test_cells_of_a_csv_are_text_and_a_row_of_another_length_is_a_problem(folder: Path) -> None:
    for name in ("001", "2020-01-01"):
        (folder / name).write_bytes(png(7))
    (folder / "t.csv").write_text('path,note\n001,"two\nlines"\n\n2020-01-01,1\na,b.png,1\n')
    found = items(folder / "t.csv")
    assert contents(found[:2]) == {"001": png(7), "2020-01-01": png(7)}
    assert found[2].problem.startswith("Row 3 of the table does not name a photo, or has a different number of cells")


@pytest.mark.parametrize("end", ["csv", "txt"])
@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "latin-1"])
def test_text_that_is_not_utf_8_is_refused(folder: Path, coding: str, end: str) -> None:
    (folder / f"t.{end}").write_bytes("path\nmüsli.png\n".encode(coding))
    with pytest.raises(DataError, match=rf"t\.{end} is not UTF-8 text: save it as UTF-8"):
        items(folder / f"t.{end}")


def test_two_columns_of_one_name_are_refused_where_they_are_read(folder: Path) -> None:
    two = pa.Table.from_arrays([pa.array(["b.png"])] * 3, names=["path", "other", "path"])
    parquet.write_table(two, folder / "t.parquet")
    (folder / "t.csv").write_text("path,other,path\nb.png,b.png,b.png\n")
    for table in ("t.parquet", "t.csv"):
        for column in (None, "path"):
            with pytest.raises(DataError, match="has more than one column called 'path': rename all but one"):
                items(folder / table, column=column)
    assert contents(items(folder / "t.csv", column="other")) == {"b.png": png(0)}


def test_a_line_that_is_too_long_is_a_row_of_a_list_and_ends_a_table(folder: Path) -> None:
    (folder / "list.txt").write_text("a.JPG\n" + "x" * 200_000 + "\nb.png\n" + "y" * 2**16)
    found = items(folder / "list.txt")
    assert [item.key for item in found] == ["a.JPG", "line 2", "b.png", "line 4"]
    assert found[1].problem == "Line 2 of the list has more than 65,536 characters, so it is not a photo."
    (folder / "t.csv").write_text('path\n"' + "x" * 2**20)
    with pytest.raises(DataError, match=r"line 2 has more than 1,048,576 characters: check that all quotes are closed"):
        items(folder / "t.csv")


def test_a_value_that_many_rows_share_is_not_unpacked_for_all_of_them_at_once(tmp_path: Path) -> None:
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), pa.array([bytes(2**23)]))
    parquet.write_table(pa.table({"jpg": shared}), tmp_path / "t.parquet")
    before = pa.total_allocated_bytes()
    for item in open_source(str(tmp_path / "t.parquet")):
        assert item.data == bytes(2**23)
        assert pa.total_allocated_bytes() - before < 2**28, "300 times 8 MB"


def test_cells_that_are_too_large_are_not_read_whole(tmp_path: Path) -> None:
    most = {"jpg": DEFAULT_LIMITS.max_bytes, "path": LONGEST_LINE}
    for column, cell in (("jpg", bytes(2**25)), ("path", "p" * 2**25)):
        parquet.write_table(pa.table({column: [cell]}), tmp_path / "t.parquet")
        (found,) = items(tmp_path / "t.parquet")
        assert len(found.data or found.place.removeprefix(f"{tmp_path}/")) == most[column] + 1


def test_a_tables_column_can_be_named(folder: Path) -> None:
    (folder / "t.csv").write_text("picture,weight\nb.png,3\n")
    for column, said in (
        (None, r"use column=\.\.\. to choose the one with the photos"),
        ("photo", r"has no column 'photo'\. Its columns are picture, weight"),
    ):
        with pytest.raises(DataError, match=said):
            items(folder / "t.csv", column=column)
    assert contents(items(folder / "t.csv", column="picture")) == {"b.png": png(0)}


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nowhere", "nowhere is not a folder: use a folder, a photo, a .txt list"),
        ("nowhere.txt", "cannot be read"),
        *((f"{name}.parquet", "cannot be read after 0 rows") for name in ("nowhere", "damaged", "empty")),
        ("damaged.txt", "save it as UTF-8"),
        ("nowhere.tar", "nowhere.tar is an archive: unpack it, and pass its folder."),
        ("https://example.org/photo.jpg", "is an address, and nothing is fetched: download the photos, and pass their"),
        ("s3://bucket/list.txt", "s3://bucket/list.txt is an address, and nothing is fetched"),
    ],
)
def test_what_is_no_source_is_a_sentence(
    source: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "damaged.parquet": b"PAR1 not",
        "empty.parquet": b"",
        "damaged.txt": b"\xff\xfe\x00cats",
    }.items():
        Path(name).write_bytes(data)
    with pytest.raises(DataError, match=re.escape(sentence)):
        items(source)


TIMES = (pa.timestamp("us"), pa.timestamp("ns", tz="Europe/Paris"), pa.date64(), pa.time64("ns"), pa.duration("s"))


@pytest.mark.parametrize("column", ["path", "key", "image"])
def test_a_column_of_times_is_refused(column: str, tmp_path: Path) -> None:
    for kind in TIMES:
        times = pa.array([1, None], pa.int64()).cast(kind)
        named = pa.StructArray.from_arrays([times], names=["path"]) if column == "image" else times
        parquet.write_table(
            pa.table({column: named} | ({"jpg": [b"", b""]} if column == "key" else {})), tmp_path / "t.parquet"
        )
        with pytest.raises(DataError, match=rf"column '{column}' .* holds values of type .*, but must hold text"):
            items(tmp_path / "t.parquet")


ELSEWHERE = r"""
s3://evil/a.png S3:///evil/a.png hf://datasets/ann/cats/a.png http://127.0.0.1:1/a.png file:///photos/a.png
simplecache::https://evil.example/a.png \\evil\photos\a.png //evil/photos/a.png \/evil/a.png \??\UNC\evil\a.png
"""


@pytest.mark.slow
def test_no_address_and_no_share_that_a_list_or_a_table_names_is_asked(tmp_path: Path) -> None:
    """Each is a row with a sentence, and every connect of the process is written down; there are keys to be sent."""
    connects, names = Connects(tmp_path / "connects"), ELSEWHERE.split()
    (tmp_path / "list.txt").write_text("\n".join(names))
    parquet.write_table(pa.table({"image": [{"bytes": None, "path": name} for name in names]}), tmp_path / "t.parquet")
    backbone = tiny.backbone_folder(tmp_path)
    keys = {"HF_TOKEN": "hf_secret", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    run = "import sys; from gallop.cli import main; sys.exit(max(main([*a.split('|')]) for a in sys.argv[1:]))"
    words = f"--classes|a,b|--backbone|{backbone}|--out|{tmp_path}/"
    calls = [f"predict|{tmp_path}/{name}|{words}{name}.jsonl" for name in ("list.txt", "t.parquet")]
    done = subprocess.run([sys.executable, "-c", run, *calls], env=connects.environment(os.environ | keys), check=False)
    assert (done.returncode, connects.all()) == (2, [])
    for name in ("list.txt", "t.parquet"):
        rows = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert all("of another machine, and nothing is fetched: copy the photo to" in row["error"] for row in rows)
        assert len(rows) == len(names)


@pytest.mark.parametrize("name", ELSEWHERE.split())
def test_an_address_or_a_share_is_a_row_with_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "list.txt").write_text(f"{name}\na.png\n")
    far, near = items(tmp_path / "list.txt")
    assert (far.key, far.place, near.place) == (name, "", f"{tmp_path}/a.png")
    assert far.problem.startswith(f"{name} is an address or a share of another machine, and nothing is fetched")


def test_more_bytes_than_a_photo_may_have(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(21 * 2**20))
    with pytest.raises(ImageError, match="larger than 20 MB"):
        read_photo(tmp_path / "large.png")
