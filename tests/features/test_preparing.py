"""Photos of any kind to pixels, in one function that batches, answers, caches and trainings call."""

from __future__ import annotations

import ast
import io
from dataclasses import astuple, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, functional

from gallop.backbones import Preprocess
from gallop.errors import ImageError, NotAnImage
from gallop.features.preparing import prepare
from gallop.images import load_image
from tests.conftest import ROOT
from tests.images.test_images import encoded, smooth

PREPROCESS = Preprocess(32, (0.48, 0.45, 0.4), (0.26, 0.26, 0.27))


def jpeg(width: int, height: int) -> bytes:
    return encoded(smooth(width, height))


def torchvisions(image: Image.Image) -> torch.Tensor:
    resized = functional.resize(image, [32], InterpolationMode.BICUBIC, antialias=True)
    pixels = functional.pil_to_tensor(functional.center_crop(resized, [32, 32])) / 255
    return functional.normalize(pixels, list(PREPROCESS.mean), list(PREPROCESS.std))


def test_every_kind_of_photo_has_torchvisions_pixels(tmp_path: Path) -> None:
    data = jpeg(90, 70)
    (tmp_path / "a.jpg").write_bytes(data)
    image = Image.open(io.BytesIO(data)).convert("RGB")
    kinds = [data, tmp_path / "a.jpg", str(tmp_path / "a.jpg"), io.BytesIO(data), image, np.asarray(image)]
    prepared = prepare([*kinds, load_image(data)], PREPROCESS)
    assert torch.equal(prepared.looks[0], torchvisions(image).expand(7, -1, -1, -1))
    assert {astuple(crop) for crop in prepared.crops} == {astuple(PREPROCESS.centre(image)[1])}
    assert prepared.problems == {}


def test_a_look_at_twice_the_size_shows_the_same_part() -> None:
    prepared = prepare([jpeg(64, 64)], PREPROCESS, (1.0, 2.0))
    assert [tuple(look.shape) for look in prepared.looks] == [(1, 3, 32, 32), (1, 3, 64, 64)]
    assert torch.equal(prepared.looks[1], prepare([jpeg(64, 64)], replace(PREPROCESS, size=64)).looks[0])


def test_what_cannot_be_read_is_a_problem_at_its_place_or_an_error() -> None:
    photos = [jpeg(40, 40), b"no photo", NotAnImage("gone.jpg is gone."), jpeg(50, 40)]
    prepared = prepare(photos, PREPROCESS, names=["a", "b.txt", "gone", "d"], report=True)
    assert sorted(prepared.problems) == [1, 2]
    assert (prepared.problems[1][:5], prepared.problems[2]) == ("b.txt", "gone.jpg is gone.")
    assert torch.equal(prepared.looks[0], prepare([photos[0], photos[3]], PREPROCESS).looks[0])
    assert prepared.spread("xy") == ["x", None, None, "y"]
    with pytest.raises(ImageError, match=r"^b\.txt"):
        prepare(photos, PREPROCESS, names=["a", "b.txt", "gone", "d"])


def test_a_draft_differs_slightly_and_its_crop_is_in_pixels_of_the_file() -> None:
    whole, draft = (prepare([jpeg(1200, 900)], PREPROCESS, draft=draft) for draft in (False, True))
    assert astuple(draft.crops[0]) == pytest.approx((150, 0, 1050, 900), abs=15)
    difference = (whole.looks[0] - draft.looks[0]).abs().mean()
    assert 0 < difference < 0.05


def test_views_to_train_on_are_drawn_from_the_content_of_the_photo() -> None:
    def draws(photo: object) -> np.random.Generator:
        return np.random.default_rng(int(load_image(photo).sha256[:8], 16))  # type: ignore[arg-type]

    drawn = [prepare([jpeg(90, 70)], PREPROCESS, draws=draws) for _ in range(2)]
    own, crop = PREPROCESS.augment(load_image(jpeg(90, 70)).image, draws(jpeg(90, 70)))
    assert torch.equal(drawn[0].looks[0][0], own)
    assert drawn[0].crops == [crop]
    assert torch.equal(drawn[0].looks[0], drawn[1].looks[0])


def test_nothing_else_makes_pixels() -> None:
    """What draws a map may ask for the crop that was seen, ``centre(photo)[1]``."""
    making = set()
    for path in chain(*((ROOT / room).rglob("*.py") for room in ("gallop", "app"))):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        crops = {id(node.value) for node in nodes if isinstance(node, ast.Subscript) and ast.unparse(node.slice) == "1"}
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and id(node) not in crops:
                making |= {str(path.relative_to(ROOT))} if node.func.attr in ("centre", "augment") else set()
    assert making == {"gallop/features/preparing.py"}
