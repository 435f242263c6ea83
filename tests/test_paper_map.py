"""docs/explanation/paper_map.md: the modules and notebooks that it names are there."""

from __future__ import annotations

import re

from tests.conftest import ROOT

MAP = ROOT / "docs" / "explanation" / "paper_map.md"
TEXT = MAP.read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| Paper |")]


def test_every_module_and_every_notebook_that_it_names_is_there() -> None:
    assert len(ROWS) > 15
    named = [ROOT / path for row in ROWS for path in re.findall(r"`(gallop/[^`]+)`", row)]
    missing = [str(path) for path in named if not path.is_file()]
    links = re.findall(r"\]\((\.\./\.\./[^)#]+)\)", TEXT)
    missing += [link for link in links if not (MAP.parent / link).is_file()]
    assert not missing, "\n".join(missing)


def test_every_notebook_is_named_under_its_own_number() -> None:
    links = re.findall(r"\[(\d\d)\]\(\.\./\.\./notebooks/((\d\d)_\w+)\.ipynb\)", TEXT)
    assert all(shown == number for shown, _, number in links)
    assert {stem for _, stem, _ in links} == {path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.py")}
