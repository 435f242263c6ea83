"""A classifier as an ONNX file."""

from __future__ import annotations

from dataclasses import asdict

from gallop.export.format import Exported, ExportFormat, ModelToExport

_CHECKED_WITH = 64
"""Photos at most, which lie in memory together."""


def _make(model: ModelToExport) -> Exported:
    from gallop.export.onnx import export_onnx
    from gallop.export.onnx_inputs import INPUTS

    made = export_onnx(model.classifier, model.photos[:_CHECKED_WITH])
    parity = made.parity
    checked = Exported(
        made.data,
        (
            f"Checked with onnxruntime on {parity.images} pictures: the same labels, and no number differs by more "
            f"than {parity.difference:.1e}.",
        ),
        {
            **dict(zip(("input", "finer_input"), INPUTS[: len(model.classifier.model_.sight.times)], strict=False)),
            "outputs": list(parity.by_output),
            "checked_on": parity.images,
            "largest_difference": parity.difference,
            "labels_differ": parity.labels_differ,
        },
    )
    return _in_8_bits(model, checked) if model.quantize else checked


def _in_8_bits(model: ModelToExport, checked: Exported) -> Exported:
    """The file in 8 bits, and what it does beside the one that was checked."""
    from gallop.export.onnx_inputs import as_inputs
    from gallop.export.quantizing import quantized

    numbers = {name: number for number, name in enumerate(model.classifier.model_.class_names)}
    labels = [numbers.get(label) for label in model.labels or [""] * len(model.photos)]
    photos = [as_inputs(model.classifier.model_, photo) for photo in model.photos]
    made = quantized(checked.data, model.quantize, photos, labels)
    before, after = made.before, made.after
    calibrated = f"with ranges from {made.calibrated_with} photos, " if made.calibrated_with else ""
    right = ""
    if before.accuracy is not None and after.accuracy is not None:
        right = f"; {before.accuracy:.1%} were right, {after.accuracy:.1%} are"
    told = (
        *checked.told,
        f"Then written in 8 bits ({model.quantize}), {calibrated}and compared on {made.photos} others: "
        f"{made.agreement:.1%} have the same label{right}; a probability moves by {made.largest:.2f} at most.",
        f"On this processor a photo took {1000 * before.seconds:.1f} ms and takes {1000 * after.seconds:.1f} ms; the "
        f"file had {before.size / 2**20:.1f} MB and has {after.size / 2**20:.1f} MB."
        + ("" if made.pays else " It does not pay here: it is no faster. Write it without, or try the other way."),
    )
    record = {
        "how": model.quantize,
        "compared_on": made.photos,
        "calibrated_with": made.calibrated_with,
        "same_label": made.agreement,
        "largest_difference": made.largest,
        "pays": made.pays,
        "before": asdict(before),
        "after": asdict(after),
    }
    return Exported(made.data, told, {**checked.record, "quantized": record})


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
logit scale, the temperature, the threshold and the opset. Out: probabilities (images, K), ood_score (images; larger =
more outlier), global_cosines (images, K, M), local_cosines, the maps (images, R, K, N), and head_regions, the map of a
head (images, R, K). Who does not ask for the maps does not get them: session.run(["probabilities", "ood_score"],
{"pixels": pixels}).
A model that answers from two looks takes finer_pixels as well, the same part of the photo at that size, and gives the
maps of that look as finer_local_cosines and finer_head_regions; a second look for maps alone is not in the file.
The file is checked with onnxruntime, and not written if a label or a number by more than 0.0001 is another one.
With --quantize it is written in 8 bits, and it is told what that does to labels, accuracy (where --photos holds a
folder of each class), time and size.
Needs the extra onnx: pip install 'gallop-explorer[onnx]'""",
    seconds=30,
    checked=True,
    quantizes=("static", "dynamic"),
)
