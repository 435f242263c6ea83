"""The arguments of ``gallop evaluate``."""

from __future__ import annotations

from gallop.cli.shared_options import MODEL_HELP, Commands, add_common, add_detail, add_tpr
from gallop.model.scores import SCORES

_EXAMPLES = """\
examples:
  gallop evaluate model photos
  gallop evaluate model photos --ood scenes=other/scenes --ood sketches=other/sketches --json
  gallop evaluate zero-shot photos                       # no training: "A photo of a {class}"

MODEL is a folder that `train` wrote (./zero-shot for a folder of that name). All figures in the JSON are fractions:
{accuracy, interval [low, high] (95%), accuracy_global, accuracy_local, calibration_error, n,
 per_class {name: accuracy}, tpr,
 ood {NAME: {SCORE: {fpr95, fpr95_authors, auroc}}}, n_ood {NAME: photos}, skipped [{image, error}, ...], unlike_shots},
and the accuracy of other branches, such as accuracy_head.
unlike_shots is a sentence where the photos look as if they came from elsewhere than the shots, otherwise empty.
FPR95 is the fraction of unknown photos that pass at the tightest threshold that accepts at least 95% of the known ones.
fpr95_authors follows the paper's code: the loosest threshold that accepts the fraction nearest to 95%.
SCORE, where larger means more of an outlier, is one of:"""


def add_evaluate(commands: Commands) -> None:
    """Add the command."""
    scores = [f"  {score.caption} ({score.paper})" for score in SCORES.values() if score.of_cosines]
    parser = commands.add_parser(
        "evaluate",
        help="measure accuracy and OOD detection",
        epilog="\n".join([_EXAMPLES, *scores]),
        description="Measure accuracy on labelled images, and how well unknown images are detected.",
    )
    parser.add_argument("model", metavar="MODEL", help=f"{MODEL_HELP}; or the word zero-shot")
    parser.add_argument(
        "data",
        metavar="DATA",
        help="folder of class folders, folder with train/ and test/, .csv table, or .zip of a project",
    )
    parser.add_argument(
        "--ood", action="append", default=[], metavar="NAME=DIR", help="images of unknown things, read recursively"
    )
    add_tpr(parser)
    add_detail(parser)
    add_common(parser)
