"""What the notebooks say of their results: every number is one that is stored with them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("jupytext", reason="needs the extra 'notebooks'")

import nbformat

from notebooks import sync

GIVEN = {
    "03_topk_and_scales": {"20%", "0.1"},  # the size of a pasted photo
    "07_none_of_these": {"95%", "5%"},  # what a threshold is set to
    "10_your_own_data": {"80%", "95%"},  # of a class made up
    "11_methods_side_by_side": {"22%", "47%", "95%"},  # the README's, of real photos
}
"""Numbers that are no result of the notebook: of its set-up, or of another page."""
NUMBER = re.compile(r"(?<![\w.$-])\d+(?:\.\d+)?%|(?<![\w.$-])0\.\d+\b")


@cache
def notebook(stem: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4)


@cache
def printed(stem: str) -> str:
    """What is stored with a notebook as text, that of its pictures too, and not what its quiz asks."""
    outputs = [output for cell in sync.working_cells(notebook(stem)) for output in cell.outputs]
    return "".join([out.text if out.output_type == "stream" else out.data["text/plain"] + "\n" for out in outputs])


@pytest.mark.parametrize("script", sync.scripts(), ids=lambda path: path.stem)
def test_a_number_of_a_result_is_stored_beside_it(script: Path) -> None:
    there = printed(script.stem)
    for cell in notebook(script.stem).cells:
        if cell.cell_type == "markdown" and "**What you should see.**" in cell.source:
            stated = set(NUMBER.findall(cell.source)) - GIVEN.get(script.stem, set())
            missing = [number for number in stated if not re.search(rf"(?<![\d.]){re.escape(number)}", there)]
            assert not missing, f"{missing} are said and not stored: {cell.source}"
