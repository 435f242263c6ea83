"""The arguments of ``gallop export``: an option each export format."""

from __future__ import annotations

from gallop.cli.shared_options import MODEL_HELP, Commands, add_common
from gallop.export.formats import FORMATS, PhotoToExport, formats_of

_EXAMPLES = """\
examples:
  gallop export model --onnx model.onnx
  gallop export model --onnx model.onnx --photos photos/test --json   # also check with these photos
  gallop export model --onnx small.onnx --quantize --photos photos/test   # in 8 bits, and what that changes
  gallop export model --card model.md
  gallop export model --report why.html --photo cat.jpg
  gallop export model --web page                    # a page for browsers: python -m http.server -d page
  gallop export --web page                          # of no model: names are typed in it, and mini compares
"""
_JSON = """
JSON: {out, bytes, class_names} and, of an ONNX file, {input, outputs, checked_on, largest_difference, labels_differ};
with --quantize, quantized {calibrated_with, compared_on, same_label, largest_difference}; of a page {files, loads
(bytes), fixed_classes, checked_on, largest_difference}"""


def add_export(commands: Commands) -> None:
    """Add the command."""
    details = [f"\n--{key}: {format_.details}\n" for key, format_ in FORMATS.items() if format_.details]
    parser = commands.add_parser(
        "export",
        help="a trained model as an ONNX file or a model card, a photo of its as a report",
        epilog="".join([_EXAMPLES, *details, _JSON]),
        description="Write a trained model, or what it says of a photo, as a file for others.",
    )
    alone = ", ".join(f"--{key}" for key, format_ in FORMATS.items() if format_.without_model)
    parser.add_argument("model", metavar="MODEL", nargs="?", help=f"{MODEL_HELP}; {alone} is made without one, too")
    group = parser.add_mutually_exclusive_group(required=True)
    for key, format_ in FORMATS.items():
        metavar = "DIR" if format_.check_folder else "FILE"
        group.add_argument(f"--{key}", metavar=metavar, help=f"{format_.title}: {format_.help}")
    checked = ", ".join(f"--{key}" for key, format_ in FORMATS.items() if format_.checked)
    explaining = ", ".join(f"--{key}" for key in formats_of(PhotoToExport))
    parser.add_argument("--photos", metavar="DIR", help=f"of {checked}: also check with a folder's, read recursively")
    parser.add_argument(
        "--quantize",
        action="store_true",
        help="of --onnx: write it in 8 bits; half of --photos give the ranges of numbers, the others show what changes",
    )
    parser.add_argument(
        "--precision", choices=("fp32", "fp16"), help="of --web: in which numbers its encoders are stored (fp32)"
    )
    parser.add_argument("--photo", metavar="IMAGE", help=f"of {explaining}: the photo that is explained")
    add_common(parser)
