"""The words of ``gallop export``."""

from __future__ import annotations

from gallop.cli.shared_options import Commands, add_common

_EXAMPLES = """\
examples:
  gallop export model --onnx model.onnx
  gallop export model --onnx model.onnx --photos photos/test --json   # also check with these photos

In: pixels (images, 3, size, size); the file's metadata says how a photo becomes them, and holds the class names, the
logit scale, the temperature and the threshold. Out: probabilities (images, K), ood_score (images; larger = more
outlier), global_cosines (images, K, M) and local_cosines, the maps (images, R, K, N).
The file is checked with onnxruntime, and not written if a label or a number by more than 0.0001 is another one.

JSON: {out, bytes, input, outputs, class_names, checked_on, largest_difference, labels_differ}
Needs the extra onnx: pip install 'gallop-explorer[onnx]'"""


def add_export(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "export",
        help="a trained model as an ONNX file",
        epilog=_EXAMPLES,
        description="Write a trained model as one ONNX file, which needs neither gallop nor torch.",
    )
    parser.add_argument("model", metavar="MODEL", help="folder of a trained model")
    parser.add_argument("--onnx", required=True, metavar="FILE", help="the file to write")
    parser.add_argument("--photos", metavar="DIR", help="also check with the photos of a folder, read recursively")
    add_common(parser)
