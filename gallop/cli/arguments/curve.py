"""The arguments of ``gallop curve``."""

from __future__ import annotations

from gallop.cli import values
from gallop.cli.shared_options import Commands, add_common

_EXAMPLES = """\
examples:
  gallop curve photos
  gallop curve photos --plot curve.png
  gallop curve photos --trained 4 8                # prompts, too, at these numbers: minutes instead of seconds

Some photos of each class are held out, and a head learns from 1, 2, 4, ... of the others, many times. Photos that are
nearly the same picture count once. Test photos are never read.

JSON: {photos, copies, points [{shots, accuracy, low, high, trained}], twice {shots, accuracy, accuracy_interval, gain,
 gain_interval}, classes {NAME: the same}, words}. Fractions from 0 to 1; intervals are 95% ones."""


def add_curve(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "curve",
        help="say whether more photos would help, and of which classes",
        epilog=_EXAMPLES,
        description="Show accuracy by the number of photos a class, and what twice as many would probably add.",
    )
    parser.add_argument(
        "data", metavar="DATA", help="folder of class folders, folder with train/ and test/, or .csv table"
    )
    parser.add_argument(
        "--shots", type=values.some, default=64, metavar="N", help="images drawn from each class at most (%(default)s)"
    )
    parser.add_argument(
        "--trained", type=values.some, nargs="+", default=[], metavar="N", help="also train prompts on N of each class"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the curve into this file (.png, .svg or .pdf)")
    parser.add_argument("--seed", type=values.count, default=0, metavar="N", help="seed of the draws (0)")
    add_common(parser)
