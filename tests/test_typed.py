"""Type checkers on a program that uses the library: what is right passes, and each mistake is found on its line."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import get_type_hints

import pytest

import gallop
from tests.conftest import ROOT

RIGHT, WRONG = ROOT / "tests" / "typed" / "right.py", ROOT / "tests" / "typed" / "wrong.py"
Found = dict[str, dict[int, str]]
"""By the file's name, the lines that a checker has something to say of, and what."""


def by_mypy(folder: Path) -> Found:
    words = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(ROOT / ".mypy_cache")]
    done = subprocess.run([*words, str(RIGHT), str(WRONG)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    found: Found = {RIGHT.name: {}, WRONG.name: {}}
    for line in done.stdout.splitlines():
        told = re.match(r"(?:.*[/\\])?(\w+\.py):(\d+): error: (.*)", line)
        if told:
            found.setdefault(told[1], {})[int(told[2])] = told[3]
    return found


def by_pyright(folder: Path) -> Found:
    settings = folder / "pyrightconfig.json"
    asked = {"include": [str(RIGHT), str(WRONG)], "extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}
    settings.write_text(json.dumps(asked))
    words = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(settings)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    found: Found = {RIGHT.name: {}, WRONG.name: {}}
    for told in json.loads(done.stdout)["generalDiagnostics"]:
        if told["severity"] == "error":
            found.setdefault(Path(told["file"]).name, {})[told["range"]["start"]["line"] + 1] = told["message"]
    return found


CHECKERS = {"mypy": by_mypy, "basedpyright": by_pyright}


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_finds_every_mistake_and_nothing_else(checker: str, tmp_path: Path) -> None:
    if find_spec(checker) is None:
        pytest.skip(f"needs {checker}, of the extra 'dev'")
    ask: Callable[[Path], Found] = CHECKERS[checker]
    found = ask(tmp_path)
    assert found[RIGHT.name] == {}
    lines = WRONG.read_text(encoding="utf-8").splitlines()
    marked = {i for i, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert len(marked) > 20
    assert {i: lines[i - 1] for i in marked - set(found[WRONG.name])} == {}, "not found"
    assert {i: told for i, told in found[WRONG.name].items() if i not in marked} == {}, "no mistake of this program"


def test_the_types_of_what_is_public_can_be_asked_for() -> None:
    """Tools that make forms, commands or services of functions do so."""
    public = [getattr(gallop, name) for name in gallop.__all__]
    methods = [each for made in public if isinstance(made, type) for key, each in vars(made).items() if key[0] != "_"]
    fitting = [getattr(gallop.GalLoPClassifier, name) for name in ("fit", "predict_all", "explain")]
    for each in [*public, *filter(inspect.isfunction, methods), *fitting]:
        get_type_hints(each)
