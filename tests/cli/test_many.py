"""``predict --out``: what a call writes and says, and what is kept when it is cut off. ``--format
label-studio``: tasks with the answers as predictions, as Label Studio reads them."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock
from xml.sax.saxutils import quoteattr

import pytest
from pyarrow import parquet

from gallop.answers import PhotoScorer
from gallop.cli import many
from gallop.runtime import progress
from gallop.runtime.writing import locked
from tests import tiny
from tests.cli.test_cli import Outcome, call, rows_of

CLASSES = ("--classes", "red,green")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tiny.write_folder(tmp_path / "photos", {"red": 25, "green": 20})
    (folder / "green" / "7.png").write_bytes(b"")
    return folder


def predict(photos: Path, out: Path, backbone: Path, *more: object) -> Outcome:
    return call("predict", photos, *CLASSES, "--backbone", backbone, "--out", out, *more)


def read(file: Path) -> list[dict[str, Any]]:
    """The rows of a file of any kind."""
    if file.suffix == ".csv":
        return [dict(row) for row in rows_of(file)]
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in file.read_text().splitlines()]
    rows: list[dict[str, Any]] = parquet.read_table(file).to_pylist()
    return rows


@contextmanager
def ctrl_c_in_the_third_batch() -> Iterator[None]:
    calls, finish = itertools.count(1), PhotoScorer.finish

    def stopping(*given: Any) -> Any:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return finish(*given)

    with mock.patch.object(PhotoScorer, "finish", stopping):
        yield


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_call_that_was_stopped_is_continued_and_half_a_line_is_cut(
    photos: Path, backbone: Path, tmp_path: Path, ending: str
) -> None:
    """The file is that of a call that nobody stopped, and a photo that is new has its line."""
    whole, out = tmp_path / f"whole.{ending}", tmp_path / f"out.{ending}"
    lines = tmp_path / "out.parquet.jsonl" if ending == "parquet" else out
    assert predict(photos, whole, backbone).code == 2, "one photo has no answer"
    with ctrl_c_in_the_third_batch():
        outcome = predict(photos, out, backbone)
    assert (outcome.code, outcome.out) == (130, "")
    said = f"gallop: Stopped. The answers so far are in {lines}. Run the same command again to continue."
    assert outcome.err.splitlines()[-1] == said
    there = lines.read_bytes()
    assert there.count(b"\n") == 32 + (ending == "csv")
    lines.write_bytes(there[:-20])
    again = predict(photos, out, backbone, "--json")
    wanted = {"out": str(out), "answered": 14, "errors": 0, "skipped": 31, "skipped_errors": 1}
    assert (again.code, wanted.items() <= again.json.items()) == (2, True), again.json
    for mine, other in zip(read(out), read(whole), strict=True):  # of batches that begin at other photos
        for name in ("probability", "label", "image" if ending == "csv" else "key", "error"):
            same = mine[name] == other[name] or float(mine[name]) == pytest.approx(float(other[name]), abs=1e-6)
            assert same, (mine, other)
    tiny.picture(3).save(photos / "red" / "new.png")
    assert {"answered": 1, "skipped": 45}.items() <= predict(photos, out, backbone, "--json").json.items()
    name = "image" if ending == "csv" else "key"
    assert [row[name] for row in read(out)] == [*(row[name] for row in read(whole)), f"{photos}/red/new.png"]
    assert sorted(path.name for path in tmp_path.glob("out.*")) == sorted({out.name, lines.name})


def test_the_columns_are_those_that_are_promised(photos: Path, backbone: Path, tmp_path: Path) -> None:
    plain = call("predict", photos, *CLASSES, "--backbone", backbone, "--csv", tmp_path / "plain.csv", "--json")
    every = ("--with", "regions", "embedding", "probabilities")
    for name, more in (("a.csv", ()), ("a.jsonl", every), ("a.parquet", every), ("b.jsonl", ())):
        assert predict(photos, tmp_path / name, backbone, *more).code == 2
    rows = {name: read(tmp_path / name) for name in ("plain.csv", "a.csv", "a.jsonl", "a.parquet", "b.jsonl")}
    assert len({row.pop("model") for row in rows["a.csv"]}) == 1
    assert rows["a.csv"] == rows["plain.csv"]
    common = ["key", "error", "label", "probability", "top", "GL-MCM", "L-MCM", "MCM", "is_ood", "model"]
    assert sorted(rows["b.jsonl"][0]) == sorted(common)
    bad = next(row for row in rows["a.parquet"] if row["error"])
    assert (bad["key"], bad["label"], bad["top"], bad["regions"]) == (f"{photos}/green/7.png", None, None, None)
    for row, typed, answer in zip(rows["a.jsonl"], rows["a.parquet"], plain.json, strict=True):
        assert (row["key"], row["label"]) == (typed["key"], typed["label"]) == (answer["image"], answer.get("label"))
        if "error" not in answer:
            assert sorted(row) == sorted(typed) == sorted([*common, "embedding", "probabilities", "regions"])
            assert row["probability"] == answer["probability"] == pytest.approx(typed["probability"], abs=1e-6)
            assert row["probabilities"] == list(answer["probabilities"].values())
            assert (row["regions"], len(row["embedding"])) == (typed["regions"], len(typed["embedding"]))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_lines_of_another_model_or_program_are_refused_and_stay(
    photos: Path, backbone: Path, tmp_path: Path, name: str
) -> None:
    for number in range(30):
        (photos / "red" / f"{number}.png").unlink(missing_ok=True)
    out, other = tmp_path / name, {"a.csv": ["--classes", "red,blue"], "a.jsonl": ["--with", "regions"]}[name]
    assert predict(photos, out, backbone).code == 2
    ours = out.read_bytes()
    number = ours.count(b"\n") + 1
    for content, line in {ours: 2 - (name == "a.jsonl"), ours + b"3\n[]": number}.items():
        out.write_bytes(content)
        refused = predict(photos, out, backbone, *(other if content == ours else []))
        said = f"{out} was not written with this model and these columns (--with, --draft), or line {line} is damaged: "
        assert (refused.code, said in refused.err, out.read_bytes()) == (2, True, content), refused.err
    for content in (b"mine", b"mine\n", b"image,label\nx,y\n", b'{"key": "a"}\n', b"[" * 100_000):
        out.write_bytes(content)
        assert (predict(photos, out, backbone).code, out.read_bytes()) == (2, content)


def test_a_table_of_others_is_not_replaced(photos: Path, backbone: Path, tmp_path: Path) -> None:
    """And a line that somebody has changed is a sentence."""
    out, lines = tmp_path / "out.parquet", tmp_path / "out.parquet.jsonl"
    parquet.write_table(many_rows(), out)
    refused = predict(photos, out, backbone)
    said = f"gallop: error: {out} is there, but not {lines}, the lines that it is written from: choose another file."
    assert (refused.code, refused.err.splitlines()[-1]) == (2, said)
    out.unlink()
    assert predict(photos, out, backbone).code == 2
    row, rest = lines.read_text().split("\n", 1)
    lines.write_text(json.dumps(json.loads(row) | {"top": 3}) + "\n" + rest)
    assert f"{lines} does not fit into a table (" in predict(photos, out, backbone).err


def test_photos_of_one_name_have_a_line_each_however_often_it_is_called(backbone: Path, tmp_path: Path) -> None:
    """Two rows of a table with one key, and a name that is no UTF-8, which is a formula in a spreadsheet."""
    odd = tmp_path / "=\udcff.png"
    for path in (tmp_path / "1.png", odd):
        path.write_bytes(tiny.png(1))
    (tmp_path / "list.txt").write_bytes(b"1.png\n1.png\n")
    parquet.write_table(many_rows(), tmp_path / "t.parquet")
    sources = (tmp_path / "t.parquet", tmp_path / "list.txt", odd)
    for name in ("out.csv", "out.jsonl"):
        for skipped in (0, 4):
            outcome = call(
                *("predict", *sources, *CLASSES, "--backbone", backbone, "--out", tmp_path / name, "--json"),
            )
            assert (outcome.code, outcome.json["skipped"]) == (0, skipped), outcome.err
        assert len(read(tmp_path / name)) == 4


def many_rows() -> Any:
    import pyarrow as pa

    return pa.table({"jpg": [tiny.png(1), tiny.png(2)], "key": ["a", "a"]})


def test_a_second_call_at_once_is_refused(photos: Path, backbone: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "out.csv.lock"):
        outcome = predict(photos, tmp_path / "out.csv", backbone)
    said = f"gallop: error: Another gallop predict writes {tmp_path / 'out.csv'}: wait until it has ended."
    assert (outcome.code, outcome.err.splitlines()[-1]) == (2, said)


def test_photos_are_decoded_smaller_and_an_address_is_a_row_with_a_sentence(photos: Path, backbone: Path) -> None:
    given = [photos / "red" / "0.png", "https://example.org/a.png"]
    outcome = call("predict", *given, *CLASSES, "--backbone", backbone, "--draft", "--json")
    known, address = outcome.json
    assert (known["label"] in ("red", "green"), outcome.code) == (True, 2)
    said = "is an address, and nothing is fetched: download the photos, and pass their folder."
    assert address == {"image": given[1], "error": f"{given[1]} {said}"}


def test_every_kind_of_source_is_answered_on_the_screen_too(photos: Path, backbone: Path, tmp_path: Path) -> None:
    photo = photos / "red" / "0.png"
    (tmp_path / "b.txt").write_text(f"{photo}\ns3://other/1.png\n")
    (tmp_path / "c.csv").write_text(f"photo,path\n{photo},none.png\n")
    sources = [tmp_path / name for name in ("b.txt", "c.csv")]
    words = (*CLASSES, "--backbone", backbone, "--column", "photo", "--with", "embedding", "regions", "--json")
    here, there = call("predict", *sources, *words).json  # the photo of the table is the list's, which is answered once
    assert (here["image"], there["image"]) == (str(photo), "s3://other/1.png")
    assert "is an address or a share of another machine" in there["error"]
    assert predict(photo, tmp_path / "out.jsonl", backbone, "--with", "embedding", "regions").code == 0
    (row,) = read(tmp_path / "out.jsonl")
    assert {name: here[name] for name in ("embedding", "regions", "label")}.items() <= row.items()


def test_programs_hear_how_far_it_is(
    photos: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of JSON each on standard error; standard output has the result alone."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    outcome = predict(photos, tmp_path / "out.csv", backbone, "--json")
    assert outcome.json["answered"] == 44
    told = [json.loads(line) for line in outcome.err.splitlines() if line.startswith("{")]
    assert [event["answered"] + event["errors"] for event in told] == [16, 32, 45]
    said = predict(photos, tmp_path / "other.csv", backbone).err
    assert re.search("photos 45: .* per second, 1 failed, 0 done before", said)


def test_a_parquet_file_is_written_a_part_at_a_time(
    photos: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "ROWS_AT_ONCE", 20)
    predict(photos, tmp_path / "out.parquet", backbone)
    found = parquet.ParquetFile(tmp_path / "out.parquet")
    assert (found.metadata.num_rows, found.num_row_groups) == (45, 3)


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
