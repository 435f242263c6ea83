"""onnxruntime-web: which files of which version the page runs on, and where they lie once they were fetched."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gallop.errors import PageError
from gallop.runtime.reading import read_bytes

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
_LARGEST = 32 * 2**20


def runtime_files(folder: Path = FETCHED_TO) -> dict[str, bytes]:
    """Return the files by name.

    Raises:
        PageError: they are not there, or are other ones.
    """
    found = {}
    for name, digest in FETCHED.items():
        try:
            found[name] = read_bytes(folder / name, _LARGEST)
        except OSError as error:
            raise PageError(
                f"The page runs on {NAME} {VERSION}, which is not beside this package. Have npm fetch it, once: python "
                "-m gallop.export.web.fetch (in a clone: make web)."
            ) from error
        if hashlib.sha256(found[name]).hexdigest() != digest:
            raise PageError(
                f"{folder / name} is not the file of {NAME} {VERSION}. Fetch it anew: python -m gallop.export.web.fetch"
            )
    return found
