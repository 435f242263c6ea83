"""The ten questions of ``docs/tutorials/questions.md``: the sections they name are there, and say what is quoted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "tutorials" / "questions.md"


def questions() -> list[str]:
    """Each with its answers, on one line."""
    listed = re.split(r"^ ?\d+\. ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [" ".join(one.split()) for one in listed]


def answers(question: str) -> list[tuple[str, str, list[str]]]:
    """(notebook, section, what is quoted) of each section that a question names."""
    found, notebook = [], ""
    for link, section, quoted in re.findall(
        r"(?:\[\d\d\]\(\.\./\.\./notebooks/(\w+)\.ipynb\), )?\*([^*\"]+)\*: ((?:\"[^\"]*\"[, ]*)+)", question
    ):
        notebook = link or notebook
        found.append((notebook, section, re.findall(r'"([^"]*)"', quoted)))
    return found


def sections(stem: str) -> dict[str, str]:
    """What a notebook says and prints, by the heading above it, on one line each."""
    cells = json.loads((ROOT / "notebooks" / f"{stem}.ipynb").read_text(encoding="utf-8"))["cells"]
    said, heading = dict[str, list[str]](), ""
    for cell in cells:
        if cell["cell_type"] == "markdown":
            for part in re.split(r"^(?=##)", "".join(cell["source"]), flags=re.MULTILINE):
                if part.startswith("##"):
                    heading = part.splitlines()[0].lstrip("# ")
                said.setdefault(heading, []).append(part)
        else:
            shown = ["".join(output.get("text", "")) for output in cell["outputs"]]
            said.setdefault(heading, []).extend(shown)
    return {heading: " ".join(" ".join(parts).split()) for heading, parts in said.items()}


def test_there_are_ten() -> None:
    asked = questions()
    assert len(asked) == 10
    assert all(question.startswith("**") and "?**" in question for question in asked)


@pytest.mark.parametrize("number", range(10))
def test_a_question_is_answered_where_it_says(number: int) -> None:
    found = answers(questions()[number])
    assert found
    for stem, section, quoted in found:
        assert Path(ROOT, "notebooks", f"{stem}.py").is_file()
        said = sections(stem)
        assert section in said, f"{stem} has no section {section!r}: {list(said)}"
        for words in quoted:
            assert words in said[section], f"{stem}, {section}: {words!r} is not there"
