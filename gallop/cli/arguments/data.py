"""The arguments of ``gallop data``."""

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
    """Add the command and its two subcommands."""
    parser = commands.add_parser(
        "data",
        help="list and check the paper's data sets",
        epilog=DATA_EPILOG,
        description="List the data sets of the paper, or check one in a folder of yours.",
    )
    actions = parser.add_subparsers(dest="action", metavar="check|list", required=True)
    listing = actions.add_parser(
        "list", help="list the data sets", epilog=LIST_EPILOG, description="List the known data sets."
    )
    check = actions.add_parser(
        "check",
        help="check a data set",
        epilog=CHECK_EPILOG,
        description="Count the images of a data set, or say what is missing and where to get it. No image is opened.",
    )
    check.add_argument("name", metavar="NAME", help="such as oxford_pets; `gallop data list` shows all")
    check.add_argument("root", metavar="DIR", help="folder that holds the data sets, or the folder of this one")
    for one in (listing, check):
        one.add_argument("--json", action="store_true", help="write JSON, and nothing else, to standard output")
