"""The arguments of ``gallop data``."""

from __future__ import annotations

from gallop.cli.shared_options import Commands, add_common

DATA_EPILOG = """\
examples:
  gallop data list
  gallop data check photos                               # your photos: copies, imbalance, labels in doubt
  gallop data photos --curve                             # would more photos help, and of which classes?
  gallop data check oxford_pets data                     # data/oxford_pets, data/oxford-iiit-pet, or the set itself
  gallop data check imagenet_r data --json

`check` may be left out. The layouts are those of CoOp and of torchvision, with CoOp's split files.
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
  gallop data check photos --curve                       # would more photos help, and of which classes?
  gallop data check oxford_pets data                     # a set of the paper
  gallop data check imagenet data --json

Exit status 2 when something is to be looked at, or missing or damaged; of a set the message says where to get it.

JSON of photos: {folder, backbone, classes, copies, leaks, doubted, skipped, near}. copies and leaks are pairs of a
training photo and another one, or a test photo; near: whether nearly equal ones were looked for, as with mini alone.

With --curve some photos of each class are held out, and a head learns from 1, 2, 4, ... of the others, many times. At
most 64 of each class take part, those that are nearly the same picture count once, and test photos are never read.

JSON of a curve: {photos, copies, points [{shots, accuracy, low, high}], twice {shots, accuracy, accuracy_interval,
 gain, gain_interval}, classes {NAME: the same}, words}. Fractions from 0 to 1; intervals are 95% ones.

JSON of a set: {name, title, kind, folder, split, classes, classes_expected, train, val, test, photos, most_shots,
 template, complete}"""


def add_data(commands: Commands) -> None:
    """Add the command and its two subcommands."""
    parser = commands.add_parser(
        "data",
        help="check photos before training; list and check the paper's data sets",
        epilog=DATA_EPILOG,
        description="List the data sets of the paper, or check photos, your own or one of these sets in a folder of "
        "yours; with --curve, say whether more photos would help.",
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
    either = check.add_mutually_exclusive_group()
    either.add_argument(
        "root",
        metavar="DIR",
        nargs="?",
        help="for a data set: folder that holds the data sets, or the folder of this one",
    )
    either.add_argument(
        "--curve",
        action="store_true",
        help="instead, show accuracy by the number of photos, and what twice as many would probably add",
    )
    listing.add_argument("--json", action="store_true", help="write JSON, and nothing else, to standard output")
    add_common(check)
