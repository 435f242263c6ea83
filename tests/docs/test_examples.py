"""Examples on the pages of the documentation: those with prompts are run, and those without can be."""

from __future__ import annotations

import ast
import doctest
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
    assert session.examples
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
