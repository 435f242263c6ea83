"""The arguments of ``gallop sample``."""

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
        help="write sample photos, and a model trained on them",
        epilog=_EXAMPLES,
        description="Write the sample project into a folder: train/ and test/ with photos of a few classes, other/ "
        "with photos of other things, and model/, which is trained on train/.",
    )
    parser.add_argument("out", metavar="DIR", help="output folder, new or empty")
    parser.add_argument("--json", action="store_true", help="write JSON, and nothing else, to standard output")
