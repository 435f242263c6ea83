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
from gallop.export.web.folder import page_sources
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
    monkeypatch.setattr("gallop.estimator.settings.load_backbone", lambda name, **_: tiny.vit())
    taught.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture(scope="session")
def ask_taught(tmp_path_factory: pytest.TempPathFactory, node: str) -> Ask:
    """What the scripts of the page that teaches say of some questions."""
    folder = tmp_path_factory.mktemp("page")
    for name, data in page_sources(teach=True).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "package.json").write_text('{"type": "module"}')

    def asked(*questions: dict[str, Any]) -> list[Any]:
        command = [node, str(Path(__file__).with_name("teach_script") / "said.mjs"), str(folder)]
        done = subprocess.run(
            command, input=json.dumps(questions), capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        found: list[Any] = json.loads(done.stdout)
        return found

    return asked
