"""Models, photos and files as the commands need them."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import gallop
from gallop.checkpoints.folder import SavedModel, load_model
from gallop.checkpoints.hub import model_folder
from gallop.cli.console import Console
from gallop.data import ContentHash, LabelledPhotos, csv_splits, labelled_path
from gallop.errors import CommandError
from gallop.features.contents import KnownContents
from gallop.features.encoding import default_cache_folder

DEFAULT_BACKBONE = "mini"


def labelled_images(data: str, *, split: str, content: ContentHash | None = None) -> LabelledPhotos:
    """Return the images of DATA: a table (.csv), the file of a project (.zip), or a folder of class folders.

    Args:
        content: tells the content of each file; None remembers it beside the features: those that no command has seen
            are decoded for it.
    """
    return labelled_path(data, split=split, content=content or KnownContents(default_cache_folder()).sha256)


def images_with_warnings(data: str, console: Console, *, split: str = "test") -> LabelledPhotos:
    """Return the images of DATA, by default those to test on, with a warning for each that cannot be read."""
    console.progress(f"reading {data}")
    images = labelled_images(data, split=split)
    for path, reason in images.skipped:
        console.warn(f"{path} is left out: {reason}")
    return images


def has_test(data: str) -> bool:
    """Return whether DATA holds photos to learn from and others to test on."""
    if Path(data).is_file():
        return Path(data).suffix.lower() == ".csv" and {"train", "test"} <= set(csv_splits(data))
    return all((Path(data) / split).is_dir() for split in ("train", "test"))


def model_or_classes(options: Namespace) -> gallop.GalLoPClassifier:
    """Return the classifier of ``--model``, or a zero-shot one of ``--classes``."""
    if options.model is not None:
        return trained_model(options.model, options)
    return zero_shot_classifier(gallop.parse_names(options.classes), options)


def answering(options: Namespace) -> gallop.GalLoPClassifier | SavedModel:
    """Return the same for a command that only asks: a trained model as it was saved is loaded without scikit-learn."""
    if options.model is None or (options.detail, options.tpr) != (None, None):
        return model_or_classes(options)
    return load_model(model_folder(options.model), options.backbone, options.device)


def trained_model(model: str, options: Namespace) -> gallop.GalLoPClassifier:
    """Return the classifier of a checkpoint folder, or of a model on the Hub."""
    return _as_asked(gallop.GalLoPClassifier.load(model, backbone=options.backbone, device=options.device), options)


def zero_shot_classifier(class_names: Sequence[str], options: Namespace) -> gallop.GalLoPClassifier:
    """Return a classifier that has learned nothing."""
    classifier = gallop.GalLoPClassifier(backbone=options.backbone or DEFAULT_BACKBONE, device=options.device)
    return _as_asked(classifier.zero_shot(class_names), options)


def _as_asked(classifier: gallop.GalLoPClassifier, options: Namespace) -> gallop.GalLoPClassifier:
    """Apply ``--detail`` and ``--tpr`` if the command has these options."""
    detail, tpr = getattr(options, "detail", None), getattr(options, "tpr", None)
    if detail is not None:
        classifier.set_detail(detail, options.detail_in)
    return classifier if tpr is None else classifier.set_threshold(tpr)


def check_output(path: Path, option: str, *others: Path, endings: Sequence[str] = ()) -> None:
    """Refuse a file that cannot be written, or that would replace one of ``others``, before any work is done.

    Args:
        endings: that its name may have; empty for any.
    """
    if endings and path.suffix.lower() not in endings:
        raise CommandError(f"{option} {path} must end in {' or '.join(endings)}.")
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device or a pipe"
        raise CommandError(f"{option} {path} is {kind}: choose the name of a file.")
    for other in others:
        if os.path.realpath(path) == os.path.realpath(other):
            raise CommandError(f"{option} {path} would replace {other}: choose another name.")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise CommandError(f"{option} {path} cannot be written, because {parent} is not a folder.")
    if not os.access(parent, os.W_OK):
        raise CommandError(f"{option} {path} cannot be written: you do not have permission to write to {parent}.")
