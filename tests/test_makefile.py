"""What ``make`` installs with: uv, with the settings that pip has, and pip where uv fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PIP = """#!/bin/sh
case "$*" in
*"config list"*) cat <<'END'
:env:.find-links='/wheels'
:env:.timeout='180'
global.cert='/ca.pem'
global.constraint='/a.txt\\n/b.txt'
global.index-url='https://one.example/simple'
install.extra-index-url='https://two.example/simple'
END
;;
*" install "*" -e "*) echo "pip $*";;
esac
"""
UV = """#!/bin/sh
env | grep -E '^(UV_|SSL_)' | sort
echo "uv $*"
exit {code}
"""


@pytest.fixture
def installed(tmp_path):
    """Return what ``make`` says while it installs the app, with a pip and a uv that only tell how they were called."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")

    def run(code: int) -> list[str]:
        programs = tmp_path / ".venv/bin"
        programs.mkdir(parents=True)
        for name, text in (("python", PIP), ("uv", UV.format(code=code))):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / name, tmp_path)
        made = subprocess.run(
            ["make", ".venv/.app"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            check=True,
            capture_output=True,
            text=True,
        )
        return made.stdout.splitlines()

    return run


def test_uv_gets_the_indexes_links_and_constraints_of_pip(installed):
    assert set(installed(0)[1:]) == {
        "SSL_CERT_FILE=/ca.pem",
        "UV_CONSTRAINT=/a.txt /b.txt",
        "UV_DEFAULT_INDEX=https://one.example/simple",
        "UV_FIND_LINKS=/wheels",
        "UV_INDEX=https://two.example/simple",
        "UV_INDEX_STRATEGY=unsafe-best-match",
        "uv pip install --python .venv/bin/python -e .[app]",
    }


def test_pip_installs_what_uv_could_not(installed):
    assert installed(1)[-1] == "pip -m pip install --disable-pip-version-check -e .[app]"
