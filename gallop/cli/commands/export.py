"""``gallop export``: a trained model, or what it says of a photo, as files of the formats that were asked for."""

from __future__ import annotations

import contextlib
import io
import sys
import webbrowser
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gallop import GalLoPClassifier, load_image
from gallop.cli.console import Console
from gallop.cli.inputs import check_output, trained_model, zero_shot_classifier
from gallop.errors import CommandError, ImageError
from gallop.export.formats import FORMATS, ExportFormat, ModelToExport, PhotoToExport, option_of
from gallop.images import list_images
from gallop.names.class_names import folder_to_name, spelled_as
from gallop.runtime.writing import write_file

_MOST_PHOTOS, _MOST_TO_QUANTIZE = 64, 320
"""To check with, or to compare as well: enough to believe it, few enough to lie in memory as pixels."""


def run(options: Namespace, console: Console) -> int:
    """Write what was asked for, and say what there is to say about it."""
    asked = {key: format_ for key, format_ in FORMATS.items() if getattr(options, key) is not None}
    if not asked:
        raise CommandError(f"Say what to write: {', '.join(map(option_of, FORMATS))}.")
    _check_options(options, asked)
    places: list[Path] = []
    for key, format_ in asked.items():
        out = Path(getattr(options, key))
        if format_.check_folder is None:
            check_output(out, option_of(key), *places)
        else:
            format_.check_folder(out)
        places.append(out)
    if options.device == "auto":
        options.device = "cpu"  # a check is made there, and nothing else is worth the start of a GPU
    if options.model is not None:
        classifier = trained_model(options.model, options)
    else:
        classifier = zero_shot_classifier(next(iter(asked.values())).without_model, options)
    results, lines = [], []
    for key, format_ in asked.items():
        out, subject = Path(getattr(options, key)), _subject(format_, classifier, options, console)
        console.progress(f"making the {format_.name}")
        with contextlib.redirect_stdout(sys.stderr):  # an exporter may talk; standard output is for the result
            made = format_.make(subject)
        size, names = _write(out, made.data, format_), classifier.classes_.tolist()
        results.append({"out": str(out), "bytes": size, "class_names": names, **made.record})
        shown = f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{max(size / 2**10, 1):.0f} kB"
        lines += [f"The {format_.name} of {len(names)} classes is in {out} ({shown}).", *made.told]
    console.result(results[0] if len(results) == 1 else results, lambda: lines)
    if options.open:
        _open(next(Path(getattr(options, key)) for key, format_ in asked.items() if format_.check_folder), console)
    return 0


def _check_options(options: Namespace, asked: Mapping[str, ExportFormat[Any]]) -> None:
    """Refuse options that no format would look at, and a missing one, before a model is loaded."""
    named, formats = " and ".join(map(option_of, asked)), list(asked.values())
    if options.photos is not None and not any(format_.checked for format_ in formats):
        raise CommandError(f"--photos has no use with {named}, which is not checked with any; leave it away.")
    if options.quantize is not None:
        if not any(options.quantize in format_.quantizes for format_ in formats):
            raise CommandError(f"--quantize has no use with {named}, which is not written in 8 bits; leave it away.")
        if options.photos is None:
            raise CommandError("--quantize is measured on photos: name a folder of them with --photos DIR.")
    if options.precision is not None and not any(options.precision in format_.precisions for format_ in formats):
        raise CommandError(f"--precision has no use with {named}; leave it away.")
    if options.open and not any(format_.check_folder for format_ in formats):
        raise CommandError(f"--open has no use with {named}, which is no page for browsers; leave it away.")
    explains = [key for key, format_ in asked.items() if format_.of is PhotoToExport]
    if explains and options.photo is None:
        raise CommandError(f"{option_of(explains[0])} explains a photo; name it with --photo IMAGE.")
    if options.photo is not None and not explains:
        raise CommandError(f"--photo has no use with {named}, which explains none; leave it away.")
    needs = [option_of(key) for key, format_ in asked.items() if not format_.without_model]
    if options.model is None and needs:
        raise CommandError(f"{needs[0]} is of a model: name its folder, gallop export MODEL {needs[0]} FILE.")


def _write(out: Path, data: bytes, format_: ExportFormat[Any]) -> int:
    """Write a file, or the one folder that a zip holds, and return how many bytes that is."""
    if format_.check_folder is None:
        write_file(out, data)
        return len(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            write_file(out.joinpath(*Path(entry.filename).parts[1:]), archive.read(entry))
        return sum(entry.file_size for entry in archive.infolist())


def _open(folder: Path, console: Console) -> None:
    """Serve a folder until somebody stops it."""
    from gallop.export.web.serving import static_server

    with static_server(folder) as server:
        address = f"http://127.0.0.1:{server.server_port}/"
        console.note(f"{folder} is served at {address}, to this machine alone, until Ctrl+C.")
        webbrowser.open(address)
        server.serve_forever()


def _subject(
    format_: ExportFormat[Any], classifier: GalLoPClassifier, options: Namespace, console: Console
) -> ModelToExport | PhotoToExport:
    if format_.of is PhotoToExport:
        path = Path(options.photo)
        return PhotoToExport(classifier.explain(load_image(path)), photo_name=path.name)
    stored = options.precision or ""
    if options.photos is None or not format_.checked:
        return ModelToExport(classifier, precision=stored)
    quantize = (options.quantize or "") if format_.quantizes else ""
    photos = _photos(options.photos, _MOST_TO_QUANTIZE if quantize else _MOST_PHOTOS, console)
    labels = spelled_as((folder_to_name(path.parent.name) for path in photos), classifier.classes_.tolist())
    return ModelToExport(classifier, photos, labels=labels, quantize=quantize, precision=stored)


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
