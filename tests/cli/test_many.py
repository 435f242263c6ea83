"""``predict --out``: what a call writes and says, and what is kept when it is cut off. ``--format
label-studio``: tasks with the answers as predictions, as Label Studio reads them."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from pyarrow import parquet

from gallop.answers import PhotoScorer
from gallop.runtime import progress
from gallop.service.tables.layout import MANIFEST
from tests import tiny
from tests.cli.test_cli import Outcome, call, rows_of
from tests.scoring.test_outages import failing

CLASSES = ("--classes", "red,green")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tiny.write_folder(tmp_path / "photos", {"red": 25, "green": 20})
    (folder / "green" / "7.png").write_bytes(b"")
    return folder


def predict(photos: Path, out: Path, backbone: Path, *more: object) -> Outcome:
    return call("predict", photos, *CLASSES, "--backbone", backbone, "--out", out, "--shard-size", 20, *more)


def test_a_folder_of_answers(photos: Path, backbone: Path, tmp_path: Path) -> None:
    outcome = predict(photos, tmp_path / "out", backbone, "--with", "regions", "--json")
    assert outcome.code == 2, "one photo has no answer"
    assert {"answered": 44, "errors": 1, "skipped": 0, "tables": 3}.items() <= outcome.json.items()
    table = parquet.read_table(tmp_path / "out")
    assert (table.num_rows, "regions" in table.column_names) == (45, True)
    assert json.loads(table.schema.metadata[b"classes"]) == ["red", "green"]
    plain = call("predict", photos, *CLASSES, "--backbone", backbone, "--json").json
    labels = {Path(answer["image"]).relative_to(photos).as_posix(): answer.get("label") for answer in plain}
    assert dict(zip(table["key"].to_pylist(), table["label"].to_pylist(), strict=True)) == labels
    again = predict(photos, tmp_path / "out", backbone, "--with", "regions", "--json")
    assert again.code == 2, "as the rows say"
    assert {"answered": 0, "errors": 0, "skipped": 45, "skipped_errors": 1}.items() <= again.json.items()
    manifest = tmp_path / "out" / MANIFEST
    for version, why in (("2", "other columns. Use another folder"), ("1", "another version of gallop")):
        manifest.write_text(manifest.read_text().replace('"format": 2', f'"format": {version}'))
        other = predict(photos, tmp_path / "out", backbone, "--json")
        assert (other.code, f"contains results made with {why}" in other.err) == (2, True), other.err


@pytest.mark.parametrize("part", ["1/4", "4/4"])
def test_a_part_that_has_no_table_to_write_is_told(photos: Path, backbone: Path, tmp_path: Path, part: str) -> None:
    """Of 45 photos in tables of 20 the fourth has none."""
    outcome = predict(photos, tmp_path / "out", backbone, "--part", part, "--json")
    told = f"gallop: warning: Part 4 of 4 has no table to write: {photos} fills fewer than 4 tables of 20 photos."
    assert (told in outcome.err) == (outcome.json["tables"] == 0) == (part == "4/4")


@contextmanager
def ctrl_c_in_the_third_batch() -> Iterator[None]:
    """That is in the second table."""
    calls = itertools.count(1)
    with failing(PhotoScorer, "finish", lambda *_: KeyboardInterrupt() if next(calls) == 3 else None):
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
    rows = rows_of(part)
    assert (table.exists(), len(rows)) == (False, 32), "a file of that name has all answers"
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
    table = parquet.read_table(tmp_path / "out")
    assert table.schema.field("embedding").type.list_size == 32
    (row,) = table.to_pylist()
    wanted = {"embedding": pytest.approx(row["embedding"], abs=1e-3), "regions": row["regions"], "label": row["label"]}
    assert [{name: answer[name] for name in wanted} for answer in answers[:2]] == [wanted] * 2


def test_programs_hear_how_far_it_is(
    photos: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of JSON each on standard error; standard output has the result alone."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    outcome = predict(photos, tmp_path / "out", backbone, "--json")
    assert outcome.json["answered"] == 44
    told = [json.loads(line) for line in outcome.err.splitlines() if line.startswith("{")]
    wanted = [(16, 0), (20, 0), (20, 1), (36, 1), (40, 1), (40, 2), (45, 2), (45, 3)]
    assert [(event["photos"], event["tables"]) for event in told] == wanted
    assert told[-1]["errors"] == 1
    assert all(event["a_second"] > 0 for event in told)
    assert re.search("photos 45: .* per second, 1 failed", predict(photos, tmp_path / "other", backbone).err)


# For Label Studio ----------------------------------------------------------------------------------------------------

NAMES = ["red", 'a "mug" & <b>']
CHECK = """
import json, sys
from label_studio_sdk.label_interface import LabelInterface
config, tasks = json.load(sys.stdin)
interface = LabelInterface(config)
for task in tasks:
    assert interface.validate_task({"data": task["data"]})
    for prediction in task["predictions"]:
        assert interface.validate_prediction(prediction), prediction
        assert isinstance(prediction["score"], float)
wrong = tasks[0]["predictions"][0]
wrong["result"][0]["value"]["choices"] = ["no class"]
assert not interface.validate_prediction(wrong)
print(len(tasks))
"""


@pytest.fixture
def pile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three photos and one that cannot be read, below the folder in which the command runs."""
    tiny.write_folder(tmp_path / "pile", {"red": 3})
    (tmp_path / "pile" / "red" / "a b&c.png").write_bytes((tmp_path / "pile" / "red" / "0.png").read_bytes())
    (tmp_path / "pile" / "red" / "1.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return Path("pile")


def tasks(pile: Path, backbone: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The tasks, and what ``--json`` answers."""
    words = ("predict", pile, "--classes", ",".join(NAMES), "--backbone", backbone)
    return call(*words, "--format", "label-studio").json, call(*words, "--json").json


def test_tasks_are_the_answers(pile: Path, backbone: Path) -> None:
    found, rows = tasks(pile, backbone)
    read = [row for row in rows if "error" not in row]
    assert [task["data"]["image"] for task in found] == [
        "/data/local-files/?d=pile/red/0.png",
        "/data/local-files/?d=pile/red/2.png",
        "/data/local-files/?d=pile/red/a%20b%26c.png",
    ]
    for task, row in zip(found, read, strict=True):
        (prediction,) = task["predictions"]
        given = prediction["score"], prediction["result"][0]["value"]
        assert given == (row["probability"], {"choices": [row["label"]]})


@pytest.mark.slow
def test_label_studio_takes_the_tasks(pile: Path, backbone: Path, tmp_path: Path) -> None:
    """By its own package, in an environment of this test."""
    python = tmp_path / "own" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "own"], check=True)
    fetch = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "label-studio-sdk>=2,<3"]
    if subprocess.run(fetch, capture_output=True, timeout=900).returncode:
        pytest.skip("label-studio-sdk cannot be fetched here")
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in NAMES)
    control = f'<Choices name="label" toName="image">{choices}</Choices>'
    config = f'<View><Image name="image" value="$image"/>{control}</View>'
    asked = json.dumps([config, tasks(pile, backbone)[0]])
    outcome = subprocess.run([python, "-c", CHECK], input=asked, capture_output=True, text=True, timeout=300)
    assert outcome.stdout.strip() == "3", outcome.stderr
