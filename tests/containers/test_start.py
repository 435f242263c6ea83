"""Service and app as a container runs them: an ordinary user, one folder to write to; asked whether they are well.

Where the tests may, the whole file system is mounted read-only for the process; elsewhere, what an ordinary user may
not write to is what is read-only.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gallop.sample import sample_folder
from gallop.service.http.server import bound_socket
from tests.conftest import ROOT
from tests.serve.running import photo
from tests.until import until

NOBODY = 65534
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="containers are Linux")


def locked_in(command: list[str], writable: Path) -> list[str]:
    """The command as a user without rights, who may write to ``writable`` alone."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return command
    # The interpreter may lie in root's home, which others cannot look into.
    rights = [f"--{kind}=-all,+dac_read_search" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    user, place = ["setpriv", *ids, *rights, "--"], shlex.quote(str(writable))
    mount = (
        "mount --make-rprivate / && mount -o remount,bind,ro / "
        f"&& mount --bind {place} {place} && mount -o remount,bind,rw {place}"
    )
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False).returncode:
        return [*user, *command]
    return ["unshare", "-m", "sh", "-c", f"{mount} && exec {shlex.join([*user, *command])}"]


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A home without the right to write, and a folder with it."""
    home, writable = tmp_path / "home", tmp_path / "writable"
    home.mkdir()
    writable.mkdir()
    if os.geteuid() == 0:
        os.chown(writable, NOBODY, NOBODY)
    home.chmod(0o555)
    yield home, writable
    home.chmod(0o755)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["service", "app"])
def test_it_starts_and_is_healthy(rooms: tuple[Path, Path], kind: str) -> None:
    home, writable = rooms
    with bound_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    words = ["serve", str(sample_folder() / "model")] if kind == "service" else ["app", "--no-browser"]
    command = [sys.executable, "-B", "-m", "gallop", *words, "--port", str(port)]
    environment = {
        **dict.fromkeys(("XDG_CACHE_HOME", "MPLCONFIGDIR", "GALLOP_DATA", "TMPDIR"), str(writable)),
        **{"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    }
    log, started = writable.parent / "log.txt", locked_in(command, writable)
    with log.open("wb") as output:
        process = subprocess.Popen(started, cwd=ROOT, env=environment, stdout=output, stderr=output)
        address = f"http://127.0.0.1:{port}"
        health = f"{address}/health/ready" if kind == "service" else f"{address}/_stcore/health"
        try:
            until(lambda: process.poll() is not None or _is_well(health), 150)
            assert process.poll() is None, log.read_text()
            if kind == "service":
                answer = httpx.post(
                    f"{address}/explain?format=png", files={"photo": photo()}, trust_env=False, timeout=30
                )
                assert answer.content.startswith(b"\x89PNG")
            if "unshare" in started[0]:
                mounts = [line.split() for line in Path(f"/proc/{process.pid}/mounts").read_text().splitlines()]
                assert "ro" in next(mount[3] for mount in mounts if mount[1] == "/").split(",")
            if started != command:
                assert f"Uid:\t{NOBODY}" in Path(f"/proc/{process.pid}/status").read_text()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 143
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text()
    assert not list(home.iterdir())


def _is_well(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
