"""How fast a device encodes, reads names, learns and answers, and how much of its memory that takes."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.images import load_vision, pictures
from benchmarks.measure import once, peak_bytes, seconds
from benchmarks.text import CONTEXT, PROMPTS, imagenet_names, start
from benchmarks.training import task
from gallop import GalLoPClassifier
from gallop.backbones import Backbone
from gallop.errors import is_gpu_trouble
from gallop.features.encoding import BATCH

Figure = float | str
"""Or a word that says why there is none."""

TOO_LARGE, TOO_LATE = "out of memory", "not reached"


@dataclass(frozen=True)
class Sizes:
    """How large everything is.

    Attributes:
        backbones: as ``benchmarks.images.load_vision`` takes them.
        classes: numbers of class names.
        images: photos of a training step.
        photos: JPEG files that are scored.
        many: photos that pass the image encoder together where a GPU is to be filled.
        repeats: of every measurement, after a first call that does not count.
    """

    backbones: tuple[str, ...]
    classes: tuple[int, ...]
    images: int
    photos: int
    many: int
    repeats: int


TRUE = Sizes(("mini", "ViT-B-16", "ViT-L-14"), (1000, 21_841), images=32, photos=256, many=256, repeats=3)
SMALL = Sizes(("mini",), (5, 12), images=4, photos=3, many=4, repeats=1)


@dataclass(frozen=True)
class BackboneRates:
    """Of an image encoder: seconds to load it, photos a second in batches as they are run and in large ones, bytes."""

    backbone: str
    load: float
    encoding: Figure
    encoding_many: Figure
    bytes_many: Figure


@dataclass(frozen=True)
class ClassRates:
    """Of a backbone with so many class names: seconds, photos a second from JPEG files to answers, and bytes.

    Attributes:
        text: of all prompts, for answers, in fp32.
        text_step: forward and backward through the text encoder.
        step: of a complete training step.
        scoring: photos a second.
        bytes_step, bytes_scoring: how much memory was taken at most.
    """

    backbone: str
    classes: int
    text: Figure
    text_step: Figure
    step: Figure
    bytes_step: Figure
    scoring: Figure
    bytes_scoring: Figure


class Measuring:
    """Measures until a moment; what a device cannot do, or comes later, is a word.

    Args:
        until: by ``time.perf_counter``.
    """

    def __init__(self, device: torch.device, repeats: int, until: float) -> None:
        self.device, self._repeats, self._until = device, repeats, until

    def seconds(self, function: Callable[[], object]) -> Figure:
        """Median seconds of a call."""
        return self._figure(lambda: seconds(function, repeats=self._repeats)[0])

    def rate(self, count: int, function: Callable[[], object]) -> Figure:
        """Of so many things a call, those a second."""
        taken = self.seconds(function)
        return taken if isinstance(taken, str) else count / taken

    def bytes(self, function: Callable[[], object]) -> Figure:
        """Memory of a call at its largest."""
        return self._figure(lambda: float(peak_bytes(function, self.device)))

    def _figure(self, measure: Callable[[], float]) -> Figure:
        if time.perf_counter() > self._until:
            return TOO_LATE
        try:
            return measure()
        except RuntimeError as error:
            if not is_gpu_trouble(error):
                raise
        gc.collect()  # what the error held is gone with it
        return TOO_LARGE


def everything(
    device: torch.device, sizes: Sizes, until: float = float("inf")
) -> tuple[list[BackboneRates], list[ClassRates]]:
    """Measure every backbone, in turn, with every number of classes."""
    backbones, classes = [], []
    measuring = Measuring(device, sizes.repeats, until)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{i}.jpg") for i in range(sizes.photos)]
        for file, picture in zip(files, pictures(sizes.photos), strict=True):
            picture.save(file, quality=90)
        for name in sizes.backbones:
            print(f"{name} ...", flush=True)
            made: list[Backbone] = []
            load = once(lambda name=name, made=made: made.append(load_vision(name).to(device)))  # type: ignore[misc]
            backbones.append(_encoding(made[0], load, sizes, measuring))
            for count in sizes.classes:
                print(f"{name}, {count} classes ...", flush=True)
                classes.append(_with_classes(made[0], count, sizes, files, measuring))
            del made
            gc.collect()
            if device.type == "cuda":
                torch.cuda.empty_cache()
    return backbones, classes


def _encoding(backbone: Backbone, load: float, sizes: Sizes, measuring: Measuring) -> BackboneRates:
    side = backbone.preprocess.size
    few, many = (torch.randn(count, 3, side, side) for count in (BATCH, sizes.many))
    return BackboneRates(
        backbone.name,
        load,
        encoding=measuring.rate(len(few), lambda: backbone.encode_image(few)),
        encoding_many=measuring.rate(len(many), lambda: backbone.encode_image(many)),
        bytes_many=measuring.bytes(lambda: backbone.encode_image(many)),
    )


def _with_classes(
    backbone: Backbone, classes: int, sizes: Sizes, files: Sequence[Path], measuring: Measuring
) -> ClassRates:
    text = backbone.text
    names = imagenet_names(classes)
    contexts, tokens = start(text, PROMPTS), text.tokenize(names, context_tokens=CONTEXT)
    model, features, labels, kept = task(
        backbone, classes=classes, images=sizes.images, regions=backbone.feature_sizes[0], prompts=PROMPTS
    )
    asked: Any = GalLoPClassifier(backbone, cache=False).zero_shot(names)

    def answers() -> None:
        with torch.no_grad():
            model.text_features()

    def text_step() -> None:
        contexts.grad = None
        with backbone.autocast_text(learning=True):
            encoded = text.encode(contexts, tokens)
        encoded.float().sum().backward()  # type: ignore[no-untyped-call]

    def step() -> None:
        model.prompts.zero_grad()
        model.loss(features, labels, kept)[0].total.backward()  # type: ignore[no-untyped-call]

    def score() -> None:
        asked.predict_all(files)

    return ClassRates(
        backbone.name,
        classes,
        text=measuring.seconds(answers),
        text_step=measuring.seconds(text_step),
        step=measuring.seconds(step),
        bytes_step=measuring.bytes(step),
        scoring=measuring.rate(len(files), score),
        bytes_scoring=measuring.bytes(score),
    )
