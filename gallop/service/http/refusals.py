"""Answers to refused requests: one format, with a code for programs and a sentence for people."""

from __future__ import annotations

import re
from typing import Any

from gallop.errors import GallopError, ImageError, ImageTooLarge, is_gpu_trouble

GONE = 499
"""Status of a request whose sender has disconnected, in logs and metrics; it is never sent."""


class Refusal(GallopError):
    """A request, or a photo of one, that is not answered.

    Args:
        sentence: what is wrong and what to do.
        status: of HTTP.
        code: the same in a word.
        retry_after: seconds after which trying again makes sense.
    """

    def __init__(
        self, sentence: str, status: int = 400, code: str = "bad_request", retry_after: int | None = None
    ) -> None:
        super().__init__(sentence)
        self.status, self.code, self.retry_after = status, code, retry_after

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": str(self)}}

    @property
    def headers(self) -> dict[str, str]:
        headers = {"retry-after": str(self.retry_after)} if self.retry_after is not None else {}
        return headers | ({"www-authenticate": "Bearer"} if self.status == 401 else {})


class SenderGone(Refusal):
    """The sender no longer waits for the answer."""

    def __init__(self, sentence: str = "The client has disconnected.") -> None:
        super().__init__(sentence, GONE, "gone")


def refusal_of(error: BaseException) -> Refusal | None:
    """Return the refusal for an error, or None if it is a mistake of ours.

    The library's messages about photos and class names are about the request; all others are about this machine, and
    stay in its log.
    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ImageError):
        code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
        return Refusal(str(error), 413 if isinstance(error, ImageTooLarge) else 422, code)
    if isinstance(error, MemoryError) or is_gpu_trouble(error) or "can't allocate memory" in str(error):
        return Refusal(
            "The service does not have enough memory now: try again later, or send fewer photos at once.",
            503,
            "no_memory",
            retry_after=5,
        )
    return None


def busy(why: str) -> Refusal:
    """Return the refusal of a request for which there is no room now."""
    return Refusal(f"The service is busy: {why}. Try again in a few seconds.", 429, "busy", retry_after=3)


def mistake() -> Refusal:
    """Return the refusal for a mistake of ours."""
    return Refusal(
        "Something went wrong in the service; the details are in its log. Ask its operator, and quote the x-request-id "
        "of this response.",
        500,
        "internal",
    )
