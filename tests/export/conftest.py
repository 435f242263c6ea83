"""What the tests of ONNX share: a classifier with every kind of prompt and a head, and its file, traced once. And what
the scripts of the page that teaches say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gallop.export.onnx
from gallop import GalLoPClassifier, MethodConfig
from gallop.export.onnx import OnnxFile, export_onnx
from gallop.export.web.page_files import page_sources
from gallop.runtime.writing import write_file
from tests import tiny

NAMES = ["red", "green", "blue"]
Ask = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def taught() -> GalLoPClassifier:
    method = MethodConfig(head="ridge", global_projection=True)
    return tiny.classifier(calibration_folds=2, method=method).fit(*tiny.pictures(dict.fromkeys(NAMES, 4)))


@pytest.fixture(scope="session")
def made(taught: GalLoPClassifier) -> OnnxFile:
    return export_onnx(taught, [tiny.picture(70, "red")])


@pytest.fixture
def graph(made: OnnxFile, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is made of that classifier from here on: its graph, which is not traced again."""
    import onnx

    found = onnx.load_from_string(made.data)
    del found.metadata_props[:]
    monkeypatch.setattr(gallop.export.onnx, "onnx_model", lambda _: found)
    return found


@pytest.fixture
def model(taught: GalLoPClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The classifier's folder, for the command line."""
    monkeypatch.setattr("gallop.checkpoints.folder.stored_backbone", lambda name, **_: tiny.vit())
    taught.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture(scope="session")
def run_script(tmp_path_factory: pytest.TempPathFactory, node: str) -> Callable[[str, Any], Any]:
    """What a script here says of what it is given, beside all that the pages for browsers are made of."""
    folder = tmp_path_factory.mktemp("page")
    for name, data in {**page_sources(teach=True), "package.json": b'{"type": "module"}'}.items():
        write_file(folder / name, data)

    def run(script: str, given: Any) -> Any:
        command = [node, str(Path(__file__).parent / script), str(folder)]
        done = subprocess.run(
            command, input=json.dumps(given), capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def ask_taught(run_script: Callable[[str, Any], Any]) -> Ask:
    """What the scripts of the page that teaches say of some questions."""
    return lambda *questions: run_script("teach_script/said.mjs", questions)
