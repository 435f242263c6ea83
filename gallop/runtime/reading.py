"""The one way to open a file that a user names: a plain file of a sensible size, or an error that says what it is.
And to parse JSON that a stranger wrote.

To open a pipe may wait for its writer for ever, and a device may have no end. So a file is opened without waiting, and
its kind is read from the open file: a name may mean another file a moment later.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections import Counter
from os import PathLike
from typing import Any, BinaryIO

from gallop.wording import quoted

_FLAGS = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY"))


def open_file(path: str | PathLike[str], most: int) -> BinaryIO:
    """Open a plain file of at most ``most`` bytes to be read, or what a link to one leads to.

    Raises:
        OSError: it is not there, may not be read, is not a regular file, or is larger; ``strerror`` says which.
    """
    try:
        handle = os.open(path, _FLAGS)
    except ValueError as error:  # a null character
        raise OSError(errno.EINVAL, "it is not a valid file name", os.fspath(path)) from error
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise OSError(errno.ENXIO, _SPECIAL, os.fspath(path)) from error
        raise
    try:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", os.fspath(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ENXIO, _SPECIAL, os.fspath(path))
        if status.st_size > most:
            raise _too_large(path, most)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


_SPECIAL = "it is a pipe, a socket or a device, not a file"


def read_bytes(path: str | PathLike[str], most: int) -> bytes:
    """Read a complete file.

    Raises:
        OSError: as ``open_file``.
    """
    with open_file(path, most) as file:
        data = file.read(most + 1)
    if len(data) > most:  # it has grown since it was opened
        raise _too_large(path, most)
    return data


def read_text(path: str | PathLike[str], most: int) -> str:
    """Read a complete text in UTF-8, without the mark that some programs put before it.

    Raises:
        OSError: as ``open_file``.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_bytes(path, most).decode("utf-8-sig")


def parse_json(text: str) -> Any:
    """Parse JSON that a stranger wrote. An integer of more than 64 bits becomes a float, which may be infinite.

    Raises:
        ValueError: it is not JSON, is nested too deeply, has a key twice, or has text that cannot be encoded.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_without_doubles, parse_int=lambda n: int(n) if len(n) < 20 else float(n)
        )
        json.dumps(value, ensure_ascii=False).encode()
    except (RecursionError, UnicodeEncodeError) as error:
        raise ValueError("it is nested too deeply, or contains an incomplete character (unpaired surrogate)") from error
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"{quoted(twice)} appears twice")
    return entries


def check_file(path: str | PathLike[str], most: int) -> None:
    """Check a file that other libraries are going to open by its name.

    Raises:
        OSError: as ``open_file``.
    """
    open_file(path, most).close()


def _too_large(path: str | PathLike[str], most: int) -> OSError:
    size = f"{most / 2**20:.3g} MB" if most < 2**30 else f"{most / 2**30:.3g} GB"
    return OSError(errno.EFBIG, f"it is larger than {size}, the limit for such a file", os.fspath(path))
