"""The tutorial notebooks: in step with their scripts, well kept, true, and green from the first cell to the last."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gallop import Photo, __version__, load_image, read_folder
from gallop.errors import DataError
from gallop.lab.tutorial import photos
from gallop.sample import sample_photos
from tests import tiny, warm
from tests.conftest import ROOT
from tests.connects import Connects
from tests.notebook_widgets import WIDGETS
from tests.tiny import there

pytest.importorskip("jupytext", reason="needs the extra 'notebooks'")

import nbformat

from notebooks import sync

WIDGET = "application/vnd.jupyter.widget-view+json"
GIVEN = {
    "03_topk_and_scales": {"20%", "0.1"},  # the size of a pasted photo
    "07_none_of_these": {"95%", "5%"},  # what a threshold is set to
    "10_your_own_data": {"80%", "95%"},  # of a class made up
    "11_methods_side_by_side": {"22%", "47%", "95%"},  # the README's, of real photos
}
"""Numbers that are no result of the notebook: of its set-up, or of another page."""
NUMBER = re.compile(r"(?<![\w.$-])\d+(?:\.\d+)?%|(?<![\w.$-])0\.\d+\b")

each_notebook = pytest.mark.parametrize("script", sync.scripts(), ids=lambda path: path.stem)


@pytest.fixture
def stored(script: Path) -> nbformat.NotebookNode:
    """The notebook that belongs to a script."""
    return nbformat.read(script.with_suffix(".ipynb"), as_version=4)


def text_of(output: nbformat.NotebookNode) -> str:
    """What is stored of an output as text, which a picture has too."""
    return str(output.text if output.output_type == "stream" else output.data["text/plain"] + "\n")


# In step and well kept ----------------------------------------------------------------------------------------------


@each_notebook
def test_the_notebook_is_what_its_script_gives(script: Path, stored: nbformat.NotebookNode) -> None:
    assert stored.metadata.pop("digest") == sync.digest(stored), "code or outputs are not those of its last run"
    for cell in sync.code_cells(stored):
        cell.outputs = []
    assert stored == sync.blank(script), "run `make notebooks-sync`"


@each_notebook
def test_what_is_stored_shows_without_a_kernel_and_every_picture_has_a_text_that_stands_for_it(
    script: Path, stored: nbformat.NotebookNode
) -> None:
    cells = sync.code_cells(stored)
    outputs = [output for cell in cells for output in cell.outputs]
    pictures = [output for output in outputs if output.output_type != "stream"]
    assert pictures, "run `make notebooks-sync`"
    assert [sorted(picture.data) for picture in pictures] == [["image/png", "text/plain"]] * len(pictures)
    texts = [picture.metadata["image/png"]["alt"] for picture in pictures]
    assert texts == [picture.data["text/plain"] for picture in pictures]
    assert (min(map(len, texts)) > 40, len(set(texts))) == (True, len(texts))
    assert not re.findall(r"/home/|/root/|/tmp/|/Users/", "".join(map(text_of, outputs)))
    assert not [cell.source for cell in cells if "plt.show()" in cell.source]
    assert script.with_suffix(".ipynb").stat().st_size < 1_000_000


@each_notebook
def test_a_number_of_a_result_is_stored_beside_it(script: Path, stored: nbformat.NotebookNode) -> None:
    """As text, that of pictures too."""
    printed = "".join(text_of(output) for cell in sync.code_cells(stored) for output in cell.outputs)
    for cell in stored.cells:
        if cell.cell_type == "markdown" and "**What you should see.**" in cell.source:
            stated = set(NUMBER.findall(cell.source)) - GIVEN.get(script.stem, set())
            missing = [number for number in stated if not re.search(rf"(?<![\d.]){re.escape(number)}", printed)]
            assert not missing, f"{missing} are said and not stored: {cell.source}"


@each_notebook
def test_no_more_than_four_lines_import_before_the_first_idea(stored: nbformat.NotebookNode) -> None:
    begins = sync.code_cells(stored)[1].source  # after the cell that installs
    assert len(re.findall(r"^(?:from|import) ", begins, re.M)) <= 4


# Anywhere -----------------------------------------------------------------------------------------------------------


def test_the_first_cell_installs_what_is_missing_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: called.append(command))
    install = next(cell.source for cell in sync.code_cells(sync.blank(sync.scripts()[0])))
    exec(install, {})
    assert called == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(install, {})
    wheel = f"./gallop_explorer-{__version__}-py3-none-any.whl[notebooks]"
    assert called == [[sys.executable, "-m", "pip", "install", "-q", wheel]]


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
def quick(own_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What a kernel started now finds: short trainings and the sample photos. It asks nothing of another machine."""
    connects = Connects(tmp_path)
    monkeypatch.setenv("FAST", "1")
    for name, value in connects.environment({"PYTHONPATH": str(ROOT)}).items():
        monkeypatch.setenv(name, value)

    monkeypatch.delenv("GALLOP_PHOTOS", raising=False)
    yield
    assert connects.away() == [], "the notebook asked another machine"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem.startswith("02") else pytest.mark.slow)
        for path in sync.scripts()
    ],
)
@pytest.mark.usefixtures("forked", "quick")
def test_it_runs_shows_and_says_what_to_see(script: Path) -> None:
    notebook = sync.blank(script)
    written = len(notebook.cells)
    notebook.cells.append(nbformat.v4.new_code_cell(WIDGETS[script.stem]))
    cells = sync.run(notebook, timeout=300).cells[:written]  # of a cell, on a machine that is busy
    for number, cell in enumerate(cells):
        shown = cell.get("outputs", [])
        assert not [out.text for out in shown if out.output_type == "stream" and out.name == "stderr"]
        if any(WIDGET in out.get("data", {}) for out in shown):
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
def test_a_cell_that_fails_is_told() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("raise ValueError('too few photos')")])
    with pytest.raises(RuntimeError, match="too few photos"):
        sync.run(notebook, timeout=60)


# Their photos -------------------------------------------------------------------------------------------------------


def test_every_sample_photo_is_there() -> None:
    for name in photos.sample_names():
        photo = photos.sample(name)
        assert (photo.name, min(photo.width, photo.height) >= 224) == (name, True)
    with pytest.raises(ValueError, match="no photo 'dog'"):
        photos.sample("dog")


def test_crops_to_learn_from_and_to_test_on_share_no_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels that say which column they come from."""
    columns = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    monkeypatch.setattr(photos, "sample", lambda name: load_image(Image.fromarray(columns), name=name))
    train, test = photos.texture_crops(shots=30, size=90)
    assert {name: (len(train[name]), len(test[name])) for name in train} == dict.fromkeys(photos.TEXTURES, (30, 20))
    assert max(pixels(photo).max() for some in train.values() for photo in some) < 100
    assert min(pixels(photo).min() for some in test.values() for photo in some) >= 100
    with pytest.raises(ValueError, match="shorter side has 100 pixels"):
        photos.texture_crops(shots=1, size=101)


def test_a_draw_of_fewer_crops_is_part_of_a_draw_of_more() -> None:
    few, test = photos.texture_crops(shots=2, seed=3)
    many, same_test = photos.texture_crops(shots=4, seed=3)
    other, _ = photos.texture_crops(shots=2, seed=4)
    assert (few, test) == ({name: some[:2] for name, some in many.items()}, same_test)
    assert few != other


@pytest.mark.parametrize("kind", photos.DOMAINS)
def test_another_domain_is_the_same_scene_in_other_pixels(kind: str) -> None:
    photo = photos.sample("cat")
    other = photos.domain(photo, kind)
    assert (other.image.size, other.sha256 == photo.sha256) == (photo.image.size, False)
    means = pixels(photo).mean(), pixels(other).mean()
    assert {"blur": abs(means[0] - means[1]) < 2, "sketch": means[1] > 200, "dark": means[1] < means[0] / 2}[kind]
    with pytest.raises(ValueError, match="no domain 'snow'"):
        photos.domain(photo, "snow")


def pixels(photo: Photo) -> Any:
    return np.asarray(photo.image)


def test_the_sample_is_what_is_learned_from_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GALLOP_PHOTOS", raising=False)
    assert list(photos.by_class()) == list(photos.THINGS)
    few, test = photos.few_shots(2, seed=1)
    more, same = photos.few_shots(8, seed=1)
    kinds = ["candle", "mug", "teapot", "vase"]
    assert [(name, len(few[name]), len(more[name]), len(test[name])) for name in few] == [(k, 2, 8, 6) for k in kinds]
    assert test == same
    assert set_of(few) <= set_of(more)
    assert not set_of(more) & set_of(test)


def set_of(some: dict[str, list[Photo]]) -> set[str]:
    return {photo.sha256 for photo in photos.with_names(some)[0]}


def test_one_variable_gives_your_own_photos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GALLOP_PHOTOS", str(tiny.write_folder(tmp_path / "mine", {"red": 6, "blue": 9})))
    assert {name: len(some) for name, some in photos.by_class(most=2).items()} == {"blue": 2, "red": 2}
    train, test = photos.few_shots(shots=4)
    assert {name: (len(train[name]), len(test[name])) for name in train} == {"blue": (4, 3), "red": (4, 2)}
    other, same = photos.few_shots(shots=9, seed=5)  # not split: a third of each is never learned from
    assert (same, {name: len(some) for name, some in other.items()}) == (test, {"blue": 6, "red": 4})
    assert not set_of(other) & set_of(test)
    assert photos.with_names(train)[1] == ["blue"] * 4 + ["red"] * 4
    monkeypatch.setenv("GALLOP_PHOTOS", str(tmp_path / "nowhere"))
    with pytest.raises(NotADirectoryError, match="which is not a folder"):
        photos.by_class()


def test_a_split_folder_is_taken_as_it_is_split_and_a_label_means_the_same_in_both_parts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``green`` is nowhere to be tested: without it red is 1, and not 2 in the one part and 1 in the other."""
    tiny.write_folder(tmp_path / "train", {"red": 3, "blue": 3, "green": 2})
    # The first of red and of blue is in train too.
    tiny.write_folder(tmp_path / "test", {"red": 5, "blue": 4, "yellow": 2}, first_seed=2)
    monkeypatch.setenv("GALLOP_PHOTOS", str(tmp_path))
    train, test = photos.few_shots(8)
    assert {name: (len(train[name]), len(test[name])) for name in train} == {"blue": (2, 4), "red": (2, 5)}
    assert not set_of(train) & set_of(test)
    learn, ask = photos.few_labelled(8)
    assert learn.class_names == ask.class_names == ("blue", "red")
    assert (learn.names.count("red"), ask.names.count("red")) == (2, 5)
    parts = photos.same_classes(read_folder(tmp_path, split="train"), read_folder(tmp_path, split="test"))
    assert [part.class_names for part in parts] == [("blue", "red")] * 2
    assert [path.parent.name for path in parts[1].paths] == parts[1].names


def test_a_photo_that_is_of_a_class_by_its_name_is_not_taken_for_an_unknown_one() -> None:
    assert not photos.shows_none_of("flower", ["Flowers", "scenes"])
    assert not photos.shows_none_of("mushroom", ["mushroom soup"])
    assert photos.shows_none_of("cat", ["flowers", "scenes"])
    sample = ["candle", "mug", "teapot", "vase"]
    others = [photo.path.stem for photo in sample_photos() if photo.part == "other"]
    assert all(photos.shows_none_of(name, sample) for name in [*others, *photos.sample_names()])


@pytest.mark.parametrize(
    ("counts", "words"),
    [({"red": 6}, "at least two classes .* it contains 1"), ({"red": 6, "blue": 1}, "needs at least two photos")],
)
def test_too_little_to_learn_from_is_told(
    counts: dict[str, int], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GALLOP_PHOTOS", str(tiny.write_folder(tmp_path, counts)))
    with pytest.raises(DataError, match=words):
        photos.few_shots(1)


def test_of_many_classes_the_first_forty_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number in range(42):
        pictures = [Image.new("RGB", (16, 16), (number, i, 0)) for i in range(2)]
        tiny.write_images(tmp_path / f"class {number:02}", pictures)
    monkeypatch.setenv("GALLOP_PHOTOS", str(tmp_path))
    with pytest.warns(UserWarning, match="42 classes; only the first 40"):
        train, test = photos.few_shots(4)
    assert list(train) == list(test) == [f"class {number:02}" for number in range(40)]


def test_a_thing_is_cut_out_by_its_mask_and_put_into_another_photo() -> None:
    first, second = (load_image(p.path) for p in sample_photos()[:40:30])
    mask = there(photos.thing_mask(second))
    assert mask.shape == (second.height, second.width)
    thing, cut = photos.cut_out(second)
    assert (thing.size, np.count_nonzero(np.asarray(cut))) == (cut.size, mask.sum())
    for right in (False, True):
        scene, place = photos.with_thing(first, second, 0.5, right=right)
        rows, columns = np.nonzero(place)
        assert scene.image.size == place.shape[::-1] == (320, 320)
        assert (max(np.ptp(rows), np.ptp(columns)) + 1, rows.max()) == (pytest.approx(160, abs=2), 319)
        assert (columns.max() == 319) if right else (columns.min() == 0)
        assert ((pixels(scene) != pixels(first)).any(axis=2) & ~place).sum() < 0.1 * place.sum()  # its soft edge
    stranger = photos.sample("cat")
    assert photos.thing_mask(stranger) is None
    assert photos.cut_out(stranger)[0].size == pytest.approx((stranger.width / 2, stranger.height / 2), abs=2)
