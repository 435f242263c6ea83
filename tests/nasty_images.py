"""Image files made by hand, most of them to be refused: what no encoder would write."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image


def pattern(width: int = 24, height: int = 16) -> np.ndarray:
    """uint8 (H, W, 3): no symmetry, no two rows or columns alike, so every turn and every gap shows."""
    noise = np.random.default_rng(7).integers(0, 256, (height, width))
    across = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    return np.stack([across, np.linspace(0, 255, height)[:, None].repeat(width, 1), noise], axis=-1).astype(np.uint8)


def encode(image: Image.Image | np.ndarray, form: str, **options: object) -> bytes:
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    size: tuple[int, int], rows: bytes, *, depth: int = 8, colour: int = 2, interlace: int = 0, extra: bytes = b""
) -> bytes:
    """A PNG whose header and pixel data need not agree; ``rows`` are not yet compressed, ``extra`` are whole chunks."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlace)
    pixels = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra + pixels + png_chunk(b"IEND", b"")


def png_rows(pixels: np.ndarray) -> bytes:
    """The rows of uint8 (H, W, 3), each behind its filter byte 0."""
    return b"".join(b"\0" + row.tobytes() for row in pixels)


def adam7_rows(pixels: np.ndarray) -> bytes:
    """The same picture in seven passes; Pillow reads interlaced PNGs but does not write them."""
    steps = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    return b"".join(png_rows(part) for x, y, dx, dy in steps if (part := pixels[y::dy, x::dx]).size)


def png_bomb(side: int) -> bytes:
    """A complete greyscale PNG of side x side zeros: a thousandth of its size on disk."""
    squeeze = zlib.compressobj(1)
    row = bytes(side + 1)
    data = b"".join([*(squeeze.compress(row) for _ in range(side)), squeeze.flush()])
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        png_chunk(kind, body) for kind, body in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def webp_header(width: int, height: int, kind: str) -> bytes:
    """60 bytes that claim a size in one of WebP's three ways and hold no picture."""
    if kind == "VP8X":
        body = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == "VP8L":
        body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
    else:
        body = b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    return (struct.pack("<4sI4s4sI", b"RIFF", 52, b"WEBP", kind.ljust(4).encode(), 40) + body).ljust(60, b"\0")


def avif_box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def avif(size: tuple[int, int], frames: Sequence[bytes], *, inside: bool = False, version: int = 1) -> bytes:
    """An AVIF that declares a size, and whose items hold these units of AV1: no picture, but all that a reader asks."""
    head = avif_box(b"ftyp", b"avif" + bytes(4) + b"avifmif1miaf")
    places = struct.pack(">BBH", 0x44, 0, len(frames))
    start = 0 if inside else len(head) + 8
    for number, frame in enumerate(frames, 1):
        places += struct.pack(">HHHHII", number, int(inside), 0, 1, start, len(frame))
        start += len(frame)
    listed = avif_box(b"iloc", struct.pack(">I", version << 24) + places)
    extent = avif_box(b"ispe", bytes(4) + struct.pack(">II", *size))
    held = b"".join(frames)
    rest = listed + avif_box(b"iprp", avif_box(b"ipco", extent)) + (avif_box(b"idat", held) if inside else b"")
    return head + (b"" if inside else avif_box(b"mdat", held)) + avif_box(b"meta", bytes(4) + rest)


def av1_frame(width: int, height: int, *, still: bool = True) -> bytes:
    """The units that a frame begins with: where it starts in time, and the header with its size; no pixels."""
    bits = f"{0b00011 if still else 0:05b}{0:05b}{15:04b}{15:04b}{width - 1:016b}{height - 1:016b}".ljust(64, "0")
    header = int(bits, 2).to_bytes(8, "big")
    return b"\x12\0\x0a" + bytes([len(header)]) + header


def gif_header(width: int, height: int) -> bytes:
    """A GIF of one black pixel on a screen of any size."""
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes([0, 0, 0, 255, 255, 255])
    frame = struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return b"GIF89a" + screen + b"," + frame + b";"


def tiff_file(cells: Sequence[bytes], tags: dict[int, Sequence[int]], *, tiled: bool = False) -> bytes:
    """A TIFF of these strips (or tiles) and tags, all of the type LONG; places and byte counts are filled in."""
    starts = np.cumsum([8, *map(len, cells)])[:-1]
    places, counts = (324, 325) if tiled else (273, 279)
    tags = {places: [int(start) for start in starts], counts: [len(cell) for cell in cells], **tags}
    body = b"".join(cells)
    tables = 8 + len(body) + 2 + 12 * len(tags) + 4
    entries = outside = b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        entries += struct.pack("<HHI", tag, 4, len(values))
        entries += packed if len(values) == 1 else struct.pack("<I", tables + len(outside))
        outside += packed if len(values) > 1 else b""
    header = b"II*\0" + struct.pack("<I", 8 + len(body))
    return header + body + struct.pack("<H", len(tags)) + entries + bytes(4) + outside


def tiff(pixels: np.ndarray, *, strip: int = 0, tile: int = 0, keep: int | None = None, deflate: bool = False) -> bytes:
    """An RGB TIFF in strips of some rows, or in square tiles, of which only the first ``keep`` are there."""
    height, width, _ = pixels.shape
    if tile:
        padded = np.pad(pixels, ((0, -height % tile), (0, -width % tile), (0, 0)))
        cells = [padded[y : y + tile, x : x + tile] for y in range(0, height, tile) for x in range(0, width, tile)]
    else:
        cells = [pixels[y : y + strip] for y in range(0, height, strip)]
    packed = [zlib.compress(cell.tobytes()) if deflate else cell.tobytes() for cell in cells][:keep]
    tags = {256: [width], 257: [height], 258: [8, 8, 8], 259: [8 if deflate else 1], 262: [2], 277: [3]}
    return tiff_file(packed, tags | ({322: [tile], 323: [tile]} if tile else {278: [strip]}), tiled=bool(tile))


def cmyk_profile() -> bytes:
    """An ICC profile unlike any ink: none is white, K is black, and any other colour is mid grey (L* = 50)."""
    numbers = [65536, 0, 0, 0, 65536, 0, 0, 0, 65536]
    ramp = bytes(range(256))
    lightness = [255, 0, *[128, 0] * 7]  # by corner of the cube: K runs fastest
    corners = b"".join(bytes([level, 128, 128]) for level in lightness)
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + struct.pack(">9i", *numbers) + ramp * 4 + corners + ramp * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    start = 128 + 4 + 2 * 12
    directory = struct.pack(">I4sII4sII", 2, b"A2B0", start, len(table), b"wtpt", start + len(table), len(white))
    head = struct.pack(">I4sI4s4s4s", start + len(table) + len(white), bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head = (head + bytes(12) + b"acsp").ljust(68, b"\0") + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + directory + table + white
