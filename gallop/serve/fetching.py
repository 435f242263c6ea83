"""Photos from public addresses, and from no others: wherever a name leads, only what was checked is connected to.

A name is resolved once; the connection goes to the address that was looked at, so a name that leads elsewhere a moment
later changes nothing, and every redirect comes by here again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore
from httpcore import AsyncConnectionPool, AsyncNetworkBackend, AsyncNetworkStream

from gallop.images import DEFAULT_LIMITS
from gallop.images.formats import too_large
from gallop.serve.refusals import Refusal

SECONDS, REDIRECTS = 10.0, 3
_REDIRECTED = (301, 302, 303, 307, 308)
_SENT = {b"user-agent": b"gallop-serve", b"accept": b"image/*", b"accept-encoding": b"identity"}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


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
"""Where IPv4 addresses stand in the last four bytes of others."""


class PublicOnly(AsyncNetworkBackend):
    """Connects to addresses that pass ``allowed``, and knows no other way out."""

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
            Refusal: there is none, or one of them is not allowed.
        """
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise _unreachable() from error
        addresses = [ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found]
        if not all(map(self._allowed, addresses)):
            raise _unreachable()
        for address in dict.fromkeys(addresses):
            with contextlib.suppress(httpcore.NetworkError, httpcore.TimeoutException, OSError):
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
        raise _unreachable()

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> AsyncNetworkStream:
        """Refuse: no photo is behind one."""
        raise _unreachable()

    async def sleep(self, seconds: float) -> None:
        """Wait, between two tries."""
        await self._inner.sleep(seconds)


async def fetch_photo(url: str, number: int, more: Callable[[int], None], backend: AsyncNetworkBackend) -> bytes:
    """Return what is at an address of the web, with the limits that photos have.

    Args:
        number: which photo of the request it is.
        more: is told of each byte.

    Raises:
        Refusal: the address is of another kind or not public, does not answer in time, or not with a picture.
        ImageError: it has more bytes than a photo may have.
    """
    try:
        async with AsyncConnectionPool(network_backend=backend, max_keepalive_connections=0) as pool:
            return await asyncio.wait_for(_fetched(pool, url, number, more), SECONDS)
    except Refusal as error:
        raise Refusal(f"Photo {number} was not fetched. {error}", error.status, error.code, error.retry_after) from None
    except asyncio.TimeoutError as error:
        why = Refusal(f"Photo {number} was not fetched: its address took more than {SECONDS:g} s.", 422, "not_fetched")
        raise why from error
    except (OSError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
        raise Refusal(f"Photo {number} was not fetched. {_unreachable()}", 422, "not_fetched") from error


async def _fetched(pool: AsyncConnectionPool, url: str, number: int, more: Callable[[int], None]) -> bytes:
    for _ in range(REDIRECTS + 1):
        async with pool.stream("GET", _checked(url), headers=list(_SENT.items())) as response:
            if response.status in _REDIRECTED:
                headers = {name.lower(): value for name, value in response.headers}
                url = urljoin(url, headers.get(b"location", b"").decode("latin-1"))
                continue
            if response.status != 200:
                raise Refusal(f"Its address answered with status {response.status}.", 422, "not_fetched")
            data = bytearray()
            async for piece in response.aiter_stream():
                more(len(piece))
                data += piece
                if len(data) > DEFAULT_LIMITS.max_bytes:
                    raise too_large(f"photo {number}", DEFAULT_LIMITS)
            return bytes(data)
    raise Refusal(f"Its address leads on more than {REDIRECTS} times.", 422, "not_fetched")


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        plain = None
    if not plain or "@" in urlsplit(url).netloc or not url.isascii() or not url.isprintable() or " " in url:
        raise Refusal(
            "An address begins with http:// or https://, has no user in it, and is plain ASCII.", 422, "bad_url"
        )
    return url


def _unreachable() -> Refusal:
    """One sentence for all: what answers in a private network, and what does not, is nobody's business."""
    return Refusal("Its address leads to no public server that answers.", 422, "not_fetched")
