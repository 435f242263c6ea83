"""Rules for the source as a whole that import-linter's contracts in ``pyproject.toml`` cannot say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import gallop
from tests.conftest import ROOT

PACKAGE, APP = ROOT / "gallop", ROOT / "app"


def modules(*folders: Path) -> list[Path]:
    return [path for folder in folders or (PACKAGE,) for path in sorted(folder.rglob("*.py"))]


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of each import, lazy ones too; the name is empty for ``import module``."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; write the whole name"
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_no_module_imports_what_another_keeps_for_itself() -> None:
    wrong = [
        f"{path} imports the private {module} {name}"
        for path in modules(PACKAGE, APP)
        for module, name in imports(path)
        if module.split(".")[0] in ("gallop", "app")
        and (name or module).split(".")[-1].startswith("_")
        and name != "__version__"
    ]
    assert not wrong, "\n".join(wrong)


def test_no_module_hides_an_import_in_a_text() -> None:
    """``import_module("open_clip")`` would pass import-linter."""
    for path in modules():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
                own = ast.unparse(node.args[0]).lstrip("f").startswith(("'gallop.", '"gallop.'))
                assert own or path == PACKAGE / "__init__.py", f"{path}:{node.lineno}"


def test_messages_of_the_library_name_no_options() -> None:
    """They name arguments of Python; the command line's console writes those as its options."""
    commands = {"cli", "serve", "bench", "export"}
    for path in modules():
        if path.relative_to(PACKAGE).parts[0] in commands:
            continue
        nodes = list(ast.walk(parse(path)))
        said = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
        words = [word for node in nodes if isinstance(node, ast.Call) for word in node.keywords]
        said |= {id(word.value) for word in words if word.arg == "option"}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
                option = re.search(r"(^|[ (])--[a-z][a-z-]+(?!\S*`)", node.value)
                assert not option or "--no-" in option[0], f"{path}:{node.lineno} {node.value}"


def test_the_public_names_are_there_and_documented() -> None:
    assert set(gallop.__all__) < set(dir(gallop))
    assert not [name for name in gallop.__all__ if not getattr(gallop, name).__doc__]
    with pytest.raises(AttributeError, match="'nonsense'"):
        gallop.nonsense  # noqa: B018


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_gallop_is_cheap() -> None:
    """The towers' libraries come with the first backbone, and take as long as all the rest."""
    towers = {"torchvision", "open_clip", "timm", "matplotlib"}
    heavy = towers | {"torch", "sklearn", "scipy", "numpy", "PIL"}
    assert not loaded_by("import gallop") & heavy
    assert not loaded_by("from gallop import MethodConfig, TrainConfig, parse_names") & heavy
    assert not loaded_by("import gallop.estimator") & towers


def test_result_types_are_frozen_dataclasses() -> None:
    for path in modules():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
                plain = [d for d in decorators if d.split(".")[-1].startswith("dataclass") and "frozen=True" not in d]
                # Towers are dataclasses for their fields, not results.
                assert not plain or path.is_relative_to(PACKAGE / "backbones" / "vision"), f"{node.name} in {path.name}"
