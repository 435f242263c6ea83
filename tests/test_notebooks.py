"""The tutorial notebooks: in step with their scripts, well kept, and green from the first cell to the last."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gallop.images import Photo, load_image
from notebooks import photos
from tests import tiny, warm
from tests.conftest import ROOT
from tests.connects import Connects
from tests.notebook_widgets import WIDGETS

pytest.importorskip("jupytext", reason="needs the extra 'notebooks'")

import nbformat

from notebooks import sync

FOLDER = ROOT / "notebooks"
SCREEN = 30
"""Lines of a cell that can be seen at once."""
WIDGET = "application/vnd.jupyter.widget-view+json"

each_notebook = pytest.mark.parametrize("script", sync.scripts(), ids=lambda path: path.stem)


def sources(script: Path, kind: str) -> list[str]:
    return [cell.source for cell in sync.blank(script).cells if cell.cell_type == kind]


def code(script: Path) -> Iterator[ast.Module]:
    return (ast.parse(source) for source in sources(script, "code"))


# In step and well kept ----------------------------------------------------------------------------------------------


@each_notebook
def test_the_notebook_is_what_its_script_gives(script: Path) -> None:
    stored = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    for cell in sync.code_cells(stored):
        cell.outputs = []
    assert stored == sync.blank(script), "run `make notebooks-sync`"


@each_notebook
def test_what_is_stored_shows_without_a_kernel(script: Path) -> None:
    stored = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    outputs = [output for cell in sync.code_cells(stored) for output in cell.outputs]
    shown = [out.text if out.output_type == "stream" else list(out.data) for out in outputs]
    assert ["image/png"] in shown, "run `make notebooks-sync`"
    for output in shown:
        if isinstance(output, str):
            assert not re.search(r"/home/|/root/|/tmp/|/Users/", output), output
        else:
            assert output == ["image/png"]
    assert script.with_suffix(".ipynb").stat().st_size < 1_000_000


def test_every_notebook_has_a_script_a_line_in_the_readme_and_a_check_of_its_widgets() -> None:
    stems = [script.stem for script in sync.scripts()]
    assert stems == sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [stem for stem in stems if f"(notebooks/{stem}.ipynb)" not in readme] == []
    assert list(WIDGETS) == stems


@each_notebook
def test_it_starts_with_goals_time_and_seed_and_prepares_before_torch(script: Path) -> None:
    first = sync.blank(script).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {script.stem[:2]} · ")
    for word in ("Goals", "Time", "Seed"):
        assert f"**{word}.**" in first.source
    first_code = sources(script, "code")[0]
    assert first_code.startswith("from gallop.runtime.process import prepare\n\nprepare()")


@each_notebook
def test_cells_fit_a_screen(script: Path) -> None:
    for source in sources(script, "code"):
        assert len(source.splitlines()) <= SCREEN, source


@each_notebook
def test_exercises_have_hidden_answers(script: Path) -> None:
    last = "\n".join(sources(script, "markdown")).split("## Exercises")
    assert len(last) == 2, "one section of exercises"
    answers = last[1].count("<details><summary>Answer</summary>\n\n")
    assert answers == last[1].count("\n\n</details>") == len(re.findall(r"^\d+\. ", last[1], re.MULTILINE)) >= 2


@each_notebook
def test_cells_from_scratch_owe_nothing_to_gallop(script: Path) -> None:
    """Neither its names nor its objects; tensors may be compared with it, and a real photo's come through it."""
    cells = list(code(script))
    theirs = {
        alias.asname or alias.name
        for cell in cells
        for node in ast.walk(cell)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gallop"
        for alias in node.names
    }
    makers = {name for name in theirs if name[0].isupper() or name == "load_backbone"}
    objects = {
        target.id
        for cell in cells
        for node in ast.walk(cell)
        if isinstance(node, ast.Assign) and makers & names_in(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    scratch = [source for source in sources(script, "code") if source.startswith("# From scratch")]
    assert scratch
    for source in scratch:
        tree = ast.parse(source)
        assert not (theirs | objects) & names_in(tree), source
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)], source


def names_in(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


@each_notebook
def test_only_public_names_and_no_paths_of_one_machine(script: Path) -> None:
    for tree in code(script):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_"), ast.unparse(node)
            if isinstance(node, ast.ImportFrom):
                assert not [alias.name for alias in node.names if alias.name.startswith("_")]
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.match(r"(/|~/|\.\./|[A-Za-z]:\\)\w", node.value), node.value
    assert "shared/" not in script.read_text(encoding="utf-8")


# Green --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Kernels, and what runs a notebook in them, that begin with their imports done."""
    start = [*warm.python(), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": start, "display_name": "Python 3", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setattr(sync, "PYTHON", warm.python())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What a kernel started now finds: short trainings and the sample photos. It asks nothing of another machine."""
    connects = Connects(tmp_path)
    monkeypatch.setenv("FAST", "1")
    for name, value in connects.environment({"PYTHONPATH": str(ROOT)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GALLOP_CACHE", str(tmp_path / "features"))
    monkeypatch.delenv("GALLOP_PHOTOS", raising=False)
    yield
    assert connects.away() == [], "the notebook asked another machine"


@pytest.mark.slow
@each_notebook
@pytest.mark.usefixtures("forked", "quick")
def test_it_runs_shows_and_says_what_to_see(script: Path) -> None:
    notebook = sync.blank(script)
    written = len(notebook.cells)
    notebook.cells.append(nbformat.v4.new_code_cell(WIDGETS[script.stem]))
    cells = sync.run(notebook, timeout=120).cells[:written]
    for number, cell in enumerate(cells):
        shown = cell.get("outputs", [])
        assert not [out.text for out in shown if out.output_type == "stream" and out.name == "stderr"]
        if cell.source.startswith("quiz("):  # the question is text, and says itself what to do
            assert shown[0].text.count(")") >= 2
        elif any(WIDGET in out.get("data", {}) for out in shown):
            assert pictures_beside(cells, number), f"no still picture beside\n{cell.source}"
        elif shown:
            after = next(other for other in cells[number + 1 :] if other.cell_type == "markdown")
            assert "**What you should see.**" in after.source, f"what is to be seen after\n{cell.source}"


def pictures_beside(cells: list[Any], number: int) -> bool:
    """Whether the code cell before or after shows a picture."""
    before = next((cell for cell in cells[number - 1 :: -1] if cell.cell_type == "code"), None)
    after = next((cell for cell in cells[number + 1 :] if cell.cell_type == "code"), None)
    return any("image/png" in out.get("data", {}) for cell in (before, after) if cell for out in cell.outputs)


@pytest.mark.usefixtures("forked")
def test_a_cell_that_takes_too_long_is_told() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import time; time.sleep(60)")])
    with pytest.raises(RuntimeError, match="timed out"):
        sync.run(notebook, timeout=1)


def test_pictures_are_shown_whatever_was_imported_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")  # as Streamlit sets it
    code = "import os; print(os.environ.get('MPLBACKEND') != 'Agg')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    (cell,) = sync.run(notebook, timeout=60).cells
    assert cell.outputs[0].text == "True\n"


@pytest.mark.usefixtures("forked")
def test_a_cell_that_fails_is_told() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("raise ValueError('too few photos')")])
    with pytest.raises(RuntimeError, match="too few photos"):
        sync.run(notebook, timeout=60)


# Their photos -------------------------------------------------------------------------------------------------------


def test_every_sample_photo_is_there() -> None:
    for name in photos.names():
        photo = photos.sample(name)
        assert photo.name == name
        assert min(photo.width, photo.height) >= 224
    with pytest.raises(ValueError, match="no photo 'dog'"):
        photos.sample("dog")


def test_crops_to_learn_from_and_to_test_on_share_no_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels that say which column they come from."""
    columns = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    monkeypatch.setattr(photos, "sample", lambda name: load_image(Image.fromarray(columns), name=name))
    train, test = photos.textures(shots=30, size=90)
    assert {name: (len(train[name]), len(test[name])) for name in train} == dict.fromkeys(photos.TEXTURES, (30, 20))
    assert max(pixels(photo).max() for some in train.values() for photo in some) < 100
    assert min(pixels(photo).min() for some in test.values() for photo in some) >= 100
    with pytest.raises(ValueError, match="the most is 100"):
        photos.textures(shots=1, size=101)


def test_a_draw_of_fewer_crops_is_part_of_a_draw_of_more() -> None:
    few, test = photos.textures(shots=2, seed=3)
    many, same_test = photos.textures(shots=4, seed=3)
    other, _ = photos.textures(shots=2, seed=4)
    assert few == {name: some[:2] for name, some in many.items()}
    assert test == same_test
    assert few != other


@pytest.mark.parametrize("kind", photos.DOMAINS)
def test_another_domain_is_the_same_scene_in_other_pixels(kind: str) -> None:
    photo = photos.sample("cat")
    other = photos.domain(photo, kind)
    assert other.image.size == photo.image.size
    assert other.sha256 != photo.sha256
    means = pixels(photo).mean(), pixels(other).mean()
    assert {"blur": abs(means[0] - means[1]) < 2, "sketch": means[1] > 200, "dark": means[1] < means[0] / 2}[kind]
    with pytest.raises(ValueError, match="no domain 'snow'"):
        photos.domain(photo, "snow")


def pixels(photo: Photo) -> Any:
    return np.asarray(photo.image)


def test_one_variable_gives_your_own_photos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GALLOP_PHOTOS", raising=False)
    assert list(photos.classes()) == list(photos.THINGS)
    assert list(photos.few_shots(2)[0]) == list(photos.TEXTURES)
    monkeypatch.setenv("GALLOP_PHOTOS", str(tiny.write_folder(tmp_path / "mine", {"red": 5, "blue": 6})))
    assert {name: len(some) for name, some in photos.classes(most=3).items()} == {"blue": 3, "red": 3}
    train, test = photos.few_shots(shots=2)
    assert {name: (len(train[name]), len(test[name])) for name in train} == {"blue": (2, 4), "red": (2, 3)}
    assert not {p.sha256 for p in photos.labelled(train)[0]} & {p.sha256 for p in photos.labelled(test)[0]}
    assert photos.labelled(train)[1] == ["blue", "blue", "red", "red"]
    monkeypatch.setenv("GALLOP_PHOTOS", str(tmp_path / "nowhere"))
    with pytest.raises(NotADirectoryError, match="which is no folder from here"):
        photos.classes()


class FakeSet:
    """What torchvision's sets have in common: classes, a length, and pairs of picture and label."""

    classes = ("AnnualCrop", "sea_lake")

    def __init__(self, root: Path, split: str = "", download: bool = False) -> None:
        assert download
        self.first = {"": 0, "train": 0, "test": 100}[split]

    def __len__(self) -> int:
        return 80

    def __getitem__(self, i: int) -> tuple[Image.Image, int]:
        return tiny.picture(self.first + i, "red" if i % 2 else "blue"), i % 2


@pytest.mark.parametrize("name", ["EuroSAT", "DTD"])
def test_a_public_set_becomes_class_folders(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torchvision

    monkeypatch.setattr(torchvision.datasets, name, FakeSet)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("GALLOP_PHOTOS", name)
    folder = photos.own_folder()
    assert folder is not None
    train, test = photos.few_shots(shots=4, tests=3)
    assert {name: (len(train[name]), len(test[name])) for name in train} == {"annual crop": (4, 3), "sea lake": (4, 3)}
    every = [p.sha256 for split in (train, test) for p in photos.labelled(split)[0]]
    assert len(set(every)) == len(every)
    monkeypatch.setattr(torchvision.datasets, name, None)  # not asked again
    assert photos.own_folder() == folder


def test_without_a_network_a_public_set_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torchvision

    def offline(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.datasets, "Flowers102", offline)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ConnectionError, match="Connect to a network and try again, set GALLOP_PHOTOS"):
        photos.public_set("Flowers102")
