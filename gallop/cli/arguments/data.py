"""The arguments of ``gallop data``."""

from __future__ import annotations

from gallop.cli.shared_options import Commands, add_common

DATA_EPILOG = """\
examples:
  gallop data list
  gallop data check photos                               # your photos: copies, imbalance, labels in doubt
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
  gallop data check photos                               # class folders, one that holds train/ and test/, or a .csv
  gallop data check photos --json
  gallop data check oxford_pets data                     # a set of the paper
  gallop data check imagenet data --json

Exit status 2 when something is to be looked at, or missing or damaged; of a set the message says where to get it.

JSON of photos: {folder, backbone, classes, copies, leaks, doubted, skipped, near}. copies and leaks are pairs of a
training photo and another one, or a test photo; near: whether nearly equal ones were looked for, as with mini alone.

JSON of a set: {name, title, kind, folder, split, classes, classes_expected, train, val, test, photos, most_shots,
 template, complete}"""


def add_data(commands: Commands) -> None:
    """Add the command and its two subcommands."""
    parser = commands.add_parser(
        "data",
        help="check photos before training; list and check the paper's data sets",
        epilog=DATA_EPILOG,
        description="List the data sets of the paper, or check one in a folder of yours.",
    )
    actions = parser.add_subparsers(dest="action", metavar="check|list", required=True)
    listing = actions.add_parser(
        "list", help="list the data sets", epilog=LIST_EPILOG, description="List the known data sets."
    )
    check = actions.add_parser(
        "check",
        help="check photos before training, or a data set",
        epilog=CHECK_EPILOG,
        description="Check labelled photos: photos per class, duplicates, test photos that are also training photos, "
        "labels in doubt, unreadable files. Or count the images of a data set; no image is opened.",
    )
    check.add_argument(
        "name", metavar="FOLDER|NAME", help="folder of photos, or the name of a data set (`gallop data list` shows all)"
    )
    check.add_argument(
        "root",
        metavar="DIR",
        nargs="?",
        help="for a data set: folder that holds the data sets, or the folder of this one",
    )
    listing.add_argument("--json", action="store_true", help="write JSON, and nothing else, to standard output")
    add_common(check)
