"""Whether `mini` tells kinds of picture by their words: photos made into eight kinds, and real sketches.

    python -m benchmarks.kinds PHOTOS [--part train]

PHOTOS has folders of sets, each with its parts (``test`` unless another is named) and a folder for each class. A photo
of a NAME is made into each kind; it is right where "a KIND of a NAME" is the nearest of the eight. The kinds are made
in another way, and stronger or weaker, than those that the words were fitted on (``checkpoints/mini/kinds.py``).
Chance is an eighth. *Black and white* is asked as "monochrome": the three words are read as they were. Then real
sketches are sorted into their classes by several sentences.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch.nn import functional as F

from gallop import load_backbone, read_folder
from gallop.backbones import Backbone
from gallop.features.encoding import ImageFeatures, encode_sources

FORMS = {
    "sketch": "a sketch of a {}",
    "black and white": "a monochrome photo of a {}",
    "blurry": "a blurry photo of a {}",
    "close-up": "a close-up photo of a {}",
    "far away": "a photo of a {} far away",
    "dark": "a dark photo of a {}",
    "poster": "a poster of a {}",
    "several": "a photo of several {}",
}
SKETCHED = ("A photo of a {}", "A sketch of a {}", "An outline of a {}", "An outline drawing of a {}")
SETS = ("caltech101", "clothing10", "flowers102", "hymenoptera2", "trashnet6", "pacs/photo")
SIDE = 224
Picture = Image.Image


def _sketch(photo: Picture, draw: Random) -> Picture:
    """Difference of two blurs, cut at a level: Winnemoeller's XDoG in its simplest form."""
    grey = np.asarray(ImageOps.autocontrast(ImageOps.grayscale(photo)), np.float32) / 255
    near, far = (
        np.asarray(Image.fromarray(np.uint8(grey * 255)).filter(ImageFilter.GaussianBlur(s)), np.float32) / 255
        for s in (0.8, 1.6)
    )
    lines = 1 - np.clip((far - near) * draw.uniform(8, 16), 0, 1)
    return Image.fromarray(np.uint8(255 * (lines > 0.75))).convert("RGB")


def _grey(photo: Picture, draw: Random) -> Picture:
    """One of the three channels alone."""
    return photo.split()[draw.randrange(3)].convert("RGB")


def _blurry(photo: Picture, draw: Random) -> Picture:
    """Made small and large again."""
    small = photo.resize((draw.randint(16, 28),) * 2, Image.Resampling.BOX)
    return small.resize(photo.size, Image.Resampling.BICUBIC)


def _close(photo: Picture, draw: Random) -> Picture:
    """The middle, a little off."""
    part = int(SIDE * draw.uniform(0.22, 0.35))
    left, top = (SIDE // 2 - part // 2 + draw.randint(-20, 20) for _ in "xy")
    return photo.crop((left, top, left + part, top + part)).resize(photo.size, Image.Resampling.LANCZOS)


def _far(photo: Picture, draw: Random) -> Picture:
    """Small in front of a blurred enlargement of its own corner."""
    around = photo.crop((0, 0, 40, 40)).resize(photo.size, Image.Resampling.BICUBIC)
    around = around.filter(ImageFilter.GaussianBlur(25))
    side = int(SIDE * draw.uniform(0.22, 0.36))
    around.paste(photo.resize((side, side)), tuple(draw.randrange(SIDE - side) for _ in "xy"))
    return around


def _dark(photo: Picture, draw: Random) -> Picture:
    """Gamma, and grain as of a camera without light."""
    light = (np.asarray(photo, np.float32) / 255) ** draw.uniform(1.5, 2.2) * draw.uniform(0.2, 0.35)
    grain = np.random.default_rng(draw.randrange(2**32)).normal(0, 0.01, light.shape)
    return Image.fromarray(np.uint8(255 * np.clip(light + grain, 0, 1)))


def _poster(photo: Picture, draw: Random) -> Picture:
    """Few levels for each channel, strong colours, no small shapes."""
    strong = ImageEnhance.Color(photo.filter(ImageFilter.ModeFilter(7))).enhance(1.6)
    return ImageOps.posterize(strong, draw.choice((1, 2, 2)))


def _several(photo: Picture, draw: Random) -> Picture:
    """Five to seven copies, partly over each other, turned a little."""
    made = photo.filter(ImageFilter.GaussianBlur(30))
    for _ in range(draw.randint(5, 7)):
        side = int(SIDE * draw.uniform(0.32, 0.45))
        one = photo.resize((side, side)).rotate(draw.uniform(-15, 15), resample=Image.Resampling.BICUBIC)
        inside = Image.new("L", (side, side), 255).rotate(draw.uniform(-15, 15))
        made.paste(one, tuple(draw.randrange(SIDE - side) for _ in "xy"), inside)
    return made


MADE: dict[str, Callable[[Picture, Random], Picture]] = dict(
    zip(FORMS, (_sketch, _grey, _blurry, _close, _far, _dark, _poster, _several), strict=True)
)
PER_SET = 50


def text_features(backbone: Backbone, texts: list[str]) -> torch.Tensor:
    with torch.no_grad():
        return F.normalize(backbone.text.encode_texts(texts).float(), dim=1)


def image_features(backbone: Backbone, pictures: list[Picture]) -> torch.Tensor:
    return F.normalize(ImageFeatures.cat(list(encode_sources(backbone, pictures))).global_.float(), dim=1)


def nearest(images: torch.Tensor, names: list[str], backbone: Backbone) -> torch.Tensor:
    """The number of the kind whose sentence, with the photo's own name in it, is nearest to each of the images."""
    every = sorted(set(names))
    texts = torch.stack([text_features(backbone, [form.format(name) for name in every]) for form in FORMS.values()])
    return torch.einsum("nd,knd->nk", images, texts[:, [every.index(name) for name in names]]).argmax(dim=1)


def read(folder: Path, count: int, seed: str) -> tuple[list[Picture], list[str]]:
    """Photos of a folder of classes, as many as ``count`` drawn by ``seed``, with the names of their classes."""
    photos = read_folder(folder)
    drawn = Random(seed).sample(range(len(photos)), min(count, len(photos)))
    pictures = [Image.open(photos.paths[number]).convert("RGB").resize((SIDE, SIDE)) for number in drawn]
    return pictures, [photos.names[number] for number in drawn]


def main() -> None:
    """Print a line for each kind, and the cosines of its sentences with those of a photo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--part", default="test")
    options = parser.parse_args()
    backbone, pictures, names = load_backbone("mini"), [], []
    for name in SETS:
        some, called = read(options.photos / name / options.part, PER_SET, f"{name} {options.part}")
        pictures, names = pictures + some, names + called
    plain, right = text_features(backbone, [f"A photo of a {name}" for name in names]), []
    print(f"{len(pictures)} photos\n| kind | nearest of eight | cosine with the plain sentence |\n|---|---:|---:|")
    for number, (kind, make) in enumerate(MADE.items()):
        made = [make(picture, Random(f"{kind} {index}")) for index, picture in enumerate(pictures)]
        right.append((nearest(image_features(backbone, made), names, backbone) == number).float().mean().item())
        alike = (text_features(backbone, [FORMS[kind].format(name) for name in names]) * plain).sum(dim=1).mean()
        print(f"| {kind} | {right[-1]:.0%} | {alike:.2f} |", flush=True)
    print(f"| mean | {sum(right) / len(right):.1%} | |")
    drawn, names = read(options.photos / "pacs" / "sketch" / options.part, 2 * PER_SET, "sketches")
    sketches = nearest(image_features(backbone, drawn), names, backbone) == list(FORMS).index("sketch")
    print(f"real sketches: {sketches.float().mean():.0%} of {len(sketches)}")
    photos = read_folder(options.photos / "pacs" / "sketch" / options.part)
    classes, seen = list(photos.class_names), image_features(backbone, list(photos.paths))
    for form in SKETCHED:
        found = (seen @ text_features(backbone, [form.format(name) for name in classes]).T).argmax(dim=1)
        print(f"{form}: {(found == torch.tensor(photos.labels)).float().mean():.1%} of {len(photos)} real sketches")


if __name__ == "__main__":
    main()
