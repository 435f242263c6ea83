"""The words of ``gallop predict``."""

from __future__ import annotations

from gallop.cli.shared_options import Commands, add_common, add_model_or_classes
from gallop.model.scores import VERDICT

_EXAMPLES = f"""\
examples:
  gallop predict cat.jpg dog.jpg --model model
  gallop predict holiday/ --model model --csv answers.csv          # a folder and all that is below it
  gallop predict holiday/ --classes "beach, mountain, city" --json # no training: zero-shot

JSON: [{{image, label, probability, probabilities {{name: p}}, ood_score, is_ood}} or {{image, error}}, ...]
ood_score is {VERDICT} (larger = more outlier); is_ood is null without a threshold. Images that cannot be read
are named, the others are answered, and the exit status is 2."""


def add_predict(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "predict",
        help="class names for images",
        epilog=_EXAMPLES,
        description="Name what is on images, and say which show something unknown.",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files, or folders read recursively")
    add_model_or_classes(parser)
    parser.add_argument("--csv", metavar="FILE", help="also write the answers as a table")
    add_common(parser)
