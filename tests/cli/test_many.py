"""``predict --out`` and ``embed``: what a call writes and says, and what is kept when it is cut off."""

from __future__ import annotations

import csv
import json
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from gallop.answers import PhotoScorer
from gallop.cli import many
from gallop.runtime import progress
from gallop.service.tables.layout import MANIFEST
from tests import tiny
from tests.cli.test_cli import Outcome, call

CLASSES = ("--classes", "red,green")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tiny.write_folder(tmp_path / "photos", {"red": 25, "green": 20})
    (folder / "green" / "7.png").write_bytes(b"")
    return folder


def predict(photos: Path, out: Path, backbone: Path, *more: object) -> Outcome:
    return call("predict", photos, *CLASSES, "--backbone", backbone, "--out", out, "--shard-size", 20, *more)


def rows_of(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


def test_a_folder_of_answers(photos: Path, backbone: Path, tmp_path: Path) -> None:
    outcome = predict(photos, tmp_path / "out", backbone, "--with", "regions", "--json")
    assert outcome.code == 2, "one photo has no answer"
    counts = ("answered", "errors", "skipped", "tables")
    assert [outcome.json[name] for name in counts] == [44, 1, 0, 3]
    table = parquet.read_table(tmp_path / "out")
    assert (table.num_rows, "regions" in table.column_names) == (45, True)
    assert json.loads(table.schema.metadata[b"classes"]) == ["red", "green"]
    plain = call("predict", photos, *CLASSES, "--backbone", backbone, "--json").json
    labels = {Path(answer["image"]).relative_to(photos).as_posix(): answer.get("label") for answer in plain}
    assert dict(zip(table["key"].to_pylist(), table["label"].to_pylist(), strict=True)) == labels
    again = predict(photos, tmp_path / "out", backbone, "--with", "regions", "--json")
    counts = ("answered", "errors", "skipped", "skipped_errors")
    assert (again.code, [again.json[name] for name in counts]) == (2, [0, 0, 45, 1]), "as the rows say"
    other = predict(photos, tmp_path / "out", backbone, "--json")
    assert "contains results made with other columns. Use another folder" in other.err
    old = tmp_path / "out" / MANIFEST
    old.write_text(old.read_text().replace('"format": 2', '"format": 1'))
    older = predict(photos, tmp_path / "out", backbone, "--json")
    assert "contains results made with another version of gallop" in older.err
    assert (other.code, older.code) == (2, 2)


@pytest.mark.parametrize("part", ["1/4", "4/4"])
def test_a_part_that_has_no_table_to_write_is_told(photos: Path, backbone: Path, tmp_path: Path, part: str) -> None:
    """Of 45 photos in tables of 20 the fourth has none."""
    outcome = predict(photos, tmp_path / "out", backbone, "--part", part, "--json")
    told = f"gallop: warning: Part 4 of 4 has no table to write: {photos} fills fewer than 4 tables of 20 photos."
    assert (told in outcome.err) == (outcome.json["tables"] == 0) == (part == "4/4")


@contextmanager
def ctrl_c_in_the_third_batch() -> Iterator[None]:
    """That is in the second table."""
    finish, seen = PhotoScorer.finish, [0]

    def stopped(self: PhotoScorer, prepared: Any) -> Any:
        seen[0] += 1
        if seen[0] == 3:
            raise KeyboardInterrupt
        return finish(self, prepared)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhotoScorer, "finish", stopped)
        yield


def test_ctrl_c_keeps_whole_tables_and_the_same_call_goes_on(photos: Path, backbone: Path, tmp_path: Path) -> None:
    with ctrl_c_in_the_third_batch():
        outcome = predict(photos, tmp_path / "out", backbone)
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err.splitlines()[-1] == (
        f"gallop: Stopped. 1 table was written to {tmp_path / 'out'}. Run the same command again to continue."
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [MANIFEST, "part-000000.parquet"]
    assert predict(photos, tmp_path / "out", backbone, "--json").json["skipped"] == 20
    assert parquet.read_table(tmp_path / "out").num_rows == 45


def test_ctrl_c_keeps_the_answers_of_a_csv(photos: Path, backbone: Path, tmp_path: Path) -> None:
    with ctrl_c_in_the_third_batch():
        outcome = call("predict", photos, *CLASSES, "--backbone", backbone, "--csv", tmp_path / "answers.csv")
    table, part = tmp_path / "answers.csv", tmp_path / "answers.csv.part"
    assert (outcome.code, outcome.err.splitlines()[-1]) == (130, f"gallop: Stopped. The answers so far are in {part}.")
    assert not table.exists(), "a file of that name has all answers"
    rows = rows_of(part)
    assert len(rows) == 32
    assert [Path(row["image"]).name for row in rows[:9]] == ["0.png", "1.png", *(f"{i}.png" for i in range(10, 17))], (
        "sorted by name"
    )
    assert [row["label"] in ("red", "green") for row in rows] == [not row["error"] for row in rows]
    assert call("predict", photos, *CLASSES, "--backbone", backbone, "--csv", table).code == 2
    assert (rows_of(table)[:32], len(rows_of(table))) == (rows, 45)


def test_photos_are_decoded_smaller_and_addresses_refused_without_tables_too(photos: Path, backbone: Path) -> None:
    given = [photos / "red" / "0.png", "https://example.org/a.png"]
    outcome = call("predict", *given, *CLASSES, "--backbone", backbone, "--draft", "--json")
    known, address = outcome.json
    assert (known["label"] in ("red", "green"), outcome.code) == (True, 2)
    assert address["error"].endswith("nothing is fetched from the web by default. Use --web to allow it.")


def test_every_kind_of_source_is_answered_without_tables_too(photos: Path, backbone: Path, tmp_path: Path) -> None:
    """Photos of an archive, a list and a table are named below their source, with the answers that tables have."""
    photo = photos / "red" / "0.png"
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(photo, "in/0.png")
    (tmp_path / "b.txt").write_text(f"{photo}\nmemory://other/1.png\n")
    (tmp_path / "c.csv").write_text(f"photo,path\n{photo},none.png\n")
    sources = [tmp_path / name for name in ("a.tar", "b.txt", "c.csv")]
    words = (*CLASSES, "--backbone", backbone, "--column", "photo", "--with", "embedding", "regions", "--json")
    answers = call("predict", *sources, *words).json
    assert [answer["image"] for answer in answers] == [
        f"{tmp_path / 'a.tar'}/in/0.png",
        str(photo),
        "memory://other/1.png",
    ]  # the photo of the table is the list's, which is answered once
    assert "Use --buckets to allow it" in answers[2]["error"]
    assert predict(photo, tmp_path / "out", backbone, "--with", "embedding", "regions").code == 0
    (row,) = parquet.read_table(tmp_path / "out").to_pylist()
    for answer in answers[:2]:
        assert answer["embedding"] == pytest.approx(row["embedding"], abs=1e-3)
        assert (answer["regions"], answer["label"]) == (row["regions"], row["label"])


def test_programs_hear_how_far_it_is(
    photos: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of JSON each on standard error; standard output has the result alone."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    outcome = predict(photos, tmp_path / "out", backbone, "--json")
    assert outcome.json["answered"] == 44
    told = [json.loads(line) for line in outcome.err.splitlines() if line.startswith("{")]
    assert [event["photos"] for event in told] == [16, 20, 20, 36, 40, 40, 45, 45]
    assert [event["errors"] for event in told][-1] == 1
    assert [event["tables"] for event in told] == [0, 0, 1, 1, 1, 2, 2, 3]
    assert all(event["a_second"] > 0 for event in told)
    assert re.search("photos 45: .* per second, 1 failed", predict(photos, tmp_path / "other", backbone).err)


def test_features(photos: Path, backbone: Path, tmp_path: Path) -> None:
    words = ("embed", photos, "--backbone", backbone, "--shard-size", 20, "--json")
    assert call(*words, "--out", tmp_path / "a").json["answered"] == 44
    assert parquet.read_schema(tmp_path / "a" / "part-000000.parquet").field("embedding").type.list_size == 32


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "pyarrow must be installed for --out: pip install 'gallop-explorer[many]'"),
        (("--engine", "ray"), "ray must be installed for --engine ray: pip install 'gallop-explorer[many,ray]'"),
    ],
)
def test_without_its_packages_it_says_what_to_install(
    photos: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any, said: str
) -> None:
    found: Any = many.find_spec
    monkeypatch.setattr(many, "find_spec", lambda name: None if said.startswith(name) else found(name))
    outcome = predict(photos, tmp_path / "out", backbone, *options)
    assert outcome.code == 2
    assert said in outcome.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("embed PHOTOS", "embed needs --out DIR, the folder that the features"),
        ("embed ROOT/none --out ROOT/o", "is not a folder: use a folder, a photo, a .txt list"),
        ("embed ROOT/empty --out ROOT/o", "contains no photos"),
        ("embed PHOTOS --out ROOT/file", "is a file: choose a folder"),
        ("embed PHOTOS --out ROOT/o --part 3/2", "is not a part I/N with I from 1 to N"),
        ("embed PHOTOS --out ROOT/o --shard-size 0", "is not an integer of 1 or more"),
        ("embed https://example.org/x.txt --out ROOT/o", "Use --web"),
        (
            "predict PHOTOS --classes a,b --engine ray",
            "--part and --engine only apply to the tables that --out writes: add --out DIR",
        ),
        (
            "predict PHOTOS --classes a,b --out ROOT/o --workers 2",
            "--workers only apply to --engine ray: add --engine ray",
        ),
        ("embed PHOTOS --out ROOT/o --address auto", "--workers only apply to --engine ray: add --engine ray"),
        ("predict PHOTOS PHOTOS --classes a,b --out ROOT/o", "With --out, pass one source"),
        ("predict PHOTOS --classes a,b --out ROOT/o --csv ROOT/a.csv", "and leave out --csv"),
        (
            "predict PHOTOS --classes a,b --with regions",
            "--with only adds values to --json and to the tables that --out writes: add --json or --out DIR",
        ),
        ("predict PHOTOS --classes a,b --out ROOT/o --with maps", "invalid choice: 'maps'"),
    ],
)
def test_a_call_that_cannot_be_carried_out_is_a_sentence(
    photos: Path, backbone: Path, tmp_path: Path, words: str, sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    given = words.replace("PHOTOS", str(photos)).replace("ROOT", str(tmp_path)).split()
    outcome = call(*given, "--backbone", backbone)
    assert sentence in outcome.err
    assert (outcome.code, "Traceback" in outcome.err, (tmp_path / "o").exists()) == (2, False, False)
