"""Photos from addresses that requests name: what ``gallop.runtime.public_web`` refuses, in the words of the service."""

from __future__ import annotations

from collections.abc import Callable

from httpcore import AsyncNetworkBackend

from gallop.images import DEFAULT_LIMITS
from gallop.images.formats import too_large
from gallop.runtime.public_web import BadAddress, NotFetched, NotPublic, PublicOnly, fetch
from gallop.serve.refusals import Refusal

__all__ = ["PublicOnly", "fetch_photo"]


async def fetch_photo(url: str, number: int, more: Callable[[int], None], backend: AsyncNetworkBackend) -> bytes:
    """Return what is at an address of the web, with the limits that photos have.

    Args:
        number: which photo of the request it is.
        more: is told of each byte.

    Raises:
        Refusal: the address is of another kind or not public, does not answer in time, or not with a picture.
        ImageError: it has more bytes than a photo may have.
    """
    most = DEFAULT_LIMITS.max_bytes
    try:
        data, _ = await fetch(url, most + 1, backend, more=more)
    except Refusal as error:
        raise Refusal(f"Photo {number} was not fetched. {error}", error.status, error.code, error.retry_after) from None
    except OSError as error:
        code = "bad_url" if isinstance(error, BadAddress) else "not_fetched"
        raise Refusal(f"Photo {number} was not fetched from its address: {_why(error)}.", 422, code) from error
    if len(data) > most:
        raise too_large(f"photo {number}", DEFAULT_LIMITS)
    return data


def _why(error: OSError) -> str:
    """One reason for all where nobody answers: what is there in a private network is nobody's business."""
    if isinstance(error, NotPublic) or not isinstance(error, (NotFetched, TimeoutError)):
        return "it leads to no public server that answers"
    return str(error)
