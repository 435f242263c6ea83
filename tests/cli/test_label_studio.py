"""``gallop predict --format label-studio``: tasks with the answers as predictions, as Label Studio reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

from tests import tiny
from tests.cli.test_cli import call

CLASSES = ["red", 'a "mug" & <b>']
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
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three photos and one that cannot be read, below the folder in which the command runs."""
    tiny.write_folder(tmp_path / "pile", {"red": 3})
    (tmp_path / "pile" / "red" / "a b&c.png").write_bytes((tmp_path / "pile" / "red" / "0.png").read_bytes())
    (tmp_path / "pile" / "red" / "1.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return Path("pile")


def tasks(photos: Path, backbone: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The tasks, and what ``--json`` answers."""
    words = ("predict", photos, "--classes", ",".join(CLASSES), "--backbone", backbone)
    return call(*words, "--format", "label-studio").json, call(*words, "--json").json


def test_tasks_are_the_answers(photos: Path, backbone: Path) -> None:
    found, rows = tasks(photos, backbone)
    read = [row for row in rows if "error" not in row]
    assert len(found) == len(read) == 3
    assert [task["data"]["image"] for task in found] == [
        "/data/local-files/?d=pile/red/0.png",
        "/data/local-files/?d=pile/red/2.png",
        "/data/local-files/?d=pile/red/a%20b%26c.png",
    ]
    for task, row in zip(found, read, strict=True):
        (prediction,) = task["predictions"]
        assert prediction["score"] == row["probability"]
        assert prediction["result"][0]["value"] == {"choices": [row["label"]]}


def test_tables_have_no_such_format(photos: Path, backbone: Path, tmp_path: Path) -> None:
    words = ("predict", photos, "--classes", "a,b", "--backbone", backbone, "--format", "label-studio")
    assert "leave out --out" in call(*words, "--out", tmp_path / "out").err


@pytest.mark.slow
def test_label_studio_takes_the_tasks(photos: Path, backbone: Path, tmp_path: Path) -> None:
    """By its own package, in an environment of this test."""
    python = tmp_path / "own" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "own"], check=True)
    fetch = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "label-studio-sdk>=2,<3"]
    if subprocess.run(fetch, capture_output=True, timeout=900).returncode:
        pytest.skip("label-studio-sdk cannot be fetched here")
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in CLASSES)
    control = f'<Choices name="label" toName="image">{choices}</Choices>'
    config = f'<View><Image name="image" value="$image"/>{control}</View>'
    asked = json.dumps([config, tasks(photos, backbone)[0]])
    outcome = subprocess.run([python, "-c", CHECK], input=asked, capture_output=True, text=True, timeout=300)
    assert outcome.stdout.strip() == "3", outcome.stderr
