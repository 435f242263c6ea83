"""`mini` reads kinds of picture: their words move a name's text feature to where such pictures lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from PIL import Image, ImageFilter, ImageOps
from torch.nn import functional as F

from gallop import load_backbone
from gallop.backbones import Backbone
from gallop.features.encoding import ImageFeatures, encode_sources
from gallop.sample import sample_photos

NAMES = ("candle", "mug", "teapot", "vase")
THINGS = [
    "dog",
    "elephant",
    "giraffe",
    "guitar",
    "horse",
    "house",
    "bicycle",
    "teapot",
    "vase",
    "chair",
    "tree",
    "boat",
]
PLAIN = "A photo of a {}"
SENTENCES = {
    "sketch": "A sketch of a {}",
    "blurred": "A blurry photo of a {}",
    "dark": "A dark photo of a {}",
    "grey": "A monochrome photo of a {}",
    "several": "A photo of several {}",
}


@pytest.fixture(scope="module", name="mini")
def _mini() -> Backbone:
    return load_backbone("mini")


def texts(mini: Backbone, form: str, names: Sequence[str] = NAMES) -> torch.Tensor:
    with torch.no_grad():
        return F.normalize(mini.text.encode_texts([form.format(name) for name in names]), dim=1)


def sketched(photo: Image.Image) -> Image.Image:
    lines = ImageOps.grayscale(photo).filter(ImageFilter.FIND_EDGES)
    return ImageOps.invert(ImageOps.autocontrast(lines, cutoff=2)).convert("RGB")


@pytest.mark.parametrize(
    ("kind", "make"),
    [("sketch", sketched), ("blurred", lambda photo: photo.filter(ImageFilter.BoxBlur(9)))],
    ids=["sketch", "blurred"],
)
def test_a_picture_moves_the_way_its_sentence_does(
    mini: Backbone, kind: str, make: Callable[[Image.Image], Image.Image]
) -> None:
    photos = [photo for photo in sample_photos() if photo.part == "test"][::3]
    names = [str(photo.class_name) for photo in photos]
    pictures = [Image.open(photo.path).convert("RGB") for photo in photos]
    encoded = encode_sources(mini, pictures + [make(picture) for picture in pictures])
    before, after = F.normalize(ImageFeatures.cat(list(encoded)).global_.float(), dim=1).chunk(2)
    step = texts(mini, SENTENCES[kind], names) - texts(mini, PLAIN, names)
    assert (((after - before) * step).sum(dim=1) > 0).all()  # by chance, of half


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_kind_changes_what_a_sentence_says_and_keeps_its_name(mini: Backbone, kind: str) -> None:
    cosines = texts(mini, SENTENCES[kind]) @ texts(mini, PLAIN).T
    assert cosines.diagonal().mean() < 0.9
    assert torch.equal(cosines.argmax(dim=1), torch.arange(len(NAMES)))


@pytest.mark.parametrize("form", ["an image of a {}", "a painting of a {}", "a black and white photo of a {}", "{}"])
def test_words_of_no_kind_say_the_name(mini: Backbone, form: str) -> None:
    assert (texts(mini, PLAIN) * texts(mini, form)).sum(dim=1).min() > 0.98


def test_an_outline_favours_no_name_for_being_a_drawing(mini: Backbone) -> None:
    """Names differ in how near they are to sketches of anything; the word evens that out and leaves the name."""
    pictures = [sketched(Image.open(photo.path).convert("RGB")) for photo in sample_photos()]
    mean = F.normalize(ImageFeatures.cat(list(encode_sources(mini, pictures))).global_.float().mean(dim=0), dim=0)
    plain, outline = (texts(mini, form, THINGS) for form in (PLAIN, "An outline of a {}"))
    assert (outline @ mean).std() < 0.5 * (plain @ mean).std()
    alike = (outline - outline.mean(dim=0)) @ plain.T  # less what the word says of every name
    assert torch.equal(alike.argmax(dim=1), torch.arange(len(THINGS)))
