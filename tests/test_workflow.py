"""What runs on a code host: the workflow by its schema, on which versions of Python, and what it may do."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec

import yaml

from tests.conftest import ROOT, leave_out_without

FILE = ROOT / ".github" / "workflows" / "ci.yml"
WORKFLOW = yaml.safe_load(FILE.read_text("utf-8"))


def test_by_its_schema() -> None:
    leave_out_without("" if find_spec("check_jsonschema") else "check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, str(FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_runs_the_oldest_and_the_newest_python_that_the_package_admits() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    ((oldest, above),) = re.findall(r'requires-python = ">=(3\.\d+),<(3\.\d+)"', text)
    newest = f"3.{int(above.split('.')[1]) - 1}"
    for job in ("linux", "elsewhere"):
        assert WORKFLOW["jobs"][job]["strategy"]["matrix"]["python"] == [oldest, newest]
    assert all(job["timeout-minutes"] <= 90 for job in WORKFLOW["jobs"].values()), "one that hangs costs hours"


def test_it_may_only_read() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
