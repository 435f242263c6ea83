"""What ``docs/howto/serve.md`` says to type, as it is printed there; and that the load generator counts rightly."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.serve import load_of
from tests.conftest import ROOT, awaited
from tests.serve.running import CLASSES, Running, photo, running
from tests.until import until

PAGE = (ROOT / "docs" / "howto" / "serve.md").read_text("utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two photos."""
    for name, seed in (("cat.jpg", 1), ("dog.jpg", 2)):
        (tmp_path / name).write_bytes(photo(seed, form="JPEG"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_calls_of_curl(service: Running, here: Path) -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", PAGE, re.S)
    said = []
    for line in block.strip().splitlines():
        call = line.replace("localhost:8000", f"127.0.0.1:{service.port}").replace("curl ", "curl -sS --noproxy '*' ")
        said.append(subprocess.run(call, shell=True, capture_output=True, text=True, check=True, cwd=here).stdout)
    assert [len(json.loads(text)["photos"]) for text in said[:2]] == [1, 2]
    assert json.loads(said[2])["regions"]
    assert (here / "why.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(said[4])["classes"] == list(CLASSES)


def test_the_python_program(service: Running, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = re.findall(r"```python\n(.*?)```", PAGE, re.S)[0]
    exec(block.replace("localhost:8000", f"127.0.0.1:{service.port}"), {})
    assert capsys.readouterr().out.strip() in CLASSES
    (here / "cat.jpg").write_bytes(b"no photo")
    exec(block.replace("localhost:8000", f"127.0.0.1:{service.port}"), {})
    assert capsys.readouterr().out.startswith("photo 1 is not a picture")


# The load generator --------------------------------------------------------------------------------------------------


def test_clients_count_every_request(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gallop.service.http"), running(model) as service:
        found = awaited(load_of(service.port, 4, 0.5))
        until(lambda: service.service.here == 0)
    answered = sum(getattr(record, "facts", {}).get("route") == "/predict" for record in caplog.records)
    assert found["statuses"] == {"200": answered}
    assert 0 < found["p50"] <= found["p95"]
    assert 0 < found["rate"] <= answered / 0.5
