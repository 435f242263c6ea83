"""Examples on the pages of the documentation: those with prompts are run, and those without can be."""

from __future__ import annotations

import ast
import doctest
import re
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

from gallop.config import HEADS
from gallop.model.branches.kinds import KINDS
from gallop.sample import write_sample
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


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

    text = "\n".join(blocks(page, "pycon"))
    kinds, heads = dict(KINDS), dict(HEADS)
    session = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(session, out=told.append)
    for registered, before in ((KINDS, kinds), (HEADS, heads)):  # a page may add some
        for name in [*registered.keys() - before.keys()]:
            del registered[name]
    assert session.examples
    assert not runner.summarize(verbose=False).failed, "".join(told)


def test_examples_in_docstrings_say_what_comes_out() -> None:
    """Of all modules of the library that hold one which is run."""
    tried = 0
    for path in sorted((ROOT / "gallop").rglob("*.py")):
        if not re.search(r"^ *>>> (?!.*\+SKIP)", path.read_text("utf-8"), re.M):
            continue
        module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
        found = doctest.testmod(module, optionflags=FLAGS)
        assert found.failed == 0, path
        tried += found.attempted
    assert tried > 20


def test_code_without_prompts_is_python() -> None:
    for page in PAGES:
        for block in blocks(page, "python"):
            ast.parse(textwrap.dedent(block), page.name)
