"""The documentation builds without a warning, from stored outputs alone, and its link check notices what is broken."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def checked_links() -> ModuleType:
    if importlib.util.find_spec("myst_nb") is None:
        missing = "the documentation needs the extra docs: pip install -e '.[docs]'"
        (pytest.fail if os.environ.get("GALLOP_REQUIRE_TOOLS") else pytest.skip)(missing)
    spec = importlib.util.spec_from_file_location("checked_links", ROOT / "docs" / "_ext" / "checked_links.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def site(folder: Path, **pages: str) -> Path:
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return folder


def test_a_link_that_leads_nowhere_is_told(checked_links: ModuleType, tmp_path: Path) -> None:
    site(
        tmp_path,
        a='<p id="there">x</p><a href="b.html">b</a><a href="#there">x</a><a href="b.html#part">p</a>',
        b='<p id="part">y</p><a href="a.html#gone">x</a><a href="c.html">c</a><a href="a.html?q=1#there">q</a>',
    )
    broken, external = checked_links.broken_and_external(tmp_path)
    assert broken == [
        "b.html links to a.html#gone: that page has no such place.",
        "b.html links to c.html: there is no such file.",
    ]
    assert external == []


def test_other_machines_are_listed_and_nothing_is_loaded_from_them(checked_links: ModuleType, tmp_path: Path) -> None:
    site(tmp_path, a='<a href="https://example.org/x">x</a><img src="https://example.org/badge.svg"><img src="data:,">')
    broken, external = checked_links.broken_and_external(tmp_path)
    assert broken == ["a.html loads https://example.org/badge.svg from another machine."]
    assert external == ["https://example.org/x"]


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(checked_links: ModuleType, tmp_path: Path) -> None:
    """As ``make docs`` does; every notebook is a page, with the pictures that it holds."""
    out = tmp_path / "site"
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--fail-on-warning",
        "--quiet",
        "-c",
        "docs",
        "-d",
        str(tmp_path / "read"),
    ]
    done = subprocess.run(
        [*command, ".", str(out)], cwd=ROOT, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for notebook in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        page = (out / "notebooks" / f"{notebook.stem}.html").read_text("utf-8")
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", ())]
        assert page.count("<img") == sum("image/png" in output.get("data", ()) for output in outputs), notebook.stem
    assert (out / checked_links.LISTED).read_text("utf-8").startswith("https://")
    assert "explainer-data" in (out / "docs" / "index.html").read_text("utf-8")
