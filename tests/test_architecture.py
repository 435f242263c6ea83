"""The rooms of DESIGN: who may import whom, how long a module may be, and what importing costs."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import gallop
from tests.conftest import ROOT

PACKAGE = ROOT / "gallop"

ROOMS = [
    "wording",
    "errors",
    "process",
    "reading",
    "writing",
    "tensor_file",
    "machine",
    "threads",
    "config",
    "classes",
    "templates",
    "image_formats",
    "image_pixels",
    "images",
    "backbones.preprocess",
    "backbones.supported",
    "backbones.imagenet_names",
    "backbones.packing",
    "backbones.text",
    "backbones.vision",
    "backbones.clip",
    "backbones.device",
    "backbones.words",
    "backbones",
    "feature_cache",
    "features",
    "prompts",
    "similarity",
    "losses",
    "scores",
    "metrics",
    "heatmaps",
    "model",
    "data",
    "datasets.listing",
    "datasets.names",
    "datasets.places",
    "datasets.split_files",
    "datasets.imagenet",
    "datasets.variants",
    "datasets.table",
    "datasets.opening",
    "datasets.checking",
    "datasets.csv_table",
    "datasets.hugging_face",
    "datasets",
    "trainer",
    "steps",
    "parallel",
    "launch",
    "checkpoint",
    "kept_training",
    "torch_file",
    "official",
    "training",
    "predictions",
    "answers",
    "answering",
    "shares",
    "evaluation",
    "diversity",
    "plots",
    "explanation",
    "faithfulness",
    "region_grid",
    "region_grid.panel",
    "region_grid.widget",
    "map_pictures",
    "estimator",
    "methods.interface",
    "methods.prompt_learning",
    "methods.coop",
    "methods.locoop",
    "methods.zero_shot",
    "methods.promptsrc",
    "methods.linear_probe",
    "methods.tip_adapter",
    "methods.classifier",
    "methods",
    "model_card",
    "report",
    "onnx",
    "bench",
    "bench.reading",
    "bench.benchmark",
    "bench.spec",
    "bench.photo_sets",
    "bench.photos",
    "bench.runs",
    "bench.plan",
    "bench.towers",
    "bench.records",
    "bench.answering",
    "bench.runner",
    "bench.rehearsal",
    "bench.results",
    "bench.claims",
    "bench.markdown",
    "bench.published",
    "bench.tables",
    "bench.costs",
    "bench.figures",
    "bench.outcome",
    "cli",
    "__main__",
]
"""From the top down: a module imports only from rooms above it. All of ``cli`` is one room."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """``gallop/backbones/text.py`` -> ``backbones.text``; the package itself is the empty text."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return "cli" if name.split(".")[0] == "cli" else name


def runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those below ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from runtime_nodes(other)
            continue
        yield child
        yield from runtime_nodes(child)


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """(module, name) of each import that runs, lazy ones too; the name is None for ``import module``."""
    for node in runtime_nodes(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; write the whole name"
            yield from ((node.module or "", alias.name) for alias in node.names)


def target_room(module: str, name: str | None) -> str:
    """The room that an import of gallop leads to, through the public names where these are used."""
    inside = module.removeprefix("gallop").removeprefix(".")
    if inside:
        longer = f"{inside}.{name}"
        found = longer if longer in ROOMS else inside
    else:
        assert name is not None, "import a name from gallop, not the package"
        found = gallop._HOMES.get(name, f"gallop.{name}").removeprefix("gallop.")
    return "cli" if found.split(".")[0] == "cli" else found


def test_every_module_has_its_room() -> None:
    assert {room(path) for path in modules()} - {""} == set(ROOMS)


def test_a_module_imports_only_from_rooms_above_it() -> None:
    """All but the package itself, which re-exports lazily."""
    wrong = []
    for path in modules():
        own = room(path)
        for module, name in imports(path):
            if not own or module.split(".")[0] != "gallop" or (module == "gallop" and name == "__version__"):
                continue
            other = target_room(module, name)
            above = other in ROOMS and ROOMS.index(other) < ROOMS.index(own)
            if not (above or other == own == "cli"):
                wrong.append(f"{own} imports {other}")
            if (name or "").startswith("_"):
                wrong.append(f"{own} imports the private {name} of {other}")
    assert not wrong, "\n".join(wrong)


def test_foreign_packages_stay_in_their_room() -> None:
    wrong = []
    for path in modules():
        own = room(path)
        forbidden = {"streamlit"}
        if own.split(".")[0] != "backbones":
            forbidden |= {"open_clip", "timm"}
        if own in ("process", "writing", "config", "classes", "image_formats", "image_pixels", "images", ""):
            forbidden |= {"torch"}
        packages = {module.split(".")[0] for module, _ in imports(path)}
        wrong += [f"{own or 'gallop'} imports {package}" for package in sorted(packages & forbidden)]
    assert not wrong, "\n".join(wrong)


def test_the_trainer_knows_no_clip() -> None:
    trainer = next(path for path in modules() if path.stem == "trainer")
    known = {module for module, _ in imports(trainer) if module.startswith("gallop")}
    assert known <= {"gallop.config", "gallop.errors", "gallop.losses"}


def test_no_module_hides_an_import_in_a_text() -> None:
    """``import_module("open_clip")`` would pass the tests above."""
    for path in modules():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
                own = ast.unparse(node.args[0]).lstrip("f").startswith(("'gallop.", '"gallop.'))
                assert own or path == PACKAGE / "__init__.py", f"{path}:{node.lineno}"


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
    silent = [str(path) for path in modules() if not ast.get_docstring(parse(path)) and path.name != "__main__.py"]
    assert not silent, "\n".join(silent)


OPENERS = {"open", "read_text", "read_bytes", "safe_open", "load_file", "loadmat", "ZipFile", "memmap", "fromfile"}
LOADERS = {"torch.load", "torch.jit.load", "np.load"}
OPEN_BY_THEMSELVES = {
    "gallop/reading.py": {"os.open"},  # the one way
    "gallop/writing.py": {"os.open", "open"},  # locks and drafts of its own
    "gallop/backbones/__init__.py": {"load_file", "torch.load", "torch.jit.load"},  # after gallop.reading has judged it
    "gallop/torch_file.py": {"zipfile.ZipFile", "torch.load"},  # the same
    "gallop/feature_cache.py": {"safe_open"},  # mapped into memory, after a look at what it is
    "gallop/datasets/places.py": {"loadmat"},  # of a file that gallop.reading has opened
    "gallop/images.py": {"Image.open"},  # of bytes
    "gallop/launch.py": {"path.read_bytes"},  # between processes, in a folder of theirs
    "gallop/cli/__init__.py": {"os.open"},  # /dev/null
    "gallop/machine.py": {"Path('/proc/cpuinfo').read_text", "status.read_text"},
    "gallop/backbones/device.py": {"Path('/proc/cpuinfo').read_text"},
    "app/archives.py": {"zipfile.ZipFile", "archive.open"},  # uploads, in memory
    "app/packing.py": {"zipfile.ZipFile", "(kept / SETTINGS).read_text", "(kept / TENSORS).read_bytes"},  # the same
    "app/run_store.py": {"os.open"},  # a file of the app's own
    "app/data_file.py": {"path.open"},  # the same
    "app/parts/region_grid.py": {"JAVASCRIPT.read_text", "STYLE.read_text"},  # of this program
}


def test_files_that_a_user_names_are_opened_in_one_way() -> None:
    """A pipe would wait for ever, and a device has no end: ``gallop.reading`` asks first what a file is."""
    found: dict[str, set[str]] = {}
    for path in [*modules(), *(ROOT / "app").rglob("*.py")]:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in LOADERS or called.split(".")[-1] in OPENERS:
                    found.setdefault(path.relative_to(ROOT).as_posix(), set()).add(called)
    reading = {"read_text", "read_bytes"}  # by name alone they are those of gallop.reading
    found = {path: calls - reading for path, calls in found.items() if calls - reading}
    assert found == OPEN_BY_THEMSELVES, "open it by gallop.reading, or say here why not"


def test_there_is_no_drawer_for_everything() -> None:
    names = {path.stem.lower().strip("_") for root in ("gallop", "app") for path in (ROOT / root).rglob("*.py")}
    assert not names & {"utils", "util", "helpers", "misc", "common"}


def test_result_types_are_frozen_dataclasses() -> None:
    for path in modules():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
                plain = [d for d in decorators if d.split(".")[-1].startswith("dataclass") and "frozen=True" not in d]
                # Towers are dataclasses for their fields, not results.
                assert not plain or room(path) == "backbones.vision", f"{node.name} in {path.name}"


def test_the_app_uses_public_names_alone() -> None:
    wrong = []
    for path in sorted((ROOT / "app").rglob("*.py")):
        for module, name in imports(path):
            package = module.split(".")[0]
            if package in ("open_clip", "timm"):
                wrong.append(f"{path} imports {package}")
            if package != "gallop":
                continue
            if (name or module).split(".")[-1].startswith("_"):
                wrong.append(f"{path} imports the private {module} {name}")
            elif name is not None and module != "gallop":
                found = getattr(importlib.import_module(module), name, None)
                found = found or importlib.import_module(f"{module}.{name}")  # a module of the package
                if not found.__doc__:
                    wrong.append(f"{module}.{name}, which {path} imports, is not documented")
    assert not wrong, "\n".join(wrong)
