"""The one safe way from bytes, a path, a file, a PIL image or an array to an RGB image; all else is refused.

What is done with bytes is in ``gallop.images.decoding``; here is what may be given in their place.
"""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeAlias

import numpy.typing as npt
from PIL import Image, ImageFile

from gallop.errors import (
    CorruptImage,
    NotAnImage,
    UnsupportedImage,
    suggesting,
)
from gallop.images.decoding import decode_image, strict_pillow
from gallop.images.formats import DEFAULT_LIMITS, FORMATS, ImageLimits, check_size, printable_name, too_large
from gallop.images.pixels import array_to_rgb, to_rgb
from gallop.runtime.reading import open_file

IMAGE_SUFFIXES = (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp")
_UNREAD_SUFFIXES = (".avif", ".heic", ".heif", ".jp2", ".jxl")
"""Photos of kinds that are not read here. They are listed, so that their loss is told."""


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


@dataclass(frozen=True)
class CropBox:
    """What the model saw of a photo, in the photo's own pixels (fractions allowed): left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def scaled(self, across: float, down: float) -> CropBox:
        """Return the same part of a picture that is so many times as wide and as high."""
        return CropBox(self.left * across, self.top * down, self.right * across, self.bottom * down)


ImageSource: TypeAlias = bytes | str | os.PathLike[str] | BinaryIO | Image.Image | npt.NDArray[Any] | Photo


@suggesting
def load_image(source: ImageSource, *, name: str | None = None, limits: ImageLimits = DEFAULT_LIMITS) -> Photo:
    """Check, decode and normalise one picture. Safe to call from several threads.

    The first frame is taken. EXIF orientation is applied, transparency laid on white, CMYK taken through the file's own
    profile where there is one; 16-bit values are divided by 257, 32-bit ones stretched from their range to 0..255.

    Args:
        source: the bytes of a JPEG, PNG, WebP, GIF, BMP or TIFF file; its path (never a web address); a binary file
            object, read from its start where it can seek; a PIL image; or an array of shape (H, W), (H, W, 1),
            (H, W, 3) or (H, W, 4): uint8, uint16, bool, or floats in [0, 1]; a tensor of torch may have its channels
            first. A ``Photo`` comes back as it is.
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
    if isinstance(source, (bytes, bytearray, memoryview)):
        image = decode_image(bytes(source), label, limits).image
    else:
        with strict_pillow(label):
            image = (
                _from_pil(source, label, limits)
                if isinstance(source, Image.Image)
                else array_to_rgb(source, label, limits)
            )
    return Photo(image, label, _content_hash(image))


def is_photo_name(name: str) -> bool:
    """Return whether a file is a photo by its name, of a kind that is read here or of one that is refused by name."""
    return name.lower().endswith(IMAGE_SUFFIXES + _UNREAD_SUFFIXES)


def _label(source: object, name: str | None) -> str:
    if name is None:
        known = source if isinstance(source, (str, os.PathLike)) else getattr(source, "name", None)
        known = known or getattr(source, "filename", None)
        name = os.path.basename(known) if isinstance(known, (str, os.PathLike)) else None
    return printable_name(name or "picture")


def _read_path(path: str | os.PathLike[str], label: str, limits: ImageLimits) -> bytes:
    try:
        with open_file(path, limits.max_bytes) as stream:
            return _read_stream(stream, label, limits)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise too_large(label, limits) from error
        web = "; nothing is downloaded, so save the picture and give its path" if "://" in str(path) else ""
        shown = printable_name(str(path))
        raise NotAnImage(f"{shown} cannot be opened ({error.strerror}){web or ': check the path'}.") from error


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
        raise CorruptImage(f"{label} cannot be read ({printable_name(str(error))}): use another copy.") from error
    if len(data) > limits.max_bytes:
        raise too_large(label, limits)
    return bytes(data)


def _from_pil(source: Image.Image, label: str, limits: ImageLimits) -> Image.Image:
    check_size(source.size, label, limits)
    if isinstance(source, ImageFile.ImageFile):  # as Image.open gives it, perhaps not decoded yet
        if source.format not in (*FORMATS, "MPO"):
            raise UnsupportedImage(
                f"{label} was opened as {source.format}, which is not read here: save it as JPEG or PNG, "
                "or pass image.convert('RGB')."
            )
        if source.tile and source.fp is not None and source.tell() == 0:
            return decode_image(_read_stream(source.fp, label, limits), label, limits).image
    source.load()
    return to_rgb(source)


def _content_hash(image: Image.Image) -> str:
    digest = hashlib.sha256(f"{image.width} x {image.height}:".encode())
    for top in range(0, image.height, 256):  # in bands: the bytes of 40 megapixels at once would be 120 MB more
        digest.update(image.crop((0, top, image.width, min(top + 256, image.height))).tobytes())
    return digest.hexdigest()
