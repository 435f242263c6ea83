"""``gallop train``: train prompts on a few images per class, and save them in a folder."""

from __future__ import annotations

import contextlib
import os
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from gallop import GalLoPClassifier, MethodConfig, TrainConfig, draw_shots, load_backbone
from gallop.backbones import Backbone
from gallop.checkpoints.folder import LOCK, SETTINGS
from gallop.cli.commands.evaluate import Photos, ood_groups
from gallop.cli.console import Console, percentage
from gallop.cli.inputs import DEFAULT_BACKBONE, has_test, images_with_warnings, labelled_images
from gallop.cli.shared_options import given
from gallop.config import BackbonePreset, default_topk, method_preset, train_preset
from gallop.data import LabelledPhotos, duplicates, resolve_split
from gallop.errors import CommandError, DataError, GallopError, sentence_of
from gallop.evaluation.changes import Changes
from gallop.evaluation.health import data_in_words
from gallop.evaluation.scored_answers import ENSEMBLE
from gallop.features.encoding import FeatureCache, default_cache_folder
from gallop.names.class_names import SOMETHING_ELSE, one_class
from gallop.runtime.writing import locked
from gallop.training.learn import EncodeEvent
from gallop.training.loop import TRAINING, drop_training
from gallop.training.pace import Pace
from gallop.wording import time_in_words

WORK = "training"
"""Folder inside OUT where an unfinished training is saved."""

_FORMATS = {"fp16": torch.float16, "fp32": torch.float32}


def run(options: Namespace, console: Console) -> int:
    """Train, save, and report the result."""
    out, groups = Path(options.out), ood_groups(options.ood)
    _check_out(out, options)
    method_of(options, "paper"), training_of(options, "paper")  # refused before a backbone is loaded
    backbone = load_backbone(options.backbone or DEFAULT_BACKBONE, device=options.device, regions=options.regions)
    cache = FeatureCache(default_cache_folder(), dtype=_FORMATS[options.cache_precision])
    photos, before = Photos(backbone, console, cache), _before(options, backbone, console)
    unknown = photos.readable(groups)
    method = method_of(options, backbone.preset)
    if options.preset == "backbone" and backbone.preset == "paper":
        console.progress(f"using the paper's settings, since none were measured for {backbone.name}")
    shots, skipped = _shots(options, training_of(options, backbone.preset).seed, console)
    training = training_of(options, backbone.preset, len(shots), len(shots.class_names))
    classifier = GalLoPClassifier(backbone, method=method, preset=training, cache=cache, keep_shots=options.keep_shots)
    pace = Pace.measured(backbone, len(shots.class_names), method, training, len(shots))
    console.note(f"Once photos are encoded, training takes {time_in_words(pace.seconds(len(shots), training))}.")
    started = time.monotonic()
    with _work_folder(out, overwrite=options.overwrite):
        for event in classifier.fit_steps(shots, work=out / WORK, class_names=_one_class(shots, console)):
            console.progress(event.stage, event.done, event.total, event.note)
            if isinstance(event, EncodeEvent) and event.encoded and (words := data_in_words(*event.encoded)):
                console.note(words)
        if options.tpr is not None and classifier.calibration_.held_out:  # else the note states why there is no limit
            classifier.set_threshold(options.tpr)
        classifier.save(out)
    if caution := classifier.calibration_.caution:
        console.warn(caution)
    result = _result(classifier, training) | {"out": str(out), "seconds": round(time.monotonic() - started, 3)}
    try:
        answered = photos.answers(classifier, shots.photos, shots.hashes, "the shots").predicted[ENSEMBLE]
        changes = before and Changes.between(
            before,
            classifier,
            lambda either: {name: photos.answers(either, *some, name) for name, some in unknown.items()},
            options.against or f"the model that was in {out}",
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Stopped. The model is complete and saved in {out}.") from None
    result |= {
        "accuracy_train": float((classifier.classes_[answered] == shots.names).mean()),
        "changes": changes and asdict(changes) | {"fell": changes.fell},
        "skipped": [*skipped, *photos.skipped],
    }
    if result["threshold_note"]:
        console.warn(f"The OOD threshold is {result['threshold_note']}.")
    changed, promise = [changes.words] if changes else [], classifier.calibration_.promise
    console.result(result, lambda: changed + _table(result, shots, promise))
    return 2 if result["skipped"] else 0


def _before(options: Namespace, backbone: Backbone, console: Console) -> GalLoPClassifier | None:
    """Return the model, on the same backbone, that the new one is compared with; None, with a note, without one."""
    place = options.against or (options.out if Path(options.out, SETTINGS).exists() else None)
    if place is None and options.ood:
        console.note("There is no earlier model to compare with, so --ood is not used. See gallop evaluate --ood.")
    try:
        return None if place is None else GalLoPClassifier.load(place, backbone=backbone)
    except GallopError as error:
        if options.against:
            raise
        console.warn(f"The new model will not be compared with the one in {place}: {error}")
        return None


def _shots(options: Namespace, seed: int, console: Console) -> tuple[LabelledPhotos, list[dict[str, str]]]:
    """Return the images to learn from and those that could not be read, with a warning for each of them."""
    images = images_with_warnings(options.data, console, split="train")
    shots = draw_shots(images, options.shots, seed=seed, allow_fewer=options.allow_fewer)
    _warn_of_leaks(options.data, shots, console)
    skipped = [{"image": str(path), "error": reason} for path, reason in images.skipped]
    return replace(shots, skipped=()), skipped  # so that fitting does not warn of them again


def _one_class(shots: LabelledPhotos, console: Console) -> tuple[str, ...] | None:
    """Return the class list of a model of one class, with a note of what it is told from; None for other classes."""
    names = (*shots.class_names, SOMETHING_ELSE) if len(shots.class_names) == 1 else shots.class_names
    if one_class(names) is None:
        return None
    console.note(f"One class: the sample's photos are learned as {SOMETHING_ELSE!r}, apart from those like the class.")
    return names


def _check_out(out: Path, options: Namespace) -> None:
    """Refuse an OUT that would be damaged or mistaken for data, before any work."""
    if out.exists() and not out.is_dir():
        raise CommandError(f"--out {out} is a file: choose a folder.")
    for folder in (resolve_split(Path(options.data), split) for split in ("train", "test")):
        if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(folder)):
            raise CommandError(
                f"--out {out} is inside {folder}, where it would be read as a class: choose another folder."
            )
    if not out.exists() or not any(out.iterdir()) or options.overwrite:
        return
    if not options.resume:
        raise CommandError(
            f"--out {out} is not empty. Choose another folder, add --resume to continue an interrupted training there, "
            "or add --overwrite to replace the model in it."
        )
    if (out / SETTINGS).exists() and not (out / WORK / TRAINING).exists():
        if (out / WORK).exists():
            with _work_folder(out, overwrite=False):  # removes what a killed call left, refuses while one still runs
                pass
        raise CommandError(
            f"The training in {out} is finished, so there is nothing to resume. Use the model, or train a new one with "
            "--overwrite."
        )


def method_of(options: Namespace, of_backbone: BackbonePreset) -> MethodConfig:
    """Return the method with the settings that the options give, the others from the preset.

    Args:
        of_backbone: the preset that ``--preset backbone`` means, which the backbone names.
    """
    settings = given(options, MethodConfig)
    if options.topk is None:
        if options.local_prompts is not None:
            settings["topk"] = default_topk(options.local_prompts)
    elif options.local_prompts not in (None, len(options.topk)):
        raise CommandError(
            f"--topk has {len(options.topk)} values but --local-prompts is {options.local_prompts}: pass one k "
            "for each local prompt, or leave out one of the two options."
        )
    return method_preset(options.preset, of_backbone, **settings)


def training_of(
    options: Namespace, of_backbone: BackbonePreset, photos: int | None = None, classes: int = 1
) -> TrainConfig:
    """Return the training with the settings that the options give, the others from the preset (see ``method_of``)."""
    return train_preset(options.preset, of_backbone, photos=photos, classes=classes, **given(options, TrainConfig))


def _warn_of_leaks(data: str, shots: LabelledPhotos, console: Console) -> None:
    if not has_test(data):
        return
    train_part, test_part = ("train/", "test/") if Path(data).is_dir() else ("The splits train", "test")
    try:
        pairs = duplicates(shots, labelled_images(data, split="test"))
    except DataError as error:
        console.warn(f"Could not check whether train and test have images in common: {error}")
        return
    if pairs:
        more = f" (pair 1 of {len(pairs)})" if len(pairs) > 1 else ""
        console.warn(
            f"{train_part} and {test_part} have images in common, so the accuracy on {test_part} will be too high: "
            f"{pairs[0][0]} is the same image as {pairs[0][1]}{more}."
        )


@contextlib.contextmanager
def _work_folder(out: Path, *, overwrite: bool) -> Iterator[None]:
    """Hold a folder for the training until it ends. After Ctrl-C or a disk error, the last epoch stays in OUT."""
    work, is_new = out / WORK, not out.exists()
    saved = (
        f"The training up to the last completed epoch is saved in {out}. Add --resume to the same command to continue."
    )
    try:
        with locked(work / LOCK, wait=False):
            if overwrite:
                drop_training(work)
            yield
    except BlockingIOError:
        raise CommandError(
            f"Another training is running in {out}: wait until it ends, or choose another folder."
        ) from None
    except KeyboardInterrupt:
        if (work / TRAINING).exists():
            raise KeyboardInterrupt(f"Stopped. {saved}") from None
        raise KeyboardInterrupt("Stopped before the end of the first epoch. Nothing was saved.") from None
    except OSError as error:
        if (work / TRAINING).exists() and not isinstance(error, BrokenPipeError):
            raise CommandError(f"{sentence_of(error)} {saved}") from error
        raise
    finally:
        for folder in (work, out) if is_new else (work,):
            with contextlib.suppress(OSError):  # it holds something
                folder.rmdir()


def _result(classifier: GalLoPClassifier, training: TrainConfig) -> dict[str, Any]:
    last = [step for step in classifier.history_ if step.epoch == training.epochs - 1]  # none where no prompt learned
    calibration, held_out = classifier.calibration_, classifier.evaluation
    return {
        "out": "",
        "steps": last[-1].step if last else 0,
        "seconds": 0.0,
        "loss": sum(step.loss for step in last) / len(last) if last else None,
        "accuracy_train": 0.0,
        "accuracy_held_out": held_out and held_out.accuracy.value,
        "interval_held_out": held_out and list(held_out.accuracy.interval),
        "threshold": calibration.threshold,
        "threshold_note": calibration.note,
        "threshold_photos": calibration.photos,
        "threshold_keeps": calibration.expected,
        "temperature": calibration.temperature,
    }


def _table(result: dict[str, Any], shots: LabelledPhotos, promise: str) -> list[str]:
    threshold = "none" if result["threshold"] is None else f"{result['threshold']:.4f}"
    loss = "" if result["loss"] is None else f"loss {result['loss']:.3f}, "
    held_out = ""
    if result["interval_held_out"]:
        interval = " to ".join(map(percentage, result["interval_held_out"]))
        held_out = f", on held-out shots {percentage(result['accuracy_held_out'])} ({interval})"
    return [
        f"Trained on {len(shots.class_names)} class{'es' * (len(shots.class_names) != 1)} and {len(shots)} images in "
        f"{result['seconds']:.1f} s "
        f"({result['steps']} steps). The model is in {result['out']}.",
        f"{loss}accuracy on the shots {percentage(result['accuracy_train'])}{held_out}, OOD threshold {threshold}",
        *([f"{promise[0].upper()}{promise[1:]}."] if promise else []),
    ]
