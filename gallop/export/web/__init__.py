"""A classifier in, a folder of static files out: a page that answers photos in the browser, and sends nothing.

``write(folder)`` writes the page without a model: names are typed, and ``mini`` compares photos with them (the site of
the documentation calls it). ``write(folder, classifier)`` writes one of a trained model, whose classes are fixed; of a
zero-shot one, whose names are where the page begins. ``write(folder, teach=True)`` writes one on which classes are
taught with photos and a camera. The folder has to be served over http: browsers start neither modules nor WebAssembly
from a double click. It needs the extra ``onnx``, and onnxruntime-web beside this package, which
``python -m gallop.export.web.fetch`` has npm fetch.

In ``page`` lies what is written as it is: the page, its scripts and its service worker; in ``teach`` what takes the
place of some of it, and comes to it, on a page that teaches.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gallop.errors import PageError
from gallop.runtime.writing import write_file

if TYPE_CHECKING:
    from gallop.estimator import GalLoPClassifier
else:
    GalLoPClassifier = Any  # hints can be worked out (typing.get_type_hints) without loading it

PagePrecision = Literal["fp16", "fp32"]
"""Of stored numbers: in half precision, or as they are. Those of ``mini`` were in half precision before."""
SHOWN = {"teapot": "teapot-12", "mug": "mug-12", "vase": "vase-10", "candle": "candle-13"}
"""Of the sample's photos to test with, one a class: a page begins with them."""
FIRST_NAMES = tuple(SHOWN)
"""Those of a page without a model."""
TAUGHT_NAMES = FIRST_NAMES[:2]
"""Those of a page that teaches without a model: to type over."""
_ORIGIN = re.compile(r"(https://[a-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:\d{1,5})?")
FACTS = "model.json"
"""Its presence shows that a folder holds a page."""


def write(
    folder: str | PathLike[str],
    model: GalLoPClassifier | None = None,
    precision: PagePrecision = "fp32",
    *,
    teach: bool = False,
    embed: Sequence[str] = (),
) -> dict[str, int]:
    """Write the page, and return the bytes of its files by their names.

    Args:
        model: whatever can be written as ONNX; None is ``mini`` without training.
        precision: in which the encoders' numbers are stored.
        teach: classes are taught on the page; the model is one without training, then.
        embed: origins, such as ``https://school.example``, of pages that are sent its answers where it
            is in a frame of theirs.

    Raises:
        PageError: onnxruntime-web is not there, the model is one that the page does not take, or an origin is none.
        OnnxError: the extra is missing, or the model cannot be written.
        OSError: there is no room for it.
    """
    from gallop.export.web.page_files import page_files

    files, _ = page_files(model, precision, teach=teach, embed=embed)
    check_folder(folder)
    for name, data in files.items():
        write_file(Path(folder, name), data)
    return {name: len(data) for name, data in files.items()}


def check_folder(folder: str | PathLike[str]) -> None:
    """Refuse a folder that holds something else than a page.

    Raises:
        PageError: so it is, or it is a file.
    """
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise PageError(f"{path} is a file. Choose a folder for the page.")
    if path.is_dir() and any(path.iterdir()) and not (path / FACTS).is_file():
        raise PageError(
            f"{path} contains files that do not belong to an exported page. Choose a folder that is empty or does "
            "not exist yet."
        )


def checked_origins(origins: Sequence[str]) -> list[str]:
    """Return origins of pages as browsers write them.

    Raises:
        PageError: one is no origin, or anybody on the way could change what comes from there.
    """
    wanted = [re.sub(r"^(https:.*):443$", r"\1", origin.lower().removesuffix("/")) for origin in origins]
    if wrong := [given for given, origin in zip(origins, wanted, strict=True) if not _ORIGIN.fullmatch(origin)]:
        raise PageError(
            f"{wrong[0]} is not the origin of a page. Write it without a path, such as https://school.example; "
            "http:// is only for localhost and 127.0.0.1."
        )
    return wanted
