"""More classes than a page is sent the cosines of: in the app too, what is old is marked until Python has answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_explainer import apart
from tests.browsing import PATIENCE, expect, settled
from tests.conftest import ROOT, served, visiting
from tests.maps.test_explainer import made_up

pytestmark = pytest.mark.browser

CLASSES, SIDE = 300, 24
"""Nearly three megabytes of cosines, where two are sent."""
SCRIPT = f"""
import sys, time
from pathlib import Path

sys.path.insert(0, {str(ROOT)!r})

import streamlit as st

from app.ui.widgets.explainer import explainer
from gallop.maps.photo import photo_url
from tests.maps.test_explainer import made_up

st.title("Many")
while Path("held").exists():
    time.sleep(0.02)
if "found" not in st.session_state:
    st.session_state["found"] = made_up({CLASSES}, {SIDE})
found = st.session_state["found"]
explainer(found, None, photo="made up", picture=photo_url(found.image, found.crop))
"""


@pytest.mark.slow
def test_what_waits_for_python_is_marked_and_then_is_pythons(browser: Any, tmp_path: Path) -> None:
    script = tmp_path / "many.py"
    script.write_text(SCRIPT, encoding="utf-8")
    found = made_up(CLASSES, SIDE)
    quiet = (
        "--browser.gatherUsageStats",
        "false",
        "--browser.serverAddress",
        "127.0.0.1",
        "--server.address",
        "127.0.0.1",
    )
    with served(tmp_path, script, *quiet) as server, visiting(browser, server) as new_page:
        page = new_page()
        expect(page.locator(".explainer .best")).to_be_visible(timeout=PATIENCE)
        settled(page)
        expect(page.locator(".stale")).to_be_hidden()
        assert apart(page, found) < 1e-5
        for k in (30, 400):  # once, and again from what it was told then
            before, held = found.topk, tmp_path / "held"
            held.touch()
            page.get_by_label("Local prompt 1: its k best regions").fill(str(k))
            page.keyboard.press("Tab")
            expect(page.locator(".cell.outlined")).to_have_count(k)
            old = f"Probabilities are those of k = {', '.join(map(str, before))}."
            expect(page.locator(".stale")).to_have_text(old)
            page.locator('[data-test-script-state="running"]').wait_for()
            expect(page.locator(".stale")).to_have_text(old)
            assert apart(page, found) < 1e-5
            found = found.with_topk((k, *before[1:]))
            held.unlink()
            expect(page.locator(".stale")).to_be_hidden()
            settled(page)
            assert apart(page, found) < 1e-5
