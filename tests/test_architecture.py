"""The package as a whole: its public names, and what importing it costs."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys

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
    assert not loaded_by("import gallop") & heavy
    assert not loaded_by("from gallop import MethodConfig, TrainConfig, parse_names") & heavy
    assert not loaded_by("import gallop.estimator") & libraries


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
