"""What repeats: a thing that was put on the photos of one class is named, with where it is; nothing else is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gallop import GalLoPClassifier
from gallop.evaluation.evidence import Evidence, evidence
from gallop.evaluation.intervals import Proportion
from gallop.evaluation.repeats import LEAST, Repeat, repeats
from gallop.evaluation.what_if import what_if
from gallop.export.evidence_report import evidence_report
from gallop.images import CropBox
from gallop.maps.pictures import lit_picture
from gallop.runtime.progress import StageEvent

SIDE, THING = 224, 40
"""Pixels of a photo, and of the thing on it."""


def photo_like(draw: np.random.Generator) -> Image.Image:
    """Blobs of colour of several sizes."""
    layers = [
        Image.fromarray(draw.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        for n in (4, 14, 56)
    ]
    return Image.blend(Image.blend(layers[0], layers[1], 0.4), layers[2], 0.3)


def with_thing(image: Image.Image, place: tuple[int, int]) -> Image.Image:
    """A photo with a chequered square at a place."""
    chequered = np.kron(np.indices((5, 5)).sum(axis=0) % 2, np.ones((8, 8)))[..., None] * np.array([250, 90, 20])
    made = image.copy()
    made.paste(Image.fromarray(chequered.astype(np.uint8)), place)
    return made


@pytest.fixture(scope="module")
def photos() -> tuple[list[Image.Image], list[str], list[tuple[int, int]]]:
    """Eight photos of "plain" and ten of "marked", eight of which have the thing: where it is."""
    draw = np.random.default_rng(0)
    images = [photo_like(draw) for _ in range(18)]
    places = [(int(x), int(y)) for x, y in draw.integers(0, SIDE - THING, (8, 2))]
    return [*images[:10], *map(with_thing, images[10:], places)], ["plain"] * 8 + ["marked"] * 10, places


def result(images: list[Image.Image], names: list[str]) -> dict[int, Repeat]:
    *events, found = repeats(images, np.array([["marked", "plain"].index(name) for name in names]))
    assert all(isinstance(event, StageEvent) for event in events)
    assert isinstance(found, dict)
    return found


def test_the_photos_that_have_the_thing_are_named_and_it_is_lit_where_it_is(photos: Any) -> None:
    images, names, places = photos
    found = result(images, names)
    assert list(found) == [0]
    assert found[0].photos == tuple(range(10, 18))
    assert (found[0].own, found[0].others) == (Proportion(8, 10), Proportion(0, 8))
    assert found[0].words("marked") == "the same thing is in 8 of 10 photos of marked and in none of 8 others"
    for photo, (x, y) in zip(found[0].photos, places, strict=True):
        lit = np.asarray(torch.nn.functional.interpolate(found[0].of(photo)[None, None], size=(SIDE, SIDE))[0, 0]) > 0
        around = np.zeros_like(lit)
        around[max(y - 24, 0) : y + THING + 24, max(x - 24, 0) : x + THING + 24] = True
        assert lit[y : y + THING, x : x + THING].mean() > 0.8
        assert not (lit & ~around).any()


def test_without_the_thing_and_with_few_photos_nothing_is_named(photos: Any) -> None:
    images, names, _ = photos
    plain = [photo_like(np.random.default_rng(seed)) for seed in range(18)]
    assert result(plain, names) == {}
    few = [*range(8), *range(10, 10 + LEAST - 1)]
    assert result([images[i] for i in few], [names[i] for i in few]) == {}


def test_a_region_shows_as_much_of_it_as_its_cells_do() -> None:
    cells = torch.zeros(2, 4, 4)
    cells[1, 2:, :2] = 1
    cells[1, 2, 2] = 1
    repeat = Repeat(0.5, (3, 7), Proportion(2, 2), Proportion(0, 6), cells)
    assert repeat.seen(7, (2, 2)).tolist() == [[0, 0], [1, 0.25]]
    assert (repeat.region(7, [(2, 2)]), repeat.region(7, [(3, 3), (2, 2)])) == (2, 9 + 2)


def test_what_is_lit_keeps_its_colours_and_the_rest_is_darkened() -> None:
    cells = np.array([[1, 0], [0, 0]], dtype=np.float32)
    white = Image.new("RGB", (300, 200), "white")
    lit = np.asarray(lit_picture(white, cells, CropBox(50, 0, 250, 200)))
    assert (lit[10, 10].tolist(), len({*lit[10:-10, -10].ravel().tolist()})) == ([255, 255, 255], 1)
    assert lit[-10, -10].max() < 100


@pytest.fixture(scope="module")
def found(photos: Any) -> tuple[GalLoPClassifier, Evidence]:
    images, names, _ = photos
    model = GalLoPClassifier("mini", cache=False, device="cpu", epochs=0, calibration_folds=0).fit(images, names)
    return model, evidence(model, images, names)


def test_evidence_says_how_far_the_score_falls_without_it(found: tuple[GalLoPClassifier, Evidence]) -> None:
    model, made = found
    each = made.of("marked")
    assert each.without is not None
    falls = f"and without it the score falls by {100 * each.without.drop:.0f} %"
    assert each.repeats == f"the same thing is in 8 of 10 photos of marked and in none of 8 others, {falls}"
    assert each.without.stands_out, "the thing is all that the two classes differ in"
    assert each.repeats in repr(made)
    told = {one["class"]: one["repeats"] for one in made.to_dict()["classes"]}
    assert (told["marked"]["own"], told["plain"]) == ({"right": 8, "of": 10}, None)
    page = evidence_report(made, model.model_.backbone)
    assert f"T{each.repeats[1:]}" in page
    assert page.count("Is it the thing itself?") == 1


def test_where_nothing_repeats_nothing_can_be_covered(found: tuple[GalLoPClassifier, Evidence]) -> None:
    with pytest.raises(ValueError, match=r"Nothing repeats in the photos of 'plain'\. Pass the number of a cluster"):
        next(what_if(*found, "plain"))
