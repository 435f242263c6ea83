"""Covariances of cells: roots against scipy, maps against scores, and what must not matter."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.decomposition import PCA
from torch import Tensor

from gallop import load_backbone, load_image
from gallop.backbones import Backbone, seeing, with_detail
from gallop.backbones.vision.trunk import TrunkVision
from gallop.features.encoding import (
    FeatureCache,
    ImageFeatures,
    MemoryCache,
    TrainingViews,
    encode_centres,
    encode_photos,
)
from gallop.model.head.moments import CHANNELS, main_channels, moment_features, moment_maps, total_covariance
from tests.tiny import picture, same_features, vit, write_images


@cache
def mini() -> Backbone:
    return load_backbone("mini", device="cpu")


def photos(count: int, cells: int = 30, width: int = 5, seed: int = 0) -> ImageFeatures:
    """Cells that vary together in another way in each photo."""
    drawn = torch.Generator().manual_seed(seed)
    mixed = torch.randn(count, cells, width, generator=drawn) @ torch.randn(count, width, width, generator=drawn)
    nothing = torch.zeros(count, cells, 2)
    return ImageFeatures(torch.zeros(count, 3), nothing, cells=mixed + torch.randn(count, 1, width, generator=drawn))


CHOSEN = torch.linalg.qr(torch.randn(5, 4, generator=torch.Generator().manual_seed(1)))[0]


def covariance(cells: Tensor) -> Tensor:
    return torch.stack([torch.from_numpy(np.cov(some.double().numpy().T, bias=True)) for some in cells])


def test_a_feature_is_the_root_of_the_covariance() -> None:
    some = photos(3)
    assert some.cells is not None
    found = moment_features([some], CHOSEN).double()
    for own, matrix in zip(found, covariance(some.cells @ CHOSEN), strict=True):
        root = torch.from_numpy(np.real(sqrtm(matrix.numpy())))
        root = root / root.norm()
        assert torch.allclose(own[[0, 4, 7, 9]], root.diagonal(), atol=1e-4)
        assert torch.allclose(own[1], root[0, 1] * 2**0.5, atol=1e-4)
        assert own.norm().item() == pytest.approx(1, abs=1e-5)
    first, second = (torch.from_numpy(np.real(sqrtm(m.numpy()))) for m in covariance(some.cells[:2] @ CHOSEN))
    product = (first * second).sum() / first.norm() / second.norm()
    assert (found[0] @ found[1]).item() == pytest.approx(product.item(), abs=1e-4)


def test_where_cells_stand_how_bright_and_how_strong_they_are_does_not_matter() -> None:
    some, drawn = photos(3), torch.Generator().manual_seed(2)
    assert some.cells is not None
    wanted = moment_features([some], CHOSEN)
    moved = some.cells[:, torch.randperm(30, generator=drawn)]
    for cells in (moved, some.cells + 3, some.cells * 7, some.cells.repeat(1, 2, 1)):
        found = moment_features([ImageFeatures(some.global_, some.regions, cells=cells)], CHOSEN)
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("classes", [3, 6])  # fewer than the channels, and more
def test_the_mean_of_a_map_is_the_score_of_one_look_or_two(classes: int) -> None:
    first, second = photos(3), photos(3, cells=48, seed=4)
    weights = torch.randn(classes, 10, generator=torch.Generator().manual_seed(3))
    for looks in ([first], [first, second]):
        score = moment_features(looks, CHOSEN) @ weights.T
        maps = moment_maps(looks, len(looks), CHOSEN, weights)
        assert [each.shape for each in maps] == [(3, len(look.cells[0]), classes) for look in looks]  # type: ignore[index]
        torch.testing.assert_close(
            torch.stack([each.mean(dim=1) for each in maps]).mean(dim=0), score, atol=1e-5, rtol=0
        )
    (one,), (same, other) = (moment_maps(looks, 1, CHOSEN, weights) for looks in ([first], [first, second]))
    assert torch.equal(one, same), "a second look that is there for its map changes nothing in the first"
    torch.testing.assert_close(other.mean(dim=1), moment_features([second], CHOSEN) @ weights.T, atol=1e-5, rtol=0)


def test_a_photo_without_contrast_says_nothing() -> None:
    flat = ImageFeatures(torch.zeros(1, 3), torch.zeros(1, 6, 2), cells=torch.full((1, 6, 5), 0.3))
    assert moment_features([flat], CHOSEN).abs().max() < 1e-3
    (found,) = moment_maps([flat], 1, CHOSEN, torch.ones(2, 10))
    assert torch.isfinite(found).all()
    assert found.abs().max() < 1e-2


def test_features_without_cells_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="knows cells of 5 channels, and these features have 2"):
        moment_features([replace(photos(2), cells=None)], CHOSEN)


def test_channels_are_those_that_vary_most_within_photos() -> None:
    drawn = torch.Generator().manual_seed(5)
    cells = torch.randn(4, 50, CHANNELS + 9, generator=drawn) * torch.linspace(0.2, 3, CHANNELS + 9)
    apart = cells + 100 * torch.randn(
        4, 1, CHANNELS + 9, generator=drawn
    )  # how photos differ from each other is no matter
    found = main_channels(total_covariance([ImageFeatures(torch.zeros(4, 1), apart)]))
    within = (cells - cells.mean(dim=1, keepdim=True)).flatten(0, 1).double().numpy()
    wanted = torch.from_numpy(PCA(CHANNELS, svd_solver="full").fit(within).components_).float()
    assert found.shape == (CHANNELS + 9, CHANNELS)
    assert torch.linalg.svdvals(wanted @ found).min().item() == pytest.approx(1, abs=1e-3), "the same space"
    assert main_channels(torch.eye(7)).shape == (7, 7), "a tower of fewer has all of them"


# Where cells come from


def test_the_tower_makes_its_regions_of_its_cells() -> None:
    tower = seeing(mini(), 1, cells=True)
    pixels = tower.preprocess.centre(picture(1))[0][None]
    whole, regions = tower.encode_image(pixels)
    again, same, cells = tower.encode(pixels)
    assert torch.equal(whole, again)
    assert torch.equal(regions, same)
    assert cells.shape == (1, 196, 320)
    assert isinstance(tower.vision, TrunkVision)
    trunk, head = tower.vision.tower.trunk, tower.vision.tower.head
    behind = trunk.bn2(trunk.conv_head(cells.transpose(1, 2).unflatten(2, (14, 14))))
    torch.testing.assert_close(head(behind.flatten(2).transpose(1, 2)), regions, atol=1e-3, rtol=1e-3)
    assert len(seeing(vit(), 1, cells=True).encode(torch.zeros(1, 3, 32, 32))) == 2


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_cells_are_kept_of_centre_crops_of_who_asks_for_them(tmp_path: Path, kind: str) -> None:
    paths = write_images(tmp_path / "photos", [picture(i) for i in range(2)])
    kept_in = FeatureCache(tmp_path / "cache") if kind == "disk" else MemoryCache()
    closer = seeing(mini(), 2, cells=True)
    (first,), (again,) = (encode_centres(closer, paths, kept_in) for _ in range(2))
    assert same_features(first, again)
    plain, _ = encode_photos(closer, [load_image(path) for path in paths])
    for kept, wanted in zip(first.looks, plain.looks, strict=True):
        assert kept.cells is not None
        torch.testing.assert_close(kept.cells.float(), wanted.cells, atol=2e-2, rtol=2e-3)
    assert same_features(ImageFeatures.cat(first.split(1)), first)
    (others,) = encode_centres(with_detail(mini(), 2), paths, kept_in)
    assert same_features(others, replace(first, cells=None, finer=replace(first.finer, cells=None)))  # type: ignore[type-var]
    views = TrainingViews(closer, paths, views=1, seed=0, cache=kept_in)
    assert list(views.encode())[-1] == 2
    assert views.batch(torch.tensor([0, 1]), 0).cells is None
