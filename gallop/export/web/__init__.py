"""A classifier in, a folder of static files out: a page that answers photos in the browser, and sends nothing.

``write(folder)`` writes the page without a model: names are typed, and ``mini`` compares photos with them (the site of
the documentation calls it). ``write(folder, classifier)`` writes one of a trained model, whose classes are fixed; of a
zero-shot one, whose names are where the page begins. The folder has to be served over http: browsers start neither
modules nor WebAssembly from a double click. It needs the extra ``onnx``, and onnxruntime-web beside this package, which
``python -m gallop.export.web.fetch`` has npm fetch.

In ``page`` lies what is written as it is: the page, its scripts and its service worker.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gallop.estimator import GalLoPClassifier
    from gallop.export.web.towers import PagePrecision
else:
    GalLoPClassifier = PagePrecision = Any  # hints can be worked out (typing.get_type_hints) without loading them


def write(
    folder: str | PathLike[str], model: GalLoPClassifier | None = None, precision: PagePrecision = "fp32"
) -> dict[str, int]:
    """Write the page, and return the bytes of its files by their names.

    Args:
        model: whatever can be written as ONNX; None is ``mini`` without training.
        precision: in which the towers' numbers are stored.

    Raises:
        PageError: onnxruntime-web is not there, or the model is one that the page does not take.
        OnnxError: the extra is missing, or the model cannot be written.
        OSError: there is no room for it.
    """
    from gallop.export.web.folder import page_files, write_files

    files, _ = page_files(model, precision)
    write_files(folder, files)
    return {name: len(data) for name, data in files.items()}
