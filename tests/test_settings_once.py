"""A setting is written once: a field added to a copy of the code is asked for and told wherever settings are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest

from gallop.parts import PARTS
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

FIELDS = """
    warmup: int = setting(0, "warm-up", "Epochs in which the rate rises.", high=10, form=(0, 5, 1))
    schedule: str = setting("cosine", "schedule", "How the rate falls.", choices=("cosine", "line"))

    def __post_init__(self) -> None:
        check_settings(self)
"""
"""After the last one of ``TrainConfig``."""
METHOD_FIELD = """
    tilt: float = setting(0.0, "tilt", "How far regions lean.", high=1, form=(0.0, 1.0, 0.1))

    def __post_init__(self) -> None:"""
"""After the last one of ``MethodConfig``."""

ASKED = """
import json
from dataclasses import asdict, replace
from pathlib import Path

from sklearn.base import clone
from streamlit.testing.v1 import AppTest

from app.runs.run import FIRST_SETTINGS
from app.teaching.training import QUICK, TeachSettings, changed, preset
from app.views.snippets import teach
from gallop.lab.bench.plan import canonical
from gallop.cli.arguments import parse
from gallop.cli.commands import train
from gallop.config import MethodConfig, TrainConfig
from gallop.errors import ConfigError
from gallop.estimator import GalLoPClassifier
from gallop.documents.model_card import model_card
from gallop.lab.methods import make_method
from gallop.setting import recorded
from tests import tiny

found = {}
try:
    TrainConfig(warmup=11)
except ConfigError as error:
    found["refused"] = str(error)
try:
    MethodConfig(tilt=2)
except ConfigError as error:
    found["refused too"] = str(error)
options = parse("train photos --out model --warmup 2 --schedule line --tilt 0.5".split())
found["parser"] = asdict(train.training_of(options, "default")) | asdict(train.method_of(options, "default"))

def script():
    from app.ui.resources import session
    from app.ui.teach.settings import choose

    training = session().training
    training.settings = training.settings  # chosen, so they are drawn
    choose(session())

at = AppTest.from_function(script, default_timeout=60)
at.session_state["teach way"], at.session_state["settings"] = "Custom", True
at.run()
assert not at.exception, at.exception
widgets = [at.number_input(key="teach settings warmup"), at.selectbox(key="teach settings schedule")]
widgets.append(at.number_input(key="teach settings tilt"))
found["form"] = [[widget.label, widget.help, widget.value] for widget in widgets]

used = replace(preset(QUICK), epochs=1, warmup=2, schedule="line", tilt=0.5)
found["changed"] = changed(preset(QUICK), used)
found["python"] = teach(used, tests=False)

def taught(method, training):
    made = clone(GalLoPClassifier(tiny.vit(), method=method, preset=training, cache=False))
    return made.fit(*tiny.pictures({"red": 2, "green": 2}))

method, training = MethodConfig(2, (2,)), TrainConfig(epochs=1, views=1)
usual = taught(method, training)
other = taught(replace(method, tilt=0.5), replace(training, warmup=2))
by_hand = GalLoPClassifier(tiny.vit(), method=MethodConfig(tilt=0.25)).zero_shot(["red"])
found["models"] = [made.model_.config.tilt for made in (usual, other, by_hand)]
found["card"] = model_card(other)
other.save("other")
usual.save("usual")
saved = [json.loads(Path(name, "gallop.json").read_text()) for name in ("usual", "other")]
found["checkpoints"] = [said["training"] | said["method"] for said in saved]
loaded = GalLoPClassifier.load("other", backbone=tiny.vit())
found["loaded"] = asdict(loaded.training_) | asdict(loaded.model_.config)
found["keys"] = [canonical(make_method("GalLoP", asked)) for asked in ({}, {"warmup": 2, "tilt": 0.5})]
found["runs"] = [recorded(each, FIRST_SETTINGS) for each in (preset(QUICK), used)]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the copy says of its new settings."""
    pytest.importorskip("streamlit", reason="needs the extra 'app'")
    copy = tmp_path_factory.mktemp("copy")
    for package in ("gallop", "app"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "checkpoints").symlink_to(ROOT / "checkpoints")  # the form asks what goes with the backbone
    config = copy / "gallop" / "config.py"
    start, end = config.read_text(encoding="utf-8").rsplit("\n    def __post_init__", 1)
    presets = end.removeprefix("(self) -> None:\n        check_settings(self)\n")
    assert presets != end
    ends = "\n    def __post_init__(self) -> None:"
    assert start.count(ends) == 1
    config.write_text(start.replace(ends, METHOD_FIELD) + FIELDS + presets, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": f"{copy}{os.pathsep}{ROOT}", "GALLOP_DATA": str(copy / "data")}
    (copy / "asked.py").write_text(ASKED, encoding="utf-8")  # a file: the app's tests look for their script's source
    command = [sys.executable, "asked.py"]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_is_checked_and_taken_by_command_and_classifier(found: Any) -> None:
    refused = [
        "warmup is 11; it must be at least 0 and at most 10.",
        "tilt is 2.0; it must be at least 0 and at most 1.",
    ]
    assert [found["refused"], found["refused too"]] == refused
    assert [found["parser"][name] for name in ("warmup", "schedule", "tilt")] == [2, "line", 0.5]
    assert found["models"] == [0.0, 0.5, 0.25], "the classifier hands it on from a whole method"


def test_the_form_of_the_app_asks_for_it(found: Any) -> None:
    assert found["form"] == [
        ["Warm-up", "Epochs in which the rate rises.", 0],
        ["Schedule", "How the rate falls.", "cosine"],
        ["Tilt", "How far regions lean.", 0.0],
    ]
    assert set(found["changed"]) == {"rounds", "warm-up", "schedule", "tilt"}


def test_code_and_card_tell_it(found: Any) -> None:
    assert re.search(r"method=MethodConfig\(.*\btilt=0\.5", found["python"])
    for where, *told in (
        (
            "python",
            "preset=TrainConfig(warmup=2, schedule='line')",
            "import GalLoPClassifier, TrainConfig, MethodConfig\n",
        ),
        ("card", "warm-up 2, schedule cosine", "tilt 0.5"),
    ):
        assert not [words for words in told if words not in found[where]], where


def test_it_comes_back_and_leaves_no_trace_where_it_is_not_used(found: Any) -> None:
    for kept in ("keys", "checkpoints"):
        usual, other = found[kept]
        assert not {"warmup", "schedule", "tilt"} & set(usual)
        assert other == usual | {"warmup": 2, "tilt": 0.5}
    unused = {
        "schedule": "cosine",
        "head": "none",
        "detail": 1.0,
        "detail_in": "answers",
        "global_projection": False,
        "class_weight": "none",
        "starts": "A photo of a",
        "init": 0.0,
        "diversity": 0.0,
        **{part: about.usual for part, about in PARTS.items()},
    }
    assert found["loaded"] == other | unused

    usual, other = found["runs"]
    assert set(usual) == {
        *("shots", "global_prompts", "topk", "dropout", "head", "global_projection", "starts", "diversity"),
        *("lr", "epochs", "batch_size", "views", "seed"),
    }
    assert other == usual | {"epochs": 1, "warmup": 2, "schedule": "line", "tilt": 0.5}
