"""The oldest Streamlit that pyproject.toml admits: the app starts on it, and draws every page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MAIN, ROOT, leave_out_without, serving
from tests.raw_sockets import drawn, opened


@pytest.fixture
def oldest() -> Path:
    """The folder to import it from, fetched once. Where nothing can be fetched, the test is left out."""
    (version,) = re.findall(r'"streamlit>=([\d.]+),', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folder = ROOT / "build" / f"streamlit-{version}" / "site-packages"  # elsewhere it takes itself for a clone
    if not folder.is_dir():
        began = folder.with_name("began")
        # toml is one that it needs, and the newest does not.
        fetch = ["-m", "pip", "install", "--no-deps", "--upgrade", "--target", began, f"streamlit=={version}.*", "toml"]
        done = subprocess.run([sys.executable, *fetch], capture_output=True, text=True)
        reason = f"Streamlit {version} could not be fetched: {done.stderr[-300:]}"
        leave_out_without(reason if done.returncode else "")
        began.rename(folder)
    return folder


@pytest.mark.slow
def test_the_oldest_streamlit_draws_every_page(oldest: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streamlit", "run", str(MAIN), "--server.headless", "true", "--server.port"]
    with serving(tmp_path, command, oldest, ROOT) as (address, _), opened(address) as page:
        for name in ("", "teach", "test", "prompts", "compare", "export", "method"):
            messages = page.run(name=name)
            (said,) = (message.new_session for message in messages if message.HasField("new_session"))
            assert said.initialize.environment_info.streamlit_version.startswith(oldest.parent.name.partition("-")[2])
            assert drawn(messages, "heading")[0].body == (name.capitalize() or "GalLoP Explorer")
            assert not drawn(messages, "exception")
