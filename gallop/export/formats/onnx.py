"""A classifier as an ONNX file."""

from __future__ import annotations

from gallop.export.format import Exported, ExportFormat, ModelToExport


def _make(model: ModelToExport) -> Exported:
    from gallop.export.onnx import PIXELS, export_onnx

    made = export_onnx(model.classifier, model.photos)
    parity = made.parity
    return Exported(
        made.data,
        (
            f"Checked with onnxruntime on {parity.images} pictures: the same labels, and no number differs by more "
            f"than {parity.difference:.1e}.",
        ),
        {
            "input": PIXELS,
            "outputs": list(parity.by_output),
            "checked_on": parity.images,
            "largest_difference": parity.difference,
            "labels_differ": parity.labels_differ,
        },
    )


ONNX = ExportFormat(
    ModelToExport,
    name="ONNX file",
    help="the classifier in one file that needs neither gallop nor torch: pixels in; probabilities, outlier score and "
    "maps out",
    suffix=".onnx",
    media_type="application/octet-stream",
    make=_make,
    details="""\
In: pixels (images, 3, size, size); the file's metadata says how a photo becomes them, and holds the class names, the
logit scale, the temperature and the threshold. Out: probabilities (images, K), ood_score (images; larger = more
outlier), global_cosines (images, K, M) and local_cosines, the maps (images, R, K, N).
The file is checked with onnxruntime, and not written if a label or a number by more than 0.0001 is another one.
Needs the extra onnx: pip install 'gallop-explorer[onnx]'""",
    seconds=30,
    checked=True,
)
