"""The measurements measure what they say; their figures are not judged here."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess

import pytest

from tests import warm
from tests.conftest import ROOT


@pytest.mark.slow
def test_one_row_as_json() -> None:
    command = ["-m", "benchmarks", "text", "--backbone", "mini", "--classes", "3", "--prompts", "2", "--json"]
    done = subprocess.run([*warm.python(), *command], capture_output=True, text=True, check=True, cwd=ROOT)
    row = json.loads(done.stdout)
    shares = {"ratio_careful", "ratio_naive", "floor_share"}
    assert min(row[key] for key in shares) > 0  # how large they are is not judged here
    assert row["grad_error"] < 1e-5


def test_every_measurement_finds_what_it_imports() -> None:
    """Blender's package alone may be missing: it draws the sample's photos."""
    read = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "benchmarks").rglob("*.py"))}
    wanted = {
        (node.module, each.name)
        for tree in read.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in ("gallop", "app")
        for each in node.names
    }
    assert len(wanted) > 100
    for module, name in sorted(wanted):
        found = importlib.import_module(str(module))
        submodule = hasattr(found, "__path__") and importlib.util.find_spec(f"{module}.{name}")
        assert hasattr(found, name) or submodule, f"{module} has no {name}"
