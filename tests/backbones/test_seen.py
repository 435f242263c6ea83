"""What a backbone gives of a photo: a second look, and regions of its own windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from gallop.backbones import Preprocess, load_backbone
from gallop.backbones.vision import scaled_grid
from gallop.errors import BackboneError
from gallop.features.encoding import Sight
from gallop.images import load_image
from gallop.sample import sample_photos
from tests.reference import backbone as reference_backbone
from tests.tiny import picture, vit

PREPROCESS = Preprocess(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize("times", [1, 1.5, 2])
def test_a_place_of_the_photo_is_at_the_same_place_of_every_look(times: float) -> None:
    ramp = np.tile(np.linspace(0, 255, 301)[None, :, None], (200, 1, 3)).astype(np.uint8)
    ramp[:, :, 1] = np.linspace(0, 255, 200)[:, None]
    seen, box = PREPROCESS.centre(Image.fromarray(ramp), times)
    side, inside = round(32 * times), slice(2, -2)
    assert seen.shape == (3, side, side)
    x = box.left + (torch.arange(side) + 0.5) * (box.right - box.left) / side
    y = box.top + (torch.arange(side) + 0.5) * (box.bottom - box.top) / side
    red, green = (seen[:2] * 0.5 + 0.5) * 255
    assert torch.allclose(red[side // 2, inside], (x * 255 / 301)[inside], atol=2)
    assert torch.allclose(green[inside, side // 2], (y * 255 / 200)[inside], atol=2)


def test_views_to_learn_from_are_the_same_crop_and_flip() -> None:
    photo = picture(1, size=(90, 70))
    for seed in range(5):
        usual = PREPROCESS.augment(photo, np.random.default_rng(seed))[0]
        back = torch.nn.functional.avg_pool2d(PREPROCESS.augment(photo, np.random.default_rng(seed), 2)[0], 2)
        assert torch.corrcoef(torch.stack([usual.flatten(), back.flatten()]))[0, 1] > 0.6


def test_a_whole_photo_that_is_squashed_is_seen_whole() -> None:
    closer, box = Preprocess(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), squash=True).centre(picture(0, size=(80, 32)), 2)
    assert ((box.left, box.top, box.right, box.bottom), closer.shape) == ((0, 0, 80, 32), (3, 64, 64))


def test_grids() -> None:
    assert (scaled_grid((14, 14), 1.5), scaled_grid((7, 7), 2)) == ((21, 21), (14, 14))
    with pytest.raises(BackboneError, match=r"detail=1.5 does not scale .* grid of 7 x 7 regions .* Use detail=2"):
        scaled_grid((7, 7), 1.5)


@pytest.mark.parametrize("kind", ["value", "query-query", "rn"])
def test_the_windows_regions_are_those_of_the_backbone_on_that_crop(kind: str) -> None:
    backbone = reference_backbone("rn") if kind == "rn" else vit().with_regions(kind)  # type: ignore[arg-type]
    size, (rows, columns) = backbone.preprocess.size, backbone.vision.grid
    seen = torch.randn(2, 3, 2 * size, 2 * size, generator=torch.Generator().manual_seed(0))
    whole, regions = backbone.encode_image(seen)
    grid = regions.unflatten(1, (2 * rows, 2 * columns))
    cell, wholes = size // rows, []
    sums, counts = torch.zeros_like(grid), torch.zeros(2 * rows, 2 * columns, 1)
    for row in (0, round(rows / 2), rows):
        for column in (0, round(columns / 2), columns):
            crop = seen[:, :, row * cell : row * cell + size, column * cell : column * cell + size]
            alone = backbone.encode_image(crop)
            wholes.append(alone[0])
            sums[:, row : row + rows, column : column + columns] += alone[1].unflatten(1, (rows, columns))
            counts[row : row + rows, column : column + columns] += 1
    torch.testing.assert_close(grid, sums / counts, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(whole, torch.stack(wholes).mean(dim=0), atol=1e-5, rtol=1e-5)


def test_mini_takes_a_larger_photo_in_one_pass() -> None:
    mini = load_backbone("mini", device="cpu")
    assert Sight((1.0, 2.0)).grids(mini) == ((14, 14), (28, 28))
    seen = mini.preprocess.centre(load_image(sample_photos()[0].path).image, 2)[0][None]
    whole, regions = mini.encode_image(seen)
    assert regions.shape == (1, 784, 512)
    torch.testing.assert_close(regions.mean(dim=1), whole, atol=1e-4, rtol=1e-3)  # the mean of the regions
    # A region depends most on what is near it: far from the edges a window that is cut there has nearly the same.
    inner = mini.encode_image(seen[:, :, 112:336, 112:336])[1].unflatten(1, (14, 14))[:, 5:9, 5:9]
    there = regions.unflatten(1, (28, 28))
    alike = torch.nn.functional.cosine_similarity
    assert (
        alike(inner, there[:, 12:16, 12:16], dim=-1).mean() > alike(inner, there[:, 20:24, 20:24], dim=-1).mean() + 0.2
    )
