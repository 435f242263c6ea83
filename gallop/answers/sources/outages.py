"""Places that stop answering. A photo that is broken or gone is a row; a bucket, a server or a network that is silent
is none, or an outage would become millions of rows that no later call looks at again: it is asked again, and then the
call stops.

Which of the two it is, another photo tells: where the last one that was read from the same service can be read again,
the service answers, and the photo at hand is to blame. All servers of the web vouch for each other, since lists of
addresses are full of those that are gone. But a source in which one photo after the other is to blame has stalled.
"""

from __future__ import annotations

import errno
import io
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from gallop.errors import KeysRefused, Unreachable
from gallop.runtime.ahead import pause
from gallop.wording import printable

T = TypeVar("T")

WAITS = (1.0, 3.0, 10.0, 30.0)
"""Seconds before a place is asked again, beside what the package that opens it does of its own accord."""
SHORT = 2
"""Waits after which another photo is asked for, and this one given up if that comes; who asks to be left alone is given
all."""

STALL_SECONDS = 4 * 3600.0
"""Seconds that photos in a row which do not come may take, added up over those asked for at the same time. After that
no other photo is proof that their service answers."""

_answered: dict[str, Callable[[], object] | None] = {}
"""Of each service that has answered, what reads the last photo again; None where it has given something else."""
_lost: dict[str, float] = {}
"""Of each service, those seconds."""
_told: set[str] = set()
"""Services of which it was said that they are silent, and that have not answered since."""


def patiently(
    ask: Callable[[], T], service: str, *, vouches: bool = False, others: Iterable[Callable[[], object]] = ()
) -> T:
    """Return what is asked of a service, with patience where it does not answer. Safe to call from several threads.

    Args:
        service: who answers; services are told apart by it, and messages call it so.
        vouches: whether ``ask`` goes to the service each time, so that it may tell later whether that answers.
        others: what else may be asked of the service where nothing has been answered yet, as at a call's first photo.

    Raises:
        Unreachable: the service does not answer at all.
        KeysRefused: it would give nothing to these keys.
        Exception: what ``ask`` raises, where the service answers others.
    """
    tries, alone, began = 0, False, time.monotonic()
    while True:
        try:
            found = ask()
        except Exception as error:  # every service has errors of its own
            if _code(error) in _KEYS or _code(error.__cause__) in _KEYS:
                raise KeysRefused(
                    f"{service} rejects the credentials ({reason(error)}): use different credentials."
                ) from error
            silence = silence_in(error)
            if alone:
                _lost[service] = _lost.get(service, 0.0) + time.monotonic() - began
            if silence is None or alone:
                raise
            enough = tries >= (len(WAITS) if any(_status(at) in _BUSY for at in _chain(silence)) else SHORT)
            alone = enough and _lost.get(service, 0.0) < STALL_SECONDS and _answers_others(service, others)
            if not alone:
                if tries == len(WAITS):
                    said = f"{service} does not respond ({reason(silence)}) after {tries + 1} attempts."
                    raise Unreachable(said) from error
                if tries == SHORT and service not in _told:
                    _told.add(service)
                    warnings.warn(f"{service} does not respond ({reason(silence)}). Trying again.", stacklevel=2)
                pause(WAITS[tries])
            tries += 1
        else:
            _told.discard(service)
            _lost.pop(service, None)
            if vouches or service not in _answered:
                _answered[service] = ask if vouches else None
            return found


def _answers_others(service: str, others: Iterable[Callable[[], object]]) -> bool:
    witness = _answered.get(service)
    for ask in others if witness is None else [witness]:
        try:
            ask()
        except Exception as error:
            if silence_in(error) is not None:
                continue
        return True
    return False


_SILENT = {
    getattr(errno, name, None)
    for name in (
        *("EBUSY", "EIO", "EREMOTEIO", "ESTALE", "ENOTCONN", "ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN"),
        *("EHOSTUNREACH", "ETIMEDOUT", "ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE"),
    )
} - {None}
"""Of the system, of disks behind a network, and what s3fs makes of a service's 5xx."""
_KINDS = {
    *("ConnectionError", "TimeoutError", "FSTimeoutError", "gaierror", "IncompleteRead", "ClientConnectionError"),
    *("ClientPayloadError", "HTTPClientError", "IncompleteReadError", "ResponseStreamingError", "ResponseParserError"),
    *("NoCredentialsError", "CredentialRetrievalError", "RefreshError", "TransportError", "ServiceRequestError"),
    *("ServiceResponseError",),
}
"""Of Python, aiohttp, botocore, Google and Azure, by name: they are installed where they are needed."""
_KEYS = {
    *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "InvalidToken"),
    *("InvalidAccessKeyId", "RequestTimeTooSkewed"),
}
"""What S3 says to keys that it does not take, or no longer: no other photo would be given either."""
_BUSY = (429, 503)


def silence_in(error: BaseException) -> BaseException | None:
    """Return which of an error and its causes says that a service does not answer; None where it did.

    Refused, broken off or late connections and errors of the server's own are silence; that something is not there, or
    is not for us, is an answer.
    """
    for at in _chain(error):
        status = _status(at)
        failed = status is not None and (status in (408, 425, *_BUSY) or status >= 500)
        if failed or any(kind.__name__ in _KINDS for kind in type(at).__mro__):
            return at
        if isinstance(at, OSError) and at.errno in _SILENT:
            return at
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__


def says_no_why(error: BaseException) -> bool:
    """Return whether S3 refused and could not say why: an answer to HEAD, by which it is asked first, has no text."""
    return _code(error.__cause__) in ("400", "403")


def _status(error: BaseException) -> int | None:
    """The answer's status in HTTP, wherever the error keeps it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's
        kept: Iterable[object] = [response.get("ResponseMetadata", {}).get("HTTPStatusCode")]
    else:  # one after the other: aiohttp warns whoever asks for its ``code``
        kept = (getattr(at, name, None) for at in (error, response) for name in ("status", "status_code", "code"))
    return next((status for status in kept if isinstance(status, int) and 100 <= status < 600), None)


def _code(error: BaseException | None) -> str | None:
    """What S3 calls an error."""
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def reason(error: BaseException) -> str:
    """Return why something failed, on one line that may be shown."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(said.splitlines()[0] if said.strip() else type(error).__name__)


class PatientFile(io.RawIOBase):
    """A file far away, read with patience: what was read stays read.

    Args:
        file: as fsspec opens it.
        service: as of ``patiently``.
    """

    def __init__(self, file: Any, service: str) -> None:
        self._file, self._service = file, service

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        data = patiently(lambda: self._file.read(len(buffer)), self._service)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
