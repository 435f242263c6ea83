"""The documentation builds without a warning, from stored outputs alone; its pages fit, and ask nobody anything."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import ROOT, leave_out_without
from tests.tiny import there


@pytest.fixture(scope="module")
def checked_links() -> ModuleType:
    leave_out_without(
        ""
        if importlib.util.find_spec("myst_nb")
        else "the documentation needs the extra docs: pip install -e '.[docs]'"
    )
    spec = there(importlib.util.spec_from_file_location("checked_links", ROOT / "docs" / "_ext" / "checked_links.py"))
    module = importlib.util.module_from_spec(spec)
    there(spec.loader).exec_module(module)
    return module


@pytest.fixture(scope="module")
def built(checked_links: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, as ``make docs`` builds it, but for the page of the browser."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--quiet", "-c", "docs", "-d", str(folder / "read")]
    command += ["-D", "with_browser_page=0"]  # tests/export/web has its own
    done = subprocess.run(
        [*command, ".", str(folder / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_a_link_that_leads_nowhere_is_told_and_what_another_machine_would_load(
    checked_links: ModuleType, tmp_path: Path
) -> None:
    pages = {
        "a": '<p id="there">x</p><a href="b.html">b</a><a href="#there">x</a><a href="b.html#part">p</a>'
        '<a href="https://example.org/x">x</a><img src="https://example.org/badge.svg"><img src="data:,">',
        "b": '<p id="part">y</p><a href="a.html#gone">x</a><a href="c.html">c</a><a href="a.html?q=1#there">q</a>',
    }
    for name, body in pages.items():
        (tmp_path / f"{name}.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    broken, external = checked_links.broken_and_external(tmp_path)
    assert sorted(broken) == [
        "a.html loads https://example.org/badge.svg from another machine.",
        "b.html links to a.html#gone: that page has no such place.",
        "b.html links to c.html: there is no such file.",
    ]
    assert external == ["https://example.org/x"]


@pytest.mark.slow
def test_every_notebook_is_a_page_with_its_pictures(built: Path, checked_links: ModuleType) -> None:
    """That it was built is what says that there was no warning, and that no link leads nowhere."""
    for notebook in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        page = (built / "notebooks" / f"{notebook.stem}.html").read_text("utf-8")
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", ())]
        pictures = sum("image/png" in output.get("data", ()) for output in outputs)
        living = json.dumps(cells).count("<!-- explainer: ")  # four pictures each, without scripts
        assert page.count('class="explainer-data"') == living, notebook.stem
        assert page.count("<img") == pictures + 4 * living, notebook.stem
    said = {checked_links.LISTED: "https://", "llms.txt": "(_sources/docs/howto/install.md.txt)"}
    assert [name for name, words in said.items() if words not in (built / name).read_text("utf-8")] == []


@pytest.mark.slow
@pytest.mark.browser
def test_pages_fit_a_telephone_and_ask_nobody_and_the_explainer_lives(built: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    too_wide = []
    for path in sorted((built / "docs").rglob("*.html")):
        page.goto(path.as_uri())
        too_wide += (
            [path.name]
            if page.evaluate("(html => html.scrollWidth - html.clientWidth)(document.documentElement)") > 0
            else []
        )
    assert not too_wide
    page.goto(f"{(built / 'search.html').as_uri()}?q=install")
    assert "howto/install" in page.locator("#search-results li a").first.get_attribute("href")  # no notebook
    page.goto((built / "index.html").as_uri())
    page.wait_for_url("**/docs/index.html")
    explainer = page.locator(".living .explainer")
    explainer.get_by_text("Compare classes, figures, colours").click()
    explainer.get_by_role("combobox").first.select_option("mug")
    explainer.get_by_text("Where it sees mug").wait_for()
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    page.close()
