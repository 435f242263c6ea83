"""Rules that hold for the app's source as a whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.ui.streamlit_insides import comfort
from tests.conftest import ROOT

APP = ROOT / "app"
SOURCES = sorted(APP.rglob("*.py"))
PAGES = sorted((APP / "ui").glob("*/page.py"))


def printed(code: str, data: Path) -> str:
    """What a process of its own prints that knows the project."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GALLOP_DATA": str(data)}
    return subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)


def test_no_html_no_remote_icon() -> None:
    # The browser asks Google for an icon that is a short code. A style sheet of the app's own is no HTML of a visitor.
    forbidden = re.compile(r"""unsafe_allow_html|st\.html\((?!_(ROWS|HIDDEN)\))|components\.v1|page_icon=":""")
    wrong = [f"{path} has {found}" for path in SOURCES for found in forbidden.findall(path.read_text(encoding="utf-8"))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_a_first_page_is_drawn_without_torch(tmp_path: Path) -> None:
    """Torch takes seconds to load; nobody waits for it before there is a photo of one's own to look at."""
    pages = [str(page.relative_to(APP)) for page in PAGES]
    code = f"""
import sys
from streamlit.testing.v1 import AppTest

at = AppTest.from_file({str(APP / "navigation.py")!r}, default_timeout=60).run()
for page in {pages}:
    at.switch_page(page).run()
    living = [found.proto.json for found in at.get("bidi_component") if "cosines" in found.proto.json]
    assert not at.exception and (living or 'Start here' in at.info[0].value), page
    print(page, "torch" in sys.modules)
"""
    assert printed(code, tmp_path).splitlines() == [f"{page} False" for page in pages] != []


def test_the_app_finds_itself_whatever_else_is_called_so(tmp_path: Path) -> None:
    """``streamlit run app/main.py`` has the script's folder on the path, not the clone; the package is made there."""
    (tmp_path / "app.py").write_text("raise RuntimeError('another app')\n", encoding="utf-8")
    code = f"""
import runpy, sys

sys.path.insert(0, {str(tmp_path)!r})
runpy.run_path({str(APP / "main.py")!r})
import app.ui.resources
print(app.__path__, app.ui.resources.__file__)
"""
    assert printed(code, tmp_path).split() == [f"['{APP}']", str(APP / "ui" / "resources.py")]


def test_insides_of_streamlit_are_used_in_one_module() -> None:
    inside = re.compile(r"streamlit\.(?:runtime|proto|web|delta_generator_singletons)\b|_stcore|data-testid")
    wrong = [path.name for path in SOURCES if inside.search(path.read_text(encoding="utf-8"))]
    assert wrong == ["streamlit_insides.py"]


def test_a_name_of_streamlit_that_is_gone_is_logged_once_with_what_is_missed(caplog: pytest.LogCaptureFixture) -> None:
    @comfort("a click may be lost", "as usual")
    def asked() -> str:
        raise AttributeError("there is no such name")

    assert [asked(), asked()] == ["as usual", "as usual"]
    (told,) = caplog.messages
    assert re.search(r"there is no such name.* a click may be lost\.$", told)


def test_each_theme_has_ten_chart_colours() -> None:
    # With fewer Streamlit hands Plotly the colour "undefined", and Plotly ignores all of them.
    config = (APP / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    lists = re.findall(r"^chartCategoricalColors = \[(.*)\]", config, re.MULTILINE)
    assert [len(re.findall(r"#[0-9a-f]{6}", colours)) for colours in lists] == [10, 10]
