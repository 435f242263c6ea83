"""The arguments of ``gallop evidence``."""

from __future__ import annotations

from gallop.cli.shared_options import MODEL_HELP, Commands, add_common, add_detail
from gallop.cli.values import count

_EXAMPLES = """\
examples:
  gallop evidence model photos --out evidence.html
  gallop evidence model photos --out evidence.html --what-if 3       # cover 3 clusters of each class where they decide
  gallop evidence model photos --out evidence.html --json

The page holds parts of the photos. A class's score is what it has above the mean of all classes; the clusters' shares
and the rest are that score.
JSON: {photos, accuracy, classes [{class, photos, score, rest, clusters [{words {word: cosine}, adds, share, photos,
mistakes}]}], groups {found [{name, photos, accuracy {right, of}, rest, p, common}], looked_at}, what_ifs [{class_name,
cluster, photos, before {right {right, of}, confidence, score}, without, at_random, spread, fill, drop, interval,
stands_out}], skipped [{image, error}]}
Photos are numbers from 0, in the order in which DATA was read, clusters too."""


def add_evidence(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evidence",
        help="show what each class relies on over labelled photos",
        epilog=_EXAMPLES,
        description="Write a page with the regions that decide for each class over all its photos, in clusters that "
        "look alike, and with the groups of photos that fail.",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument(
        "data", metavar="DATA", help="folder of class folders, folder with train/ and test/, or .csv table"
    )
    parser.add_argument("--out", required=True, metavar="FILE.html", help="output page; it holds parts of the photos")
    parser.add_argument(
        "--what-if",
        type=count,
        default=0,
        metavar="N",
        help="cover the first N clusters of each class where they decide, and let the backbone look again, which takes "
        "up to a minute for each (0)",
    )
    parser.add_argument(
        "--fill",
        choices=("blur", "neighbours", "grey"),
        default="blur",
        help="what covered regions show: the photo blurred, the colours around them, or grey (%(default)s)",
    )
    add_detail(parser)
    add_common(parser)
