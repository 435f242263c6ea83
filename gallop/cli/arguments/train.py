"""The arguments of ``gallop train``."""

from __future__ import annotations

import argparse
from typing import get_args

from gallop.cli import values
from gallop.cli.shared_options import MODEL_HELP, Commands, add_common, add_settings, add_tpr
from gallop.config import REGION_ADVICE, REGION_KINDS, REGION_RULES, Preset, method_preset, train_preset

_EXAMPLES = """\
examples:
  gallop train photos --out model                        # 16 images per class, default settings
  gallop train photos.csv --out model                    # a table with the columns path and label
  gallop train project.zip --out model --allow-fewer     # a project of the app or of the page for browsers
  gallop train project.zip --out model --shots 64 --allow-fewer --epochs 0    # only the head, as that page does
  gallop train photos --out model --shots 4 --seed 1     # fewer images, another random draw
  gallop train photos --out model --allow-fewer          # where some classes have fewer images
  gallop train mugs --out model --shots 8                # one class folder: is it a mug? yes, no or unsure
  gallop train photos --out model --resume               # continue an interrupted training
  gallop train photos --out model --overwrite            # and what that changed, what fell first
  gallop train photos --out model2 --against model --ood other=photos/other   # and how many unknown photos are noticed
  gallop train photos --out coop --global-prompts 1 --local-prompts 0 --dropout 0       # CoOp
  gallop train photos --out paper --preset paper --backbone ViT-B-16/openai             # the paper's settings

JSON: {out, steps, seconds, loss, accuracy_train, accuracy_held_out, interval_held_out, threshold, threshold_note,
threshold_photos, threshold_keeps, temperature, changes, skipped}. accuracy_held_out is that of prompts which never saw
the shot, null where none was held out; interval_held_out is its 95% interval. threshold_keeps is the 95% interval of
the fraction of new known photos that the threshold accepts; threshold_photos is the number of photos it is estimated
from. changes is null without an earlier model and without --ood, otherwise
{before {class_names, figures {WHAT: {right, of}}}, after (likewise), than, fell {WHAT: photos}}. WHAT counts unknown
photos, or held-out shots, which are each model's own; what is not known is left out, such as the right answers of a
model saved before these were stored. fell has what became worse, by how many photos of the smaller set."""


def add_train(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train",
        help="train prompts on a few images per class",
        epilog=_EXAMPLES,
        description="Train global and local prompts on a few images of each class.",
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        help="folder of class folders, folder with train/ and test/, .csv table, or .zip of a project, as the app and "
        "the page for browsers save it",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="output folder for the model, new or empty")
    parser.add_argument("--shots", type=int, default=16, metavar="N", help="images drawn from each class (%(default)s)")
    parser.add_argument("--allow-fewer", action="store_true", help="accept classes with fewer images")
    parser.add_argument(
        "--preset",
        choices=get_args(Preset),
        default="backbone",
        help="source of the settings that are not given; backbone means default for mini, whose settings were "
        "chosen by measurement, and paper for every other backbone (%(default)s); accurate is default with two looks "
        "at each photo, for five times the encoding, and a second head; these two take no more rounds than there are "
        "images; with paper, rounds go by the shots: 50 for 1, 100 for 2 to 7, else 200; short is paper with 50 "
        "rounds of 4 stored views, for a quick try",
    )
    _add_method(parser.add_argument_group("method (defaults: mini's; paper: those of the paper)"))
    parser.add_argument(
        "--keep-shots",
        action="store_true",
        help="with --head: also store the features of each shot in the model, not only sums; never photos or paths",
    )
    training = parser.add_argument_group("training (defaults: mini's; paper: those of the paper)")
    add_settings(training, train_preset("default"), train_preset("paper"))
    add_tpr(parser)
    training.add_argument(
        "--cache-precision",
        choices=("fp16", "fp32"),
        default="fp16",
        help="precision of cached image features; fp32 takes twice the space and does not round (%(default)s); fresh "
        "views, which --preset paper trains with, are never rounded",
    )
    parser.add_argument(
        "--against",
        metavar="MODEL",
        help=f"compare the new model with this one (default: the one that --out replaces, if any): {MODEL_HELP}",
    )
    parser.add_argument(
        "--ood",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="images of unknown things, read recursively, to compare how many of them are noticed; never trained on",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="continue an interrupted training in DIR")
    existing.add_argument("--overwrite", action="store_true", help="replace the model in DIR; other files there stay")
    add_common(parser)


def _add_method(method: argparse._ArgumentGroup) -> None:
    usual = method_preset("default")
    add_settings(method, usual, method_preset("paper"))
    method.add_argument(
        "--local-prompts",
        type=values.count,
        metavar="N",
        help=f"instead of --topk: number of local prompts, with k = 5, 10, 15, ... ({usual.local_prompts})",
    )
    rules = "; ".join(f"{kind}: {rule}" for kind, rule in REGION_RULES.items())
    method.add_argument(
        "--regions",
        choices=REGION_KINDS,
        default="value",
        help=f"which region features a ViT uses (%(default)s). {rules}. {REGION_ADVICE}",
    )
