"""The words of ``gallop sample``."""

from __future__ import annotations

from gallop.cli.shared_options import Commands

_EXAMPLES = """\
examples:
  gallop sample photos
  gallop train photos --out my-model --shots 8
  gallop evaluate my-model photos --ood other=photos/other
  gallop predict photos/test photos/other --model photos/model      # the model that comes with it

JSON: {out, classes [name], train, test, other, model}"""


def add_sample(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sample",
        help="photos to try everything with, and a model that learned them",
        epilog=_EXAMPLES,
        description="Write the sample project into a folder: train/ and test/ with photos of a few classes, other/ "
        "with photos of none of them, and model/, which learned train/.",
    )
    parser.add_argument("out", metavar="DIR", help="where it goes: a new or empty folder")
    parser.add_argument("--json", action="store_true", help="JSON, and nothing else, on standard output")
