"""Convert a decoded picture of any mode, or an array, to upright RGB without metadata."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from gallop.errors import EmptyImage, UnsupportedImage
from gallop.images.file_types import ImageLimits, check_size
from gallop.wording import named_kind

BACKGROUND = (255, 255, 255)  # what shows through transparent pixels

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(im: Image.Image) -> Any:
    """Return the EXIF orientation of a picture: 1 is upright, and 5 to 8 are on its side."""
    with contextlib.suppress(Exception):  # broken EXIF is ignored
        return im.getexif().get(0x0112, 1)
    return 1


def to_rgb(im: Image.Image) -> Image.Image:
    """Turn a loaded picture of any mode into an upright RGB copy without metadata."""
    turn = _UPRIGHT.get(orientation(im))
    if im.mode.startswith(("I", "F")):
        im = Image.fromarray(_grey_levels(im))
    if im.has_transparency_data:
        rgba = (im.convert("LA") if im.mode == "La" else im).convert("RGBA")  # from La there is no direct way
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
    """One channel of 16 or 32 bits to 8: by the type's range where that is known, else by the values' range."""
    values = np.asarray(im)
    if im.mode.startswith("I;16") or im.format == "PNG":  # before Pillow 11, a 16-bit PNG is of mode I
        levels = _from_16_bits(values, getattr(im, "tag_v2", {}).get(258, (16,))[0])  # a TIFF may hold 12
    else:
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(high - low):
            raise ValueError("it contains values that are not finite numbers")
        levels = np.rint((values - low) * (255 / (high - low or 1.0))).astype(np.uint8)
    if isinstance(hidden := im.info.get("transparency"), int):
        levels[values == hidden] = BACKGROUND[0]
    return levels


def _from_16_bits(values: npt.NDArray[Any], bits: int = 16) -> npt.NDArray[np.uint8]:
    """By table: ten times as fast as arithmetic, and without its copies in floating point."""
    table = np.rint(np.arange(2**16) * (255 / (2**bits - 1))).clip(0, 255).astype(np.uint8)
    return np.asarray(table[values])


def _channels_last(source: Any) -> Any:
    """A tensor of torch, whose channels come first, as arrays have them; all else as it is."""
    if not (hasattr(source, "movedim") and hasattr(source, "detach")):
        return source
    source = source.detach().cpu()
    first, last = source.shape[0] if source.ndim == 3 else 0, source.shape[-1] if source.ndim else 0
    return source.movedim(0, -1) if first in (1, 3, 4) and last not in (1, 3, 4) else source


def array_to_rgb(source: Any, label: str, limits: ImageLimits) -> Image.Image:
    """Turn an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8, uint16, bool or floats in [0, 1] to RGB, or a
    tensor (1, H, W), (3, H, W) or (4, H, W) of torch.

    Raises:
        UnsupportedImage, EmptyImage, TooManyPixels: naming shape and type, and what would do.
    """
    kind = f"{label} is {named_kind(source)}"
    wanted = "pass an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
    if not hasattr(source, "__array__"):
        raise UnsupportedImage(f"{kind}, which is not supported: pass bytes, a path, a file, a PIL image or an array.")
    try:
        array = np.asarray(_channels_last(source))
    except Exception as error:
        raise UnsupportedImage(f"{kind} that cannot be converted to a numpy array: {wanted} on the CPU.") from error
    kind += f" of shape {array.shape} and type {array.dtype}"
    if array.size == 0:
        raise EmptyImage(f"{kind}, so it has no pixels: {wanted}.")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        hint = "; transpose(1, 2, 0) moves the channels last" if first else ""
        raise UnsupportedImage(f"{kind}, which is not supported: {wanted}{hint}.")
    check_size((array.shape[1], array.shape[0]), label, limits)
    if array.dtype.kind == "f":
        # Resizing in float32 oversteps by a rounding error; NaN fails the comparison too.
        if not (array.min() >= -1e-5 and array.max() <= 1 + 1e-5):
            raise UnsupportedImage(
                f"{kind} with NaN or values outside [0, 1]: scale the values to [0, 1], or pass uint8."
            )
        array = np.rint(array.clip(0, 1) * 255)
    elif array.dtype.str[1:] == "u2":  # in either byte order
        array = _from_16_bits(array)
    elif array.dtype == np.bool_:
        array = array * 255
    elif array.dtype != np.uint8:
        raise UnsupportedImage(
            f"{kind}, which is not supported: pass uint8 (0 to 255), uint16, bool, or floats in [0, 1]."
        )
    array = np.ascontiguousarray(array[:, :, 0] if array.shape[2:] == (1,) else array, dtype=np.uint8)
    return to_rgb(Image.fromarray(array))
