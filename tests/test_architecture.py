"""Rules for the source as a whole that import-linter's contracts in ``pyproject.toml`` cannot say."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import gallop
from tests.conftest import ROOT

PACKAGE, APP = ROOT / "gallop", ROOT / "app"
MOST_FILES = 12
"""In one folder, beside its ``__init__``: a newcomer takes them in at a glance."""


def modules(*folders: Path) -> list[Path]:
    return [path for folder in folders or (PACKAGE,) for path in sorted(folder.rglob("*.py"))]


def name_of(path: Path) -> str:
    """``gallop/backbones/text.py`` -> ``gallop.backbones.text``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """(module, name) of each import, lazy ones too; the name is None for ``import module``."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; write the whole name"
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_every_folder_is_small_and_says_what_it_is_for() -> None:
    counts = Counter(path.parent for path in modules(PACKAGE, APP) if path.name != "__init__.py")
    large = [f"{folder} has {count} modules" for folder, count in counts.items() if count > MOST_FILES]
    assert not large, "\n".join(large)
    folders = {folder for path in counts for folder in (path, *path.parents) if folder.is_relative_to(ROOT)} - {ROOT}
    silent = [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()]
    assert not silent, "\n".join(silent)


def test_no_module_imports_what_another_keeps_for_itself() -> None:
    wrong = [
        f"{path} imports the private {module} {name or ''}"
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
        said = {id(node.value) for node in ast.walk(parse(path)) if isinstance(node, ast.Expr)}  # docstrings
        said |= {
            id(word.value)
            for node in ast.walk(parse(path))
            if isinstance(node, ast.Call)
            for word in node.keywords
            if word.arg == "option"
        }
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
                option = re.search(r"(^|[ (])--[a-z][a-z-]+(?!\S*`)", node.value)
                assert not option or "--no-" in option[0], f"{path}:{node.lineno} {node.value}"


def test_no_public_name_means_two_things() -> None:
    """A reader who has met ``Run`` once knows what it is; every command of the command line has its ``run``."""
    homes: dict[str, list[str]] = {}
    for path in modules(PACKAGE, APP):
        if path.name == "page.py":  # a script: nobody imports from it
            continue
        for node in parse(path).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names = [node.name]
            for name in names:
                if not name.startswith("_") and name not in ("T", "run"):
                    homes.setdefault(name, []).append(name_of(path))
    twice = [f"{name}: {', '.join(found)}" for name, found in homes.items() if len(set(found)) > 1]
    assert not twice, "\n".join(twice)


def test_the_public_names_are_few_there_and_documented() -> None:
    assert len(gallop.__all__) <= 12
    assert gallop.__all__ == sorted(gallop.__all__)
    assert set(gallop.__all__) == set(gallop._HOMES)
    for name in gallop.__all__:
        found = getattr(gallop, name)
        assert found.__doc__, name
        assert found.__module__.startswith(gallop._HOMES[name]), name
    assert set(gallop.__all__) < set(dir(gallop))
    with pytest.raises(AttributeError, match="'nonsense'"):
        gallop.nonsense  # noqa: B018


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_gallop_is_cheap() -> None:
    heavy = {"torch", "torchvision", "open_clip", "timm", "sklearn", "scipy", "matplotlib", "numpy", "PIL"}
    assert not loaded_by("import gallop") & heavy
    assert not loaded_by("from gallop import MethodConfig, TrainConfig, parse_names") & heavy


def test_importing_the_estimator_loads_no_towers() -> None:
    """They come with the first backbone, and take as long as all the rest."""
    assert not loaded_by("import gallop.estimator") & {"torchvision", "open_clip", "timm", "matplotlib"}


def test_modules_and_functions_are_short() -> None:
    long = [str(path) for path in modules() if len(path.read_text(encoding="utf-8").splitlines()) >= 300]
    for path in modules():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno + 1 >= 50:
                    long.append(f"{path}:{node.lineno} {node.name}")
    assert not long, "\n".join(long)


def test_modules_say_what_they_are_for() -> None:
    silent = [
        str(path) for path in modules(PACKAGE, APP) if not ast.get_docstring(parse(path)) and path.name != "__main__.py"
    ]
    assert not silent, "\n".join(silent)


def test_there_is_no_drawer_for_everything() -> None:
    names = {part.lower().strip("_") for path in modules(PACKAGE, APP) for part in path.with_suffix("").parts}
    assert not names & {"utils", "util", "helpers", "misc", "common"}
    assert not [path for path in modules(APP) if path.parent.name == "pages"]  # a name that Streamlit keeps for itself


def test_result_types_are_frozen_dataclasses() -> None:
    for path in modules():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
                plain = [d for d in decorators if d.split(".")[-1].startswith("dataclass") and "frozen=True" not in d]
                # Towers are dataclasses for their fields, not results.
                assert not plain or path.is_relative_to(PACKAGE / "backbones" / "vision"), f"{node.name} in {path.name}"


def test_the_app_uses_documented_names_alone() -> None:
    wrong = []
    for path in modules(APP):
        for module, name in imports(path):
            if module.split(".")[0] != "gallop" or name is None or module == "gallop":
                continue
            found = getattr(importlib.import_module(module), name, None)
            found = found or importlib.import_module(f"{module}.{name}")  # a module of the package
            if not found.__doc__:
                wrong.append(f"{module}.{name}, which {path} imports, is not documented")
    assert not wrong, "\n".join(wrong)
