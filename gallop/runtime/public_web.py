"""Fetch bytes from public web addresses only, within limits of time and size: for addresses that strangers give.

A name is resolved once and the connection goes to the address that was judged, so a name that leads elsewhere a moment
later changes nothing. Every redirect is judged again.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from functools import cache
from ssl import SSLContext
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore
from httpcore import AsyncConnectionPool, AsyncNetworkBackend, AsyncNetworkStream

from gallop.errors import GallopError

SECONDS, REDIRECTS = 10.0, 3
"""For all of an answer, lookup and redirects included; and how many redirects are followed."""
_REDIRECTED = (301, 302, 303, 307, 308)
_SENT = {b"user-agent": b"gallop", b"accept": b"image/*, */*;q=0.5", b"accept-encoding": b"identity"}
_RANGE = re.compile(rb"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotFetched(GallopError, OSError):
    """An address that gives nothing. The message states why, to follow a colon or go in brackets.

    Attributes:
        status: of the server's answer, where it was an answer of HTTP.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class BadAddress(NotFetched):
    """Text that is not a web address."""


class NotPublic(NotFetched):
    """An address that leads into a private network."""


def is_public(address: Address) -> bool:
    """Return whether an address is of the internet at large, and does not wrap one that is not.

    >>> [is_public(ipaddress.ip_address(a)) for a in ("93.184.215.14", "10.0.0.1", "::ffff:127.0.0.1", "fe80::1")]
    [True, False, False, False]
    """
    if isinstance(address, ipaddress.IPv6Address):
        within = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        within += [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)] * any(address in net for net in _WRAPPING)
        if any(inner is not None and not is_public(inner) for inner in within):
            return False
        if address.ipv4_mapped is not None:
            return True
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


_WRAPPING = tuple(ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96"))
"""Networks whose addresses contain an IPv4 address in their last four bytes."""


class PublicOnly(AsyncNetworkBackend):
    """Connects only to addresses that pass ``allowed``."""

    def __init__(self, allowed: Callable[[Address], bool] = is_public) -> None:
        self._allowed = allowed
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Resolve a name once, and connect to the first of its addresses that answers.

        Raises:
            NotPublic: one of them is not allowed.
            OSError, NetworkError, TimeoutException: there is none, or none that answers.
        """
        resolved = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = {ipaddress.ip_address(str(info[4][0]).partition("%")[0]): None for info in resolved}
        if not all(map(self._allowed, addresses)):
            raise NotPublic("it resolves to an IP address that is not public")
        failed: Exception = httpcore.ConnectError("its host name has no address")
        for address in addresses:
            try:  # each has a part of the time, so that a silent one does not take that of the others
                seconds = SECONDS / len(addresses)
                return await self._inner.connect_tcp(str(address), port, seconds, local_address, socket_options)
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                failed = error
        raise failed


async def fetch(
    url: str,
    most: int,
    backend: AsyncNetworkBackend,
    *,
    start: int | None = None,
    more: Callable[[int], None] = lambda _: None,
) -> tuple[bytes, int | None]:
    """Return what is at an address, cut after ``most`` bytes, and for a part the size of the complete file.

    Args:
        backend: what connects.
        start: asks for the part of the file that begins there. A server without support for parts sends the file from
            byte 0; then the size is None, as it is where no part is requested.
        more: is called with the bytes of each piece that arrives; an exception from it ends the fetching.

    Raises:
        BadAddress, NotPublic, NotFetched: the address is invalid or not public, or its answer is not a file.
        TimeoutError, ConnectionError, OSError: no server answers, not in time, or not to the end.
    """
    headers = [*_SENT.items()]
    if start is not None:
        headers.append((b"range", f"bytes={start}-{start + most - 1}".encode()))
    try:
        async with AsyncConnectionPool(_tls(), network_backend=backend, max_keepalive_connections=0) as pool:
            return await asyncio.wait_for(_fetched(pool, url, most, headers, start, more), SECONDS)
    except asyncio.TimeoutError as error:
        raise TimeoutError(f"it took more than {SECONDS:g} s") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
        raise ConnectionError(str(error) or "it does not respond") from error


@cache
def _tls() -> SSLContext:
    """Cached: to read the certificates takes longer than to fetch a photo."""
    return httpcore.default_ssl_context()


async def _fetched(
    pool: AsyncConnectionPool,
    url: str,
    most: int,
    sent: list[tuple[bytes, bytes]],
    start: int | None,
    more: Callable[[int], None],
) -> tuple[bytes, int | None]:
    base = ""
    for _ in range(REDIRECTS + 1):
        base, target = _checked(base, url)
        async with pool.stream("GET", target, headers=sent) as response:
            headers = {name.lower(): value for name, value in response.headers}
            if response.status in _REDIRECTED:
                url = headers.get(b"location", b"").decode("latin-1")
                continue
            if response.status != 200 and (response.status != 206 or start is None):
                raise NotFetched(f"it responded with status {response.status}", response.status)
            data = bytearray()
            async for piece in response.aiter_stream():
                more(len(piece))
                data += piece
                if len(data) >= most:
                    break
            return bytes(data[:most]), None if response.status == 200 else _size(headers, start, most, data)
    raise NotFetched(f"it redirects more than {REDIRECTS} times")


def _size(headers: dict[bytes, bytes], start: int | None, most: int, data: bytearray) -> int:
    """The size of the complete file, from the answer with a part, which must be the part that was requested."""
    match = _RANGE.fullmatch(headers.get(b"content-range", b""))
    if match is None or int(match[1]) != start or len(data) < min(most, int(match[2]) - start):
        raise NotFetched("it did not send the requested part of the file")
    return int(match[2])


def _checked(base: str, url: str) -> tuple[str, httpcore.URL]:
    """The address that ``url`` means relative to ``base``, and the same in its parts."""
    try:
        url = urljoin(base, url)
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")  # the codec of ``getaddrinfo``, which refuses the same
        plain = host and b"%" not in host and parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        plain = False
    if not plain or "@" in parts.netloc or not url.isascii() or not url.isprintable() or " " in url:
        raise BadAddress(
            "a URL must begin with http:// or https://, contain no user name and no spaces, and be plain ASCII"
        )
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    return url, httpcore.URL(scheme=parts.scheme, host=host, port=parts.port, target=target)
