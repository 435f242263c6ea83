"""What a file is and whether it may be decoded, read from its bytes alone: format, size, completeness.

Here are also the refusals and the caps that all modules about images share.
"""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zlib
from dataclasses import dataclass
from math import prod
from typing import Any

from PIL import Image, features

from gallop.errors import EmptyImage, ImageTooLarge, NotAnImage, TooManyPixels, UnsupportedImage
from gallop.images.avif import frame_sizes


@dataclass(frozen=True)
class ImageLimits:
    """Caps, checked before the thing they cap is read or decoded: bytes of the file, pixels, pixels along a side."""

    max_bytes: int = 20 * 2**20
    max_pixels: int = 40_000_000
    max_side: int = 16_384


DEFAULT_LIMITS = ImageLimits()


def too_large(label: str, limits: ImageLimits) -> ImageTooLarge:
    """Return the refusal of a file above the cap on bytes."""
    return ImageTooLarge(
        f"{label} is larger than {limits.max_bytes / 2**20:g} MB: make it smaller, or save it as JPEG."
    )


def printable_name(text: str) -> str:
    """Return a name that may be shown, whatever a stranger called it: no control characters, no page of text."""
    return "".join(char if char.isprintable() else "?" for char in text)[:200]


FORMATS = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF.{4}WEBP",
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "AVIF": rb".{4}ftyp.{0,60}?avi[fs]",
}
_FOREIGN = {
    "a HEIC": rb".{4}ftyp(hei|hev|mif1|msf1)",
    "a video": rb".{4}ftyp|RIFF.{4}AVI |\x1aE\xdf\xa3",
    "a JPEG XL": rb"\xff\x0a|.{4}JXL ",
    "a JPEG 2000": rb".{4}jP  |\xff\x4f\xff\x51",
    "a PDF": rb"\s*%PDF",
    "an EPS": rb"%!PS|\xc5\xd0\xd3\xc6",
    "an SVG": rb"(?i)(\xef\xbb\xbf)?\s*(<[?!][^<]*)*<svg",  # one way to match: an ambiguous pattern takes 2 ** n steps
    "a Photoshop": rb"8BPS",
    "an icon": rb"\0\0[\1\2]\0",
    "a ZIP": rb"PK\x03\x04",
}
_SAVE = "save it as JPEG or PNG"
_CONVERT = {
    "a HEIC": "export it as JPEG in the photo app of the phone or computer (an iPhone takes JPEG with Settings, "
    "Camera, Formats, Most Compatible)"
}
_WEB_PAGE = rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|\?xml)"


def sniff(data: bytes, label: str) -> str:
    """Return the name of the format by its first bytes; the file's name is ignored."""
    if not data:
        raise EmptyImage(f"{label} is empty (0 bytes): copy or download it again.")
    head = data[:1024]
    for form, magic in FORMATS.items():
        if re.match(magic, head, re.DOTALL):
            return form
    for kind, magic in _FOREIGN.items():
        if re.match(magic, head, re.DOTALL):
            raise UnsupportedImage(f"{label} is {kind} file, which is not supported: {_CONVERT.get(kind, _SAVE)}.")
    what = "a web page, not a picture" if re.match(_WEB_PAGE, head) else "not a picture"
    raise NotAnImage(f"{label} is {what}: use a JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF file.")


def check_size(size: tuple[int, int], label: str, limits: ImageLimits) -> None:
    """Refuse a (width, height) that is empty, has too many pixels or too long a side."""
    width, height = size
    if width < 1 or height < 1:
        raise EmptyImage(f"{label} has no pixels ({width} x {height}): use another picture.")
    if width * height > limits.max_pixels:
        claimed, most = (round(count / 1e6, 2) for count in (width * height, limits.max_pixels))
        raise TooManyPixels(
            f"{label} has {claimed:g} megapixels ({width} x {height}). The limit is {most:g} megapixels: make "
            "the picture smaller first."
        )
    if max(size) > limits.max_side:
        raise TooManyPixels(
            f"{label} has {width} x {height} pixels. The limit is {limits.max_side} pixels per side: make "
            "the picture smaller."
        )


def check_avif(data: bytes, label: str, limits: ImageLimits) -> None:
    """Refuse an AVIF that cannot be read here, or whose decoder would work through more pixels than are allowed: those
    of the photo and as many of its transparency.
    """
    if not features.check("avif"):
        raise UnsupportedImage(f"{label} is an AVIF file, which the Pillow installed here cannot read: {_SAVE}.")
    sizes = list(frame_sizes(data))
    for size in sizes:
        check_size(size, label, limits)
    if not 0 < sum(map(prod, sizes)) <= 2 * limits.max_pixels:
        raise ValueError(f"it has {len(sizes)} frames")


def declared_size(form: str, data: bytes) -> tuple[int, int] | None:
    """Return width and height if the header has them; needed for WebP, as Pillow allots its canvas on opening."""
    if form in ("PNG", "GIF"):
        width, height = struct.unpack(">II", data[16:24]) if form == "PNG" else struct.unpack("<HH", data[6:10])
        return width, height
    if form == "JPEG":
        return _jpeg_size(data)
    if form != "WEBP":
        return None  # read by Pillow, which opens these without decoding
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


_SEGMENT = re.compile(rb"\xff{1,16}([\x01-\xfe])(..)", re.DOTALL)
# Before a JPEG's size, which Pillow reads byte by byte: a file of 20 MB has 305 segments of full length.
_MOST_SEGMENTS = 1000
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    for _ in range(_MOST_SEGMENTS):
        segment = _SEGMENT.match(data, at)
        if segment is None:
            return None
        if segment[1][0] in _FRAMES:
            height, width = struct.unpack_from(">HH", data, segment.end() + 1)
            return width, height
        at = segment.end() - 2 + int.from_bytes(segment[2], "big")
    return None


def declared_pixels(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> int:
    """Return how many pixels a file has by a glance at its header, without decoding: 0 where it will be refused."""
    size: tuple[int, int] | None = None
    with contextlib.suppress(Exception):  # of a damaged header: nearly anything
        form = sniff(data, "")
        if form == "AVIF":
            check_avif(data, "", limits)
            size = max(frame_sizes(data), key=prod)
        elif form in ("BMP", "TIFF"):
            with Image.open(io.BytesIO(data), formats=[form]) as opened:
                size = opened.size
        else:
            size = declared_size(form, data)
    pixels = prod(size or (0,))
    return pixels if pixels <= limits.max_pixels else 0


def is_complete(opened: Image.Image, form: str, data: bytes) -> bool:
    """Return whether no pixels are missing, where Pillow does not check; it checks the other formats itself."""
    if form == "PNG":
        return _png_is_complete(data)
    if form == "TIFF":
        return _tiff_is_complete(opened)
    if form != "JPEG":
        return True
    # Each scan is a pass over the entire picture: encoders write some ten, an attacker thousands. A download that
    # stopped may be padded with zeros, which decode to grey; what is missing then is the end marker.
    scans = [match.start() for match in re.finditer(rb"\xff\xda\0[\x08\x0a\x0c\x0e][\1-\4]", data)]
    return 0 < len(scans) <= 100 and data.find(b"\xff\xd9", scans[-1]) > 0


def _png_is_complete(data: bytes) -> bool:
    """Inflate the pixel data, a megabyte at a time, and count: missing rows would come out black."""
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    adam7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    missing = 0
    for x, y, dx, dy in adam7 if data[28] else ((0, 0, 1, 1),):
        columns, rows = (width - x + dx - 1) // dx, (height - y + dy - 1) // dy
        missing += rows * (1 + (columns * bits + 7) // 8) if columns > 0 else 0  # each row has a filter byte
    inflater, start = zlib.decompressobj(), 8
    while start + 8 <= len(data) and missing > 0:
        length, kind = struct.unpack_from(">I4s", data, start)
        piece = data[start + 8 : start + 8 + length] if kind == b"IDAT" else b""
        while piece and missing > 0:
            missing -= len(inflater.decompress(piece, 2**20))
            piece = inflater.unconsumed_tail
        start += 12 + length
    return missing <= 0


def _tiff_is_complete(opened: Any) -> bool:
    """Strips or tiles must cover the picture, or what they leave out would come out black."""
    tags = opened.tag_v2
    width, height, samples = tags[256], tags[257], tags.get(277, 1)
    if 324 in tags:
        across, down, offsets, counts = (tags[number] for number in (322, 323, 324, 325))
    else:
        across, down, offsets, counts = width, min(tags.get(278, height), height), tags[273], tags[279]
    cells = -(-width // across) * -(-height // down) * (samples if tags.get(284) == 2 else 1)
    raw = height * ((width * samples * tags.get(258, (1,))[0] + 7) // 8) if tags.get(259, 1) == 1 else 0
    return bool(len(offsets) >= cells and sum(counts) >= raw)
