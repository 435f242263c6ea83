"""The words of ``gallop export``: an option each export format."""

from __future__ import annotations

from gallop.cli.shared_options import MODEL_HELP, Commands, add_common
from gallop.export.format import PhotoToExport
from gallop.export.formats import formats_of, known_formats, option_of

_EXAMPLES = """\
examples:
  gallop export model --onnx model.onnx
  gallop export model --onnx model.onnx --photos photos/test --json   # also check with these photos
  gallop export model --card model.md
  gallop export model --report why.html --photo cat.jpg
"""
_JSON = """
JSON: {out, bytes, class_names} and, of an ONNX file, {input, outputs, checked_on, largest_difference, labels_differ}"""


def add_export(commands: Commands) -> None:
    """Add the command."""
    formats = known_formats()
    told = [f"\n{option_of(key)}: {format_.details}\n" for key, format_ in formats.items() if format_.details]
    parser = commands.add_parser(
        "export",
        help="a trained model as an ONNX file or a model card, a photo of its as a report",
        epilog="".join([_EXAMPLES, *told, _JSON]),
        description="Write a trained model, or what it says of a photo, as a file for others.",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    group = parser.add_mutually_exclusive_group(required=True)
    for key, format_ in formats.items():
        group.add_argument(option_of(key), metavar="FILE", help=f"{format_.title}: {format_.help}")
    checked = ", ".join(option_of(key) for key, format_ in formats.items() if format_.checked)
    explaining = ", ".join(option_of(key) for key in formats_of(PhotoToExport))
    parser.add_argument("--photos", metavar="DIR", help=f"of {checked}: also check with a folder's, read recursively")
    parser.add_argument("--photo", metavar="IMAGE", help=f"of {explaining}: the photo that is explained")
    add_common(parser)
