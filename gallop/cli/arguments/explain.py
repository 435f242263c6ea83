"""The arguments of ``gallop explain``."""

from __future__ import annotations

from gallop.cli.shared_options import Commands, add_common, add_detail, add_model_or_classes

_EXAMPLES = """\
examples:
  gallop explain cat.jpg --model model --out why.png
  gallop explain cat.jpg --classes "cat, dog" --class dog --out why-dog.png --json

JSON: {image, label, class, global_scores (M), local_scores (N), topk (N), regions [{prompt, k, boxes}, ...],
branch_scores {name: score of a branch besides the prompts}}
Scores are those of the shown class; a box is [left, top, right, bottom] in the photo's pixels, best first; prompts are
counted from 1."""


def add_explain(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "explain",
        help="show which prompts and regions decided",
        epilog=_EXAMPLES,
        description="Show each prompt's score for one image, and where each local prompt looked.",
    )
    parser.add_argument("image", metavar="IMAGE")
    add_model_or_classes(parser)
    parser.add_argument("--out", required=True, metavar="FILE.png", help="output picture")
    parser.add_argument(
        "--class", dest="class_name", metavar="NAME", help="class to explain (default: the predicted one)"
    )
    add_detail(parser)
    add_common(parser)
