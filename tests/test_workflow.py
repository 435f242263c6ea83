"""What runs on a code host: the workflow by its schema, and what it may do."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
import yaml

from tests.conftest import ROOT, leave_out_without

FILE = ROOT / ".github" / "workflows" / "ci.yml"


@pytest.mark.slow
def test_by_its_schema() -> None:
    leave_out_without("" if find_spec("check_jsonschema") else "check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, str(FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_may_only_read() -> None:
    assert yaml.safe_load(FILE.read_text("utf-8"))["permissions"] == {"contents": "read"}
