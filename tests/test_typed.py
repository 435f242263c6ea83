"""Type checkers on a program that uses the library: what is right passes, and each mistake is found on its line."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_type_hints

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


def public_functions() -> dict[str, Any]:
    """Of the library: functions, classes, and methods and properties of these, by their names."""
    found: dict[str, Any] = {}
    for module in pkgutil.walk_packages(gallop.__path__, "gallop."):
        if module.name.startswith("gallop.cli") or module.name.endswith("__main__"):
            continue
        for name, thing in vars(importlib.import_module(module.name)).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != module.name:
                continue
            members = (
                {key: each for key, each in vars(thing).items() if key[0] != "_"} if isinstance(thing, type) else {}
            )
            for key, each in {"": thing, **members}.items():
                each = getattr(each, "fget", getattr(each, "func", getattr(each, "__func__", each)))
                if isinstance(each, type) or inspect.isfunction(each):
                    found[f"{module.name}.{name}.{key}".rstrip(".")] = each
    return found


def test_the_types_of_every_public_function_can_be_asked_for() -> None:
    """Tools that make forms, commands or services of functions do so."""
    functions = public_functions()
    assert "gallop.estimator.learning.Learning.fit" in functions
    assert len(functions) > 1000
    failed = {}
    for name, function in functions.items():
        try:
            get_type_hints(function)
        except (NameError, TypeError) as error:
            failed[name] = error
    assert failed == {}


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
