"""Places that stop answering. A photo that is broken or gone becomes a row with its problem; a bucket, a server or a
network that is silent does not, or an outage would become millions of rows that no later call looks at again: the
request is repeated, and then the call stops.

Which of the two it is, another photo shows: where the last one that was read from the same service can be read again,
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
"""Seconds before a request is repeated, beside the retries of the package that opens the place."""
SHORT = 2
"""Waits after which another photo is requested, and this one given up if that one arrives; a service that answers that
it is busy is given all waits."""

STALL_SECONDS = 4 * 3600.0
"""Seconds that photos in a row which do not arrive may take, added up over those requested at the same time. After that
no other photo is proof that their service answers."""

_answered: dict[str, Callable[[], object] | None] = {}
"""For each service that has answered, a function that reads the last photo again; None where that was no photo."""
_lost: dict[str, float] = {}
"""For each service, those seconds."""
_reported: set[str] = set()
"""Services that were reported as silent, and have not answered since."""


def patiently(
    ask: Callable[[], T], service: str, *, vouches: bool = False, others: Iterable[Callable[[], object]] = ()
) -> T:
    """Return the result of a request to a service, with patience where it does not answer. Safe to call from several
    threads.

    Args:
        service: its name in messages, which identifies it.
        vouches: whether ``ask`` reaches the service each time, so that it can later test whether the service answers.
        others: other requests to the service, for when nothing has been answered yet, as at a call's first photo.

    Raises:
        Unreachable: the service does not answer at all.
        KeysRefused: it rejects these credentials.
        Exception: what ``ask`` raises, where the service answers others.
    """
    tries, alone, began = 0, False, time.monotonic()
    while True:
        try:
            result = ask()
        except Exception as error:  # every service raises different exceptions
            if _code(error) in _KEYS or _code(error.__cause__) in _KEYS:
                raise KeysRefused(
                    f"{service} rejects your credentials ({reason(error)}): use different ones."
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
                    raise Unreachable(
                        f"{service} does not respond ({reason(silence)}) after {tries + 1} attempts."
                    ) from error
                if tries == SHORT and service not in _reported:
                    _reported.add(service)
                    warnings.warn(f"{service} does not respond ({reason(silence)}). Trying again.", stacklevel=2)
                pause(WAITS[tries])
            tries += 1
        else:
            _reported.discard(service)
            _lost.pop(service, None)
            if vouches or service not in _answered:
                _answered[service] = ask if vouches else None
            return result


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
"""Codes of S3 for credentials that it rejects, or no longer accepts: no other photo could be read either."""
_BUSY = (429, 503)


def silence_in(error: BaseException) -> BaseException | None:
    """Return which of an error and its causes means that a service does not answer; None where it did.

    Refused, interrupted or late connections and errors within the server are silence; that something is not there, or
    that access is denied, is an answer.
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
    """An error and its causes."""
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
    """The HTTP status of the answer, in whichever attribute the error has it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's
        candidates: Iterable[object] = [response.get("ResponseMetadata", {}).get("HTTPStatusCode")]
    else:  # one after the other: aiohttp warns where its ``code`` is read
        candidates = (getattr(at, name, None) for at in (error, response) for name in ("status", "status_code", "code"))
    return next((status for status in candidates if isinstance(status, int) and 100 <= status < 600), None)


def _code(error: BaseException | None) -> str | None:
    """What S3 calls an error."""
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def reason(error: BaseException) -> str:
    """Return why something failed, on one line that may be shown."""
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(message.splitlines()[0] if message.strip() else type(error).__name__)


class PatientFile(io.RawIOBase):
    """A remote file, read with patience: a failed read is repeated from the same position.

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
