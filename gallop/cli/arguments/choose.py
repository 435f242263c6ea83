"""The arguments of ``gallop choose``."""

from __future__ import annotations

from gallop.cli import values
from gallop.cli.shared_options import Commands, add_common

_EXAMPLES = """\
examples:
  gallop choose photos --backbone ViT-B-16/openai --minutes 10
  gallop choose photos --backbone ViT-B-16/openai --minutes 30   # again: goes on where it stopped

For a backbone nobody measured: trainings with several rates and numbers of rounds are compared on photos of yours that
they have not seen, and the command that trains with the best is written. What was tried is stored in $GALLOP_CACHE, so
the same call later tries only what is left. The usual settings are replaced where the gain exceeds two standard errors.
Test photos are never read.

JSON: {backbone, photos, folds, tried [{lr, epochs, accuracy, loss, temperature, seconds}], chosen {lr, epochs, views},
 gain, gain_error, command}. gain is that over the first setting, which is the usual one."""


def add_choose(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "choose",
        help="search training settings for your photos and backbone",
        epilog=_EXAMPLES,
        description="Search learning rate and rounds for a backbone on held-out folds of your training photos.",
    )
    parser.add_argument(
        "data", metavar="DATA", help="folder of class folders, folder with train/ and test/, or .csv table"
    )
    parser.add_argument(
        "--minutes", type=values.minutes, default=600.0, metavar="M", help="time limit; nothing is tried after it (10)"
    )
    parser.add_argument("--shots", type=int, default=16, metavar="N", help="images drawn from each class (%(default)s)")
    parser.add_argument("--allow-fewer", action="store_true", help="accept classes with fewer images")
    parser.add_argument(
        "--seed", type=values.count, default=0, metavar="N", help="seed of the draw and the trainings (0)"
    )
    add_common(parser)
