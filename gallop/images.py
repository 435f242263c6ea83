"""The one safe way from bytes, a path, a file, a PIL image or an array to an RGB image; all else is refused.

The order matters: byte cap, magic number, size from the header, completeness, decoding, then pixels. Nothing is decoded
before its size is known, and Pillow is only ever handed the one format that the magic number names.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

IMAGE_SUFFIXES = (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp")
BACKGROUND = (255, 255, 255)  # what shows through transparent pixels


class ImageError(ValueError):
    """A picture that is not taken; the message names it and the way out."""


class ImageTooLarge(ImageError):
    """The file has more bytes than allowed."""


class TooManyPixels(ImageError):
    """The header claims more pixels, or a longer side, than allowed."""


class NotAnImage(ImageError):
    """There is no picture here: no such file, a folder, a web page, text."""


class UnsupportedImage(ImageError):
    """A picture of a kind that is not read here."""


class CorruptImage(ImageError):
    """A damaged or incomplete picture."""


class EmptyImage(ImageError):
    """No bytes, or no pixels."""


@dataclass(frozen=True)
class ImageLimits:
    """Caps, checked before the thing they cap is read or decoded: bytes of the file, pixels, pixels along a side."""

    max_bytes: int = 20 * 2**20
    max_pixels: int = 40_000_000
    max_side: int = 16_384


DEFAULT_LIMITS = ImageLimits()


@dataclass(frozen=True)
class Photo:
    """An upright RGB picture without metadata; ``sha256`` is over its size and pixels, however they were packed."""

    image: Image.Image = field(compare=False)
    name: str
    sha256: str

    @property
    def width(self) -> int:
        return self.image.width

    @property
    def height(self) -> int:
        return self.image.height


ImageSource: TypeAlias = "bytes | str | os.PathLike[str] | BinaryIO | Image.Image | npt.NDArray[Any] | Photo"


def load_image(source: ImageSource, *, name: str | None = None, limits: ImageLimits = DEFAULT_LIMITS) -> Photo:
    """Check, decode and normalise one picture. Safe to call from several threads.

    The first frame is taken. EXIF orientation is applied, transparency laid on white, CMYK taken through the file's own
    profile where there is one; 16-bit values are divided by 257, 32-bit ones stretched from their range to 0..255.

    Args:
        source: the bytes of a JPEG, PNG, WebP, GIF, BMP or TIFF file; its path (never a web address); a binary file
            object, read from its start where it can seek; a PIL image; or an array of shape (H, W), (H, W, 1),
            (H, W, 3) or (H, W, 4): uint8, uint16, bool, or floats in [0, 1]. A ``Photo`` comes back as it is.
        name: what messages call the picture; by default the file's name where there is one.
        limits: caps on bytes and pixels.

    Raises:
        ImageError: one of its subclasses, with a sentence that can be shown to a user.
    """
    if isinstance(source, Photo):
        return source
    label = _label(source, name)
    if isinstance(source, (str, os.PathLike)):
        source = _read_path(source, label, limits)
    elif hasattr(source, "read"):
        source = _read_stream(source, label, limits)
    try:
        with _strict_pillow():
            if isinstance(source, (bytes, bytearray, memoryview)):
                image = _from_bytes(bytes(source), label, limits)
            elif isinstance(source, Image.Image):
                image = _from_pil(source, label, limits)
            else:
                image = _from_array(source, label, limits)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixels(f"{label} has far more pixels than allowed: make it smaller first.") from error
    except Exception as error:  # a bad byte makes Pillow raise nearly anything
        why = "its header cannot be read" if isinstance(error, UnidentifiedImageError) else _printable(str(error))
        raise CorruptImage(
            f"{label} cannot be decoded ({why}); it may be damaged or incomplete: use another copy, or save it anew."
        ) from error
    return Photo(image, label, _content_hash(image))


def list_images(folder: str | os.PathLike[str], recursive: bool = False) -> list[Path]:
    """The image files of a folder, by their suffix, in natural order (``2.jpg`` before ``10.jpg``).

    Hidden files and folders, ``__MACOSX`` and whatever is not a regular file are skipped; nothing is opened.

    Raises:
        NotADirectoryError: ``folder`` is not a folder.
    """
    if not os.path.isdir(folder):
        raise NotADirectoryError(f"{_printable(str(folder))} is not a folder: give the one that holds the images.")
    found: list[Path] = []
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(parent))  # a linked folder counts, but one that leads back would never end
        deeper = [f for f in folders if recursive and not _HIDDEN.match(f)]
        folders[:] = [f for f in deeper if os.path.realpath(os.path.join(parent, f)) not in seen]
        found += [Path(parent, f) for f in files if f.lower().endswith(IMAGE_SUFFIXES) and not _HIDDEN.match(f)]
    return sorted(filter(Path.is_file, found), key=_natural)


_HIDDEN = re.compile(r"\.|__MACOSX$")


def _natural(path: Path) -> tuple[list[list[str | int]], str]:
    """Text and numbers in turn, so that like always meets like; the plain path settles ties."""
    split = [re.split("([0-9]+)", part) for part in path.parts]
    return [[int(piece) if piece.isdecimal() else piece.casefold() for piece in part] for part in split], str(path)


def _label(source: object, name: str | None) -> str:
    if name is None:
        known = source if isinstance(source, (str, os.PathLike)) else getattr(source, "name", None)
        known = known or getattr(source, "filename", None)
        name = os.path.basename(known) if isinstance(known, (str, os.PathLike)) else None
    return _printable(name or "picture")


def _printable(text: str) -> str:
    """Names come from strangers: no control characters, no half characters, no page of text."""
    return "".join(char if char.isprintable() else "?" for char in text)[:200]


def _read_path(path: str | os.PathLike[str], label: str, limits: ImageLimits) -> bytes:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait forever
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, a socket or a device"
            raise NotAnImage(f"{label} is {kind}, not a file: give the path of an image file.")
        if status.st_size > limits.max_bytes:
            raise _too_large(label, limits)
        with open(path, "rb") as stream:
            return _read_stream(stream, label, limits)
    except ImageError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        web = "; nothing is downloaded, so save the picture and give its path" if "://" in str(path) else ""
        reason = getattr(error, "strerror", None) or error
        raise NotAnImage(f"{_printable(str(path))} cannot be opened ({reason}){web or ': check the path'}.") from error


def _read_stream(stream: Any, label: str, limits: ImageLimits) -> bytes:
    """Read from the start, at most one byte beyond the cap, however little each read returns."""
    data = bytearray()
    try:
        if hasattr(stream, "seekable") and stream.seekable():
            stream.seek(0)
        while len(data) <= limits.max_bytes and (piece := stream.read(limits.max_bytes + 1 - len(data))):
            data += piece
    except TypeError as error:
        raise NotAnImage(f"{label} is not opened in binary mode: open it with mode 'rb'.") from error
    except Exception as error:  # a zip member, a socket: each has its own errors
        raise CorruptImage(f"{label} cannot be read ({_printable(str(error))}): use another copy.") from error
    if len(data) > limits.max_bytes:
        raise _too_large(label, limits)
    return bytes(data)


def _too_large(label: str, limits: ImageLimits) -> ImageTooLarge:
    return ImageTooLarge(
        f"{label} is larger than {limits.max_bytes / 2**20:g} MB: make it smaller, or save it as JPEG."
    )


_FORMATS = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF.{4}WEBP",
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
}
_FOREIGN = {
    "an AVIF": rb".{4}ftyp.{0,60}?avi[fs]",
    "a HEIC": rb".{4}ftyp(hei|hev|mif1|msf1)",
    "a video": rb".{4}ftyp|RIFF.{4}AVI |\x1aE\xdf\xa3",
    "a JPEG XL": rb"\xff\x0a|.{4}JXL ",
    "a JPEG 2000": rb".{4}jP  |\xff\x4f\xff\x51",
    "a PDF": rb"\s*%PDF",
    "an EPS": rb"%!PS|\xc5\xd0\xd3\xc6",
    "an SVG": rb"(?i)(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*|<!--.*?-->\s*|<!doctype svg[^>]*>\s*)*<svg",
    "a Photoshop": rb"8BPS",
    "an icon": rb"\0\0[\1\2]\0",
    "a ZIP": rb"PK\x03\x04",
}
_WEB_PAGE = rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|\?xml)"


def _sniff(data: bytes, label: str) -> str:
    """Name the format by its first bytes; the file's name counts for nothing."""
    if not data:
        raise EmptyImage(f"{label} is empty (0 bytes): copy or download it again.")
    head = data[:1024]
    for form, magic in _FORMATS.items():
        if re.match(magic, head, re.DOTALL):
            return form
    for kind, magic in _FOREIGN.items():
        if re.match(magic, head, re.DOTALL):
            raise UnsupportedImage(f"{label} is {kind} file, which is not read here: save it as JPEG or PNG.")
    what = "a web page, not a picture" if re.match(_WEB_PAGE, head) else "not a picture"
    raise NotAnImage(f"{label} is {what}: give a JPEG, PNG, WebP, GIF, BMP or TIFF file.")


def _check_size(size: tuple[int, int], label: str, limits: ImageLimits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise EmptyImage(f"{label} has no pixels ({width} x {height}): use another picture.")
    if width * height > limits.max_pixels:
        claimed, most = (round(count / 1e6, 2) for count in (width * height, limits.max_pixels))
        raise TooManyPixels(
            f"{label} has {width} x {height} = {claimed:g} megapixels; the limit is {most:g}: make it smaller first."
        )
    if max(size) > limits.max_side:
        raise TooManyPixels(
            f"{label} has {width} x {height} pixels; the longest side may have {limits.max_side}: make it smaller."
        )


_users = 0
_users_lock = threading.Lock()
_pillow_as_found = contextlib.ExitStack()


@contextlib.contextmanager
def _strict_pillow() -> Iterator[None]:
    """Silence Pillow's warnings and make it refuse truncated files, whatever others have set.

    Both settings belong to the process. The first thread to come in changes them, the last one out puts them back.
    """
    global _users
    with _users_lock:
        _users += 1
        if _users == 1:
            _pillow_as_found.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
            _pillow_as_found.callback(setattr, ImageFile, "LOAD_TRUNCATED_IMAGES", ImageFile.LOAD_TRUNCATED_IMAGES)
            ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        with _users_lock:
            _users -= 1
            if _users == 0:
                _pillow_as_found.close()


def _from_bytes(data: bytes, label: str, limits: ImageLimits) -> Image.Image:
    if len(data) > limits.max_bytes:
        raise _too_large(label, limits)
    form = _sniff(data, label)
    if size := _declared_size(form, data):
        _check_size(size, label, limits)
    with Image.open(io.BytesIO(data), formats=[form]) as opened:
        _check_size(opened.size, label, limits)
        if not _is_complete(opened, form, data):
            raise CorruptImage(f"{label} is incomplete, some of its pixels are missing: copy or download it again.")
        opened.load()
        return _to_rgb(opened)


def _declared_size(form: str, data: bytes) -> tuple[int, int] | None:
    """Width and height where they are in a fixed place; for WebP a must, as Pillow allots its canvas on opening."""
    if form in ("PNG", "GIF"):
        width, height = struct.unpack(">II", data[16:24]) if form == "PNG" else struct.unpack("<HH", data[6:10])
        return width, height
    if form != "WEBP":
        return None  # read by Pillow, which opens these without decoding
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _is_complete(opened: Image.Image, form: str, data: bytes) -> bool:
    """Find what Pillow passes over in silence; the other formats' gaps it refuses by itself."""
    if form == "PNG":
        return _png_is_complete(data)
    if form == "TIFF":
        return _tiff_is_complete(opened, len(data))
    if form != "JPEG":
        return True
    # Each scan is a pass over the whole picture: encoders write some ten, an attacker thousands. A download that
    # stopped may be padded with zeros, which decode to grey; what is missing then is the end marker.
    scans = [match.start() for match in re.finditer(rb"\xff\xda\0[\x08\x0a\x0c\x0e][\1-\4]", data)]
    return 0 < len(scans) <= 100 and data.find(b"\xff\xd9", scans[-1]) > 0


def _png_is_complete(data: bytes) -> bool:
    """Inflate the pixel data, a megabyte at a time, and count: rows that are missing would come out black."""
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
    return missing <= 0 or missing <= len(inflater.flush())


def _tiff_is_complete(opened: Any, length: int) -> bool:
    """Strips or tiles must cover the picture and lie inside the file: those not listed would come out black."""
    tags = opened.tag_v2
    width, height, samples = tags[256], tags[257], tags.get(277, 1)
    tiled = 324 in tags
    offsets, counts = (tags.get(324), tags.get(325)) if tiled else (tags.get(273), tags.get(279))
    across, down = (tags[322], tags[323]) if tiled else (width, min(tags.get(278, height), height))
    cells = -(-width // across) * -(-height // down) * (samples if tags.get(284) == 2 else 1)
    inside = all(start + count <= length for start, count in zip(offsets, counts, strict=True))
    raw = height * ((width * samples * tags.get(258, (1,))[0] + 7) // 8) if tags.get(259, 1) == 1 else 0
    return inside and len(offsets) >= cells and sum(counts) >= raw


def _from_pil(source: Image.Image, label: str, limits: ImageLimits) -> Image.Image:
    _check_size(source.size, label, limits)
    if isinstance(source, ImageFile.ImageFile):  # as Image.open gives it, perhaps not decoded yet
        if source.format not in (*_FORMATS, "MPO"):
            raise UnsupportedImage(
                f"{label} was opened as {source.format}, which is not read here: save it as JPEG or PNG, "
                "or pass image.convert('RGB')."
            )
        if source.tile and source.fp is not None and source.tell() == 0:
            position = source.fp.tell()
            try:
                return _from_bytes(_read_stream(source.fp, label, limits), label, limits)
            finally:
                source.fp.seek(position)
    source.load()
    return _to_rgb(source)


_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _to_rgb(im: Image.Image) -> Image.Image:
    """A loaded picture of any mode to an upright RGB copy without metadata."""
    turn = None
    with contextlib.suppress(Exception):  # broken EXIF tells nothing, and harms nothing
        turn = _UPRIGHT.get(im.getexif().get(0x0112, 1))
    if im.mode.startswith(("I", "F")):
        im = Image.fromarray(_grey_levels(im))
    if im.has_transparency_data:
        rgba = im.convert("RGBA")
        rgb = Image.new("RGB", im.size, BACKGROUND)
        rgb.paste(rgba, mask=rgba.getchannel("A"))
    else:
        rgb = _through_profile(im) if im.mode in ("CMYK", "LAB") else im.convert("RGB")
    rgb = rgb.transpose(turn) if turn is not None else rgb
    rgb.info = {}
    return rgb


def _through_profile(im: Image.Image) -> Image.Image:
    with contextlib.suppress(KeyError, OSError, ImportError, ImageCms.PyCMSError):  # none, or a broken one
        profile: Any = ImageCms.createProfile("LAB") if im.mode == "LAB" else io.BytesIO(im.info["icc_profile"])
        if rgb := ImageCms.profileToProfile(im, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"):
            return rgb
    return im.convert("RGB")


def _grey_levels(im: Image.Image) -> npt.NDArray[np.uint8]:
    """One channel of 16 or 32 bits to 8: by the type's range where that is known, else by the values' own."""
    values = np.asarray(im)
    if im.mode.startswith("I;16") or im.format == "PNG":  # before Pillow 11, a 16-bit PNG is of mode I
        levels = _from_16_bits(values, getattr(im, "tag_v2", {}).get(258, (16,))[0])  # a TIFF may hold 12
    else:
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(high - low):
            raise ValueError("it holds values that are not finite numbers")
        levels = np.rint((values - low) * (255 / (high - low or 1.0))).astype(np.uint8)
    if isinstance(hidden := im.info.get("transparency"), int):
        levels[values == hidden] = BACKGROUND[0]
    return levels


def _from_16_bits(values: npt.NDArray[Any], bits: int = 16) -> npt.NDArray[np.uint8]:
    """By table: ten times as fast as arithmetic, and without its copies in floating point."""
    table = np.rint(np.arange(2**16) * (255 / (2**bits - 1))).clip(0, 255).astype(np.uint8)
    levels: npt.NDArray[np.uint8] = table[values]
    return levels


def _from_array(source: Any, label: str, limits: ImageLimits) -> Image.Image:
    kind = f"{label} is a {type(source).__name__}"
    wanted = "give an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
    if not hasattr(source, "__array__"):
        raise UnsupportedImage(f"{kind}, which is not read here: give bytes, a path, a file, a PIL image or an array.")
    try:
        array = np.asarray(source)
    except Exception as error:
        raise UnsupportedImage(f"{kind} that does not turn into a numpy array: {wanted} on the CPU.") from error
    kind += f" of shape {array.shape} and type {array.dtype}"
    if array.size == 0:
        raise EmptyImage(f"{kind}, so it has no pixels: {wanted}.")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        raise UnsupportedImage(f"{kind}: {wanted}{'; transpose(1, 2, 0) moves the channels last' if first else ''}.")
    _check_size((array.shape[1], array.shape[0]), label, limits)
    if array.dtype.kind == "f":
        # Resizing in float32 oversteps by a rounding error; NaN fails the comparison too.
        if not (array.min() >= -1e-5 and array.max() <= 1 + 1e-5):
            raise UnsupportedImage(f"{kind} with values outside [0, 1] or NaN: scale it to [0, 1], or give uint8.")
        array = np.rint(array.clip(0, 1) * 255)
    elif array.dtype.str[1:] == "u2":  # in either byte order
        array = _from_16_bits(array)
    elif array.dtype == np.bool_:
        array = array * 255
    elif array.dtype != np.uint8:
        raise UnsupportedImage(f"{kind}: give uint8 (0 to 255), uint16, bool, or floats in [0, 1].")
    array = np.ascontiguousarray(array[:, :, 0] if array.shape[2:] == (1,) else array, dtype=np.uint8)
    return _to_rgb(Image.fromarray(array))


def _content_hash(image: Image.Image) -> str:
    digest = hashlib.sha256(f"{image.width} x {image.height}:".encode())
    for top in range(0, image.height, 256):  # in bands: the bytes of 40 megapixels at once would be 120 MB more
        digest.update(image.crop((0, top, image.width, min(top + 256, image.height))).tobytes())
    return digest.hexdigest()
