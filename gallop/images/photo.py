"""Convert bytes, a path, a file, a PIL image or an array safely to an RGB image; anything else is refused.

The order matters: byte cap, magic number, size from the header, completeness, decoding, then pixels. Nothing is decoded
before its size is known, and Pillow is only ever handed the one format that the magic number names.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO, TypeAlias

import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from gallop.errors import CorruptImage, ImageError, NotAnImage, TooManyPixels, UnsupportedImage
from gallop.images.file_types import (
    DEFAULT_LIMITS,
    FORMATS,
    ImageLimits,
    check_avif,
    check_size,
    declared_size,
    is_complete,
    printable_name,
    sniff,
    too_large,
)
from gallop.images.pixels import array_to_rgb, orientation, to_rgb
from gallop.runtime.reading import open_file

IMAGE_SUFFIXES = (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp")
# Photos of unsupported kinds. They are listed, so that they are reported.
_UNREAD_SUFFIXES = (".heic", ".heif", ".jp2", ".jxl")


@dataclass(frozen=True, eq=False)
class Photo:
    """An upright RGB picture without metadata. Photos are equal that have the same name and ``sha256``.

    Attributes:
        known: the hash of its content where it is known already.
        reduced: how many times as wide and as high the file's picture is.
    """

    image: Image.Image
    name: str
    known: str = field(default="", repr=False)
    reduced: tuple[float, float] = (1.0, 1.0)

    @cached_property
    def sha256(self) -> str:
        """The hash of its size and pixels, however they were packed. It takes longer than a small look."""
        if self.known:
            return self.known
        digest = hashlib.sha256(f"{self.width} x {self.height}:".encode())
        for top in range(0, self.height, 256):  # in bands: the bytes of 40 megapixels at once would be 120 MB more
            digest.update(self.image.crop((0, top, self.width, min(top + 256, self.height))).tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Photo) and (self.name, self.sha256) == (other.name, other.sha256)

    def __hash__(self) -> int:
        return hash((self.name, self.sha256))

    @property
    def width(self) -> int:
        return self.image.width

    @property
    def height(self) -> int:
        return self.image.height


@dataclass(frozen=True)
class CropBox:
    """What the model saw of a photo, in the photo's pixels (fractions allowed): left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def scaled(self, across: float, down: float) -> CropBox:
        """Return the same part of a picture that is so many times as wide and as high."""
        return CropBox(self.left * across, self.top * down, self.right * across, self.bottom * down)


ImageSource: TypeAlias = bytes | str | os.PathLike[str] | BinaryIO | Image.Image | npt.NDArray[Any] | Photo


def load_image(
    source: ImageSource,
    *,
    name: str | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
    short_side: int | None = None,
) -> Photo:
    """Check, decode and normalise one picture. Safe to call from several threads.

    The first frame is taken. EXIF orientation is applied, transparency laid on white, CMYK converted by the file's
    profile where there is one; 16-bit values are divided by 257, 32-bit ones stretched from their range to 0..255.

    Args:
        source: the bytes of a JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF file; its path (never a web address); a binary
            file object, read from its start where it can seek; a PIL image; or an array of shape (H, W), (H, W, 1),
            (H, W, 3) or (H, W, 4): uint8, uint16, bool, or floats in [0, 1]; a tensor of torch may have its channels
            first. A ``Photo`` comes back as it is.
        name: what messages call the picture; by default the file's name where there is one.
        limits: caps on bytes and pixels.
        short_side: a JPEG may come out at a half, a quarter or an eighth of its size, as long as its short side keeps
            so many pixels: its decoder leaves out the fine waves then, and takes a fraction of the time.

    Raises:
        ImageError: one of its subclasses, with a sentence that can be shown to a user.
    """
    if isinstance(source, Photo):
        return source
    label = _label(source, name)
    if isinstance(source, (str, os.PathLike)):
        source = read_photo(source, limits, name)
    elif hasattr(source, "read"):
        source = _read_stream(source, label, limits)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decoded(bytes(source), label, limits, short_side)
    with _strict_pillow(label):
        return (
            _from_pil(source, label, limits)
            if isinstance(source, Image.Image)
            else Photo(array_to_rgb(source, label, limits), label)
        )


def _decoded(data: bytes, label: str, limits: ImageLimits, short_side: int | None = None) -> Photo:
    with _strict_pillow(label):
        if len(data) > limits.max_bytes:
            raise too_large(label, limits)
        form = sniff(data, label)
        if size := declared_size(form, data):
            check_size(size, label, limits)
        elif form == "JPEG":
            raise UnidentifiedImageError
        elif form == "AVIF":
            check_avif(data, label, limits)
        with Image.open(io.BytesIO(data), formats=[form]) as opened:
            check_size(opened.size, label, limits)
            if not is_complete(opened, form, data):
                raise CorruptImage(f"{label} is incomplete (some pixels are missing): copy or download it again.")
            width, height = opened.size
            if short_side is not None:
                opened.draft(None, (short_side, short_side))  # other formats pass over it
            opened.load()
            if orientation(opened) in range(5, 9):
                width, height = height, width
            image = to_rgb(opened)
            return Photo(image, label, reduced=(width / image.width, height / image.height))


_users = 0
_users_lock = threading.Lock()
_restore_pillow = contextlib.ExitStack()


@contextlib.contextmanager
def _strict_pillow(label: str) -> Iterator[None]:
    """Make Pillow silent and strict about truncated files, whatever other code has set, and raise readable errors.

    Both settings belong to the process. The first thread to enter changes them, the last one to leave restores them.

    Raises:
        ImageError: whatever goes wrong inside.
    """
    global _users
    with _users_lock:
        _users += 1
        if _users == 1:
            _restore_pillow.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
            _restore_pillow.callback(setattr, ImageFile, "LOAD_TRUNCATED_IMAGES", ImageFile.LOAD_TRUNCATED_IMAGES)
            ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixels(f"{label} has far more pixels than allowed: make it smaller first.") from error
    except Exception as error:  # a bad byte makes Pillow raise nearly anything
        broken_header = isinstance(error, UnidentifiedImageError)
        why = "its header cannot be read" if broken_header else printable_name(str(error) or type(error).__name__)
        raise CorruptImage(
            f"{label} cannot be decoded ({why}). It may be damaged or incomplete: use another copy, or save it again."
        ) from error
    finally:
        with _users_lock:
            _users -= 1
            if _users == 0:
                _restore_pillow.close()


def is_photo_name(name: str) -> bool:
    """Return whether a file is a photo by its name, of a kind that is read here or of one that is refused by name."""
    return name.lower().endswith(IMAGE_SUFFIXES + _UNREAD_SUFFIXES)


def _label(source: object, name: str | None) -> str:
    if name is None:
        known = source if isinstance(source, (str, os.PathLike)) else getattr(source, "name", None)
        known = known or getattr(source, "filename", None)
        name = os.path.basename(known) if isinstance(known, (str, os.PathLike)) else None
    return printable_name(name or "picture")


def read_photo(path: str | os.PathLike[str], limits: ImageLimits = DEFAULT_LIMITS, name: str | None = None) -> bytes:
    """Return the bytes of a file; arguments as of ``load_image``.

    Raises:
        ImageError: it is not there, cannot be read, or has more bytes than a photo may have.
    """
    label = _label(path, name)
    try:
        with open_file(path, limits.max_bytes) as stream:
            return _read_stream(stream, label, limits)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise too_large(label, limits) from error
        web = ". URLs are not downloaded: save the picture and use its path" if "://" in str(path) else ""
        raise NotAnImage(
            f"{printable_name(str(path))} cannot be opened ({error.strerror}){web or ': check the path'}."
        ) from error


def _read_stream(stream: Any, label: str, limits: ImageLimits) -> bytes:
    """Read from the start, at most one byte beyond the cap, however little each read returns."""
    data = bytearray()
    try:
        if hasattr(stream, "seekable") and stream.seekable():
            stream.seek(0)
        while len(data) <= limits.max_bytes and (piece := stream.read(limits.max_bytes + 1 - len(data))):
            data += piece
    except TypeError as error:
        raise NotAnImage(f"{label} was not opened in binary mode: open it with mode 'rb'.") from error
    except Exception as error:  # a zip member, a socket: each raises different errors
        raise CorruptImage(f"{label} cannot be read ({printable_name(str(error))}): use another copy.") from error
    if len(data) > limits.max_bytes:
        raise too_large(label, limits)
    return bytes(data)


def _from_pil(source: Image.Image, label: str, limits: ImageLimits) -> Photo:
    check_size(source.size, label, limits)
    if isinstance(source, ImageFile.ImageFile):  # as Image.open gives it, perhaps not decoded yet
        if source.format not in (*FORMATS, "MPO"):
            raise UnsupportedImage(
                f"{label} was opened as {source.format}, which is not supported: save it as JPEG or PNG, "
                "or pass image.convert('RGB')."
            )
        if source.tile and source.fp is not None and source.tell() == 0:
            return _decoded(_read_stream(source.fp, label, limits), label, limits)
    source.load()
    return Photo(to_rgb(source), label)
