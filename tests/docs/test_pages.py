"""Pages of the documentation: examples with prompts are run, others can be, and what is named or quoted is there."""

from __future__ import annotations

import ast
import doctest
import json
import re
import textwrap
from importlib import import_module
from pathlib import Path
from unittest import mock

import pytest

from gallop.config import HEADS
from gallop.model.branches.kinds import KINDS
from gallop.sample import write_sample
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


HELD = re.compile(r"^ *>>> (?!.*\+SKIP)", re.M)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text("utf-8"), re.S | re.M)


WITH_PROMPTS = [
    pytest.param(page, id=page.stem, marks=() if page.stem == "README" else pytest.mark.slow)
    for page in PAGES
    if blocks(page, "pycon")
]


@pytest.mark.parametrize("page", WITH_PROMPTS)
def test_examples_say_what_comes_out(
    page: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is one session from top to bottom, where ``gallop sample photos`` was called."""
    write_sample(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)

    session = doctest.DocTestParser().get_doctest("\n".join(blocks(page, "pycon")), {}, page.name, str(page), 0)
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    with mock.patch.dict(KINDS), mock.patch.dict(HEADS):  # a page may add some
        runner.run(session, out=told.append)
    assert not runner.summarize(verbose=False).failed, "".join(told)


def test_examples_in_docstrings_say_what_comes_out() -> None:
    """Of all modules of the library that hold one which is run."""
    files = [path for path in (ROOT / "gallop").rglob("*.py") if HELD.search(path.read_text("utf-8"))]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files]
    found = {name: doctest.testmod(import_module(name), optionflags=FLAGS) for name in names}
    assert [name for name, outcome in found.items() if outcome.failed] == []
    assert sum(outcome.attempted for outcome in found.values()) > 20


def test_code_without_prompts_is_python() -> None:
    for page in PAGES:
        for block in blocks(page, "python"):
            ast.parse(textwrap.dedent(block), page.name)


# What pages name ------------------------------------------------------------------------------------------------------


MAP = ROOT / "docs" / "explanation" / "paper_map.md"


def test_every_module_and_notebook_that_the_map_names_is_there_under_its_own_number() -> None:
    text = MAP.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| Paper |")]
    named = [ROOT / path for row in rows for path in re.findall(r"`(gallop/[^`]+)`", row)]
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
