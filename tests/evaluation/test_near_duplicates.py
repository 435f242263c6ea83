"""Photos that are nearly the same picture: the figures beside plain loops, and the limits on real photos with mini."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from gallop import load_image
from gallop.backbones import load_backbone
from gallop.evaluation.near_duplicates import ALIKE_PLACES, ALIKE_WHOLE, near_duplicates
from gallop.features.cache import ImageFeatures
from gallop.features.encoding import encode_photos
from gallop.sample import sample_photos


def features(seed: int, count: int) -> ImageFeatures:
    drawn = torch.Generator().manual_seed(seed)
    return ImageFeatures(torch.randn(count, 6, generator=drawn), torch.randn(count, 4, 5, generator=drawn))


def test_the_cosines_are_those_of_loops_and_each_photo_gets_its_nearest() -> None:
    first, second = features(0, 5), features(1, 70)  # more than are looked at together
    found = near_duplicates(first, second, whole=-1.0, places=-1.0)
    assert sorted(pair.second for pair in found) == list(range(70))
    for pair in found:
        whole = [torch.cosine_similarity(one, second.global_[pair.second], dim=0).item() for one in first.global_]
        places = [torch.cosine_similarity(one, second.regions[pair.second], dim=-1).mean() for one in first.regions]
        assert pair.whole == pytest.approx(whole[pair.first], abs=1e-5)
        assert pair.places == pytest.approx(float(places[pair.first]), abs=1e-5)
        best = [max(w, float(p)) for w, p in zip(whole, places, strict=True)]
        assert max(best) == pytest.approx(best[pair.first])
    assert [max(pair.whole, pair.places) for pair in found] == sorted(
        (max(pair.whole, pair.places) for pair in found), reverse=True
    )


def test_either_cosine_alone_is_enough_and_of_no_photos_there_is_none() -> None:
    first, second = features(0, 3), features(1, 3)
    mirrored = ImageFeatures(first.global_.clone(), second.regions)
    assert {(pair.first, pair.second) for pair in near_duplicates(first, mirrored)} == {(0, 0), (1, 1), (2, 2)}
    same_places = ImageFeatures(second.global_, first.regions.clone())
    assert {(pair.first, pair.second) for pair in near_duplicates(first, same_places)} == {(0, 0), (1, 1), (2, 2)}
    assert near_duplicates(first, second) == []
    assert near_duplicates(first[:0], second) == near_duplicates(first, second[:0]) == []


def saved(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


def test_on_the_sample_copies_are_found_and_no_two_photos_are_called_the_same() -> None:
    backbone = load_backbone("mini", device="cpu")
    photos = [load_image(photo.path) for photo in sample_photos()]
    known, _ = encode_photos(backbone, photos)
    for n in range(1, len(photos)):
        assert near_duplicates(known[:n], known[n : n + 1]) == [], photos[n].name
    some = photos[::13]
    copies = {
        "the same": lambda image: image,
        "saved anew": lambda image: saved(image, 75),
        "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
        "cut": lambda image: image.crop((4, 4, image.width - 4, image.height - 4)),
        "mirrored": ImageOps.mirror,
    }
    for name, make in copies.items():
        changed, _ = encode_photos(backbone, [load_image(make(photo.image)) for photo in some])
        found = {pair.second: pair.first for pair in near_duplicates(known, changed)}
        assert found == {n: photos.index(photo) for n, photo in enumerate(some)}, name
    assert 0 < ALIKE_PLACES < ALIKE_WHOLE < 1
