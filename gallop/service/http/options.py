"""The options of the service, and its keys."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from gallop.errors import CommandError
from gallop.runtime.hosts import LOCAL_NAMES
from gallop.runtime.reading import read_text

# Of the environment: a key where no file is named. On the command line every user could read it.
KEY_VARIABLE = "GALLOP_API_KEY"


@dataclass(frozen=True)
class ServeOptions:
    """As given on the command line.

    Attributes:
        model: a model's folder.
        name: of the model, in answers and the log.
        keys: SHA-256 of each valid key; without any, no request needs one.
        names: host names that the service accepts where there is no key (``gallop.runtime.hosts``).
        queue: most photos without an answer at once; one more is refused.
        photos: most of one request.
        body: most bytes of one request.
        megapixels: most of all photos of one request together.
        answer_within: seconds that a request may take from when it was read; then it is refused.
        device, backbone: as ``GalLoPClassifier.load`` takes them.
        stop_within: seconds in which accepted requests are answered after the signal to stop.
    """

    model: str
    name: str = "model"
    keys: tuple[bytes, ...] = ()
    names: tuple[str, ...] = LOCAL_NAMES
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
    where = f"The environment variable {KEY_VARIABLE}" if file is None else f"The file {file} of --key-file"
    try:
        text = environment.get(KEY_VARIABLE, "") if file is None else read_text(file, most=2**16)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise CommandError(f"{where} cannot be read ({why}).") from error
    keys = [line.strip() for line in text.splitlines() if line.strip()]
    if file is not None and not keys:
        raise CommandError(f"{where} contains no keys: put one on each line.")
    if not all(re.fullmatch("[!-~]{16,}", key) for key in keys):  # shorter ones can be guessed
        raise CommandError(
            f"{where} contains an invalid key: a key must have at least 16 ASCII characters and no spaces. Make one "
            "with: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return tuple(_hashed(key) for key in keys)


def key_is_known(given: str, keys: tuple[bytes, ...]) -> bool:
    """Return whether a key is valid, in a time that does not depend on the valid keys."""
    return sum(hmac.compare_digest(_hashed(given), key) for key in keys) > 0


def _hashed(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
