"""Rules that hold for the app's source as a whole."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, SCRIPT

APP = ROOT / "app"
SOURCES = sorted(APP.rglob("*.py"))
PAGES = sorted((APP / "screens").glob("*.py"))
WITHOUT_STREAMLIT = [
    *("archives", "bounded", "cards", "charts", "comparing", "curves", "data_file", "doors", "errands", "jobs"),
    *("ledger", "lessons", "measures", "pace", "packing", "photos", "prompt_charts", "prompt_figures"),
    *(
        "question",
        "recipes",
        "recording",
        "run_charts",
        "run_facts",
        "run_store",
        "runs",
        "samples",
        "session",
        "settings",
    ),
    *("taking", "teach", "testing", "text", "thumbnails", "visitors", "walk"),
]


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_no_html_no_torch_no_remote_icon() -> None:
    # The browser asks Google for an icon that is a short code.
    forbidden = re.compile(r"""unsafe_allow_html|st\.html\(|components\.v1|page_icon=":""")
    wrong = [f"{path} has {found}" for path in SOURCES for found in forbidden.findall(path.read_text(encoding="utf-8"))]
    wrong += [f"{path} imports torch" for path in SOURCES if "torch" in imports(path)]
    assert not wrong, "\n".join(wrong)


def test_pages_are_thin() -> None:
    thick = [path.name for path in PAGES if len(path.read_text(encoding="utf-8").splitlines()) >= 200]
    assert not thick, "\n".join(thick)


def test_logic_knows_no_streamlit() -> None:
    wrong = [name for name in WITHOUT_STREAMLIT if "streamlit" in imports(APP / f"{name}.py")]
    assert not wrong, "\n".join(wrong)


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


def test_an_empty_page_is_drawn_without_torch(tmp_path: Path) -> None:
    """Torch takes seconds to load; nobody waits for it before there is a photo to look at."""
    pages = [str(page.relative_to(APP)) for page in PAGES]
    code = f"""
import sys
from streamlit.testing.v1 import AppTest

at = AppTest.from_file({str(SCRIPT)!r}, default_timeout=60).run()
for page in {pages}:
    at.switch_page(page).run()
    assert not at.exception and 'Start here' in at.info[0].value, page
    print(page, "torch" in sys.modules)
"""
    environment = os.environ | {"PYTHONPATH": f"{APP}:{ROOT}", "GALLOP_DATA": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.splitlines() == [f"{page} False" for page in pages] != []


def test_each_theme_has_ten_chart_colours() -> None:
    # With fewer Streamlit hands Plotly the colour "undefined", and Plotly ignores all of them.
    config = (APP / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    lists = re.findall(r"^chartCategoricalColors = \[(.*)\]", config, re.MULTILINE)
    assert [len(re.findall(r"#[0-9a-f]{6}", colours)) for colours in lists] == [10, 10]


def test_pandas_is_loaded_before_a_worker_can_half_load_it() -> None:
    """Plotly takes whatever stands in sys.modules: beside a worker that was loading scikit-learn, a chart failed."""
    source = SCRIPT.read_text(encoding="utf-8")
    assert source.index("import pandas") < source.index("import resources")
