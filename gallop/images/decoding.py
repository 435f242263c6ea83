"""A file's bytes to an upright RGB picture, or a sentence that says why not.

The order matters: byte cap, magic number, size from the header, completeness, decoding, then pixels. Nothing is decoded
before its size is known, and Pillow is only ever handed the one format that the magic number names.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageFile, UnidentifiedImageError

from gallop.errors import CorruptImage, ImageError, TooManyPixels
from gallop.images.formats import (
    DEFAULT_LIMITS,
    ImageLimits,
    check_size,
    declared_size,
    is_complete,
    printable_name,
    sniff,
    too_large,
)
from gallop.images.pixels import lies_on_its_side, to_rgb


@dataclass(frozen=True)
class Decoded:
    """An upright RGB picture without metadata.

    Attributes:
        image: the picture, perhaps smaller than its file has it.
        size: (width, height) of the file's picture, upright.
    """

    image: Image.Image
    size: tuple[int, int]


def decode_image(
    data: bytes, label: str, limits: ImageLimits = DEFAULT_LIMITS, *, short_side: int | None = None
) -> Decoded:
    """Return the picture of a file's bytes. Safe to call from several threads.

    Args:
        label: what messages call it.
        short_side: a JPEG may come out at a half, a quarter or an eighth of its size, as long as its short side keeps
            so many pixels: its decoder leaves out the fine waves then, and takes a fraction of the time.

    Raises:
        ImageError: it is none, is not whole, or is above the limits.
    """
    with strict_pillow(label):
        if len(data) > limits.max_bytes:
            raise too_large(label, limits)
        form = sniff(data, label)
        if size := declared_size(form, data):
            check_size(size, label, limits)
        elif form == "JPEG":
            raise UnidentifiedImageError
        with Image.open(io.BytesIO(data), formats=[form]) as opened:
            check_size(opened.size, label, limits)
            if not is_complete(opened, form, data):
                raise CorruptImage(f"{label} is incomplete, some of its pixels are missing: copy or download it again.")
            width, height = opened.size
            if short_side is not None:
                opened.draft(None, (short_side, short_side))  # other formats pass over it
            opened.load()
            return Decoded(to_rgb(opened), (height, width) if lies_on_its_side(opened) else (width, height))


_users = 0
_users_lock = threading.Lock()
_pillow_as_found = contextlib.ExitStack()


@contextlib.contextmanager
def strict_pillow(label: str) -> Iterator[None]:
    """Make Pillow silent and strict about truncated files, whatever others have set, and its failures sentences.

    Both settings belong to the process. The first thread to come in changes them, the last one out puts them back.

    Raises:
        ImageError: whatever goes wrong inside.
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
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixels(f"{label} has far more pixels than allowed: make it smaller first.") from error
    except Exception as error:  # a bad byte makes Pillow raise nearly anything
        broken_header = isinstance(error, UnidentifiedImageError)
        why = "its header cannot be read" if broken_header else printable_name(str(error) or type(error).__name__)
        raise CorruptImage(
            f"{label} cannot be decoded ({why}); it may be damaged or incomplete: use another copy, or save it anew."
        ) from error
    finally:
        with _users_lock:
            _users -= 1
            if _users == 0:
                _pillow_as_found.close()
