"""What pages of the documentation name is there, and says what is quoted of it: the map of the paper, the questions."""

from __future__ import annotations

import json
import re

from tests.conftest import ROOT

MAP = ROOT / "docs" / "explanation" / "paper_map.md"


def test_every_module_and_notebook_that_the_map_names_is_there_under_its_own_number() -> None:
    text = MAP.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| Paper |")]
    assert len(rows) > 15
    named = [ROOT / path for row in rows for path in re.findall(r"`(gallop/[^`]+)`", row)]
    named += [MAP.parent / link for link in re.findall(r"\]\((\.\./\.\./[^)#]+)\)", text)]
    assert [str(path) for path in named if not path.is_file()] == []
    links = re.findall(r"\[(\d\d)\]\(\.\./\.\./notebooks/((\d\d)_\w+)\.ipynb\)", text)
    assert [shown for shown, *_ in links] == [number for *_, number in links]
    assert {stem for _, stem, _ in links} == {path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.py")}


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


def test_each_of_the_ten_questions_is_answered_where_it_says() -> None:
    page = (ROOT / "docs" / "tutorials" / "questions.md").read_text(encoding="utf-8")
    asked = [" ".join(one.split()) for one in re.split(r"^ ?\d+\. ", page, flags=re.MULTILINE)[1:]]
    assert len(asked) == 10
    for question in asked:
        assert re.match(r"\*\*[^*]*\?\*\*", question), question
        found = answers(question)
        assert found, question
        for stem, section, quoted in found:
            said = sections(stem)[section]
            assert not [words for words in quoted if words not in said], f"{stem}, {section}"
