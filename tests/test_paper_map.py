"""docs/explanation/paper_map.md: what it names is there, and it says of the paper what the modules' docstrings cite."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

MAP = ROOT / "docs" / "explanation" / "paper_map.md"
TEXT = MAP.read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| Paper |")]
METHOD = [row for row in ROWS if re.match(r"\| (eq\.|section)", row)]
CITED = re.compile(r"\b[Pp]aper, (section [\d.]*\d|eqs?\. \d+(?:(?:, | and | to )\d+)*)")
OTHERS = ("gallop/methods/", "gallop/bench/")
"""Where another paper is cited as "the paper", too."""


def named(row: str) -> list[Path]:
    return [ROOT / path for path in re.findall(r"`(gallop/[^`]+)`", row)]


def cited(path: Path) -> set[str]:
    """Sections and equations of the paper that a module cites: {"section 3.1", "eq. 4", ...}."""
    found = set()
    for place in re.findall(CITED, path.read_text("utf-8")):
        numbers = re.findall(r"[\d.]*\d", place)
        found |= {f"section {n}" if place.startswith("section") else f"eq. {n}" for n in numbers}
    return found


def test_every_module_and_every_notebook_that_it_names_is_there() -> None:
    assert len(ROWS) > 15
    missing = [str(path) for row in ROWS for path in named(row) if not path.is_file()]
    links = re.findall(r"\]\((\.\./\.\./[^)#]+)\)", TEXT)
    missing += [link for link in links if not (MAP.parent / link).is_file()]
    assert not missing, "\n".join(missing)
    assert all(named(row) for row in ROWS if not row.startswith(("| What |", "|---")))


def test_every_notebook_is_named_under_its_own_number() -> None:
    links = re.findall(r"\[(\d\d)\]\(\.\./\.\./notebooks/((\d\d)_\w+)\.ipynb\)", TEXT)
    assert all(shown == number for shown, _, number in links)
    assert {stem for _, stem, _ in links} == {path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.py")}


@pytest.mark.parametrize("row", METHOD, ids=lambda row: row.split("|")[1].strip())
def test_each_of_its_modules_cites_that_section_or_equation(row: str) -> None:
    part = row.split("|")[1].strip()
    for path in named(row):
        assert part in cited(path), f"{path} does not cite {part}, but {sorted(cited(path))}"


def test_nothing_that_a_module_cites_of_the_paper_is_left_out() -> None:
    there = {(row.split("|")[1].strip(), path) for row in METHOD for path in named(row)}
    left = [
        f"{path.relative_to(ROOT)}: {part}"
        for path in sorted((ROOT / "gallop").rglob("*.py"))
        if not path.relative_to(ROOT).as_posix().startswith(OTHERS)
        for part in sorted(cited(path))
        if (part, path) not in there
    ]
    assert not left, "\n".join(left)
