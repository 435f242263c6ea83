"""Values of the command line's options, read from text: argparse tells what is wrong with one."""

from __future__ import annotations

import argparse
import ipaddress
import math
import os
import re

from gallop.backbones.weights.known import named_backbone
from gallop.checkpoints.hub import HUB
from gallop.errors import BackboneError

_HOST_NAME = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"


def count(text: str) -> int:
    """Return a whole number of 0 or more."""
    return _whole(text, "a whole number of 0 or more", 0)


def some(text: str) -> int:
    """Return a whole number of 1 or more."""
    return _whole(text, "a whole number of 1 or more", 1)


def port(text: str) -> int:
    """Return a port that a server may listen on."""
    return _whole(text, "a port from 1 to 65535", 1, 65535)


def milliseconds(text: str) -> float:
    """Return seconds of a number of milliseconds up to a second."""
    return _number(text, "a number of milliseconds from 0 to 1000", 0, 1000) / 1000


def megabytes(text: str) -> int:
    """Return bytes of a number of MB."""
    return int(_number(text, "a number of MB from 0.1 to 4096", 0.1, 4096) * 2**20)


def _whole(text: str, kind: str, least: int, most: float = math.inf) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {kind}")
    return int(text)


def _number(text: str, kind: str, least: float, most: float) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text) or not least <= float(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {kind}")
    return float(text)


def share_kept(text: str) -> float:
    """Return a share above 0 and at most 1."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share above 0 and at most 1, such as 0.9")
    return found


def duration(text: str) -> float:
    """Return seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 30m or 2h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def hours_kept(text: str) -> float:
    """Return the seconds that the app keeps photos."""
    seconds = duration(text)
    if not 120 <= seconds <= 24 * 3600:
        raise argparse.ArgumentTypeError(f"{text} is not a time from 2m to 24h")
    return seconds


def host(text: str) -> str:
    """Return a name or an address of a machine, as a browser writes it between ``http://`` and the port."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        if not re.fullmatch(_HOST_NAME, text):
            raise argparse.ArgumentTypeError(
                f"{text!r} is neither a name such as lab-pc.example nor an address such as 192.168.1.20"
            ) from None
        return text.lower()
    if address.is_unspecified:
        raise argparse.ArgumentTypeError(f"nobody calls a machine {text}; give a name or an address that others use")
    return str(address)


def listening(text: str) -> str:
    """Return an address of this machine, or a name of it, on which a service listens; 0.0.0.0 is all of them."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if not re.fullmatch(_HOST_NAME, text):
            raise argparse.ArgumentTypeError(f"{text!r} is no address such as 127.0.0.1 or 0.0.0.0") from None
    return text.lower()


def named_model(text: str) -> tuple[str, str]:
    """Return (name, model) of NAME=MODEL; a folder, or a model of the Hub, has its own name alone."""
    name, separator, folder = text.partition("=")
    if not separator or "/" in name:  # a folder may have = in its name
        place = text.partition("@")[0] if text.startswith(HUB) else os.path.abspath(text)
        name, folder = os.path.basename(place), text
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) or not folder:
        raise argparse.ArgumentTypeError(
            f"{text!r} names no model: write NAME=DIR, with letters, digits, ., _ and - in the name"
        )
    return name, folder


def part(text: str) -> tuple[int, int]:
    """Return (I, N) of I/N."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a part such as 1/2 or 2/2")
    return int(found[1]), int(found[2])


def gigabytes(text: str) -> int:
    """Return bytes of a number of GB."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(?:GB)?", text)
    if found is None or not float(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of GB such as 4 or 1.5")
    return int(float(found[1]) * 1e9)


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
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 5,10,15,20")
    return tuple(int(piece) for piece in pieces)
