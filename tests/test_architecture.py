"""The package as a whole: its public names, what type checkers say of them, and what importing it costs."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_type_hints

import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

import gallop
from tests.conftest import ROOT


def test_the_public_names_are_there_and_documented() -> None:
    assert set(gallop.__all__) < set(dir(gallop))
    assert not [name for name in gallop.__all__ if not getattr(gallop, name).__doc__]
    with pytest.raises(AttributeError, match="'nonsense'"):
        gallop.nonsense  # noqa: B018


def test_the_classifiers_own_names_are_few() -> None:
    """Neither arguments nor inherited from scikit-learn; what it generates of our methods' arguments counts."""
    arguments = inspect.signature(gallop.GalLoPClassifier).parameters
    own = {*dir(gallop.GalLoPClassifier)} - {*dir(BaseEstimator), *dir(ClassifierMixin), *arguments}
    assert len([name for name in own if not name.startswith("_")]) <= 25


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.slow
def test_importing_gallop_is_cheap() -> None:
    """The backbones' libraries come with the first backbone, and take as long as all the rest."""
    libraries = {"torchvision", "open_clip", "timm", "matplotlib"}
    heavy = libraries | {"torch", "sklearn", "scipy", "numpy", "PIL"}
    assert not loaded_by("import gallop; from gallop import MethodConfig, TrainConfig, parse_names") & heavy
    assert not loaded_by("import gallop.estimator") & libraries
    answer = "from gallop.cli import main; main('predict {0}/test/mug/mug-09.jpg --model {0}/model'.split())"
    assert loaded_by(answer.format("gallop/sample")) & {"mug", "sklearn", "scipy"} == {"mug"}


def test_messages_of_the_library_name_no_options() -> None:
    """They name arguments of Python; the command line's console writes those as its options."""
    for path in (ROOT / "gallop").rglob("*.py"):
        if {"cli", "service", "bench", "export"} & {*path.relative_to(ROOT).parts}:
            continue
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        said = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
        said |= {id(word.value) for word in nodes if isinstance(word, ast.keyword) and word.arg == "option"}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
                option = re.search(r"(^|[ (])--[a-z][a-z-]+(?!\S*`)", node.value)
                assert not option or "--no-" in option[0], f"{path}:{node.lineno} {node.value}"


# Types: what is right passes, and each mistake is found on its line ---------------------------------------------------


RIGHT, WRONG = ROOT / "tests" / "typed" / "right.py", ROOT / "tests" / "typed" / "wrong.py"
SHOWN = "shown.py"
"""The example of ``next_to_label`` as its page has it, in a folder of its own."""


def run(*words: str) -> str:
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def by_mypy(folder: Path) -> list[tuple[str, int, str]]:
    """Return file, line and words of each error."""
    words = ["mypy", "--strict", "--no-error-summary", "--cache-dir", str(ROOT / ".mypy_cache")]
    said = run(*words, str(RIGHT), str(WRONG), str(folder / SHOWN))
    told = re.findall(r"^(?:.*[/\\])?(\w+\.py):(\d+): error: (.*)", said, re.MULTILINE)
    return [(file, int(line), words) for file, line, words in told]


def by_pyright(folder: Path) -> list[tuple[str, int, str]]:
    """Return file, line and words of each error."""
    settings = folder / "pyrightconfig.json"
    files = [str(RIGHT), str(WRONG), str(folder / SHOWN)]
    asked = {"include": files, "extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}
    settings.write_text(json.dumps(asked))
    said = run("basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(settings))
    told = [each for each in json.loads(said)["generalDiagnostics"] if each["severity"] == "error"]
    return [(Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"]) for each in told]


@pytest.mark.slow
@pytest.mark.parametrize(("checker", "errors"), [("mypy", by_mypy), ("basedpyright", by_pyright)])
def test_a_checker_finds_every_mistake_and_nothing_else(
    checker: str, errors: Callable[[Path], list[tuple[str, int, str]]], tmp_path: Path
) -> None:
    pytest.importorskip(checker, reason=f"needs {checker}, of the extra 'dev'")
    page = (ROOT / "docs" / "howto" / "enough_photos.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?next_to_label.*?)^```", page.partition("## Which")[2], re.M | re.S)
    (tmp_path / SHOWN).write_text(example, encoding="utf-8")
    told = errors(tmp_path)
    lines = WRONG.read_text(encoding="utf-8").splitlines()
    marked = {(WRONG.name, i) for i, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert len(marked) > 20
    found = {(file, line) for file, line, _ in told}
    assert {i: lines[i - 1] for _, i in marked - found} == {}, "not found"
    files = RIGHT.name, WRONG.name, SHOWN
    assert [each for each in told if each[:2] not in marked and each[0] in files] == [], "no mistake"


def test_the_types_of_what_is_public_can_be_asked_for() -> None:
    """Tools that make forms, commands or services of functions do so."""
    public = [getattr(gallop, name) for name in gallop.__all__]
    methods = [each for made in public if isinstance(made, type) for key, each in vars(made).items() if key[0] != "_"]
    fitting = [getattr(gallop.GalLoPClassifier, name) for name in ("fit", "predict_all", "explain")]
    for each in [*public, *filter(inspect.isfunction, methods), *fitting]:
        get_type_hints(each)
