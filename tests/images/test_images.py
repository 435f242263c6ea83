"""The one way in for pictures: what is taken comes out right to the pixel, what is refused says why."""

from __future__ import annotations

import io
import os
import re
import subprocess
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image, ImageFile

from gallop.errors import (
    CorruptImage,
    EmptyImage,
    ImageError,
    ImageTooLarge,
    NotAnImage,
    TooManyPixels,
    UnsupportedImage,
)
from gallop.images import (
    BACKGROUND,
    DEFAULT_LIMITS,
    IMAGE_SUFFIXES,
    CropBox,
    ImageLimits,
    Photo,
    declared_pixels,
    list_images,
    load_image,
)
from tests.memory import peak_bytes
from tests.nasty_images import (
    adam7_rows,
    av1_frame,
    avif,
    cmyk_profile,
    encode,
    gif_header,
    pattern,
    png,
    png_bomb,
    png_chunk,
    png_rows,
    tiff,
    tiff_file,
    webp_header,
)

PIXELS = pattern()  # (16, 24, 3)
HEIGHT, WIDTH, _ = PIXELS.shape
SMOOTH = Image.fromarray(np.stack([PIXELS[..., 0], PIXELS[..., 1], PIXELS[..., 0]], axis=-1))
SOLID = Image.new("RGB", (WIDTH, HEIGHT))
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/tmp/owned) (w) file closefile\n%%EOF\n"


def pixels(photo: Photo) -> np.ndarray:
    assert (photo.image.mode, (photo.width, photo.height)) == ("RGB", photo.image.size)
    return np.asarray(photo.image)


def refusal(source: Any, **options: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        load_image(source, **options)
    assert re.search(r"[:;] \S.*\.$", str(caught.value)), "the sentence gives no way out"
    return caught.value


# ---------------------------------------------------------------- what is taken

LOSSLESS = {
    "png": encode(PIXELS, "PNG"),
    "interlaced png": png((WIDTH, HEIGHT), adam7_rows(PIXELS), interlace=1),
    "webp": encode(PIXELS, "WEBP", lossless=True),
    "bmp": encode(PIXELS, "BMP"),
    "tiff": encode(PIXELS, "TIFF"),
    "tiff, deflate": encode(PIXELS, "TIFF", compression="tiff_deflate"),
    "tiff, lzw": encode(PIXELS, "TIFF", compression="tiff_lzw"),
    "tiff, strips": tiff(PIXELS, strip=5),
    "tiff, deflated strips": tiff(PIXELS, strip=5, deflate=True),
    "tiff, tiles": tiff(PIXELS, tile=16),
    "png behind metadata": png((WIDTH, HEIGHT), png_rows(PIXELS), extra=png_chunk(b"tEXt", b"Author\0someone")),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_file_gives_its_pixels_and_one_hash(name: str) -> None:
    photo = load_image(LOSSLESS[name])
    assert np.array_equal(pixels(photo), PIXELS)
    assert photo.sha256 == load_image(PIXELS).sha256


def test_the_hash_is_of_the_content() -> None:
    changed = PIXELS.copy()
    changed[15, 23, 2] ^= 1  # the last value of all
    tall = pattern(3, 600)  # hashed in more than one band
    lower = tall.copy()
    lower[599, 2, 0] ^= 1
    pictures = PIXELS, changed, PIXELS.reshape(24, 16, 3), PIXELS[::-1], tall, lower
    hashes = {load_image(picture).sha256 for picture in pictures}
    assert len(hashes) == len(pictures)
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in hashes)


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        *((encode(PIXELS, form), 16 * 24) for form in ("JPEG", "MPO", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF")),
        (encode(PIXELS, "JPEG", progressive=True, comment=b"x" * 60_000), 16 * 24),
        (encode(PIXELS, "TIFF", compression="tiff_lzw"), 16 * 24),
        (encode(PIXELS, "WEBP", lossless=True), 16 * 24),
        # What a glance does not tell.
        (b"", 0),
        (b"hello", 0),
        (gif_header(7000, 7000), 0),  # above the limit, so it is refused at once
        (encode(PIXELS, "PNG")[:20], 0),
        (b"BM" + bytes(12) + b"\x0c" + pack("<3xHH", 30, 20), 0),  # cut off
        (tiff(PIXELS, strip=16)[:7], 0),
    ],
    ids=range(17),
)
def test_a_glance_tells_how_many_pixels_there_are(data: bytes, pixels: int) -> None:
    assert declared_pixels(data) == pixels


@pytest.mark.parametrize("form", ["JPEG", "MPO", "WEBP", "GIF", "AVIF"])
def test_lossy_formats_come_close(form: str) -> None:
    several = {"save_all": True, "append_images": [SOLID]} if form == "MPO" else {}
    data = encode(SMOOTH, form, **several)
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.format == form
    assert np.abs(pixels(load_image(data)).astype(int) - SMOOTH).mean() < 12


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_slivers_are_pictures_too(size: tuple[int, int], form: str) -> None:
    photo = load_image(encode(Image.new("RGB", size, (0, 0, 255)), form))
    assert photo.image.size == size
    assert np.abs(pixels(photo).astype(int) - (0, 0, 255)).max() <= 3


def test_every_kind_of_source_gives_the_same_photo(tmp_path: Path) -> None:
    data = LOSSLESS["png"]
    path = tmp_path / "holiday.png"
    path.write_bytes(data)
    half_read = io.BytesIO(data)
    half_read.read(50)  # as after a first look: it is read again from its start
    with path.open("rb") as stream, Image.open(path) as lazy:
        unnamed = [data, bytearray(data), memoryview(data), half_read, Trickle(data), PIXELS]
        photos = [load_image(source) for source in (*unnamed, str(path), path, stream, lazy)]
    assert {photo.sha256 for photo in photos} == {photos[0].sha256}
    assert [photo.name for photo in photos] == ["picture"] * 6 + ["holiday.png"] * 4
    assert load_image(photos[0], name="other") is photos[0]


@pytest.mark.parametrize("name", LOSSLESS)
def test_an_open_image_still_works_for_its_owner(name: str) -> None:
    with Image.open(io.BytesIO(LOSSLESS[name])) as lazy:
        assert np.array_equal(pixels(load_image(lazy)), PIXELS)
        assert np.array_equal(np.asarray(lazy), PIXELS)
        assert np.array_equal(pixels(load_image(lazy)), PIXELS)


class Trickle(io.RawIOBase):
    """A stream that cannot seek and gives seven bytes at a time, as a socket may."""

    def __init__(self, data: bytes) -> None:
        self.rest, self.asked = data, 0

    def read(self, size: int = -1) -> bytes:
        self.asked = max(self.asked, size)
        piece, self.rest = self.rest[:7], self.rest[7:]
        return piece


def test_names_are_made_fit_to_show() -> None:
    photo = load_image(PIXELS, name="a\u202eb\nc\udce9" + "x" * 300)
    assert photo.name == "a?b?c?" + "x" * 194
    assert load_image(LOSSLESS["png"]) == load_image(PIXELS) != photo, "equal by name and content"


def test_the_result_shares_nothing_with_its_source() -> None:
    for form in (PIXELS.copy(), PIXELS[..., 0].copy(), np.dstack([PIXELS, PIXELS[..., :1]])):
        before = pixels(photo := load_image(form)).copy()
        form[:] = 0
        assert np.array_equal(pixels(photo), before)
    image = Image.fromarray(PIXELS)
    photo = load_image(image)
    image.paste((0, 0, 0), (0, 0, WIDTH, HEIGHT))
    assert np.array_equal(pixels(photo), PIXELS)


# ---------------------------------------------------------------- orientation, metadata, frames

# What each EXIF orientation means, in numpy: how the stored rows become upright.
TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def exif_of(tag: int, value: object) -> Image.Exif:
    exif = Image.Exif()
    exif[tag] = value
    return exif


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize(
    ("form", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True}), ("JPEG", {}), ("AVIF", {})]
)
def test_exif_orientation(turn: int, form: str, options: dict[str, Any]) -> None:
    plain = pixels(load_image(encode(PIXELS, form, **options)))
    data = encode(PIXELS, form, exif=exif_of(0x0112, turn), **options)
    assert np.array_equal(pixels(load_image(data)), TURNS[turn](plain))
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        assert np.array_equal(pixels(load_image(opened)), TURNS[turn](plain)), "decoded by the caller"


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("exif", [b"", b"MM\0*", b"no EXIF at all", b"II*\0\xff\xff\xff\xff", bytes(50)])
def test_broken_exif_harms_nothing(form: str, exif: bytes) -> None:
    assert load_image(encode(PIXELS, form, exif=b"Exif\0\0" + exif)).sha256 == load_image(encode(PIXELS, form)).sha256


def test_metadata_is_dropped() -> None:
    exif = exif_of(0x010E, "a secret place")
    data = encode(PIXELS, "JPEG", exif=exif, comment=b"a secret word", dpi=(72, 72), icc_profile=b"not a profile")
    image = load_image(data).image
    assert (image.info, dict(image.getexif())) == ({}, {})
    assert b"secret" in data
    assert b"secret" not in encode(image, "JPEG")


@pytest.mark.parametrize(
    ("form", "options"),
    [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {}), ("MPO", {"quality": 95})],
)
def test_the_first_frame_is_taken(form: str, options: dict[str, Any]) -> None:
    frames = [Image.new("RGB", (9, 5), colour) for colour in ("red", "lime")]
    data = encode(frames[0], form, save_all=True, append_images=frames[1:], **options)
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.n_frames == 2
    assert np.abs(pixels(load_image(data)).astype(int) - (255, 0, 0)).max() <= 2


# ---------------------------------------------------------------- modes

GRADIENT = np.linspace(0, 65535, 24 * 16).round().astype(np.uint16).reshape(16, 24)
EIGHT = np.rint(GRADIENT / 257).astype(np.uint8)
SIXTEEN = [
    Image.fromarray(GRADIENT),  # I;16
    encode(GRADIENT, "PNG"),
    encode(GRADIENT, "TIFF"),
    encode(GRADIENT, "TIFF", compression="tiff_lzw"),
    png((24, 16), b"".join(b"\0" + row.astype(">u2").tobytes() for row in GRADIENT), depth=16, colour=0),
    Image.frombytes("I;16B", (24, 16), GRADIENT.astype(">u2").tobytes()),
    GRADIENT,
    GRADIENT.astype(">u2"),
    GRADIENT[..., None],
    np.stack([GRADIENT] * 3, axis=-1),
]


@pytest.mark.parametrize("source", SIXTEEN, ids=range(len(SIXTEEN)))
def test_sixteen_bits_keep_their_gradient(source: Any) -> None:
    found = pixels(load_image(source))
    assert np.array_equal(found, np.stack([EIGHT] * 3, axis=-1))
    assert abs(found.mean() - GRADIENT.mean() / 257) < 0.5  # a plain conversion gives 254


def test_twelve_bits_are_scaled_by_twelve() -> None:
    packed = bytes.fromhex("".join(f"{value:03x}" for value in [0x000, 0x555, 0xAAA, 0xFFF]))
    tags = {256: [4], 257: [1], 258: [12], 259: [1], 262: [1], 277: [1], 278: [1]}
    assert pixels(load_image(tiff_file([packed], tags)))[0, :, 0].tolist() == [0, 85, 170, 255]


def test_32_bits_are_stretched_from_their_own_range() -> None:
    ramp = np.array([[-500, 0, 500], [1000, 1500, 2000]])
    wanted = np.repeat(np.rint((ramp + 500) * 255 / 2500).astype(np.uint8)[..., None], 3, axis=-1)
    images = [Image.fromarray(ramp.astype(kind)) for kind in (np.int32, np.float32)]
    for source in (*images, *(encode(image, "TIFF") for image in images)):
        assert np.array_equal(pixels(load_image(source)), wanted)
    assert pixels(load_image(Image.new("F", (2, 2), 0.7))).max() == 0  # no range to stretch
    assert "finite" in str(refusal(Image.fromarray(np.array([[0, np.nan]], dtype=np.float32))))


def with_alpha(mode: str) -> Image.Image:
    """Left: hidden colour under alpha 0. Middle: half. Right: opaque. All of it in a loud colour."""
    rgba = Image.fromarray(np.array([[(255, 0, 0, alpha) for alpha in (0, 128, 255)]], np.uint8))
    if mode != "PA":
        return rgba.convert(mode)
    image = Image.new("PA", (3, 1))
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putdata([(1, 0), (1, 128), (1, 255)])
    return image


@pytest.mark.parametrize(
    ("source", "opaque"),
    [
        (with_alpha("RGBA"), (255, 0, 0)),
        (encode(with_alpha("RGBA"), "PNG"), (255, 0, 0)),
        (encode(with_alpha("RGBA"), "WEBP", lossless=True, exact=True), (255, 0, 0)),
        (encode(with_alpha("RGBA"), "TIFF"), (255, 0, 0)),
        (encode(with_alpha("RGBA"), "AVIF", quality=100, subsampling="4:4:4"), (255, 0, 0)),
        (np.asarray(with_alpha("RGBA")), (255, 0, 0)),
        (np.asarray(with_alpha("RGBA")) / 255, (255, 0, 0)),
        (with_alpha("LA"), (76, 76, 76)),
        (encode(with_alpha("LA"), "PNG"), (76, 76, 76)),
        (with_alpha("PA"), (255, 0, 0)),
        (with_alpha("RGBa"), (255, 0, 0)),
        (with_alpha("LA").convert("La"), (76, 76, 76)),
    ],
)
def test_hidden_colour_stays_hidden(source: Any, opaque: tuple[int, int, int]) -> None:
    found = pixels(load_image(source))[0].astype(int)
    assert tuple(found[0]) == BACKGROUND == (255, 255, 255)
    assert np.abs(found[1] - (np.array(opaque) + 255) / 2).max() <= 1
    assert tuple(found[2]) == opaque


def test_a_transparent_palette_colour_and_a_transparent_grey() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putdata([0, 1])
    for form, key in (("PNG", 0), ("GIF", 0), ("PNG", bytes([0, 255]))):
        found = pixels(load_image(encode(palette, form, transparency=key)))[0]
        assert found.tolist() == [[255, 255, 255], [0, 0, 255]]
    rows = b"\0" + pack(">2H", 0x1234, 0x8080)
    key = png_chunk(b"tRNS", pack(">H", 0x1234))
    assert pixels(load_image(png((2, 1), rows, depth=16, colour=0, extra=key)))[0, :, 0].tolist() == [255, 128]


def test_cmyk() -> None:
    inks = Image.new("CMYK", (4, 1))
    inks.putdata([(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 0, 255), (0, 255, 255, 0)])
    plain = [[255, 255, 255], [0, 255, 255], [0, 0, 0], [255, 0, 0]]
    by_profile = [[255] * 3, [119] * 3, [0] * 3, [119] * 3]
    # Encoded in blocks of one colour, as JPEG would blur them; Pillow writes it inverted, as Adobe does, and marks it.
    wide = inks.resize((64, 16), Image.Resampling.NEAREST)
    for form in ("TIFF", "JPEG"):
        for options, wanted in (({}, plain), ({"icc_profile": cmyk_profile()}, by_profile)):
            found = pixels(load_image(encode(wide, form, **options)))[8, 8::16].astype(int)
            assert np.abs(found - wanted).max() <= 2, (form, options.keys())
        broken = load_image(encode(wide, form, icc_profile=b"not a profile"))
        assert broken.sha256 == load_image(encode(wide, form)).sha256


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "HSV", "RGBX", "LAB"])
def test_other_modes(mode: str) -> None:
    halves = Image.fromarray(np.array([[[255] * 3, [0] * 3]], np.uint8))
    image = Image.frombytes("LAB", (2, 1), bytes([255, 0, 0, 0, 0, 0])) if mode == "LAB" else halves.convert(mode)
    assert image.mode == mode
    assert np.abs(pixels(load_image(image))[0].astype(int) - [[255] * 3, [0] * 3]).max() <= 2


# ---------------------------------------------------------------- arrays

GOOD_ARRAYS = [
    (np.full((2, 3), 7, np.uint8), 7),
    (np.full((2, 3, 1), 7, np.uint8), 7),
    (np.full((2, 3, 3), 7, np.uint8)[:, ::-1], 7),  # not contiguous
    (np.full((2, 3), True), 255),
    (np.full((2, 3, 3), 0.5), 128),
    (np.full((2, 3, 3), 0.5, np.float16), 128),
    (np.full((2, 3), 1.000001, np.float32), 255),  # overstepped by a rounding error
    (np.full((2, 3, 3), 0x8080, np.uint16), 128),
]


@pytest.mark.parametrize(("array", "level"), GOOD_ARRAYS)
def test_arrays_that_are_taken(array: np.ndarray, level: int) -> None:
    assert np.array_equal(pixels(load_image(array)), np.full((2, 3, 3), level))


class Tensor:
    """What a tensor on a GPU, or one that wants gradients, does when numpy asks for its values."""

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


BAD_ARRAYS = [
    (np.zeros((0, 5, 3)), EmptyImage, r"\(0, 5, 3\)"),
    (np.zeros(()), UnsupportedImage, r"shape \(\)"),
    (np.zeros(7), UnsupportedImage, r"\(7,\)"),
    (np.zeros((3, 9, 8)), UnsupportedImage, r"\(3, 9, 8\).*\(H, W, 3\).*transpose\(1, 2, 0\)"),
    (np.zeros((9, 8, 2)), UnsupportedImage, r"\(9, 8, 2\)"),
    (np.zeros((1, 9, 8, 3)), UnsupportedImage, r"\(1, 9, 8, 3\)"),
    (np.full((2, 2), np.nan), UnsupportedImage, "NaN"),
    (np.full((2, 2), np.inf), UnsupportedImage, "outside"),
    (np.full((2, 2), 255.0), UnsupportedImage, r"outside \[0, 1\]"),
    (np.full((2, 2), -0.1), UnsupportedImage, r"outside \[0, 1\]"),
    (np.zeros((2, 2), np.int64), UnsupportedImage, "int64, which is not supported: pass uint8"),
    (np.zeros((2, 2), complex), UnsupportedImage, "complex128"),
    (np.array([[None]]), UnsupportedImage, "object"),
    (np.array([["a"]]), UnsupportedImage, "<U1"),
    (Tensor(), UnsupportedImage, r"Tensor.*\(H, W, 3\)"),
    ([[0, 1]], UnsupportedImage, "list"),
    (None, UnsupportedImage, "nothing"),
    (np.broadcast_to(np.uint8(0), (7000, 7000)), TooManyPixels, r"49 megapixels \(7000 x 7000\)"),
]


@pytest.mark.parametrize(("array", "kind", "words"), BAD_ARRAYS)
def test_arrays_that_are_refused(array: Any, kind: type[ImageError], words: str) -> None:
    error = refusal(array)
    assert (type(error), bool(re.search(words, str(error)))) == (kind, True), error


# ---------------------------------------------------------------- what is refused, and why

JPEG = encode(PIXELS, "JPEG")
RGB_TAGS = {256: [WIDTH], 257: [HEIGHT], 258: [8, 8, 8], 259: [1], 262: [2], 277: [3], 278: [HEIGHT]}
REFUSED = [
    ("nothing.jpg", b"", EmptyImage, "nothing.jpg is empty"),
    ("a.jpg", EPS, UnsupportedImage, "a.jpg is an EPS file, which is not supported: save it as JPEG or PNG."),
    ("dos.jpg", b"\xc5\xd0\xd3\xc6" + bytes(30), UnsupportedImage, "an EPS file"),
    ("b.png", b"\n<!DOCTYPE html><html>404", NotAnImage, "b.png is a web page, not a picture"),
    ("c.png", b"just some text", NotAnImage, "c.png is not a picture: use a JPEG, PNG, WebP"),
    ("BM.bmp", b"BMW makes cars and more of them", NotAnImage, "not a picture"),  # two letters are not a magic number
    ("d.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", UnsupportedImage, "d.heic is a HEIC file"),
    ("d.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", UnsupportedImage, "export it as JPEG in the photo app"),
    ("e.avif", avif((100, 100), [av1_frame(9000, 9000)]), TooManyPixels, "9000 x 9000"),  # libavif: shown at 100 x 100
    ("e.avif", avif((100, 100), [av1_frame(9000, 9000)], inside=True), TooManyPixels, "9000 x 9000"),
    ("e.avif", avif((100, 100), [b"\x12\0" + av1_frame(9000, 9000)[2:]]), TooManyPixels, "9000 x 9000"),
    ("e.avif", avif((100, 100), [av1_frame(99, 99) + av1_frame(9000, 9000)]), TooManyPixels, "9000 x 9000"),
    # behind a unit of 200 bytes, whose length takes two
    ("e.avif", avif((100, 100), [b"\x7a\xc8\x01" + bytes(200) + av1_frame(9000, 9000)]), TooManyPixels, "9000 x 9000"),
    ("e.avif", avif((100, 100), [av1_frame(6000, 6000)] * 3), CorruptImage, "it has 3 frames"),  # tiles without end
    ("e.avif", avif((100, 100), [av1_frame(99, 99, still=False)]), CorruptImage, "larger frames than it says"),
    ("e.avif", avif((100, 100), [b"\x12\0" * 501]), CorruptImage, "far too many parts"),
    ("e.avif", avif((100, 100), [b""]), CorruptImage, "it has 0 frames"),
    ("e.avif", encode(PIXELS, "AVIF", save_all=True, append_images=[SOLID]), CorruptImage, "animated"),
    ("f.jpg", b"\0\0\0\x18ftypmp42\0\0\0\0isom", UnsupportedImage, "a video file"),
    ("g.svg", b"<?xml version='1.0'?>\n<!-- drawn --><svg xmlns=''/>", UnsupportedImage, "an SVG file"),
    ("g.jpg", b"<!---->" * 140 + b"x", NotAnImage, "not a picture"),  # a careless pattern for SVG never ends here
    ("g.svg", b"<!---->" * 140, NotAnImage, "not a picture"),  # must not be tried in every of 2 ** 140 ways
    ("h.jpg", b"%PDF-1.7\n", UnsupportedImage, "a PDF file"),
    ("i.jxl", b"\xff\x0a\0\0", UnsupportedImage, "a JPEG XL file"),
    ("j.jp2", b"\0\0\0\x0cjP  \r\n\x87\n", UnsupportedImage, "a JPEG 2000 file"),
    ("k.psd", b"8BPS\0\1", UnsupportedImage, "a Photoshop file"),
    ("l.ico", b"\0\0\1\0\1\0", UnsupportedImage, "an icon file"),
    ("m.jpg", b"PK\3\4rest", UnsupportedImage, "a ZIP file"),
    ("n.ppm", encode(PIXELS, "PPM"), NotAnImage, "not a picture"),  # Pillow would read it; the allow-list does not
    ("o.png", png((12000, 9000), b""), TooManyPixels, "108 megapixels (12000 x 9000). The limit is 40 megapixels"),
    ("p.png", png((20000, 20000), b""), TooManyPixels, "400 megapixels"),  # where Pillow itself raises
    ("q.png", png((20000, 1), b""), TooManyPixels, "q.png has 20000 x 1 pixels. The limit is 16384 pixels per side"),
    ("r.webp", webp_header(8192, 8192, "VP8X"), TooManyPixels, "8192 x 8192"),
    ("r.webp", webp_header(8192, 8192, "VP8L"), TooManyPixels, "8192 x 8192"),
    ("r.webp", webp_header(8192, 8192, "VP8"), TooManyPixels, "8192 x 8192"),
    ("s.gif", gif_header(65535, 65535), TooManyPixels, "65535 x 65535"),
    ("t.bmp", LOSSLESS["bmp"].replace(pack("<2i", 24, 16), pack("<2i", 9999, 9999)), TooManyPixels, "9999 x 9999"),
    ("t.tif", LOSSLESS["tiff, strips"].replace(pack("<HII", 4, 1, 24), pack("<HII", 4, 1, 65535)), TooManyPixels, "x"),
    ("u.jpg", JPEG.replace(pack(">2H", 16, 24), pack(">2H", 60000, 60000)), TooManyPixels, "3600 megapixels"),
    ("f.jpg", JPEG[:2] + b"\xff" * 5000 + JPEG[2:], CorruptImage, "its header cannot be read"),  # Pillow: 6 s for 20 MB
    ("s.jpg", JPEG[:2] + b"\xff\xe3\0\2" * 5000 + JPEG[2:], CorruptImage, "its header cannot be read"),
    ("v.png", png((0, 5), b""), EmptyImage, "v.png has no pixels (0 x 5)"),
    ("v.gif", gif_header(0, 0).replace(b"\1\0\1\0\0", b"\0\0\0\0\0"), EmptyImage, "0 x 0"),
    ("w.png", png((WIDTH, HEIGHT), png_rows(PIXELS[:10])), CorruptImage, "w.png is incomplete"),  # Pillow: rest black
    ("w.png", png((WIDTH, HEIGHT), adam7_rows(PIXELS)[:-9], interlace=1), CorruptImage, "is incomplete"),
    ("x.tif", tiff(PIXELS, strip=5, keep=3), CorruptImage, "x.tif is incomplete"),  # 3 strips of 4
    ("x.tif", tiff(PIXELS, strip=5, keep=3, deflate=True), CorruptImage, "is incomplete"),
    ("x.tif", tiff(PIXELS, tile=16, keep=1), CorruptImage, "is incomplete"),
    ("x.tif", tiff_file([bytes(24 * 3 * 10)], RGB_TAGS), CorruptImage, "is incomplete"),  # 10 rows of 16 in one strip
    ("y.jpg", JPEG[:-40] + bytes(40), CorruptImage, "y.jpg is incomplete"),  # a stopped download, padded with zeros
    ("z.jpg", JPEG[:-2] + b"\xff\xda\0\x08\1\1\0\0\x3f\0" * 101 + b"\xff\xd9", CorruptImage, "is incomplete"),
    ("webp.webp", webp_header(20, 20, "VP8L"), CorruptImage, "webp.webp cannot be decoded"),
    ("jpeg.jpg", b"\xff\xd8\xff\xe0" + bytes(40), CorruptImage, "decoded (its header cannot be read)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "kind", "words"), REFUSED)
def test_files_that_are_refused(name: str, data: bytes, kind: type[ImageError], words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    for source in (path, io.BytesIO(data)):
        error = refusal(source, name=name)
        assert (type(error), words in str(error)) == (kind, True), error


def test_an_avif_is_refused_where_pillow_was_built_without(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(PIXELS, "AVIF")
    monkeypatch.setattr("PIL.features.check", lambda what: what != "avif")
    assert "the Pillow installed here cannot read: save it as JPEG" in str(refusal(data))
    assert declared_pixels(data) == 0


def test_ghostscript_is_never_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was called"))
    path = tmp_path / "photo.jpg"
    path.write_bytes(EPS)
    assert type(refusal(path)) is UnsupportedImage
    with Image.open(path) as lazy:  # opened by the caller, not yet decoded
        error = refusal(lazy)
    assert str(error).startswith("photo.jpg was opened as EPS, which is not supported")


def test_pixel_data_is_counted_to_its_end_and_no_further() -> None:
    found: list[Photo] = []
    surplus = png((WIDTH, HEIGHT), png_rows(PIXELS) + bytes(30 * 2**20))
    assert peak_bytes(lambda: found.append(load_image(surplus))) < 10 * 2**20
    assert np.array_equal(pixels(found[0]), PIXELS)
    # Inflated a megabyte at a time; here the rows end at, just before and just after the first.
    for height in range(8192 - 1, 8192 + 18):
        assert load_image(png((127, height), bytes(128 * height), colour=0)).height == height


def test_an_image_that_is_already_open_is_held_to_the_same_rules() -> None:
    with Image.open(io.BytesIO(LOSSLESS["png"])) as lazy:
        assert type(refusal(lazy, limits=ImageLimits(max_bytes=len(LOSSLESS["png"]) - 1))) is ImageTooLarge
        assert type(refusal(lazy, limits=ImageLimits(max_side=23))) is TooManyPixels
    for cut in (png((WIDTH, HEIGHT), png_rows(PIXELS[:10])), JPEG[:-40] + bytes(40)):
        with Image.open(io.BytesIO(cut)) as short:
            assert "incomplete" in str(refusal(short))
    assert type(refusal(Image.new("RGB", (7000, 7000)))) is TooManyPixels
    assert type(refusal(Image.new("RGB", (0, 7)))) is EmptyImage
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    with Image.open(io.BytesIO(encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))) as animation:
        animation.seek(2)  # the caller chose a frame
        assert pixels(load_image(animation))[0, 0].tolist() == [0, 0, 255]
    closed = Image.open(io.BytesIO(LOSSLESS["png"]))
    closed.close()
    assert type(refusal(closed)) is CorruptImage


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("pipe.jpg", "pipe.jpg cannot be opened (it is a pipe, a socket or a device, not a file): check the path."),
        ("folder.jpg", "folder.jpg cannot be opened (it is a folder, not a file): check the path."),
        ("/dev/zero", "/dev/zero cannot be opened (it is a pipe, a socket or a device"),
        ("absent.jpg", "absent.jpg cannot be opened (No such file or directory): check the path."),
        ("nul\0l.jpg", "nul?l.jpg cannot be opened"),
        ("x" * 5000, "File name too long"),
        ("", "cannot be opened"),
        ("https://example.org/cat.jpg", "URLs are not downloaded: save the picture and use its path"),
    ],
    ids=range(8),
)
def test_what_is_not_a_file_is_not_opened(
    source: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.jpg")  # opening it would wait for a writer
    os.mkdir("folder.jpg")
    error = refusal(source)
    assert (type(error), words in str(error)) == (NotAnImage, True), error


def test_the_byte_cap_comes_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as stream:
        stream.truncate(10 * 2**30)  # ten gigabytes of hole
    with monkeypatch.context() as patch:
        patch.setattr("gallop.images.photo.open", lambda *_: pytest.fail("the file was opened"), raising=False)
        error = refusal(path)
    said = "huge.jpg is larger than 20 MB: make it smaller, or save it as JPEG."
    assert (type(error), str(error)) == (ImageTooLarge, said)
    data = LOSSLESS["png"]
    exact, short = ImageLimits(max_bytes=len(data)), ImageLimits(max_bytes=len(data) - 1)
    stream = Trickle(data + bytes(10_000))
    assert type(refusal(stream, limits=short)) is ImageTooLarge
    assert (stream.asked, len(stream.rest) > 9_980) == (len(data), True), "never more than one byte beyond the cap"
    for source in (data, io.BytesIO(data), Trickle(data)):
        assert load_image(source, limits=exact).width == WIDTH
    for source in (data, io.BytesIO(data)):
        assert type(refusal(source, limits=short)) is ImageTooLarge


def test_the_limits_themselves_are_allowed() -> None:
    assert load_image(PIXELS, limits=ImageLimits(max_pixels=WIDTH * HEIGHT, max_side=WIDTH)).width == WIDTH
    assert type(refusal(PIXELS, limits=ImageLimits(max_pixels=WIDTH * HEIGHT - 1))) is TooManyPixels
    assert ImageLimits(20 * 2**20, 40_000_000, 16384) == DEFAULT_LIMITS


def test_streams_that_are_no_streams_of_bytes() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("the disk is gone")

    assert "mode 'rb'" in str(refusal(io.StringIO("text")))
    assert "the disk is gone" in str(refusal(Broken(), name="b.jpg"))


# ---------------------------------------------------------------- truncation and damage

TWICE = {"save_all": True, "append_images": [SMOOTH.rotate(180)]}
WHOLE = {
    "jpeg": JPEG,
    "jpeg, progressive": encode(PIXELS, "JPEG", progressive=True, quality=95),
    "mpo": encode(SMOOTH, "MPO", **TWICE),
    "png": LOSSLESS["png"],
    "png, interlaced": LOSSLESS["interlaced png"],
    "png, 16 bits": encode(GRADIENT, "PNG"),
    "webp": encode(PIXELS, "WEBP"),
    "webp, lossless": LOSSLESS["webp"],
    "webp, moving": encode(SMOOTH, "WEBP", **TWICE),
    "gif": encode(PIXELS, "GIF"),
    "gif, moving": encode(SMOOTH, "GIF", **TWICE),
    "avif": encode(PIXELS, "AVIF"),
    "bmp": LOSSLESS["bmp"],
    "tiff": LOSSLESS["tiff"],
    "tiff, strips": LOSSLESS["tiff, strips"],
    "tiff, deflate": LOSSLESS["tiff, deflate"],
    "tiff, lzw": LOSSLESS["tiff, lzw"],
    "tiff, jpeg": encode(PIXELS, "TIFF", compression="jpeg"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_cut_file_is_refused_or_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as many a training script does
    data = WHOLE[name]
    whole = load_image(data).sha256
    cuts = sorted({*range(0, len(data), 1 + len(data) // 120), *range(max(0, len(data) - 30), len(data))})
    refused = 0
    for cut in cuts:
        try:
            assert load_image(data[:cut]).sha256 == whole, f"{cut} of {len(data)} bytes give another picture"
        except ImageError:
            refused += 1
    assert refused > len(cuts) / 3
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True, "put back as it was found"


@settings(max_examples=150)
@given(st.sampled_from(sorted(WHOLE)), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1))
def test_damage_is_refused_in_our_own_words(name: str, changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE[name])
    for place, value in changes:
        data[place % min(len(data), 300)] = value
    try:
        photo = load_image(bytes(data))
    except ImageError:
        return
    assert photo.image.mode == "RGB"


# ---------------------------------------------------------------- the process around it


def test_nothing_of_pillow_or_of_warnings_is_changed() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff"
    noisy = [encode(PIXELS, "JPEG", exif=exif), png((9500, 9500), b"")]  # corrupt EXIF; in Pillow's warning range
    before = (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_image(noisy[0])
        refusal(noisy[1])
        with pytest.raises(ImageError):
            load_image(png((9500, 9500), b""), limits=ImageLimits(max_pixels=10**9))
    assert (caught, (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, list(warnings.filters))) == ([], before)


def test_threads_do_not_disturb_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    filters, good = list(warnings.filters), load_image(LOSSLESS["bmp"])

    def work(_: int) -> None:
        for _ in range(60):
            assert load_image(LOSSLESS["bmp"]) == good
            with pytest.raises(CorruptImage):
                load_image(LOSSLESS["bmp"][:-100])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert (ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == (True, filters)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process's memory is read from /proc")
def test_bombs_cost_no_memory() -> None:
    bombs = png_bomb(10_000), webp_header(16383, 16383, "VP8"), gif_header(60000, 60000)
    assert len(bombs[0]) < 500_000
    errors: list[ImageError] = []
    assert peak_bytes(lambda: errors.extend(map(refusal, bombs))) < 20 * 2**20  # decoded, the PNG alone takes 100 MB
    assert [type(error) for error in errors] == [TooManyPixels] * 3


# ---------------------------------------------------------------- folders


def test_list_images(tmp_path: Path) -> None:
    names = [
        "10.jpg", "2.jpg", "1.JPEG", "b.png", "A.webp", "a2.gif", "a10.bmp", "c.tiff",
        "notes.txt", "noend", ".hidden.jpg", "._2.jpg", "jpg", "folder.jpg/notes.txt", "../elsewhere/7.png",
        "sub/3.jpg", "sub/deep/1.png", ".git/4.jpg", "__MACOSX/5.jpg", "sub/__MACOSX/6.jpg",
    ]  # fmt: skip
    root = tmp_path / "photos"
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    os.mkfifo(root / "pipe.jpg")
    for link, target in (("sub/loop", root), ("broken.jpg", root / "absent"), ("zoo", tmp_path / "elsewhere")):
        (root / link).symlink_to(target)
    flat = ["1.JPEG", "2.jpg", "10.jpg", "a2.gif", "a10.bmp", "A.webp", "b.png", "broken.jpg", "c.tiff"]
    deep = ["sub/3.jpg", "sub/deep/1.png", "zoo/7.png"]  # a linked class folder counts
    assert list_images(root) == [root / name for name in flat]
    assert list_images(str(root), recursive=True) == [root / name for name in (*flat, *deep)]
    with pytest.raises(NotADirectoryError, match=r"absent is not a folder"):
        list_images(root / "absent")
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in IMAGE_SUFFIXES)


def test_folders_nested_without_end_are_listed_and_what_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,500 levels are more than Python's calls nest, and their paths longer than the system opens."""
    monkeypatch.chdir(tmp_path)
    for _ in range(1500):
        os.mkdir("deep")
        os.chdir("deep")
    os.chdir(tmp_path)
    (tmp_path / "deep" / "deep" / "1.png").touch()
    listed, cannot = list_images(tmp_path, recursive=True)
    assert (listed, cannot.name) == (tmp_path / "deep" / "deep" / "1.png", "deep")
    with pytest.raises(NotAnImage, match="cannot be opened"):
        load_image(cannot)
    subprocess.run(["rm", "-r", tmp_path / "deep"], check=True)  # shutil.rmtree calls itself for each level


# Decoded smaller -----------------------------------------------------------------------------------------------------


def smooth(width: int, height: int) -> Image.Image:
    """Colours that change slowly, so that a JPEG keeps them at any scale."""
    small = Image.fromarray(np.random.default_rng(3).integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    return encode(image, form, **({"quality": 95} if form == "JPEG" else {}), **options)


@pytest.mark.parametrize(
    ("size", "short_side", "found"),
    [
        ((640, 480), None, (640, 480)),
        ((640, 480), 241, (640, 480)),
        ((640, 480), 240, (320, 240)),
        ((640, 480), 100, (160, 120)),
        ((480, 641), 60, (60, 81)),
        ((640, 480), 10, (80, 60)),  # an eighth is the least
    ],
)
def test_a_jpeg_comes_smaller_as_long_as_its_short_side_is_long_enough(
    size: tuple[int, int], short_side: int | None, found: tuple[int, int]
) -> None:
    whole = smooth(*size)
    photo = load_image(encoded(whole), short_side=short_side)
    assert (photo.image.size, photo.reduced) == (found, (size[0] / found[0], size[1] / found[1]))
    expected = np.asarray(whole.resize(found, Image.Resampling.BOX), np.float32)
    assert np.abs(np.asarray(photo.image, np.float32) - expected).mean() < 2


def test_other_formats_come_whole() -> None:
    for form in ("PNG", "BMP", "TIFF", "GIF"):
        photo = load_image(encoded(smooth(640, 480), form), short_side=60)
        assert (photo.image.size, photo.reduced) == ((640, 480), (1, 1))


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_photo_that_lies_on_its_side_has_the_size_it_is_shown_in(turn: int) -> None:
    photo = load_image(encoded(smooth(640, 480), exif=exif_of(0x0112, turn)), short_side=120)
    assert (photo.image.size, photo.reduced) == ((160, 120) if turn < 5 else (120, 160), (4, 4))


def test_one_that_was_cut_off_is_refused_at_any_scale() -> None:
    data = encoded(smooth(640, 480))
    for short_side in (None, 60):
        with pytest.raises(CorruptImage, match=r"half\.jpg is incomplete"):
            load_image(data[: len(data) // 2], name="half.jpg", short_side=short_side)


def test_a_crop_of_the_smaller_picture_is_one_of_the_photo() -> None:
    assert CropBox(10, 0, 90, 60).scaled(8, 8.5) == CropBox(80, 0, 720, 510)
