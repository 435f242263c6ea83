"""The words of ``gallop train``."""

from __future__ import annotations

from typing import get_args

from gallop.cli import values
from gallop.cli.shared_options import Commands, Parser, add_common, add_settings, add_tpr
from gallop.config import REGION_ADVICE, REGION_KINDS, REGION_RULES, Preset, method_preset, train_preset

_EXAMPLES = """\
examples:
  gallop train photos --out model                        # 16 images a class, the default settings
  gallop train photos.csv --out model                    # a table with the columns path and label
  gallop train photos --out model --shots 4 --seed 1     # another draw of fewer
  gallop train photos --out model --allow-fewer          # where some classes have fewer images
  gallop train photos --out model --resume               # go on with a training that was cut off
  gallop train photos --out coop --global-prompts 1 --local-prompts 0 --dropout 0       # CoOp
  gallop train photos --out paper --preset paper --backbone ViT-B-16/openai             # the paper's settings

JSON: {out, steps, seconds, loss, accuracy_train, threshold, threshold_note, threshold_photos, threshold_keeps,
 temperature, skipped}. threshold_keeps is the 95% interval of the share of new known photos that the threshold keeps,
found on so many threshold_photos."""


def add_train(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train",
        help="learn prompts from a few images a class",
        epilog=_EXAMPLES,
        description="Learn global and local prompts from a few images of each class.",
    )
    parser.add_argument(
        "data", metavar="DATA", help="folder of class folders, one that holds train/ and test/, or a .csv"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="where the model goes: a new or empty folder")
    parser.add_argument("--shots", type=int, default=16, metavar="N", help="images drawn of each class (%(default)s)")
    parser.add_argument("--allow-fewer", action="store_true", help="take what there is where a class has fewer images")
    parser.add_argument(
        "--preset",
        choices=get_args(Preset),
        default="backbone",
        help="where settings come from that are not given. backbone: default for mini, whose settings "
        "were chosen by measurement, and paper for every other (%(default)s)",
    )
    _add_method(parser)
    parser.add_argument(
        "--keep-shots",
        action="store_true",
        help="with --head: keep the features of single shots in the model too, not sums alone; never photos or paths",
    )
    training = parser.add_argument_group("training; what is not given comes from the preset: mini's own; the paper's")
    add_settings(training, train_preset("default"), train_preset("paper"))
    add_tpr(parser)
    training.add_argument(
        "--cache-precision",
        choices=("fp16", "fp32"),
        default="fp16",
        help="in which image features are kept; fp32 takes twice the room and rounds nothing (%(default)s)",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on with a training of DIR that was cut off")
    existing.add_argument("--overwrite", action="store_true", help="replace the model in DIR; other files there stay")
    add_common(parser)


def _add_method(parser: Parser) -> None:
    method = parser.add_argument_group("the method; what is not given comes from the preset: mini's own; the paper's")
    usual = method_preset("default")
    add_settings(method, usual, method_preset("paper"))
    method.add_argument(
        "--local-prompts",
        type=values.count,
        metavar="N",
        help=f"instead of --topk: so many, with k = 5, 10, 15... ({usual.local_prompts})",
    )
    rules = "; ".join(f"{kind}: {rule}" for kind, rule in REGION_RULES.items())
    method.add_argument(
        "--regions",
        choices=REGION_KINDS,
        default="value",
        help=f"which features of its regions a ViT gives (%(default)s). {rules}. {REGION_ADVICE}",
    )
