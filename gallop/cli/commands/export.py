"""``gallop export``: write a trained model, or its explanation of a photo, in an export format."""

from __future__ import annotations

import contextlib
import io
import sys
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from gallop import GalLoPClassifier, load_image
from gallop.cli.console import Console
from gallop.cli.inputs import check_output, images_with_warnings, trained_model, zero_shot_classifier
from gallop.errors import CommandError
from gallop.export.formats import CHECKED_WITH, FORMATS, ExportFormat, ModelToExport, PhotoToExport
from gallop.export.web import TAUGHT_NAMES
from gallop.images import list_images
from gallop.runtime.writing import write_file


def run(options: Namespace, console: Console) -> int:
    """Write the file, and report how it was checked."""
    key, format_ = next((key, each) for key, each in FORMATS.items() if getattr(options, key) is not None)
    out = Path(getattr(options, key))
    _check_options(options, key, format_)
    if format_.check_folder is None:
        check_output(out, f"--{key}")
    else:
        format_.check_folder(out)
    if options.device == "auto":
        options.device = "cpu"  # a check is made there, and nothing else is worth the start of a GPU
    if options.model is not None:
        classifier = trained_model(options.model, options)
    else:
        classifier = zero_shot_classifier(TAUGHT_NAMES if options.teach else format_.without_model, options)
    subject = _subject(format_, classifier, options, console)
    console.progress(f"making the {format_.name}")
    with contextlib.redirect_stdout(sys.stderr):  # an exporter may print; standard output is for the result
        made = format_.make(subject)
    # On a page that teaches there are none yet.
    size, names = _write(out, made.data, format_), [] if options.teach else classifier.classes_.tolist()
    of = f" of {len(names)} classes" if names else ""
    shown = f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{max(size / 2**10, 1):.0f} kB"
    console.result(
        {"out": str(out), "bytes": size, "class_names": names, **made.record},
        lambda: [f"The {format_.name}{of} is in {out} ({shown}).", *made.notes],
    )
    return 0


def _check_options(options: Namespace, key: str, format_: ExportFormat[Any]) -> None:
    """Refuse options that the format does not use, and a missing one, before a model is loaded."""
    explains = format_.of is PhotoToExport
    uses = {
        "photos": format_.checked,
        "photo": explains,
        "test": key == "card",
        "precision": key == "web",
        "teach": key == "web",
        "embed": key == "web",
    }
    for name, used in uses.items():
        if getattr(options, name) and not used:
            raise CommandError(f"--{name} does not apply to --{key}: leave out --{name}.")
    if explains and options.photo is None:
        raise CommandError(f"--{key} needs a photo to explain: add --photo IMAGE.")
    if options.model is None and not format_.without_model:
        raise CommandError(f"--{key} needs a trained model: gallop export MODEL --{key} FILE.")


def _write(out: Path, data: bytes, format_: ExportFormat[Any]) -> int:
    """Write a file, or the one folder that a zip holds, and return how many bytes that is."""
    if format_.check_folder is None:
        write_file(out, data)
        return len(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            write_file(out.joinpath(*Path(entry.filename).parts[1:]), archive.read(entry))
        return sum(entry.file_size for entry in archive.infolist())


def _subject(
    format_: ExportFormat[Any], classifier: GalLoPClassifier, options: Namespace, console: Console
) -> ModelToExport | PhotoToExport:
    if format_.of is PhotoToExport:
        path = Path(options.photo)
        return PhotoToExport(classifier.explain(load_image(path)), photo_name=path.name)
    photos: list[Path] = []
    if options.photos is not None:
        paths = list_images(options.photos, recursive=True)
        photos = paths[:: max(-(-len(paths) // CHECKED_WITH), 1)]  # from all of the folder
        if not photos:
            raise CommandError(f"--photos {options.photos} contains no images: choose a folder with images.")
    measured = [_accuracy(classifier, options.test, console)] if options.test is not None else []
    return ModelToExport(
        classifier,
        photos,
        measured,
        precision=options.precision or "fp32",
        teach=options.teach,
        embed=options.embed,
    )


def _accuracy(classifier: GalLoPClassifier, test: str, console: Console) -> str:
    from gallop.documents.model_card import accuracy_in_words  # with jinja2

    return accuracy_in_words(classifier.evaluate(images_with_warnings(test, console)).accuracy, "test photos")
