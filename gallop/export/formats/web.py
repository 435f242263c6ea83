"""A classifier as a page that runs in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gallop.export.format import Exported, ExportFormat, ModelToExport
from gallop.export.web.samples import FIRST_NAMES

if TYPE_CHECKING:
    from gallop.export.web.towers import PagePrecision

_CHECKED_WITH = 64
"""Photos at most, which lie in memory together."""


def _make(model: ModelToExport) -> Exported:
    from gallop.export.web.folder import page_files, zipped_page

    precision: PagePrecision = "fp16" if model.precision == "fp16" else "fp32"
    files, facts = page_files(model.classifier, precision, model.photos[:_CHECKED_WITH])
    size = sum(map(len, files.values()))
    what = "Its classes are those of the model" if facts["fixed"] else "Names are typed in the page"
    told = (
        f"{what}. It loads {size / 1e6:.0f} MB, once; no photo leaves the browser.",
        f"Checked with onnxruntime on {facts['agreement']['photos']} pictures: no probability differs by more than "
        f"{facts['agreement']['difference']:.1e}.",
        "Serve the folder over http (--open does, on this machine): browsers do not start it from a double click.",
    )
    record = {
        "files": len(files),
        "loads": size,
        "fixed_classes": facts["fixed"],
        "checked_on": facts["agreement"]["photos"],
        "largest_difference": facts["agreement"]["difference"],
    }
    return Exported(zipped_page(files), told, record)


def _check_folder(path: Path) -> None:
    from gallop.export.web.folder import check_folder

    check_folder(path)


WEB = ExportFormat(
    ModelToExport,
    name="page for browsers",
    help="a folder of static files that answers photos in the browser and sends nothing anywhere",
    suffix=".page.zip",
    media_type="application/zip",
    make=_make,
    details="""\
A photo is dropped, chosen, pasted or filmed; probabilities and maps follow its k as in the app. Of a model that learned
from photos the classes are those it learned, with its limit for "none of these", its head and its second look; a second
look for maps alone is not on the page. Of a zero-shot model, or without MODEL (mini), names are typed in the page.
Serve the folder over http from any host of static files: browsers do not start it from a double click. Once loaded it
works without a network, where it came over https or from this machine.
Numbers are stored as they are, in 16 bits where that changes none (all of mini's towers); --precision fp16 stores all
in 16 bits. The towers are checked with onnxruntime: fp32 is not written if a probability differs by more than 0.0001,
fp16 by more than 0.01.
Needs the extra onnx, and onnxruntime-web beside the package: python -m gallop.export.web.fetch""",
    seconds=60,
    checked=True,
    precisions=("fp32", "fp16"),
    check_folder=_check_folder,
    without_model=FIRST_NAMES,
)
