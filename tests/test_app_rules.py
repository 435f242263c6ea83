"""Rules that hold for the app's source as a whole."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

APP = ROOT / "app"
SOURCES = sorted(APP.rglob("*.py"))
PAGES = sorted((APP / "screens").glob("*.py"))
WITHOUT_STREAMLIT = [
    *("archives", "bounded", "cards", "charts", "comparing", "curves", "data_file", "errands", "jobs", "ledger"),
    *(
        "lessons",
        "measures",
        "pace",
        "packing",
        "photos",
        "prompt_charts",
        "prompt_figures",
        "question",
        "recipes",
        "recording",
    ),
    *("run_charts", "run_store", "runs", "samples", "session", "settings", "taking", "teach", "testing", "text"),
    *("thumbnails", "visitors", "walk"),
]


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(APP)))
def test_no_html_no_torch_no_remote_icon(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"unsafe_allow_html|st\.html\(|components\.v1", source)
    assert "torch" not in imports(path)
    # The browser asks Google for such an icon.
    assert 'page_icon=":' not in source


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_are_thin(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 200


@pytest.mark.parametrize("name", WITHOUT_STREAMLIT)
def test_logic_knows_no_streamlit(name: str) -> None:
    assert "streamlit" not in imports(APP / f"{name}.py")


def test_the_logic_loads_without_torch_and_without_streamlit() -> None:
    code = f"import sys, {', '.join(WITHOUT_STREAMLIT)}; print(sorted({{'torch', 'streamlit'}} & set(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{APP}:{ROOT}", "PATH": ""},
    )
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("page", [f"screens/{page.name}" for page in PAGES])
def test_an_empty_page_is_drawn_without_torch(page: str, tmp_path: Path) -> None:
    """Torch takes seconds to load; nobody waits for it before there is a photo to look at."""
    code = (
        "import sys; from streamlit.testing.v1 import AppTest; "
        f"at = AppTest.from_file({str(APP / 'main.py')!r}, default_timeout=60).run().switch_page({page!r}).run(); "
        "assert not at.exception and 'Start here' in at.info[0].value; print('torch' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": f"{APP}:{ROOT}", "GALLOP_DATA": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.strip() == "False"


def test_each_theme_has_ten_chart_colours() -> None:
    # With fewer Streamlit hands Plotly the colour "undefined", and Plotly ignores all of them.
    config = (APP / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    lists = re.findall(r"^chartCategoricalColors = \[(.*)\]", config, re.MULTILINE)
    assert [len(re.findall(r"#[0-9a-f]{6}", colours)) for colours in lists] == [10, 10]


def test_pandas_is_loaded_before_a_worker_can_half_load_it() -> None:
    """Plotly takes whatever stands in sys.modules: beside a worker that was loading scikit-learn, a chart failed."""
    source = (APP / "main.py").read_text(encoding="utf-8")
    assert source.index("import pandas") < source.index("import resources")
