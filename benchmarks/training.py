"""Learning: a complete step, live retraining from click to result, and growth with the sizes of the task."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from benchmarks.careful import CarefulText, careful_loss
from benchmarks.images import load_vision, pictures
from benchmarks.measure import largest_resident, once, peak_bytes, seconds
from benchmarks.naive import naive_loss, naive_loss_after_encoders
from benchmarks.text import imagenet_names
from gallop import GalLoPClassifier, MethodConfig, load_backbone, load_image
from gallop.backbones import Backbone
from gallop.config import train_preset
from gallop.core.gallop import Loss, TextFeatures, draw_kept_prompts
from gallop.features.encoding import ImageFeatures, MemoryCache, TrainingViews
from gallop.model.prompted import PromptModel
from gallop.training.learn import encode_ahead
from gallop.training.loop import StepEvent

Step = Callable[[], None]


def task(
    backbone: Backbone, *, classes: int = 10, images: int = 32, regions: int = 196, prompts: int = 8
) -> tuple[PromptModel, ImageFeatures, torch.Tensor, torch.Tensor]:
    """A model and a batch of random features, as large as asked for; ``prompts`` are half global and half local."""
    torch.manual_seed(0)
    half = prompts // 2
    config = MethodConfig(half, tuple(5 * (n + 1) for n in range(half)))
    model = PromptModel(backbone, imagenet_names(classes), config)
    _, width, joint = backbone.feature_sizes
    features = ImageFeatures(torch.randn(images, joint), torch.randn(images, regions, width)).rounded()
    labels = torch.randint(classes, (images,))
    return model, features, labels, draw_kept_prompts(images, half, config.kept_prompts, torch.Generator())


def steps(backbone: Backbone, **sizes: int) -> tuple[Step, Step, Step, Callable[[], float]]:
    """A training step of ours, the careful one, the naive one, and the relative error of our gradients."""
    model, features, labels, kept = task(backbone, **sizes)
    encoder, contexts = backbone.text, model.prompts.global_contexts.shape[1]
    careful_text = CarefulText(
        encoder._module, encoder._tokenizer, list(model.class_names), contexts, sum(model.prompts.sizes)
    )

    def ours() -> None:
        model.prompts.zero_grad()
        model.loss(features, labels, kept)[0].total.backward()

    def careful() -> None:
        model.prompts.zero_grad()
        careful_loss(model, features, labels, kept, careful_text(model.prompts.contexts())).total.backward()

    def naive() -> None:
        model.prompts.zero_grad()
        naive_loss(model, features, labels, kept).total.backward()

    def gradient(step: Step) -> torch.Tensor:
        step()
        return torch.cat([p.grad.flatten() for p in model.prompts.parameters() if p.grad is not None])

    def error() -> float:
        mine, wanted = gradient(ours), gradient(naive)
        return float((mine - wanted).norm() / wanted.norm())

    return ours, careful, naive, error


def step(precision: str = "fp32") -> dict[str, Any]:
    """A complete step, text and regions, of `mini` with 10 classes."""
    backbone = load_backbone("mini", device="cpu", precision=precision)
    ours, careful, naive, error = steps(backbone)
    taken, carefully = seconds(ours, careful, repeats=9)
    (plain,) = seconds(naive, repeats=3)
    return {
        "milliseconds": 1e3 * taken,
        "milliseconds_careful": 1e3 * carefully,
        "milliseconds_naive": 1e3 * plain,
        "ratio_careful": carefully / taken,
        "ratio_naive": plain / taken,
        "ratio_memory": peak_bytes(naive) / max(peak_bytes(ours), 1),
        "grad_error": error(),
    }


def after_encoders(name: str, classes: int = 100) -> dict[str, Any]:
    """What of a step comes after the backbone, forward and back: regions projected, cosines, top-k and losses."""
    model, features, labels, kept = task(load_vision(name), classes=classes)
    split, joint = list(model.prompts.sizes), model.backbone.feature_sizes[2]
    text = torch.randn(classes, sum(split), joint).requires_grad_()
    learned = [text, model.prompts.local_projection]

    def gradient(loss: Callable[[], Loss]) -> torch.Tensor:
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss().total, learned)])

    losses: list[Callable[[], Loss]] = [
        lambda: model.loss(features, labels, kept, TextFeatures(*text.split(split, dim=1)))[0],
        lambda: careful_loss(model, features, labels, kept, text),
        lambda: naive_loss_after_encoders(model, features, labels, kept, text),
    ]
    ours, careful, naive = (partial(gradient, loss) for loss in losses)
    taken, carefully, plain = seconds(ours, careful, naive, repeats=7)
    return {
        "milliseconds": 1e3 * taken,
        "ratio_careful": carefully / taken,
        "ratio_naive": plain / taken,
        "megabytes": peak_bytes(ours) / 1e6,
        "megabytes_naive": peak_bytes(naive) / 1e6,
        "grad_error": float((ours() - naive()).norm() / naive().norm()),
    }


def large(classes: int = 21_841) -> dict[str, Any]:
    """A step of `mini` with as many classes as all of ImageNet has, and the most memory that its process ever held.

    It runs in a separate process: memory that earlier measurements left would count.
    """
    code = (
        f"from gallop.runtime.process import prepare; prepare(); import benchmarks.training as t; t._large({classes})"
    )
    command = [sys.executable, "-c", code]
    row: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return row


def _large(classes: int) -> None:
    model, features, labels, kept = task(load_backbone("mini", device="cpu"), classes=classes)
    before = largest_resident()

    def ours() -> None:
        model.loss(features, labels, kept)[0].total.backward()

    taken = once(ours)
    print(json.dumps({"seconds": taken, "gigabytes_before": before / 1e9, "gigabytes": largest_resident() / 1e9}))


def live(classes: int = 10, shots: int = 16) -> dict[str, Any]:
    """`mini`: photos are encoded as they come in, and a click trains with the default settings."""
    backbone, cache, config = load_backbone("mini", device="cpu"), MemoryCache(), train_preset("default")
    photos = [load_image(picture) for picture in pictures(classes * shots, size=(320, 240))]
    labels = [name for name in imagenet_names(classes) for _ in range(shots)]
    encoding = once(lambda: list(TrainingViews(backbone, photos, views=config.views, seed=0).encode()))
    list(encode_ahead(backbone, photos, config, cache))
    classifier = GalLoPClassifier(backbone, cache=cache, warm_start=True)

    def first_step() -> None:
        events = classifier.fit_steps(photos, labels)
        next(event for event in events if isinstance(event, StepEvent))
        events.close()  # type: ignore[attr-defined]

    first = once(first_step)
    prompts = once(lambda: GalLoPClassifier(backbone, cache=cache, calibration_folds=0).fit(photos, labels))
    calibrated = once(lambda: GalLoPClassifier(backbone, cache=cache).fit(photos, labels))
    return {
        "seconds_encoding": encoding,
        "seconds_first_step": first,
        "seconds_a_step": _longest_step(classifier, photos, labels),
        "seconds_prompts": prompts,
        "seconds": calibrated,
        "encodings": calibrated / encoding,
    }


def _longest_step(classifier: GalLoPClassifier, photos: list[Any], labels: list[str]) -> float:
    """The longest wait between two of the first steps: after a cancellation nothing is waited for any longer."""
    events = (event for event in classifier.fit_steps(photos, labels) if isinstance(event, StepEvent))
    next(events)
    return max(once(lambda: next(events)) for _ in range(10))


def growth() -> dict[str, dict[str, float]]:
    """Milliseconds of a step of `mini` as one size grows and the others stay: K = 10, M + N = 8, R = 196, B = 32."""
    backbone = load_backbone("mini", device="cpu")
    sizes = {
        "classes": (10, 100, 1000),
        "prompts": (2, 8, 32),
        "regions": (49, 196, 784),
        "images": (8, 32, 128),
    }
    milliseconds: dict[str, dict[str, float]] = {}
    for name, values in sizes.items():
        ours = [steps(backbone, **{name: value})[0] for value in values]
        taken = seconds(*ours, repeats=3)
        milliseconds[name] = {str(value): 1e3 * t for value, t in zip(values, taken, strict=True)}
    return milliseconds
