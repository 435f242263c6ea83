"""The arguments of ``gallop export``: one option per export format."""

from __future__ import annotations

from gallop.cli.shared_options import MODEL_HELP, Commands, add_common
from gallop.export.formats import FORMATS, PhotoToExport, formats_of

_EXAMPLES = """\
examples:
  gallop export model --onnx model.onnx
  gallop export model --onnx model.onnx --photos photos/test --json   # also check with these photos
  gallop export model --card model.md --test photos     # with the accuracy on photos/test
  gallop export model --report why.html --photo cat.jpg
  gallop export model --web page                    # a page for browsers: python -m http.server -d page
  gallop export --web page                          # without a model: users type class names in the page
  gallop export --web page --teach                  # users teach classes on the page, with photos or a camera
"""
_JSON = """
JSON: {out, bytes, class_names} and, of an ONNX file, {input, outputs, checked_on, largest_difference, labels_differ};
of a page {files, loads (bytes), fixed_classes, checked_on, largest_difference}"""


def add_export(commands: Commands) -> None:
    """Add the command."""
    details = [f"\n--{key}: {format_.details}\n" for key, format_ in FORMATS.items() if format_.details]
    parser = commands.add_parser(
        "export",
        help="export a trained model, or an explained photo as a report",
        epilog="".join([_EXAMPLES, *details, _JSON]),
        description="Export a trained model, or its explanation of a photo, as a file to share.",
    )
    alone = ", ".join(f"--{key}" for key, format_ in FORMATS.items() if format_.without_model)
    parser.add_argument("model", metavar="MODEL", nargs="?", help=f"{MODEL_HELP}; {alone} also works without one")
    group = parser.add_mutually_exclusive_group(required=True)
    for key, format_ in FORMATS.items():
        group.add_argument(
            f"--{key}",
            metavar="DIR" if format_.check_folder else "FILE",
            help=f"{format_.title}: {format_.help}",
        )
    checked = ", ".join(f"--{key}" for key, format_ in FORMATS.items() if format_.checked)
    explaining = ", ".join(f"--{key}" for key in formats_of(PhotoToExport))
    parser.add_argument(
        "--photos", metavar="DIR", help=f"with {checked}: also check with the photos in this folder, read recursively"
    )
    parser.add_argument(
        "--precision", choices=("fp32", "fp16"), help="with --web: number format of the stored encoders (fp32)"
    )
    parser.add_argument(
        "--teach", action="store_true", help="with --web: a page on which classes are taught, with photos or a camera"
    )
    parser.add_argument(
        "--test",
        metavar="DATA",
        help="with --card: test photos, as for `gallop evaluate`; the card states the accuracy",
    )
    parser.add_argument("--photo", metavar="IMAGE", help=f"with {explaining}: the photo to explain")
    add_common(parser)
