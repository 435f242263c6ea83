"""The words of ``gallop data``: sets that can be opened by name, and whether photos are fit to learn from."""

from __future__ import annotations

from gallop.cli.shared_options import Commands, add_common

DATA_EPILOG = """\
examples:
  gallop data list
  gallop data check photos                               # your own: copies, imbalance, labels in doubt
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
        help="look through photos before a training, or for a set",
        epilog=CHECK_EPILOG,
        description="Look through labelled photos: how many each class has, copies, test photos that are also learned "
        "from, labels in doubt, files that cannot be read. Or count the images of a set, which opens no picture.",
    )
    check.add_argument("name", metavar="FOLDER|NAME", help="photos; or a set's name, as `gallop data list` shows them")
    check.add_argument(
        "root", metavar="DIR", nargs="?", help="of a set by name: the folder that holds the sets, or that of this one"
    )
    listing.add_argument("--json", action="store_true", help="JSON, and nothing else, on standard output")
    add_common(check)
