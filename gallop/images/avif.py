"""The frames that an AVIF file makes its decoder work through, read from its bytes alone.

The size in its header is only the one that the picture is scaled to: a file of a kilobyte that declares 100 x 100
pixels may hold a frame of 16,384 x 16,384. So the frames themselves are looked at, in the items that the header lists.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

_MOST_UNITS, _LONGEST_LIST = 500, 2**16


def frame_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (width, height) of each frame: of the photo, or of its tiles, and of its transparency.

    Raises:
        ValueError: they cannot be told beforehand.
    """
    if list(_boxes(data, b"moov")):
        raise ValueError("it is animated")
    for meta in _boxes(data, b"meta"):
        beside = next(_boxes(meta[4:], b"idat"), b"")
        for listed in _boxes(meta[4:], b"iloc"):
            for item in _items(listed, data, beside):
                yield from _frames_of(item)


def _boxes(data: bytes, wanted: bytes) -> Iterator[bytes]:
    """Yield the contents of the boxes of a kind."""
    at = 0
    while at + 16 <= len(data):
        size, kind, longer = struct.unpack_from(">I4sQ", data, at)
        head = 16 if size == 1 else 8
        size = {0: len(data) - at, 1: longer}.get(size, size)
        if kind == wanted:
            yield data[at + head : at + size]
        at += max(size, head)


def _reader(data: bytes) -> Callable[[int], int]:
    """Return what reads the number in so many bits, one after the other, as far as there are any."""
    bits, at = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}", 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        if at > len(bits):
            raise ValueError("its header is cut off")
        return int(f"0{bits[at - count : at]}", 2)

    return take


def _items(listed: bytes, data: bytes, beside: bytes) -> Iterator[bytes]:
    """Yield the bytes of each item of a list; some lie in the box ``beside`` it."""
    take, left = _reader(listed[:_LONGEST_LIST]), 2 * len(data)
    version, _ = take(8), take(24)
    offset, length, base, index = (8 * take(4) for _ in range(4))
    wide = 32 if version == 2 else 16
    for _ in range(take(wide)):
        take(wide)
        source = beside if version and take(16) & 15 else data
        _, start = take(16), take(base)
        parts = [(take(index if version else 0), start + take(offset), take(length)) for _ in range(take(16))]
        left -= sum(count for _, _, count in parts)
        if left < 0 or len(listed) > _LONGEST_LIST:
            raise ValueError("its list of parts makes no sense")
        yield b"".join(source[begin : begin + count] for _, begin, count in parts)


def _frames_of(item: bytes) -> Iterator[tuple[int, int]]:
    """Yield the size in each sequence header among the units of AV1 that an item consists of."""
    at = 0
    for _ in range(_MOST_UNITS):
        if at >= len(item):
            return
        kind, sized = item[at] >> 3 & 15, item[at] & 2
        at += 1 + (item[at] >> 2 & 1)
        length = len(item) - at
        if sized:  # seven bits a byte, the lowest first
            count = next((n for n, byte in enumerate(item[at : at + 8], 1) if byte < 128), 8)
            length = sum((byte & 127) << 7 * n for n, byte in enumerate(item[at : at + count]))
            at += count
        if kind == 1:
            take = _reader(item[at : at + 16])
            if not take(5) & 1:  # not the header of a still picture, whose frame is as large as that says
                raise ValueError("it may hold larger frames than it says")
            _, wide, high = take(5), take(4) + 1, take(4) + 1
            yield take(wide) + 1, take(high) + 1
        at += length
    raise ValueError("it has far too many parts")
