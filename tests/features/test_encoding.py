"""A photo to pixels, pixels to features, and where features are kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save
from torch import Tensor

from gallop.backbones import Backbone, Preprocess
from gallop.features import encoding
from gallop.features.cache import feature_key
from gallop.features.encoding import (
    ONCE,
    Cache,
    Extra,
    FeatureCache,
    ImageFeatures,
    MemoryCache,
    Sight,
    TrainingViews,
    encode_centres,
    encode_looks,
    encode_photos,
    encode_sources,
    open_cache,
)
from gallop.images import Photo, load_image
from gallop.runtime.ahead import ahead
from tests.reference import relative_error
from tests.tiny import new_vit, other_vit, picture, same_features, there, vit, write_images

SIZE = 32
PREPROCESS = Preprocess(SIZE, (0.48, 0.45, 0.40), (0.26, 0.27, 0.28))
PLAIN = Preprocess(SIZE, (0, 0, 0), (1, 1, 1))


# --- Preprocessing -----------------------------------------------------------------------------------------------


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


SIZES = [(32, 32), (64, 48), (48, 64), (33, 97), (101, 35), (7, 5), (31, 40), (1, 1), (300, 200), (80, 640), (65, 32)]


@pytest.mark.parametrize("size", [*SIZES, (5000, 1), (1, 5000), (33, 1000)])
def test_the_crop_box_is_a_centred_square_inside_the_photo(size: tuple[int, int]) -> None:
    pixels, box = PREPROCESS.centre(noise(*size))
    assert pixels.shape == (3, SIZE, SIZE)
    assert torch.isfinite(pixels).all()
    scale = min(size) / SIZE  # photo pixels for one pixel of the input
    for start, end, side in ((box.left, box.right, size[0]), (box.top, box.bottom, size[1])):
        assert -1e-9 <= start < end <= side + 1e-9
        assert end - start == pytest.approx(min(size), rel=0.05)
        # Centred, up to the rounding of one input pixel and of the cut of a very long photo.
        assert (start + end) / 2 == pytest.approx(side / 2, abs=scale + 1)


@pytest.mark.parametrize("size", [(640, 480), (333, 517), (1000, 90)])
@pytest.mark.parametrize("where", [(0.5, 0.5), (0.2, 0.3), (0.8, 0.9)])
def test_a_marker_is_found_where_the_crop_box_says(size: tuple[int, int], where: tuple[float, float]) -> None:
    """Paint a bright square at a share of the box: it must turn up at that share of the pixels."""
    _, box = PREPROCESS.centre(Image.new("RGB", size))
    x = box.left + where[0] * (box.right - box.left)
    y = box.top + where[1] * (box.bottom - box.top)
    half = 0.06 * min(size)
    image = Image.new("RGB", size)
    image.paste((255, 255, 255), (round(x - half), round(y - half), round(x + half), round(y + half)))
    pixels, _ = PLAIN.centre(image)
    light = pixels.mean(0).clamp(min=0)
    centres = torch.arange(SIZE) + 0.5
    found_x = float((light.sum(0) * centres).sum() / light.sum()) / SIZE
    found_y = float((light.sum(1) * centres).sum() / light.sum()) / SIZE
    assert (found_x, found_y) == pytest.approx(where, abs=0.02)


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1), (16000, 2)])
def test_extreme_shapes_need_no_huge_picture_on_the_way(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (10, 20, 30))
    preprocess = replace(PLAIN, size=224)
    with mock.patch.object(Image.Image, "resize", autospec=True, side_effect=Image.Image.resize) as resize:
        pixels, _ = preprocess.centre(image)
        views = [preprocess.augment(image, np.random.default_rng(seed))[0] for seed in range(5)]
    assert 0 < max(width * height for width, height in (call.args[1] for call in resize.mock_calls)) <= 10 * 224 * 224
    for found in [pixels, *views]:
        assert torch.allclose(found, (torch.tensor([10, 20, 30]) / 255)[:, None, None].expand_as(found), atol=1e-6)


def gradient() -> Image.Image:
    """Red grows from left to right and green from top to bottom: a view tells where it came from."""
    red, green = np.meshgrid(np.linspace(0, 255, 256), np.linspace(0, 255, 256))
    return Image.fromarray(np.stack([red, green, np.zeros_like(red)], axis=-1).astype(np.uint8))


def test_augmented_views_have_the_papers_distribution() -> None:
    areas, ratios, flips = [], [], []
    for seed in range(600):
        view, box = PLAIN.augment(gradient(), np.random.default_rng(seed))
        across = float(view[0].mean(0)[-4:].mean() - view[0].mean(0)[:4].mean()) * SIZE / (SIZE - 4)
        down = float(view[1].mean(1)[-4:].mean() - view[1].mean(1)[:4].mean()) * SIZE / (SIZE - 4)
        flips.append(across < 0)
        assert down > 0  # never upside down
        areas.append(abs(across) * down)
        assert (box.right - box.left) * (box.bottom - box.top) / 256**2 == pytest.approx(areas[-1], abs=0.05)
        ratios.append(abs(across) / down)
    assert 0.07 < min(areas) < 0.11
    assert 0.93 < max(areas) < 1.03
    assert np.mean(areas) == pytest.approx(0.54, abs=0.05)  # uniform in [0.08, 1], less what would not fit
    assert 0.7 < min(ratios) < max(ratios) < 1.4
    assert np.mean(np.log(ratios)) == pytest.approx(0, abs=0.03)
    assert np.mean(flips) == pytest.approx(0.5, abs=0.08)  # 0.02 is one deviation


def test_augmentation_is_a_function_of_its_generator_alone() -> None:
    torch.manual_seed(0)
    first, _ = PREPROCESS.augment(gradient(), np.random.default_rng(7))
    torch.manual_seed(1)
    np.random.seed(3)
    assert torch.equal(first, PREPROCESS.augment(gradient(), np.random.default_rng(7))[0])
    assert not torch.equal(first, PREPROCESS.augment(gradient(), np.random.default_rng(8))[0])


def test_the_preprocessing_key_sees_every_setting() -> None:
    variants = [
        PREPROCESS,
        replace(PREPROCESS, size=64),
        replace(PREPROCESS, mean=(0.5, 0.5, 0.5)),
        replace(PREPROCESS, std=(0.5, 0.5, 0.5)),
        replace(PREPROCESS, interpolation="bilinear"),
    ]
    assert len({variant.key() for variant in variants}) == len(variants)


# --- Encoding ----------------------------------------------------------------------------------------------------


@contextmanager
def counted(backbone: Backbone) -> Iterator[list[int]]:
    """How many pictures each call of ``encode_image`` got while inside."""
    calls: list[int] = []
    encode = backbone.encode_image

    def watched(pixels: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(len(pixels))
        return encode(pixels)

    with mock.patch.object(backbone, "encode_image", watched):
        yield calls


def photos(count: int, first_seed: int = 0) -> list[Photo]:
    return [load_image(picture(first_seed + i)) for i in range(count)]


def test_encoding_many_is_encoding_each_and_leaves_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "BATCH", 3)
    several = photos(7)
    with counted(vit()) as calls:
        together, crops = encode_photos(vit(), several)
    assert calls == [3, 3, 1]
    assert together.global_.dtype == together.regions.dtype == torch.float32
    # A tensor of inference could not enter a training.
    assert (together.regions.requires_grad, together.regions.is_inference()) == (False, False)
    assert len(together) == len(crops) == 7
    for i, photo in enumerate(several):
        pixels, box = vit().preprocess.centre(photo.image)
        whole, regions = vit().encode_image(pixels[None])
        assert torch.allclose(together.global_[i], whole[0], atol=1e-5)
        assert torch.allclose(together.regions[i], regions[0], atol=1e-5)
        assert crops[i] == box


def test_a_photo_that_cannot_be_prepared_is_told_in_its_turn() -> None:
    coming = ahead(lambda item: 1 // (3 - item), range(9), 4)
    assert [next(coming) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(coming)


def test_several_threads_give_the_features_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a GPU has them read."""
    paths = write_images(tmp_path / "photos", [noise(40, 30, seed) for seed in range(70)])
    cache = FeatureCache(tmp_path / "cache")
    one = ImageFeatures.cat(list(encoding.encode_centres(vit(), paths, None)))
    monkeypatch.setattr(encoding, "readers", lambda device: 4)
    for _ in range(2):  # into the cache, and from it
        several = ImageFeatures.cat(list(encoding.encode_centres(vit(), paths, cache)))
        assert same_features(several, one)


# --- The cache on disk -------------------------------------------------------------------------------------------


def views_of(
    sources: list[Any], cache: Cache | None = None, *, backbone: Backbone | None = None, **changes: Any
) -> TrainingViews:
    settings: dict[str, Any] = {"views": 2, "seed": 0, **changes}
    found = TrainingViews(backbone or vit(), sources, cache=cache, **settings)
    list(found.encode())
    return found


def every(views: TrainingViews, epochs: int = 2) -> Tensor:
    index = torch.arange(len(views))
    parts = [views.batch(index, epoch) for epoch in range(epochs)]
    return torch.cat([torch.cat([p.global_.flatten(1), p.regions.flatten(1)], dim=1) for p in parts])


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_files_and_photos_share_the_cache_and_the_name_does_not_matter(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "photos", [picture(i) for i in range(3)])
    first = every(views_of(photos(3), FeatureCache(tmp_path / "cache")))
    renamed = [path.rename(path.with_stem(f"renamed {path.stem}")) for path in paths]
    with counted(vit()) as calls:
        assert torch.equal(first, every(views_of(list(renamed), FeatureCache(tmp_path / "cache"))))
    assert calls == []


def test_a_photo_that_has_changed_since_its_hash_was_told_gets_features_of_its_own(tmp_path: Path) -> None:
    paths, cache = write_images(tmp_path / "photos", [noise(40, 30, seed) for seed in range(2)]), FeatureCache(tmp_path)
    hashes = [load_image(path).sha256 for path in paths]
    (first,) = encoding.encode_centres(vit(), paths[1:], None)
    (found,) = encoding.encode_centres(vit(), paths[1:], cache, hashes[:1])
    assert torch.equal(found.regions, first.regions)
    paths[1].unlink()
    (kept,) = encoding.encode_centres(vit(), paths[1:], cache, hashes[1:])
    assert torch.equal(kept.regions, first.regions), "kept under what it is, not under what it was said to be"
    (own,) = encoding.encode_centres(vit(), paths[:1], cache, hashes[:1])
    (alone,) = encoding.encode_centres(vit(), paths[:1], None)
    assert torch.equal(own.regions, alone.regions)


def test_keys_differ_with_everything_the_features_depend_on() -> None:
    photo, other = photos(2)
    backbone, resized = vit(), new_vit()
    resized.preprocess = replace(backbone.preprocess, mean=(0.4, 0.5, 0.5))
    keys = [
        feature_key(backbone, photo.sha256, "augmented 0 0"),
        feature_key(backbone, other.sha256, "augmented 0 0"),
        feature_key(backbone, photo.sha256, "augmented 0 1"),
        feature_key(backbone, photo.sha256, "augmented 1 0"),
        feature_key(other_vit(), photo.sha256, "augmented 0 0"),
        feature_key(resized, photo.sha256, "augmented 0 0"),
        feature_key(backbone.with_regions("query-query"), photo.sha256, "augmented 0 0"),
        feature_key(backbone, photo.sha256, "augmented 0 0", torch.float32),
    ]
    # A GPU's backbones run in half precision: the same seed on a CPU must not depend on who filled the cache.
    with mock.patch.object(Backbone, "device", torch.device("cuda")):
        keys.append(feature_key(backbone, photo.sha256, "augmented 0 0"))
    assert feature_key(backbone, load_image(picture(0)).sha256, "augmented 0 0") == keys[0]
    assert feature_key(backbone, photo.sha256, "augmented 0 0", torch.float16) == keys[0]
    assert len(set(keys)) == len(keys)


def header(data: bytes) -> int:
    return 8 + int.from_bytes(data[:8], "little")


ACCIDENTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "noise": lambda data: np.random.default_rng(0).bytes(500),
    "no header": lambda data: b"\xff" * 64,
    "one bit": lambda data: data[:-100] + bytes([data[-100] ^ 0x10]) + data[-99:],
    "zeros": lambda data: data[: header(data)].ljust(len(data), b"\0"),
    "a page of zeros": lambda data: data[:-128] + bytes(128),
}
MISTAKES: dict[str, Callable[[dict[str, Tensor]], dict[str, Tensor]]] = {
    "other shape": lambda tensors: {**tensors, "regions": tensors["regions"].chunk(2, dim=1)[0].contiguous()},
    "other format": lambda tensors: {name: tensor.float() for name, tensor in tensors.items()},
    "not a number": lambda tensors: (
        tensors | {"regions": tensors["regions"].index_fill(1, torch.tensor([3]), float("nan"))}
    ),
    "other tensors": lambda _: {"something": torch.zeros(1)},
    "an empty tensor": lambda tensors: {**tensors, "global": torch.zeros(0, dtype=torch.float16)},
}


@pytest.mark.parametrize("how", [*ACCIDENTS, *MISTAKES, "of another view"])
def test_a_damaged_file_is_named_computed_again_and_repaired(tmp_path: Path, how: str) -> None:
    first = every(views_of(photos(2), FeatureCache(tmp_path)))
    other, victim = files(tmp_path)[:2]
    data = victim.read_bytes()
    if how in MISTAKES:
        victim.write_bytes(save(MISTAKES[how](load(data)), json.loads(data[8 : header(data)])["__metadata__"]))
    else:
        victim.write_bytes(ACCIDENTS[how](data) if how in ACCIDENTS else other.read_bytes())
    with counted(vit()) as calls:
        with pytest.warns(UserWarning, match=rf"{victim.name} are damaged. They are encoded again") as told:
            second = every(views_of(photos(2), FeatureCache(tmp_path)))
        assert (len(told), sum(calls)) == (1, 1)
        assert torch.allclose(first.float(), second.float(), atol=1e-2)
        calls.clear()
        views_of(photos(2), FeatureCache(tmp_path))
        assert calls == []


def test_features_of_another_size_than_the_backbone_gives_are_not_taken(tmp_path: Path) -> None:
    """Whoever put them there under this key: they would stop a training in the middle."""
    cache = FeatureCache(tmp_path)
    first = every(views_of(photos(2), cache))
    key = f"{files(tmp_path)[0].parent.name}/{files(tmp_path)[0].stem}"
    cache.put(key, ImageFeatures(torch.zeros(1, 3), torch.zeros(1, 2, 5)))
    with pytest.warns(UserWarning, match=rf"features {key} have a different size"):
        assert torch.allclose(first.float(), every(views_of(photos(2), cache)).float(), atol=1e-2)


def test_of_many_damaged_files_the_first_is_named(tmp_path: Path) -> None:
    views_of(photos(2), FeatureCache(tmp_path), views=8)
    for path in files(tmp_path):
        path.write_bytes(b"")
    with pytest.warns(UserWarning, match="are damaged. They are encoded again, and so are any others") as told:
        views_of(photos(2), FeatureCache(tmp_path), views=8)
    assert len(told) == 1


def test_features_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    """A backbone in half precision may overflow; that is no damage of the file."""
    FeatureCache(tmp_path).put("backbone/a", ImageFeatures(torch.full((1, 2), 1e6), torch.ones(1, 4, 2)))
    assert files(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_a_pipe_in_the_cache_is_neither_waited_for_nor_replaced(tmp_path: Path) -> None:
    first = every(views_of(photos(1), FeatureCache(tmp_path)))
    victim = files(tmp_path)[0]
    victim.unlink()
    os.mkfifo(victim)
    with pytest.warns(UserWarning, match="it is not a regular file, so it is not replaced"):
        assert torch.equal(first, every(views_of(photos(1), FeatureCache(tmp_path))))
    assert victim.is_fifo()


def test_the_cap_is_respected_and_nothing_breaks(tmp_path: Path) -> None:
    first = every(views_of(photos(6), FeatureCache(tmp_path / "all")))
    size = files(tmp_path / "all")[0].stat().st_size
    capped = FeatureCache(tmp_path / "capped", max_bytes=3 * size)
    assert torch.allclose(first.float(), every(views_of(photos(6), capped)).float(), atol=1e-2)
    kept = files(tmp_path / "capped")
    assert 1 <= len(kept) <= 3
    again = FeatureCache(tmp_path / "capped", max_bytes=3 * size)  # another process counts what is there
    views_of(photos(6, first_seed=100), again)
    assert sum(path.stat().st_size for path in files(tmp_path / "capped")) <= 4 * size
    assert set(kept) <= set(files(tmp_path / "capped"))
    views_of(photos(2), FeatureCache(tmp_path / "none", max_bytes=0))
    assert not (tmp_path / "none").exists()


def test_a_cache_that_another_process_clears_meanwhile_still_opens(tmp_path: Path) -> None:
    (tmp_path / "backbone").mkdir()
    (tmp_path / "backbone" / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    views_of(photos(1), FeatureCache(tmp_path))
    assert len(files(tmp_path)) == 2


def test_a_folder_that_cannot_be_written_does_not_stop_a_training(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    first = every(views_of(photos(3)))
    for root in (blocked, blocked / "below"):
        with pytest.warns(UserWarning, match="No more features are cached"):
            assert torch.equal(first, every(views_of(photos(3), FeatureCache(root))))
    assert blocked.read_text() == "in the way"


@pytest.mark.parametrize("views", [2, 0], ids=["kept views", "fresh views"])
@pytest.mark.parametrize("where", ["disk", "memory"])
def test_a_cache_in_fp32_rounds_nothing(where: str, views: int, tmp_path: Path) -> None:
    """Of views that are kept, read from the cache again, or never kept; no other cache of the folder knows of them."""
    folder = tmp_path / "cache"
    whole = FeatureCache(folder, dtype=torch.float32) if where == "disk" else MemoryCache(dtype=torch.float32)
    every(views_of(photos(3), FeatureCache(folder), views=views))
    for _ in range(2):
        found = views_of(photos(3), whole, views=views)
        photo = photos(3)[1]
        rng = np.random.default_rng([0, int(photo.sha256[:16], 16), 1])  # of seed and view
        global_, regions = vit().encode_image(vit().preprocess.augment(photo.image, rng)[0][None])
        batch = found.batch(torch.tensor([1]), epoch=1)
        assert batch.regions.dtype == torch.float32
        for mine, wanted in ((batch.global_, global_), (batch.regions, regions)):  # a batch of one rounds differently
            assert relative_error(mine, wanted) < 1e-5
    half = every(views_of(photos(3), FeatureCache(folder), views=views)).dtype
    assert half == (torch.float16 if views else torch.float32)


def test_views_in_fp32_take_twice_the_memory() -> None:
    halves = views_of(photos(3)).batch(torch.tensor([0]), epoch=0).regions
    room = 3 * 2 * halves.numel() * 2  # three photos, two views, two bytes
    rows = ((torch.float16, room), (torch.float32, room), (torch.float32, 2 * room))
    found = [views_of(photos(3), MemoryCache(dtype=dtype), memory_limit=limit).in_memory for dtype, limit in rows]
    assert found == [True, False, True]


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GALLOP_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    usual = tmp_path / "home" / ".cache" / "gallop" / "features"
    assert encoding.default_cache_folder() == usual
    for name, value, wanted in (
        ("XDG_CACHE_HOME", "", usual),  # set but empty counts as not set
        ("XDG_CACHE_HOME", str(tmp_path / "xdg"), tmp_path / "xdg" / "gallop" / "features"),
        ("GALLOP_CACHE", str(tmp_path / "own"), tmp_path / "own"),
    ):
        monkeypatch.setenv(name, value)
        assert encoding.default_cache_folder() == wanted
    assert open_cache(False) is None
    for given, wanted in ((None, tmp_path / "own"), (True, tmp_path / "own"), (str(tmp_path / "a"), tmp_path / "a")):
        assert there(open_cache(given)).root == wanted
    assert not (tmp_path / "own").exists()  # made when first written


# --- Views -------------------------------------------------------------------------------------------------------


def test_progress_counts_every_view_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "BATCH", 2)
    views = TrainingViews(vit(), photos(5), views=3, seed=0)
    assert list(views.encode()) == [2, 4, 6, 8, 10, 12, 13, 14, 15]  # all views of a batch, then the next


def test_the_same_views_wherever_they_come_from(tmp_path: Path) -> None:
    memory, streamed = views_of(photos(6)), views_of(photos(6), memory_limit=1)
    disk, from_disk = (views_of(photos(6), FeatureCache(tmp_path)) for _ in range(2))
    streamed_from_disk = views_of(photos(6), FeatureCache(tmp_path), memory_limit=1)
    kept = [views.in_memory for views in (memory, from_disk, streamed, streamed_from_disk)]
    assert kept == [True, True, False, False]
    wanted = every(memory, epochs=4)
    for other in (disk, from_disk, streamed, streamed_from_disk):
        assert torch.equal(wanted, every(other, epochs=4))


def test_features_of_a_branch_are_asked_for_on_the_grid_of_each_look() -> None:
    own = Extra("rows and columns", lambda pixels, grid: torch.tensor(grid).expand(len(pixels), 1, 2))
    found = encode_looks(vit(), [torch.zeros(2, 3, side, side) for side in (32, 48)], Sight((1.0, 1.5), (own,)))
    assert [look.extras[own.name].tolist() for look in found.looks] == [[[[4, 4]]] * 2, [[[6, 6]]] * 2]


def test_streaming_takes_any_order_and_repeats_views_by_epoch() -> None:
    memory, streamed = views_of(photos(6)), views_of(photos(6), memory_limit=1)
    for epoch in range(5):
        index = torch.tensor([4, 0, 5])
        found, wanted = streamed.batch(index, epoch), memory.batch(index, epoch % 2)
        assert torch.allclose(found.regions.float(), wanted.regions.float(), rtol=2e-3, atol=1e-3)
    assert not torch.equal(memory.batch(index, 0).regions, memory.batch(index, 1).regions)


def test_fresh_views_differ_by_epoch_repeat_by_seed_and_are_not_kept(tmp_path: Path) -> None:
    fresh = views_of(photos(3), FeatureCache(tmp_path), views=0)
    assert not fresh.in_memory
    index = torch.arange(3)
    seen = [fresh.batch(index, epoch).global_ for epoch in range(4)]
    assert all(not torch.equal(a, b) for i, a in enumerate(seen) for b in seen[i + 1 :])
    assert fresh.format == seen[0].dtype == torch.float32, "what is not stored is not rounded"
    again = views_of(photos(3), views=0)
    assert all(torch.equal(again.batch(index, epoch).global_, seen[epoch]) for epoch in range(4))
    assert files(tmp_path) == []


def test_a_view_does_not_depend_on_the_other_photos() -> None:
    """Adding a photo in front must not give the others new views."""
    few, more = views_of(photos(3)), views_of([load_image(picture(77)), *photos(3)])
    assert torch.allclose(every(few)[:3].float(), every(more)[1:4].float(), rtol=2e-3, atol=1e-3)


# Two looks -----------------------------------------------------------------------------------------------------------


TWICE = Sight((1.0, 2.0))


def test_the_first_look_is_the_only_one_of_before_bit_by_bit() -> None:
    (plain, crops), (both, same) = encode_photos(vit(), photos(3)), encode_photos(vit(), photos(3), TWICE)
    assert (crops, [look.regions.shape[1] for look in plain.looks]) == (same, [16])
    assert [look.regions.shape for look in both.looks] == [plain.regions.shape, (3, 64, plain.regions.shape[-1])]
    assert same_features(both.looks[0], plain)
    (streamed,) = encode_sources(vit(), photos(3), TWICE)
    assert same_features(streamed, both)


def test_every_way_to_take_a_part_takes_it_of_both_looks() -> None:
    both, _ = encode_photos(vit(), photos(4), TWICE)
    assert same_features(ImageFeatures.cat(both.split(3)), both)
    assert same_features(both[torch.tensor([2, 0])][1:], both[:1])
    assert both.bytes == sum(look.bytes for look in both.looks)
    assert ({look.regions.dtype for look in both.rounded().looks}, both.sizes) == ({torch.float16}, vit().feature_sizes)


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_each_look_is_kept_by_itself(tmp_path: Path, kind: str) -> None:
    paths = write_images(tmp_path / "photos", [picture(i) for i in range(3)])
    cache = FeatureCache(tmp_path / "cache") if kind == "disk" else MemoryCache()
    (plain,) = encode_centres(vit(), paths, cache)
    with mock.patch.object(Backbone, "encode_image", side_effect=vit().encode_image) as encode:
        both, again = (next(encode_centres(vit(), paths, cache, sight=TWICE)) for _ in range(2))
    # What one look has left there serves as the first of two, and what two have left as both.
    assert [call.args[0].shape for call in encode.mock_calls] == [(3, 3, 64, 64)]
    assert same_features(again, both)
    assert same_features(both.looks[0], plain)
    (kept,) = encode_centres(vit(), paths, cache)  # and is found as before by who has one look
    assert same_features(kept, plain)
    (unkept,) = encode_centres(vit(), paths, None, sight=TWICE)
    assert same_features(unkept, both)


def test_views_to_learn_from_have_both_looks(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "photos", [picture(i) for i in range(3)])
    cache = FeatureCache(tmp_path / "cache")
    found = []
    for memory in (2**30, 0):  # kept in memory, and streamed from the cache
        views = views_of(paths, cache, memory_limit=memory, sight=TWICE)
        assert views.in_memory is bool(memory)
        found.append(views.batch(torch.tensor([1, 2]), epoch=1))
    assert same_features(*found)
    assert same_features(found[0].looks[0], views_of(paths, cache).batch(torch.tensor([1, 2]), epoch=1))


def test_memory_is_counted_with_all_regions() -> None:
    assert (ONCE.regions(vit()), TWICE.regions(vit())) == (16, 80)
    values = 2 * 80 * vit().feature_sizes[1]
    limits = (2 * values, 2 * values - 1)
    found = [views_of(photos(2), views=1, memory_limit=limit, sight=TWICE).in_memory for limit in limits]
    assert found == [True, False]
