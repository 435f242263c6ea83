"""Features of two looks: each kept by itself, joined where they are asked for."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
import torch

from gallop.backbones import with_detail
from gallop.features.encoding import (
    FeatureCache,
    ImageFeatures,
    MemoryCache,
    TrainingViews,
    encode_centres,
    encode_photos,
    encode_sources,
    regions_in_all,
)
from gallop.images import load_image
from tests.tiny import picture, same_features, vit, write_images

CLOSER = with_detail(vit(), 2)


def test_the_first_look_is_the_only_one_of_before_bit_by_bit() -> None:
    photos = [load_image(picture(i)) for i in range(3)]
    (plain, crops), (both, same) = encode_photos(vit(), photos), encode_photos(CLOSER, photos)
    assert crops == same
    assert plain.finer is None
    assert both.finer is not None
    assert both.finer.regions.shape == (3, 64, plain.regions.shape[-1])
    assert same_features(both.looks[0], plain)
    (streamed,) = encode_sources(CLOSER, photos)
    assert same_features(streamed, both)


def test_every_way_to_take_a_part_takes_it_of_both_looks() -> None:
    both, _ = encode_photos(CLOSER, [load_image(picture(i)) for i in range(4)])
    assert same_features(ImageFeatures.cat(both.split(3)), both)
    assert same_features(both[torch.tensor([2, 0])][1:], both[:1])
    assert both.bytes == sum(look.bytes for look in both.looks)
    assert both.rounded().finer.regions.dtype == torch.float16  # type: ignore[union-attr]
    assert both.sizes == vit().feature_sizes


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_each_look_is_kept_by_itself(tmp_path: Path, kind: str) -> None:
    paths = write_images(tmp_path / "photos", [picture(i) for i in range(3)])
    cache = FeatureCache(tmp_path / "cache") if kind == "disk" else MemoryCache()
    (plain,) = encode_centres(vit(), paths, cache)
    calls: list[int] = []
    encode = vit().encode

    def counted(self: object, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(pixels.shape[-1])
        return encode(pixels)

    with mock.patch.object(type(CLOSER), "encode", counted):
        (both,) = encode_centres(CLOSER, paths, cache)
        assert calls == [64]  # what one look has left there serves as the first of two
        (again,) = encode_centres(CLOSER, paths, cache)
        assert calls == [64]
    assert same_features(again, both)
    assert same_features(both.looks[0], plain)
    (kept,) = encode_centres(vit(), paths, cache)  # and is found as before by who has one look
    assert same_features(kept, plain)
    (unkept,) = encode_centres(CLOSER, paths, None)
    assert same_features(unkept, both)


def test_another_detail_is_another_entry() -> None:
    photos, cache = [load_image(picture(0))], MemoryCache()
    for times in (1.0, 1.5, 2.0):
        list(encode_centres(with_detail(vit(), times), photos, cache))
    assert len(cache) == 3


def test_views_to_learn_from_have_both_looks(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "photos", [picture(i) for i in range(3)])
    cache = FeatureCache(tmp_path / "cache")
    found = []
    for memory in (2**30, 0):  # kept in memory, and streamed from the cache
        views = TrainingViews(CLOSER, paths, views=2, seed=0, cache=cache, memory_limit=memory)
        list(views.encode())
        assert views.kept is bool(memory)
        found.append(views.batch(torch.tensor([1, 2]), epoch=1))
    assert same_features(*found)
    plain = TrainingViews(vit(), paths, views=2, seed=0, cache=cache)
    list(plain.encode())
    assert same_features(found[0].looks[0], plain.batch(torch.tensor([1, 2]), epoch=1))


def test_memory_is_counted_with_all_regions() -> None:
    assert regions_in_all(vit()) == 16
    assert regions_in_all(CLOSER) == 80
    values = 2 * 80 * vit().feature_sizes[1]
    photos = [load_image(picture(0)), load_image(picture(1))]
    fits = TrainingViews(CLOSER, photos, views=1, seed=0, memory_limit=2 * values)
    too_many = TrainingViews(CLOSER, photos, views=1, seed=0, memory_limit=2 * values - 1)
    assert (fits.kept, too_many.kept) == (True, False)
