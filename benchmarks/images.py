"""The image side: regions against the plain pass, decoding in parallel, cached features, and the k slider."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP
from PIL import Image

from benchmarks.measure import seconds
from gallop import GalLoPClassifier, Photo, load_backbone, load_image
from gallop.backbones import Backbone, Preprocess
from gallop.features.encoding import BATCH, Cache, FeatureCache, MemoryCache, encode_centres, encode_sources


def pictures(count: int, size: tuple[int, int] = (640, 480)) -> list[Image.Image]:
    """Pictures with structure at every scale, so that JPEG has the work that photos give it."""
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        smooth = np.array(coarse.resize(size, Image.Resampling.BICUBIC))
        noise = rng.integers(-12, 13, (size[1], size[0], 3))
        made.append(Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8)))
    return made


def load_vision(name: str) -> Backbone:
    """``mini``, or an architecture of open_clip with random weights."""
    if name == "mini":
        return load_backbone("mini", device="cpu")
    torch.manual_seed(0)
    config = {key: value for key, value in open_clip.get_model_config(name).items() if key != "custom_text"}
    model = CLIP(**config, quick_gelu=True)
    return Backbone(name, model, open_clip.SimpleTokenizer(), Preprocess(224, (0.5,) * 3, (0.5,) * 3))


def vision(name: str, images: int = 4) -> dict[str, Any]:
    """Global and region features in one pass against open_clip's ``encode_image`` of the same pixels and layout."""
    backbone = load_vision(name)
    pixels = torch.randn(images, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        plain, ours = seconds(lambda: backbone._model.visual(pixels), lambda: backbone.vision(pixels), repeats=11)
    return {"backbone": name, "milliseconds": 1e3 * ours / images, "overhead": ours / plain - 1}


def layout() -> dict[str, Any]:
    """`mini` as it is run here, against the same pass with channels first and sixteen photos at a time."""
    first, last = load_backbone("mini", device="cpu"), load_backbone("mini", device="cpu")
    cast(Any, first.vision)._trunk.to(memory_format=torch.contiguous_format)
    pixels = torch.randn(BATCH, 3, 224, 224)

    def plain() -> None:
        with torch.no_grad():
            first.vision(pixels)

    before, after = seconds(plain, lambda: last.encode_image(pixels), repeats=5)
    each = 1e3 / BATCH
    return {"milliseconds": after * each, "milliseconds_before": before * each, "ratio_time": before / after}


def pipeline(count: int = 4 * BATCH) -> dict[str, Any]:
    """JPEG files to features: all of it, and what decoding and encoding take alone."""
    backbone = load_backbone("mini", device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{i}.jpg") for i in range(count)]
        for path, picture in zip(paths, pictures(count), strict=True):
            picture.save(path, quality=90)
        pixels = torch.randn(count, 3, 224, 224)
        together, decode, encode = seconds(
            lambda: list(encode_sources(backbone, paths)),
            lambda: [backbone.preprocess.centre(load_image(path).image) for path in paths],
            lambda: backbone.encode_image(pixels),
            repeats=3,
        )
    each = 1e3 / count
    return {
        "milliseconds": together * each,
        "milliseconds_decode": decode * each,
        "milliseconds_encode": encode * each,
        "ratio_time": (decode + encode) / together,
    }


def cache(count: int = 4 * BATCH) -> dict[str, Any]:
    """Cached features of photos, from disk and from memory, against encoding them."""
    backbone = load_backbone("mini", device="cpu")
    photos = [load_image(picture) for picture in pictures(count)]
    with tempfile.TemporaryDirectory() as folder:
        disk, memory = FeatureCache(Path(folder)), MemoryCache()
        for store in (disk, memory):
            list(encode_centres(backbone, photos, store))
        calls = [partial(_all, backbone, photos, store) for store in (None, disk, memory)]
        encode, from_disk, from_memory = seconds(*calls, repeats=3)
    each = 1e3 / count
    return {
        "milliseconds": encode * each,
        "milliseconds_disk": from_disk * each,
        "milliseconds_memory": from_memory * each,
        "ratio_disk": encode / from_disk,
        "ratio_memory": encode / from_memory,
    }


def _all(backbone: Backbone, photos: list[Photo], store: Cache | None) -> None:
    list(encode_centres(backbone, photos, store))


def slider() -> dict[str, Any]:
    """Another k: from the stored similarities to the numbers shown and the small map that the browser scales."""
    backbone = load_backbone("mini", device="cpu")
    classifier = GalLoPClassifier(backbone, cache=False).zero_shot(["cat", "dog", "bird", "car", "tree"])
    photo = load_image(pictures(1)[0])
    explanation = classifier.explain(photo)
    label = explanation.label

    def move() -> None:
        moved = explanation.with_topk((1, 10, 15, 20))
        moved.probabilities, moved.local_scores, moved.regions(label, 0), moved.region_scores(label, 0)

    encode, slide = seconds(lambda: list(encode_sources(backbone, [photo])), move, repeats=15)
    return {"milliseconds": 1e3 * slide, "milliseconds_encode": 1e3 * encode, "ratio_time": encode / slide}
