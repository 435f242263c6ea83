"""The options of the service, and its keys."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gallop.errors import CommandError
from gallop.runtime.hosts import LOCAL_NAMES
from gallop.runtime.reading import read_text

KEY_VARIABLE = "GALLOP_API_KEY"
"""Of the environment: a key where no file is named. On the command line every user could read it."""

_LARGEST_KEY_FILE = 2**16
_SHORTEST_KEY = 16
"""Characters: shorter ones can be guessed."""


@dataclass(frozen=True)
class ServeOptions:
    """As given on the command line.

    Attributes:
        models: folders by the model's name in requests; the first answers those without a name.
        keys: SHA-256 of each valid key; without any, no request needs one.
        names: host names that the service accepts where there is no key (``gallop.runtime.hosts``).
        allow_urls: whether photos may be fetched from public addresses.
        batch: most photos that pass the backbone together.
        wait: seconds that a batch waits for photos that are being received.
        queue: most photos without an answer at once; one more is refused.
        photos: most of one request.
        body: most bytes of one request.
        megapixels: most of all photos of one request together.
        answer_within: seconds that a request may take from when it was read; then it is refused.
        device, backbone: as ``GalLoPClassifier.load`` takes them.
        stop_within: seconds in which accepted requests are answered after the signal to stop.
    """

    models: Mapping[str, str]
    keys: tuple[bytes, ...] = ()
    names: tuple[str, ...] = LOCAL_NAMES
    allow_urls: bool = False
    batch: int = 16
    wait: float = 0.005
    queue: int = 256
    photos: int = 32
    body: int = 64 * 2**20
    megapixels: int = 400
    answer_within: float = 60.0
    device: str = "auto"
    backbone: str | None = None
    stop_within: float = 30.0


def read_keys(file: str | None, environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the hashes of the keys in a file, one a line, or else of the one in the environment.

    Raises:
        CommandError: the file cannot be read or is empty, or a key is too short or not plain ASCII.
    """
    if file is None:
        lines = [environment[KEY_VARIABLE]] if environment.get(KEY_VARIABLE) else []
        where = f"The environment variable {KEY_VARIABLE}"
    else:
        where = f"The file {Path(file).name} of --key-file"
        try:
            lines = read_text(file, _LARGEST_KEY_FILE).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise CommandError(f"{where} cannot be read ({why}).") from error
    keys = [line.strip() for line in lines if line.strip()]
    if file is not None and not keys:
        raise CommandError(f"{where} contains no keys: put one on each line.")
    for key in keys:
        if len(key) < _SHORTEST_KEY or not (key.isascii() and key.isprintable()) or " " in key:
            raise CommandError(
                f"{where} contains an invalid key: a key must have at least {_SHORTEST_KEY} ASCII characters and no "
                "spaces. Make one with: python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
    return tuple(_hashed(key) for key in keys)


def key_is_known(given: str, keys: tuple[bytes, ...]) -> bool:
    """Return whether a key is valid, in a time that does not depend on the valid keys."""
    hashed = _hashed(given)
    return sum(hmac.compare_digest(hashed, key) for key in keys) > 0


def _hashed(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
