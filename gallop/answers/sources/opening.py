"""Files of any place that fsspec knows, opened with the limits that photos have; what may be read over the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from gallop.answers.sources.outages import PatientFile, patiently, reason, says_no_why, silence_in
from gallop.errors import DataError, ImageError, KeysRefused, NotAnImage, Unreachable
from gallop.images import DEFAULT_LIMITS, ImageLimits
from gallop.images.formats import printable_name, too_large
from gallop.runtime.reading import open_file

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
else:
    AbstractFileSystem = Any  # hints can be worked out (typing.get_type_hints) without the extra

T = TypeVar("T")

_WEB = ("http", "https")
BUCKETS = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory")
"""Places that are accessed with the user's credentials."""
_LOCAL = ("file", "local")
ANY_SIZE = 2**62
"""Bytes: more than a file has."""
_KINDS_OF_REPOSITORIES = ("datasets", "models", "spaces", "kernels", "buckets")
"""What may precede a repository's name in an address of the Hub."""


@dataclass(frozen=True)
class Opener:
    """Opens the files that a source names. It is sent to other processes, so it holds no connection.

    Attributes:
        web: whether public addresses of the web may be fetched.
        private: whether addresses of the web that are not public may be, too.
        home: the source. Of all buckets, only the one that it is in is read, since a list or a table may be a
            stranger's, and the credentials are sent along; None reads any bucket.
        limits: on the bytes of a photo.
        allow: the option with which a caller allows more, in messages, with {} for its name.
    """

    web: bool = False
    private: bool = False
    home: str | None = ""
    limits: ImageLimits = DEFAULT_LIMITS
    allow: str = "{}=True"

    def system(self, place: str) -> tuple[AbstractFileSystem, str]:
        """Return the file system of a place, and what the place is called there.

        Raises:
            DataError: the place is of a kind that is not opened, or what opens it is not installed.
        """
        self.check(place)
        if protocol_of(place) in _WEB:
            raise DataError(
                f"{printable_name(place)} is a web URL, and web folders cannot be listed: use the URL of a list, a "
                "table or an archive."
            )
        import fsspec

        try:
            system, path = fsspec.core.url_to_fs(place)
        except ImportError as error:  # its sentence says which package to install
            raise DataError(f"{printable_name(place)} cannot be opened: {error}") from error
        return system, str(path)

    def read(self, place: str, beside: Sequence[str] = ()) -> bytes:
        """Return the bytes of a photo, at most as many as a photo may have.

        Args:
            beside: other photos of the source. Where its first one cannot be read, they tell whether the place is to
                blame or this photo alone.

        Raises:
            ImageError: it is not there, cannot be read, or is larger.
            Unreachable, KeysRefused: nothing can be read from its place.
        """
        label, most = printable_name(os.path.basename(place) or place), self.limits.max_bytes
        try:
            data = patiently(
                lambda: self._content(place, most + 1),
                service_of(place),
                vouches=True,
                others=self._others(place, beside),
            )
        except Unreachable as error:
            raise Unreachable(f"{error} The last photo requested was {printable_name(place)}.") from error
        except KeysRefused:
            raise
        except (ImageError, DataError) as error:
            raise NotAnImage(str(error)) from error
        except Exception as error:  # every service raises different exceptions
            kind = "URL" if local_path(place) is None else "path"
            raise NotAnImage(
                f"{printable_name(place)} cannot be opened ({reason(silence_in(error) or error)}): check the {kind}."
            ) from error
        if len(data) > most:
            raise too_large(label, self.limits)
        return data

    def check(self, place: str) -> None:
        """Raise DataError if a place is of an unsupported kind, or may not be read from this source."""
        protocol = protocol_of(place)
        if "::" in place or (protocol and protocol not in (*_WEB, *BUCKETS, *_LOCAL)):
            raise DataError(
                f"{printable_name(place)} cannot be opened: use a path, or a URL that starts with one of "
                f"{', '.join(f'{kind}://' for kind in ('file', *BUCKETS, *_WEB))}."
            )
        if protocol in _WEB and not self.web:
            raise DataError(
                f"{printable_name(place)} is a web URL, and nothing is fetched from the web by default. Use "
                f"{self.allow.format('web')} to allow it."
            )
        if self.home is not None and bucket_of(place) not in ("", bucket_of(self.home)):
            raise DataError(
                f"{printable_name(place)} is in a different bucket or share from the source, and your credentials are "
                f"not sent there by default. Use {self.allow.format('buckets')} to allow it."
            )

    def _others(self, place: str, beside: Sequence[str]) -> Iterator[Callable[[], object]]:
        """Other requests to the place of a photo: for other photos, or for the folder of one that is alone."""
        here = service_of(place), bucket_of(place)
        same = [other for other in beside if other != place and (service_of(other), bucket_of(other)) == here]
        for other in same:
            yield partial(self._content, other, 1)
        if not same and local_path(place) is not None:
            yield partial(os.listdir, os.path.dirname(str(local_path(place))) or ".")

    def _content(self, place: str, most: int) -> bytes:
        self.check(place)
        if protocol_of(place) in _WEB:
            from gallop.answers.sources.web import web_file

            return web_file(place, most, private=self.private)[0]
        if local_path(place) is not None:
            with open_file(str(local_path(place)), ANY_SIZE) as file:
                return file.read(most)
        system, path = self.system(place)
        try:
            with system.open(path, "rb") as file:
                return bytes(file.read(most))
        except OSError as error:
            if says_no_why(error):
                system.cat_file(path, start=0, end=1)
            raise

    def open(self, place: str) -> BinaryIO:
        """Open a file to be read from its start to its end.

        Raises:
            DataError: as ``system``.
            Unreachable, KeysRefused: nothing can be read from its place, or no longer.
            OSError: it cannot be opened.
        """
        self.check(place)
        if protocol_of(place) in _WEB:
            from gallop.answers.sources.web import open_web_file

            return open_web_file(place, service_of(place), self.limits.max_bytes, private=self.private)
        if local_path(place) is not None:
            return open_file(str(local_path(place)), ANY_SIZE)
        system, path = self.system(place)
        opened = patiently(lambda: system.open(path, "rb"), service_of(place))
        return cast(BinaryIO, PatientFile(opened, service_of(place)))


def asked(ask: Callable[[], T], place: str, done: str, *passed: type[Exception]) -> T:
    """Return the result of a request to the service of a place, with patience.

    Args:
        done: what failed, as a message puts it after "cannot be".
        passed: errors that are raised as they are.

    Raises:
        DataError: it fails otherwise.
        Unreachable, KeysRefused: as ``patiently``.
    """
    as_they_are: tuple[type[Exception], ...] = (DataError, *passed)
    try:
        return patiently(ask, service_of(place))
    except as_they_are:
        raise
    except Exception as error:  # every service raises different exceptions
        raise DataError(
            f"{printable_name(place)} cannot be {done} ({reason(error)}): check the URL and your permissions."
        ) from error


def protocol_of(place: str) -> str:
    """Return the part before ``://``, in small letters; empty for a path.

    >>> protocol_of("S3://photos/1.jpg"), protocol_of("C:/photos"), protocol_of("photos")
    ('s3', '', '')
    """
    head, separator, _ = place.partition("://")
    return head.lower() if separator else ""


def local_path(place: str) -> str | None:
    """Return the path of a place on this machine, or None where it is elsewhere."""
    protocol = protocol_of(place)
    if not protocol:
        return place
    return place.partition("://")[2] if protocol in _LOCAL else None


def service_of(place: str) -> str:
    """Return the service of a place, as messages call it: a bucket, the web as one, or the disk.

    >>> service_of("s3://photos/1.jpg"), service_of("https://a.org/1.jpg"), service_of("photos/1.jpg")
    ('s3://photos', 'The web', 'The disk')
    """
    if local_path(place) is not None:
        return "The disk"
    protocol, _, rest = place.partition("://")
    return "The web" if protocol.lower() in _WEB else printable_name(f"{protocol}://{rest.partition('/')[0]}")


def bucket_of(place: str) -> str:
    """Return what contains a place and has separate credentials: a bucket, a repository of the Hub, a Windows share.

    Empty for other places on this machine and for the web. A place with ``..`` could lead into another bucket, so it is
    treated as a separate one.

    >>> bucket_of("S3://photos/new/1.jpg"), bucket_of("hf://datasets/ann/cats@v1/1.jpg"), bucket_of("photos/1.jpg")
    ('s3://photos', 'hf://datasets/ann/cats', '')
    """
    protocol, rest = protocol_of(place), place.partition("://")[2]
    if protocol not in BUCKETS:
        drive = os.path.splitdrive(local_path(place) or "")[0].replace("/", "\\").lower()
        return drive if drive.startswith("\\\\") else ""
    parts = rest.lstrip("/").split("/")
    if ".." in parts:
        return place
    depth = 1 if protocol != "hf" else 3 if parts[0] in _KINDS_OF_REPOSITORIES else 2
    named = "/".join(parts[:depth])
    return f"{protocol}://{named.partition('@')[0] if protocol == 'hf' else named}"


def below(folder: str, path: str) -> str:
    """Return a path or address in a list, resolved against the list's ``folder``."""
    if protocol_of(path) or os.path.isabs(path):
        return path
    return f"{folder.rstrip('/')}/{path}" if folder else path


def folder_of(place: str) -> str:
    """Return the folder of a file; empty where it has none.

    >>> folder_of("s3://photos/new/list.txt"), folder_of("list.txt")
    ('s3://photos/new', '')
    """
    return place.rpartition("/")[0]
