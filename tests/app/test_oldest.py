"""The range of Streamlit in pyproject.toml: the oldest draws every page of the app; tests run on the newest."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import MAIN, ROOT, leave_out_without, serving
from tests.raw_sockets import drawn, opened


def test_the_newest_streamlit_that_is_admitted_is_the_one_that_tests_run_on() -> None:
    (above,) = re.findall(r'"streamlit>=[\d.]+,<1\.(\d+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert int(version("streamlit").split(".")[1]) == int(above) - 1, "update Streamlit, or test it and raise the limit"


@pytest.mark.slow
def test_the_oldest_streamlit_draws_every_page(tmp_path: Path) -> None:
    """It is fetched once. Where nothing can be fetched, the test is left out."""
    (minor,) = re.findall(r'"streamlit>=([\d.]+),', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    oldest = ROOT / "build" / f"streamlit-{minor}" / "site-packages"  # elsewhere it takes itself for a clone
    if not oldest.is_dir():
        began = oldest.with_name("began")
        _fetch(began, f"streamlit=={minor}.*")
        (old,) = distributions(path=[str(began)])
        here = {canonicalize_name(known.name) for known in distributions()}
        needs = [Requirement(line.partition(";")[0]) for line in old.requires or () if "extra ==" not in line]
        if missing := [str(need) for need in needs if canonicalize_name(need.name) not in here]:
            _fetch(began, *missing)  # what it needs and the newest does not
        began.rename(oldest)
    command = [sys.executable, "-m", "streamlit", "run", str(MAIN), "--server.headless", "true", "--server.port"]
    with serving(tmp_path, command, oldest, ROOT) as (address, _), opened(address) as page:
        for name in ("", "teach", "test", "evidence", "sort", "method"):
            messages = page.run(name=name)
            (said,) = (message.new_session for message in messages if message.HasField("new_session"))
            assert said.initialize.environment_info.streamlit_version.startswith(minor)
            assert drawn(messages, "heading")[0].body == (name.capitalize() or "GalLoP Explorer")
            assert not drawn(messages, "exception")


def _fetch(place: Path, *names: str) -> None:
    """Install into the folder `place`, or leave the test out."""
    line = [sys.executable, "-m", "pip", "install", "--no-deps", "--upgrade", "--target", str(place), *names]
    done = subprocess.run(line, capture_output=True, text=True)
    leave_out_without(f"{names} could not be fetched: {done.stderr[-300:]}" if done.returncode else "")
