"""The words of ``gallop data``: what can be opened by name, and what of it is there."""

from __future__ import annotations

from gallop.cli.shared_options import Commands

DATA_EPILOG = """\
examples:
  gallop data list
  gallop data check oxford_pets data                     # data/oxford_pets, data/oxford-iiit-pet, or the set itself
  gallop data check imagenet_r data --json

The layouts are those of CoOp and of torchvision, with CoOp's split files.
In Python: gallop.lab.paper_sets.open_dataset("oxford_pets", "data")."""

LIST_EPILOG = """\
examples:
  gallop data list
  gallop data list --json

JSON: [{name, title, kind, classes, template, address, torchvision}, ...]"""

CHECK_EPILOG = """\
examples:
  gallop data check oxford_pets data
  gallop data check imagenet data --json

Exit status 2 when something is missing or damaged: the message says what it is and where to get it.

JSON: {name, title, kind, folder, split, classes, classes_expected, train, val, test, photos, most_shots, template,
 complete}"""


def add_data(commands: Commands) -> None:
    """Add the command and its two of its own."""
    parser = commands.add_parser(
        "data",
        help="the paper's data sets: what is there, what is missing",
        epilog=DATA_EPILOG,
        description="Look for the data sets of the paper in a folder of yours.",
    )
    actions = parser.add_subparsers(dest="action", metavar="check|list", required=True)
    listing = actions.add_parser("list", help="the sets by name", epilog=LIST_EPILOG, description="Show what is known.")
    check = actions.add_parser(
        "check",
        help="look for a set",
        epilog=CHECK_EPILOG,
        description="Count the images of a set, or say what is missing and where to get it. No picture is opened.",
    )
    check.add_argument("name", metavar="NAME", help="such as oxford_pets; `gallop data list` shows all")
    check.add_argument("root", metavar="DIR", help="the folder that holds the sets, or that of this one")
    for one in (listing, check):
        one.add_argument("--json", action="store_true", help="JSON, and nothing else, on standard output")
