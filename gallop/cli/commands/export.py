"""``gallop export``: a trained model as one ONNX file, checked with onnxruntime."""

from __future__ import annotations

import contextlib
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from gallop import load_image
from gallop.cli.console import Console
from gallop.cli.inputs import check_output, trained_model
from gallop.errors import CommandError, ImageError, OnnxError
from gallop.export.onnx import PIXELS, OnnxFile, export_onnx
from gallop.images import list_images
from gallop.runtime.writing import write_file

_MOST_PHOTOS = 64
"""To check with: enough to believe it, few enough to lie in memory."""


def run(options: Namespace, console: Console) -> int:
    """Write the file, and say how it differs from the model."""
    out = Path(options.onnx)
    check_output(out, "--onnx")
    if options.device == "auto":
        options.device = "cpu"  # where the check is made
    classifier = trained_model(options.model, options)
    photos = _photos(options.photos, console) if options.photos is not None else []
    console.progress("exporting and checking")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # the exporter may talk; standard output is for the result
            made = export_onnx(classifier, photos)
    except OnnxError as error:
        raise CommandError(str(error)) from error
    write_file(out, made.data)
    result = _result(made, classifier.classes_.tolist(), out)
    console.result(result, lambda: _table(result))
    return 0


def _photos(folder: str, console: Console) -> list[Any]:
    photos = []
    for path in list_images(folder, recursive=True)[:_MOST_PHOTOS]:
        try:
            photos.append(load_image(path))
        except ImageError as error:
            console.warn(f"{path} is left out of the check: {error}")
    if not photos:
        raise CommandError(f"--photos {folder} holds no readable images; give a folder that does, or leave it away.")
    return photos


def _result(made: OnnxFile, class_names: list[str], out: Path) -> dict[str, Any]:
    parity = made.parity
    return {
        "out": str(out),
        "bytes": len(made.data),
        "input": PIXELS,
        "outputs": list(parity.by_output),
        "class_names": class_names,
        "checked_on": parity.images,
        "largest_difference": parity.difference,
        "labels_differ": parity.labels_differ,
    }


def _table(result: dict[str, Any]) -> list[str]:
    return [
        f"{len(result['class_names'])} classes in {result['out']} ({result['bytes'] / 2**20:.1f} MB): "
        f"{result['input']} in; {', '.join(result['outputs'])} out.",
        f"Checked on {result['checked_on']} pictures with onnxruntime: the same labels, the largest difference "
        f"{result['largest_difference']:.1e}.",
    ]
