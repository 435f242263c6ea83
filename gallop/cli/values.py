"""Values of the command line's options, read from text: argparse reports what is wrong with one."""

from __future__ import annotations

import argparse
import ipaddress
import math
import re
from collections.abc import Callable
from typing import Any

from gallop.backbones.weights import named_backbone
from gallop.errors import BackboneError


def _number(kind: str, least: float, most: float = math.inf, unit: float = 0.0) -> Callable[[str], Any]:
    """Return what reads a number and refuses one out of range.

    Args:
        kind: what it is, for messages.
        unit: the number is multiplied by it, and may have decimals; 0 is for integers.
    """

    def read(text: str) -> Any:
        if not re.fullmatch(r"\d*\.?\d+" if unit else r"\d+", text) or not least <= float(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not {kind}")
        return float(text) * unit if unit else int(text)

    return read


count = _number("an integer of 0 or more", 0)
some = _number("an integer of 1 or more", 1)
port = _number("a port from 1 to 65535", 1, 65535)
megabytes = _number("a number of MB from 0.1 to 4096", 0.1, 4096, unit=2**20)
gigabytes = _number("a number of GB such as 4 or 1.5", 0.001, unit=1e9)
"""Both in bytes."""
fraction = _number("a fraction above 0 and at most 1, such as 0.9", 1e-9, 1, unit=1)


def duration(text: str) -> float:
    """Return seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 90s, 30m or 2h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def retention_time(text: str) -> float:
    """Return for how many seconds the app keeps photos."""
    seconds = duration(text)
    if not 120 <= seconds <= 24 * 3600:
        raise argparse.ArgumentTypeError(f"{text} is not a duration from 2m to 24h")
    return seconds


def listening(text: str) -> str:
    """Return a name or an address of a machine, as a browser writes it between ``http://`` and the port."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", text):
            raise argparse.ArgumentTypeError(
                f"{text!r} is neither a host name such as lab-pc.example nor an IP address such as 192.168.1.20"
            ) from None
    return text.lower()


def host(text: str) -> str:
    """Return a name or an address that others use for this machine, so not 0.0.0.0."""
    name = listening(text)
    if name in ("0.0.0.0", "::"):
        raise argparse.ArgumentTypeError(
            f"{text} is not an address that others can use: use a host name or an IP address of this machine"
        )
    return name


def backbone(text: str) -> str:
    """Return the word for a backbone on this machine, if it is there; torch is not loaded."""
    try:
        named_backbone(text)
    except BackboneError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def topk(text: str) -> tuple[int, ...]:
    """Return one k a local prompt."""
    pieces = [piece.strip() for piece in text.split(",")]
    if not all(piece.isdecimal() for piece in pieces):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of integers such as 5,10,15,20")
    return tuple(int(piece) for piece in pieces)
