"""The words of ``gallop export``: an option each export format."""

from __future__ import annotations

from gallop.cli.shared_options import MODEL_HELP, Commands, add_common
from gallop.export.formats import FORMATS, PhotoToExport, formats_of, option_of

_EXAMPLES = """\
examples:
  gallop export model --onnx model.onnx
  gallop export model --onnx model.onnx --photos photos/test --json   # also check with these photos
  gallop export model --onnx small.onnx --quantize --photos photos/test   # in 8 bits, and what that changes
  gallop export model --card model.md
  gallop export model --report why.html --photo cat.jpg
  gallop export model --web page --open             # a page for browsers, served on this machine and opened
  gallop export --web page                          # of no model: names are typed in it, and mini compares
"""
_JSON = """
JSON: {out, bytes, class_names} and, of an ONNX file, {input, outputs, checked_on, largest_difference, labels_differ};
with --quantize, quantized {how, compared_on, calibrated_with, same_label, largest_difference, pays, before, after}, of
which before and after are {size, seconds (a photo), accuracy}; of a page {files, loads (bytes), fixed_classes,
checked_on, largest_difference}. Of several formats at once a list of these"""


def add_export(commands: Commands) -> None:
    """Add the command."""
    told = [f"\n{option_of(key)}: {format_.details}\n" for key, format_ in FORMATS.items() if format_.details]
    parser = commands.add_parser(
        "export",
        help="a trained model as an ONNX file or a model card, a photo of its as a report",
        epilog="".join([_EXAMPLES, *told, _JSON]),
        description="Write a trained model, or what it says of a photo, as a file for others.",
    )
    alone = ", ".join(option_of(key) for key, format_ in FORMATS.items() if format_.without_model)
    parser.add_argument("model", metavar="MODEL", nargs="?", help=f"{MODEL_HELP}; {alone} is made without one, too")
    group = parser.add_argument_group("what is written, one or more")
    for key, format_ in FORMATS.items():
        metavar = "DIR" if format_.check_folder else "FILE"
        group.add_argument(option_of(key), metavar=metavar, help=f"{format_.title}: {format_.help}")
    checked = ", ".join(option_of(key) for key, format_ in FORMATS.items() if format_.checked)
    explaining = ", ".join(option_of(key) for key in formats_of(PhotoToExport))
    parser.add_argument("--photos", metavar="DIR", help=f"of {checked}: also check with a folder's, read recursively")
    ways = {key: format_.quantizes for key, format_ in FORMATS.items() if format_.quantizes}
    parser.add_argument(
        "--quantize",
        nargs="?",
        choices=sorted({way for some in ways.values() for way in some}),
        const=next(iter(ways.values()))[0],
        help=f"of {', '.join(map(option_of, ways))}: write it in 8 bits, with ranges that --photos give (static, the "
        "default) or each batch anew (dynamic); measured on --photos",
    )
    stored = {key: format_.precisions for key, format_ in FORMATS.items() if format_.precisions}
    parser.add_argument(
        "--precision",
        choices=sorted({precision for some in stored.values() for precision in some}),
        help=f"of {', '.join(map(option_of, stored))}: in which numbers are stored ({next(iter(stored.values()))[0]})",
    )
    served = ", ".join(option_of(key) for key, format_ in FORMATS.items() if format_.check_folder)
    parser.add_argument(
        "--open",
        action="store_true",
        help=f"of {served}: serve the folder on 127.0.0.1 and open it in the browser, until Ctrl+C",
    )
    parser.add_argument("--photo", metavar="IMAGE", help=f"of {explaining}: the photo that is explained")
    add_common(parser)
