"""``gallop export``: a trained model, or what it says of a photo, as a file of the format that was asked for."""

from __future__ import annotations

import contextlib
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from gallop import GalLoPClassifier, load_image
from gallop.cli.console import Console
from gallop.cli.inputs import check_output, trained_model
from gallop.errors import CommandError, ImageError
from gallop.export.format import Exported, ExportFormat, ModelToExport, PhotoToExport
from gallop.export.formats import known_formats, option_of
from gallop.images import list_images
from gallop.names.class_names import folder_to_name, spelled_as
from gallop.runtime.writing import write_file

_MOST_PHOTOS, _MOST_TO_QUANTIZE = 64, 320
"""To check with, or to compare as well: enough to believe it, few enough to lie in memory as pixels."""


def run(options: Namespace, console: Console) -> int:
    """Write the file, and say what there is to say about it."""
    key, format_ = next((key, format_) for key, format_ in known_formats().items() if getattr(options, key) is not None)
    out = Path(getattr(options, key))
    check_output(out, option_of(key))
    _check_photos(options, option_of(key), format_)
    if options.device == "auto":
        options.device = "cpu"  # a check is made there, and nothing else is worth the start of a GPU
    classifier = trained_model(options.model, options)
    subject = _subject(format_, classifier, options, console)
    console.progress(f"making the {format_.name}")
    with contextlib.redirect_stdout(sys.stderr):  # an exporter may talk; standard output is for the result
        made = format_.make(subject)
    write_file(out, made.data)
    result = _result(made, classifier.classes_.tolist(), out)
    console.result(result, lambda: _table(result, format_, made))
    return 0


def _check_photos(options: Namespace, option: str, format_: ExportFormat[Any]) -> None:
    """Refuse photos that would be left aside, and a missing one, before a model is loaded."""
    if options.photos is not None and not format_.checked:
        raise CommandError(f"--photos has no use with {option}, which is not checked with any; leave it away.")
    if options.quantize is not None:
        if options.quantize not in format_.quantizes:
            raise CommandError(f"--quantize has no use with {option}, which is not written in 8 bits; leave it away.")
        if options.photos is None:
            raise CommandError("--quantize is measured on photos: name a folder of them with --photos DIR.")
    explains = format_.of is PhotoToExport
    if explains and options.photo is None:
        raise CommandError(f"{option} explains a photo; name it with --photo IMAGE.")
    if options.photo is not None and not explains:
        raise CommandError(f"--photo has no use with {option}, which explains none; leave it away.")


def _subject(
    format_: ExportFormat[Any], classifier: GalLoPClassifier, options: Namespace, console: Console
) -> ModelToExport | PhotoToExport:
    if format_.of is PhotoToExport:
        path = Path(options.photo)
        return PhotoToExport(classifier.explain(load_image(path)), photo_name=path.name)
    if options.photos is None:
        return ModelToExport(classifier)
    most = _MOST_PHOTOS if options.quantize is None else _MOST_TO_QUANTIZE
    photos = _photos(options.photos, most, console)
    labels = spelled_as((folder_to_name(path.parent.name) for path in photos), classifier.classes_.tolist())
    return ModelToExport(classifier, photos, labels=labels, quantize=options.quantize or "")


def _photos(folder: str, most: int, console: Console) -> list[Path]:
    """So many of a folder's photos that can be read, from all of it."""
    found, photos = list_images(folder, recursive=True), []
    for path in found[:: max(-(-len(found) // most), 1)]:
        try:
            load_image(path)
        except ImageError as error:
            console.warn(f"{path} is left out of the check: {error}")
        else:
            photos.append(Path(path))
    if not photos:
        raise CommandError(f"--photos {folder} holds no readable images; give a folder that does, or leave it away.")
    return photos


def _result(made: Exported, class_names: list[str], out: Path) -> dict[str, Any]:
    return {"out": str(out), "bytes": len(made.data), "class_names": class_names, **made.record}


def _table(result: dict[str, Any], format_: ExportFormat[Any], made: Exported) -> list[str]:
    classes, size = len(result["class_names"]), _size(result["bytes"])
    return [f"The {format_.name} of {classes} classes is in {result['out']} ({size}).", *made.told]


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{max(count / 2**10, 1):.0f} kB"
