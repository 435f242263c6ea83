"""The cache in memory: what the cache on disk does (``test_features``), for an app that writes no photo to disk."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gallop import TrainConfig, load_image
from gallop.features.cache import Cache, FeatureCache, ImageFeatures, MemoryCache, open_cache
from gallop.features.encoding import encode_centres, encode_photos
from gallop.training.learn import encode_ahead
from tests.features.test_encoding import counted, every, photos, views_of
from tests.tiny import classifier, equal, learned, picture, pictures, same_features, there, vit


def view(value: float, regions: int = 4) -> ImageFeatures:
    """Features of one view, half of them ``value``: 2 + 4 * regions bytes."""
    return ImageFeatures(torch.full((1, 1), value).half(), torch.full((1, regions, 2), value).half())


def value_of(features: ImageFeatures | None) -> float | None:
    return None if features is None else float(features.global_)


@pytest.fixture(params=["memory", "disk"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Cache:
    return MemoryCache() if request.param == "memory" else FeatureCache(tmp_path)


def test_what_was_put_is_found_in_half_precision(cache: Cache) -> None:
    assert cache.get("backbone/a") is None
    cache.put("backbone/a", ImageFeatures(torch.tensor([[1.0, 1 / 3]]), torch.rand(1, 4, 2)))
    found = there(cache.get("backbone/a"))
    assert torch.equal(found.global_, torch.tensor([[1.0, 1 / 3]]).half())
    assert found.regions.dtype == torch.float16
    cache.put("backbone/a", view(2))  # the last one counts
    assert value_of(cache.get("backbone/a")) == 2


def test_an_encoding_that_was_kept_computes_nothing(cache: Cache) -> None:
    first = every(views_of(photos(5), cache))
    with counted(vit()) as calls:
        assert torch.equal(first, every(views_of(photos(5), cache)))
        views_of(photos(6), cache)
    assert sum(calls) == 2  # one new photo, two views


def test_centres_are_kept_and_are_those_of_a_prediction(cache: Cache) -> None:
    several = photos(20)
    with counted(vit()) as calls:
        first = ImageFeatures.cat(list(encode_centres(vit(), several, cache)))
        again = ImageFeatures.cat(list(encode_centres(vit(), several, cache)))
    assert sum(calls) == 20
    assert same_features(first, again)
    assert same_features(first, encode_photos(vit(), several)[0].rounded())


def test_what_was_used_longest_ago_goes_first() -> None:
    one = view(0).bytes
    cache = MemoryCache(max_bytes=3 * one)
    for name, value in zip("abc", (1, 2, 3), strict=True):
        cache.put(name, view(value))
    assert cache.get("a") is not None  # used just now
    cache.put("d", view(4))
    assert [value_of(cache.get(name)) for name in "abcd"] == [1, None, 3, 4]
    assert (len(cache), cache.bytes) == (3, 3 * one)


def test_a_view_larger_than_the_cache_is_not_kept_and_drives_nothing_out() -> None:
    cache = MemoryCache(max_bytes=view(0).bytes)
    cache.put("a", view(1))
    cache.put("large", view(2, regions=100))
    assert (value_of(cache.get("a")), cache.get("large")) == (1, None)


@given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(1, 8)), max_size=40), st.integers(0, 120))
def test_it_never_holds_more_than_it_may_and_counts_rightly(puts: list[tuple[str, int]], limit: int) -> None:
    cache = MemoryCache(max_bytes=limit)
    last: dict[str, int] = {}
    for name, regions in puts:
        cache.put(name, view(0, regions))
        last[name] = regions
        kept = {name: cache.get(name) for name in last}
        assert cache.bytes == sum(found.bytes for found in kept.values() if found) <= limit
        assert all(found.regions.shape[1] == last[name] for name, found in kept.items() if found)


def test_a_kept_row_does_not_keep_its_batch_alive() -> None:
    batch = ImageFeatures(torch.zeros(16, 1).half(), torch.zeros(16, 4, 2).half())
    cache = MemoryCache()
    cache.put("a", batch[3:4])
    found = there(cache.get("a"))
    assert sum(tensor.untyped_storage().nbytes() for tensor in found.tensors.values()) == found.bytes


def test_threads_share_it() -> None:
    cache = MemoryCache(max_bytes=10 * view(0).bytes)

    def work(thread: int) -> None:
        for i in range(300):
            name = f"{(thread * 7 + i) % 25}"
            cache.put(name, view(float(name)))
            assert value_of(cache.get(name)) in (float(name), None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert cache.bytes == len(cache) * view(0).bytes <= cache.max_bytes


def test_a_copied_classifier_shares_its_cache() -> None:
    cache = MemoryCache()
    cache.put("a", view(1))
    assert copy.deepcopy(cache) is cache
    assert open_cache(cache) is cache


# --- Photos that are encoded when they are added -------------------------------------------------------------------


def test_a_fit_after_encoding_ahead_encodes_nothing_and_learns_the_same() -> None:
    images, labels = pictures({"red": 4, "green": 4, "blue": 4})
    cache = MemoryCache()
    for image in images:  # one by one, as they are dropped onto a page
        list(encode_ahead(vit(), [load_image(image)], TrainConfig(views=2, seed=0), cache))
    made = classifier(calibration_folds=2, cache=cache)
    with counted(vit()) as calls:
        made.fit(images, labels)
        centres = ImageFeatures.cat(list(encode_centres(vit(), images, cache)))
    assert (calls, made.predict(centres).shape) == ([], (12,))
    fresh = classifier(calibration_folds=2).fit(images, labels)
    for key, value in learned(made).items():  # a batch of one and one of sixteen round differently
        assert torch.allclose(value, learned(fresh)[key], atol=1e-4)
    assert equal(learned(made), learned(classifier(calibration_folds=2, cache=cache).fit(images, labels)))


def test_a_photo_that_was_corrected_is_the_only_one_encoded() -> None:
    images, labels = pictures({"red": 3, "green": 3})
    cache = MemoryCache()
    classifier(calibration_folds=2, cache=cache).fit(images, labels)
    with counted(vit()) as calls:
        classifier(calibration_folds=2, cache=cache).fit([*images[:-1], picture(99, "green")], labels)
    assert sum(calls) == 3  # two views and the centre
