"""Photos that are nearly the same picture: the figures beside plain loops, and the limits on real photos with mini."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from gallop import GalLoPClassifier, ImageFeatures, load_backbone, load_image
from gallop.documents.model_card import model_card
from gallop.evaluation.curve import learning_curve
from gallop.features.encoding import encode_photos
from gallop.features.near_duplicates import (
    ALIKE_GLOBAL,
    ALIKE_PLACES,
    alike_groups,
    independent_groups,
    near_duplicates,
    tells_copies,
)
from gallop.sample import sample_photos
from tests import tiny
from tests.nasty_images import encode
from tests.tiny import there, vit


def features(seed: int, count: int) -> ImageFeatures:
    drawn = torch.Generator().manual_seed(seed)
    return ImageFeatures(torch.randn(count, 6, generator=drawn), torch.randn(count, 4, 5, generator=drawn))


def test_each_photo_gets_its_nearest_and_the_most_alike_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = features(0, 5), features(1, 70)  # more than are looked at together
    for limit in ("ALIKE_GLOBAL", "ALIKE_PLACES"):
        monkeypatch.setattr(f"gallop.features.near_duplicates.{limit}", -1.0)
    found = near_duplicates(first, second)
    assert sorted(place for _, place in found) == list(range(70))
    most = []
    for one, other in found:
        whole = [torch.cosine_similarity(each, second.global_[other], dim=0).item() for each in first.global_]
        places = [torch.cosine_similarity(each, second.regions[other], dim=-1).mean() for each in first.regions]
        best = [max(w, float(p)) for w, p in zip(whole, places, strict=True)]
        assert max(best) == pytest.approx(best[one], abs=1e-5)
        most.append(best[one])
    assert most == pytest.approx(sorted(most, reverse=True), abs=1e-5)


def test_either_cosine_alone_is_enough_and_of_no_photos_there_is_none() -> None:
    first, second = features(0, 3), features(1, 3)
    mirrored = ImageFeatures(first.global_.clone(), second.regions)
    assert set(near_duplicates(first, mirrored)) == {(0, 0), (1, 1), (2, 2)}
    same_places = ImageFeatures(second.global_, first.regions.clone())
    assert (set(near_duplicates(first, same_places)), near_duplicates(first, second)) == ({(0, 0), (1, 1), (2, 2)}, [])
    assert near_duplicates(first[:0], second) == near_duplicates(first, second[:0]) == []


def test_frames_of_a_film_are_one_group_and_another_class_is_another() -> None:
    drawn = torch.Generator().manual_seed(4)
    start, end = torch.randn(2, 64, generator=drawn)
    film = torch.stack([torch.lerp(start, end, step / 19) for step in range(20)])
    assert torch.cosine_similarity(film[0], film[-1], dim=0) < 0.5 < ALIKE_GLOBAL
    assert torch.cosine_similarity(film[:-1], film[1:]).min() > ALIKE_GLOBAL
    whole = torch.cat([film, torch.randn(3, 64, generator=drawn), film[:1]])
    images = ImageFeatures(whole, torch.randn(len(whole), 4, 5, generator=drawn))
    groups = alike_groups(images, [0] * 23 + [1])
    assert len(set(groups[:20])) == 1
    assert len(set(groups)) == 5, "three others, and the copy in the other class"
    mirrored = ImageFeatures(torch.randn(2, 64, generator=drawn), images.regions[:1].expand(2, -1, -1))
    assert len(set(alike_groups(mirrored, [0, 0]))) == 1, "region by region alone"


def test_only_the_backbone_that_the_limits_are_of_tells_copies() -> None:
    assert tells_copies(load_backbone("mini", device="cpu"))
    assert not tells_copies(vit())


def test_copies_are_held_out_with_their_original() -> None:
    """Or the threshold is that of photos that were learned from, and the classes' next photos fall above it."""
    photos = [(load_image(photo.path), str(photo.class_name)) for photo in sample_photos() if photo.part == "train"][
        ::3
    ]
    brighter = [(load_image(ImageEnhance.Brightness(photo.image).enhance(1.05)), name) for photo, name in photos[::2]]
    images, names = zip(*photos, *brighter, strict=True)
    made = GalLoPClassifier(epochs=1, views=1, cache=False, device="cpu").fit(list(images), list(names))
    where = {int(i): number for number, part in enumerate(there(made.cross_fit_).index) for i in part}
    assert len(where) == len(images)
    for copy, original in enumerate(range(0, len(photos), 2), len(photos)):
        assert where[copy] == where[original]
    assert made.calibration_.photos == len(photos), "a copy tells nothing new"


@pytest.mark.parametrize("spread", [0.3, 0.6])
def test_sittings_are_groups_and_photos_without_a_gap_are_none(spread: float) -> None:
    drawn = torch.Generator().manual_seed(3)
    centres = torch.randn(3, 1, 64, generator=drawn)
    sittings = (centres + spread * torch.randn(3, 5, 64, generator=drawn)).flatten(0, 1)
    spaced = torch.randn(32, 64, generator=drawn)  # of two other classes
    images = ImageFeatures(torch.cat([sittings, spaced]), torch.randn(47, 4, 5, generator=drawn))
    groups, few = independent_groups(vit(), images, [0] * 15 + [1] * 16 + [2] * 16)
    assert few == [0]
    assert [len(set(groups[start : start + 5])) for start in (0, 5, 10)] == [1, 1, 1]
    assert len(set(groups)) == 3 + 32
    assert independent_groups(vit(), images[torch.tensor([0, 1, 2])], [0] * 3) == ([0, 1, 2], [])


def test_sittings_that_are_given_are_held_out_together_and_count_once(tmp_path: Path) -> None:
    folder = tiny.write_folder(tmp_path, {"red": 6, "green": 6})
    made = tiny.classifier(shots=None, calibration_folds=3).fit(folder, group=lambda path: int(path.stem) // 2)
    shots = there(made._shots)
    sittings = [(name, int(path.stem) // 2) for name, path in zip(shots.names, shots.paths, strict=True)]
    held_out = [{sittings[int(i)] for i in part} for part in there(made.cross_fit_).index]
    assert sum(map(len, held_out)) == len(set().union(*held_out)) == len(set(sittings)) == 6, "none is divided"
    assert made.calibration_.photos == 6
    assert learning_curve(made.model_.backbone, shots, made.model_.config).copies == 6


def crops(image: Image.Image, count: int) -> list[Image.Image]:
    """A photo as if taken so many times: from a little elsewhere, nearer, in other light."""
    drawn, made = random.Random(image.size[0]), []
    for _ in range(count):
        part = drawn.uniform(0.65, 0.95)
        width, height = (int(part * side) for side in image.size)
        x, y = (drawn.randint(0, side - cut) for side, cut in zip(image.size, (width, height), strict=True))
        light = ImageEnhance.Brightness(image.crop((x, y, x + width, y + height)))
        made.append(light.enhance(drawn.uniform(0.6, 1.4)).resize(image.size))
    return made


@pytest.mark.slow
def test_held_out_figures_of_two_sittings_a_class_hold_for_other_photos() -> None:
    """Photo by photo, all held-out shots were right: each had a photo of its sitting among those learned from."""
    of_class: dict[str, list[Image.Image]] = {}
    for photo in sample_photos():
        if photo.part != "other":
            of_class.setdefault(str(photo.class_name), []).append(load_image(photo.path).image)
    shots = [(crop, name) for name, some in of_class.items() for image in some[:2] for crop in crops(image, 6)]
    other = [(image, name) for name, some in of_class.items() for image in some[2:]]
    made = GalLoPClassifier(epochs=0, cache=False, device="cpu").fit(*map(list, zip(*shots, strict=True)))
    low, high = there(made.evaluation).accuracy.interval
    assert low <= made.evaluate(*map(list, zip(*other, strict=True))).accuracy.value <= high
    assert made.calibration_.photos == there(made.evaluation).accuracy.of < len(shots) / 3
    assert made.calibration_.caution.startswith("The photos of candle, mug, teapot, vase are alike")
    assert made.calibration_.caution in model_card(made)


@pytest.mark.slow
def test_on_the_sample_copies_are_found_and_no_two_photos_are_called_the_same() -> None:
    backbone = load_backbone("mini", device="cpu")
    photos = [load_image(photo.path) for photo in sample_photos()]
    known, _ = encode_photos(backbone, photos)
    for n in range(1, len(photos)):
        assert near_duplicates(known[:n], known[n : n + 1]) == [], photos[n].name
    some = photos[::13]
    copies = {
        "the same": lambda image: image,
        "saved again": lambda image: Image.open(io.BytesIO(encode(image, "JPEG", quality=75))),
        "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
        "cut": lambda image: image.crop((4, 4, image.width - 4, image.height - 4)),
        "mirrored": ImageOps.mirror,
    }
    for name, make in copies.items():
        changed, _ = encode_photos(backbone, [load_image(make(photo.image)) for photo in some])
        found = {other: one for one, other in near_duplicates(known, changed)}
        assert found == {n: photos.index(photo) for n, photo in enumerate(some)}, name
    assert 0 < ALIKE_PLACES < ALIKE_GLOBAL < 1
