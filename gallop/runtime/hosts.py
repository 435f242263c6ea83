"""The names by which a server answers: a page of another site may let its own name lead to this machine (DNS
rebinding), and a visitor's browser would then send photos here, or let that page read what is here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""The names of this machine for its programs."""


def is_named(host: str, names: Iterable[str]) -> bool:
    """Return whether a request's ``Host``, with or without a port, is one of these names; ``*`` stands for any name,
    ``*.lab`` for those that end in ``.lab``.

    >>> [is_named(host, ("lab-pc", "::1", "*.lab")) for host in ("Lab-PC:8501", "[::1]", "a.lab", "lab-pc.evil", "")]
    [True, True, True, False, False]
    """
    match = re.fullmatch(r"\[([^\]]+)\](?::\d*)?|([^:]+?)\.?(?::\d*)?", host.lower())
    name = "" if match is None else match[1] or match[2]
    return any(name == each or (each[:1] == "*" and name.endswith(each[1:])) for each in names if name)
