"""The code that the app hands out runs elsewhere, as it is, and gives the same numbers. With the model that ships."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.teaching.tasks import Teaching
from app.teaching.training import PAPER, QUICK, TeachSettings, WatchedPhoto, preset
from app.views import snippets
from gallop import GalLoPClassifier, MethodConfig, Photo, TrainConfig, load_backbone, load_image
from gallop.backbones import Backbone
from gallop.config import KINDS_OF_PICTURE, PRESETS
from gallop.data.project_file import Project, ProjectClass, project_file
from tests import tiny, warm
from tests.app.test_teaching import run
from tests.conftest import ROOT

NAMES = ["red' + \"thing", "$(green)", "blue;ls {x}"]
SETTINGS = TeachSettings(
    epochs=2, global_prompts=3, topk=(2, 7), dropout=0.5, lr=0.02, batch_size=3, views=1, seed=5, shots=2
)
"""All else is the paper's, whatever a backbone's own settings are."""


@pytest.fixture(scope="module")
def mini() -> Backbone:
    return load_backbone("mini", device="cpu")


def picture(seed: int, colour: str) -> Photo:
    return load_image(tiny.picture(seed, colour, (96, 80)), name=f"{colour} {seed}")


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], str]:
    """Run Python code in a folder, with no names but its own, and without the seconds that a process takes to start."""

    def ran(folder: Path, code: str) -> str:
        with monkeypatch.context() as patched, contextlib.redirect_stdout(io.StringIO()) as out:
            patched.chdir(folder)
            patched.setenv("GALLOP_CACHE", str(folder / "cache"))
            exec(compile(code, "code", "exec"), {"__name__": "__main__"})
        return out.getvalue()

    return ran


def elsewhere(folder: Path, *command: str) -> str:
    """Run a command in a folder, as a process that knows the library and not the app."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "GALLOP_CACHE": str(folder / "cache"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    return subprocess.check_output(command, cwd=folder, env=environment, text=True)


def test_the_code_says_what_the_regions_are_where_they_are_not_the_papers() -> None:
    made = snippets.backbone_code("ViT-L-14/openai", regions="query-query")
    taught = snippets.teach(SETTINGS, tests=False, backbone=made)
    assert "backbone=load_backbone('ViT-L-14/openai', regions='query-query')," in taught
    assert taught.split("\n")[0].endswith(", load_backbone")
    assert "backbone='RN50/openai'," in snippets.teach(
        SETTINGS, tests=False, backbone=snippets.backbone_code("RN50/openai")
    )
    both = snippets.backbone_code("ViT-L-14/openai", "bf16", "query-query")
    assert both == "load_backbone('ViT-L-14/openai', precision='bf16', regions='query-query')"
    assert "backbone=" not in snippets.teach(SETTINGS, tests=False, backbone=snippets.backbone_code("mini"))


def test_code_says_what_not_every_backbone_has_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left out, a setting would be the backbone's own, which may be another."""
    monkeypatch.setitem(PRESETS, "default", (MethodConfig(head="ridge", local_projection=False), TrainConfig()))
    papers, quick = (snippets.teach(preset(way), tests=False) for way in (PAPER, QUICK))
    for way, head, projection in ((papers, "none", True), (quick, "ridge", False)):
        assert re.search(rf"method=MethodConfig\(head='{head}'\),", way)
        assert f"local_projection={projection}," in way


@pytest.mark.slow
@pytest.mark.parametrize("drawn", [0, 2])
def test_teach_gives_the_same_prompts_in_python(
    tmp_path: Path, mini: Backbone, here: Callable[[Path, str], str], drawn: int
) -> None:
    """Bit-equal, though the cards stand in another order than the folders are read in."""
    settings = replace(SETTINGS, shots=drawn, starts=KINDS_OF_PICTURE)
    names = {"red thing": "red", "green-ish": "green", "Blue": "blue"}
    shots = {name: tuple(picture(20 * i + j, names[name]) for j in range(3)) for i, name in enumerate(names)}
    tests = {name: tuple(picture(500 + 20 * i + j, names[name]) for j in range(2)) for i, name in enumerate(names)}
    _, taught = run(Teaching(mini, None, shots, tests, settings, WatchedPhoto()))
    wanted = taught.after.model_.prompts.digest()
    deck = (ProjectClass(name, True, shots[name], tests[name]) for name in shots)
    recipe, photos = snippets.teach(settings, tests=True), {"project.zip": project_file(Project(tuple(deck)))}
    put(tmp_path, {"code.py": recipe.encode(), **photos})
    out = elsewhere(tmp_path, *warm.python(), "code.py") if drawn else here(tmp_path, recipe)
    assert float(out.split()[-1]) == pytest.approx(taught.on_tests.after)
    found = GalLoPClassifier.load(tmp_path / "model", backbone=mini)
    assert (found.model_.prompts.digest(), found.calibration_) == (wanted, taught.after.calibration_)
    probe = [picture(900, "red"), picture(901, "blue")]
    mine, theirs = (
        dict(zip(model.classes_.tolist(), model.predict_proba(probe).T.tolist(), strict=True))
        for model in (taught.after, found)
    )
    assert mine == theirs
