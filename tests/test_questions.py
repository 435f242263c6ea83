"""The ten questions of ``docs/tutorials/questions.md``: the sections they name are there, and say what is quoted."""

from __future__ import annotations

import json
import re

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
    whole = "\n".join(
        "".join(cell["source"])
        if cell["cell_type"] == "markdown"
        else "".join("".join(output.get("text", "")) for output in cell["outputs"])
        for cell in json.loads((ROOT / "notebooks" / f"{stem}.ipynb").read_text(encoding="utf-8"))["cells"]
    )
    found = re.split(r"^##+ (.*)$", whole, flags=re.MULTILINE)
    return {heading: " ".join(text.split()) for heading, text in zip(found[1::2], found[2::2], strict=True)}


def test_each_of_the_ten_is_answered_where_it_says() -> None:
    asked = questions()
    assert len(asked) == 10
    for question in asked:
        assert re.match(r"\*\*[^*]*\?\*\*", question), question
        found = answers(question)
        assert found, question
        for stem, section, quoted in found:
            said = sections(stem)[section]
            assert not [words for words in quoted if words not in said], f"{stem}, {section}"
