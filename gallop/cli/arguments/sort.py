"""The arguments of ``gallop sort``."""

from __future__ import annotations

from gallop.cli.shared_options import MODEL_HELP, Commands, add_common
from gallop.cli.values import fraction

_EXAMPLES = """\
examples:
  gallop sort pile --model model --out sorted                # scores the photos, and writes sorted/check.html
  gallop sort pile --model model --out sorted --checks ~/Downloads/checks.json   # copies what was promised
  gallop sort pile --model model --out sorted --promise 1 --line 0.97
  gallop sort pile --model model --out sorted --promise none --line 0.9          # no checks, no promise
  gallop sort pile --model model --out sorted --move         # moves in place of copying; --undo moves back

Photos with a probability of at least the line that are not "none of these" are accepted. That at most 5, 2 or 1 % of
them are wrong is promised (95 % sure) after checks of a random sample: 59, 149 or 299 without an error, fewer in a
small pile, more with errors. To accept more after that, go on with --line at next_line. A line that is given up since
too many are wrong makes the next one cost more checks.
Accepted photos go into a folder of DIR for each class, checked ones into that of the class that the check names;
nothing is overwritten. The others stay where they are, and are listed in DIR/rest.txt.
Run an interrupted command again to continue it. The scores stay in DIR/.gallop; photos that are new or were replaced
are scored by the next call, and where they change what is accepted, the promise takes new checks.

JSON: {photos, errors, none_of_these, line, accepted, checked, wrong, remaining, promise, next_line, placed, page}"""


def add_sort(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sort",
        help="sort a pile of photos into folders by class, with a promise",
        epilog=_EXAMPLES,
        description="Sort photos into folders by class; after checks of a sample, promise how many are wrong.",
    )
    parser.add_argument("photos", metavar="PHOTOS", help="folder of photos (read recursively)")
    parser.add_argument("--model", metavar="MODEL", required=True, help=MODEL_HELP)
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for the class folders, outside PHOTOS")
    parser.add_argument(
        "--promise",
        choices=("5", "2", "1", "none"),
        default="5",
        help="at most so many percent of the accepted photos are wrong; none accepts without checks (%(default)s)",
    )
    parser.add_argument(
        "--line",
        type=fraction,
        metavar="P",
        help="least probability of an accepted photo (default: chosen by the model)",
    )
    parser.add_argument(
        "--checks", metavar="FILE", help="checks that check.html has saved (default: DIR/checks.json where it exists)"
    )
    parser.add_argument(
        "--move", action="store_true", help="move the photos in place of copying them; what links lead to is copied"
    )
    parser.add_argument(
        "--undo", action="store_true", help="move all photos back, and remove copies; what fails is remembered"
    )
    add_common(parser)
