"""The arguments of the commands that learn, measure and look through photos: train, evaluate, data, bench, sample."""

from __future__ import annotations

from typing import get_args

from gallop.cli import values
from gallop.cli.shared_options import (
    COMMON,
    DETAIL,
    JSON,
    MODEL_HELP,
    TPR,
    Command,
    Group,
    OneOf,
    Option,
    settings_options,
)
from gallop.config import REGION_ADVICE, REGION_KINDS, REGION_RULES, Preset, method_preset, train_preset
from gallop.model.scores import SCORES

_USUAL = method_preset("default")
_RULES = "; ".join(f"{kind}: {rule}" for kind, rule in REGION_RULES.items())

TRAIN = Command(
    help="train prompts on a few images per class",
    about="Train global and local prompts on a few images of each class.",
    options=[
        Option(
            "data",
            metavar="DATA",
            help="folder of class folders, folder with train/ and test/, .csv table, or .zip of a project, as the "
            "app and the page for browsers save it",
        ),
        Option("--out", required=True, metavar="DIR", help="output folder for the model, new or empty"),
        Option("--shots", type=int, default=16, metavar="N", help="images drawn from each class (%(default)s)"),
        Option("--allow-fewer", action="store_true", help="accept classes with fewer images"),
        Option(
            "--preset",
            choices=get_args(Preset),
            default="backbone",
            help="source of the settings that are not given; backbone means default for mini, whose settings were "
            "chosen by measurement, and paper for every other backbone (%(default)s); accurate is default with two "
            "looks at each photo, for five times the encoding; these two take no more rounds than there are images;  "
            "with paper, rounds go by the shots: 50 for 1, 100 for 2 to 7, else 200; short is paper with 50 rounds "
            "of 4 stored views, for a quick try",
        ),
        Group(
            [
                *settings_options(_USUAL, method_preset("paper")),
                Option(
                    "--local-prompts",
                    type=values.count,
                    metavar="N",
                    help="instead of --topk: number of local prompts, with k = 5, 10, 15, ... "
                    f"({_USUAL.local_prompts})",
                ),
                Option(
                    "--regions",
                    choices=REGION_KINDS,
                    default="value",
                    help=f"which region features a ViT uses (%(default)s). {_RULES}. {REGION_ADVICE}",
                ),
            ],
            "method (defaults: mini's; paper: those of the paper)",
        ),
        Option(
            "--keep-shots",
            action="store_true",
            help="with --head: also store the features of each shot in the model, not only sums; never photos or paths",
        ),
        Group(
            [
                *settings_options(train_preset("default"), train_preset("paper")),
                Option(
                    "--cache-precision",
                    choices=("fp16", "fp32"),
                    default="fp16",
                    help="precision of cached image features; fp32 takes twice the space and does not round "
                    "(%(default)s); fresh views, which --preset paper trains with, are never rounded",
                ),
            ],
            "training (defaults: mini's; paper: those of the paper)",
        ),
        TPR,
        Option(
            "--against",
            metavar="MODEL",
            help=f"compare the new model with this one (default: the one that --out replaces, if any): {MODEL_HELP}",
        ),
        Option(
            "--ood",
            action="append",
            default=[],
            metavar="NAME=DIR",
            help="images of unknown things, read recursively, to compare how many of them are noticed; never trained "
            "on",
        ),
        OneOf(
            [
                Option("--resume", action="store_true", help="continue an interrupted training in DIR"),
                Option("--overwrite", action="store_true", help="replace the model in DIR; other files there stay"),
            ]
        ),
        COMMON,
    ],
    examples="""\
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
model saved before these were stored. fell has what became worse, by how many photos of the smaller set.""",
)

_EVALUATE_EXAMPLES = """\
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

EVALUATE = Command(
    help="measure accuracy and OOD detection",
    about="Measure accuracy on labelled images, and how well unknown images are detected.",
    options=[
        Option("model", metavar="MODEL", help=f"{MODEL_HELP}; or the word zero-shot"),
        Option(
            "data",
            metavar="DATA",
            help="folder of class folders, folder with train/ and test/, .csv table, or .zip of a project",
        ),
        Option(
            "--ood", action="append", default=[], metavar="NAME=DIR", help="images of unknown things, read recursively"
        ),
        TPR,
        *DETAIL,
        COMMON,
    ],
    examples="\n".join(
        [_EVALUATE_EXAMPLES, *(f"  {score.caption} ({score.paper})" for score in SCORES.values() if score.of_cosines)]
    ),
)

DATA = Command(
    help="check photos before training",
    about="Check labelled photos: photos per class, duplicates, test photos that are also training photos, "
    "labels in doubt, unreadable files; with --curve, say whether more photos would help.",
    options=[
        Option("name", metavar="FOLDER", help="folder of photos, or a .csv table"),
        Option(
            "--curve",
            action="store_true",
            help="instead, show accuracy by the number of photos, and what twice as many would probably add",
        ),
        COMMON,
    ],
    examples="""\
examples:
  gallop data photos                                     # class folders, one that holds train/ and test/, or a .csv
  gallop data photos --json
  gallop data photos --curve                             # would more photos help, and of which classes?

`gallop data check photos` is the same. Exit status 2 when something is to be looked at.

JSON: {folder, backbone, classes, copies, leaks, doubted, skipped, near}. copies and leaks are pairs of a training
photo and another one, or a test photo; near: whether nearly equal ones were looked for, as with mini alone.

With --curve some photos of each class are held out, and a head learns from 1, 2, 4, ... of the others, many times. At
most 64 of each class take part, those that are nearly the same picture count once, and test photos are never read.

JSON of a curve: {photos, copies, points [{shots, accuracy, low, high}], twice {shots, accuracy, accuracy_interval,
 gain, gain_interval}, classes {NAME: the same}, words}. Fractions from 0 to 1; intervals are 95% ones.""",
)

SAMPLE = Command(
    help="write sample photos, and a model trained on them",
    about="Write the sample project into a folder: train/ and test/ with photos of a few classes, other/ "
    "with photos of other things, and model/, which is trained on train/.",
    options=[
        Option("out", metavar="DIR", help="output folder, new or empty"),
        JSON,
    ],
    examples="""\
examples:
  gallop sample photos
  gallop train photos --out my-model --shots 8
  gallop evaluate my-model photos --ood other=photos/other
  gallop predict photos/test photos/other --model photos/model      # the model that comes with it

JSON: {out, classes [name], train, test, other, model}""",
)

BENCH = Command(
    help="compare methods on data sets",
    about="Compare methods on data sets over shots and seeds.",
    options=[
        Option("spec", metavar="BENCHMARK", help="name of a built-in benchmark, or a YAML file"),
        Option("data", metavar="DATA", help="folder that holds the data sets"),
        Option("--out", metavar="DIR", required=True, help="output folder for records and tables"),
        Option("--dry-run", action="store_true", help="list the runs and check everything; train nothing"),
        Group(
            [
                Option("--only", nargs="+", metavar="METHOD", help='methods: headings, groups, or "group / variant"'),
                Option("--sets", nargs="+", metavar="SET", help="data sets"),
                Option("--shots", nargs="+", type=int, metavar="N", help="images drawn from each class"),
                Option(
                    "--seeds", nargs="+", type=int, metavar="N", help="seeds of the draw, the views and the training"
                ),
            ],
            "run part of the benchmark; the tables are of that part",
        ),
        COMMON,
    ],
    examples="""\
examples:
  gallop bench photos-mini sets --out results --dry-run  # list the runs and check everything; train nothing
  gallop bench photos-mini sets --out results            # run it again to continue where it stopped
  gallop bench mine.yaml sets --out results --only GalLoP CoOp --sets pacs/photo --shots 16 --seeds 0

Benchmarks that come with gallop: photos-mini, and the paper's tables: paper-fewshot, paper-domain, paper-ood,
paper-ablation, paper-backbones.
DATA holds data sets, SET/{train,test}/CLASS/*.jpg or those of the paper in CoOp's layout or torchvision's
(docs/reference/methods.md has their names), and groups of unknown photos, as the benchmark names them. --dry-run
lists the runs, even where DATA has no photos yet, and says what is missing and where to get it.
DIR receives one record per run (runs/KEY.json) and, from the records, tables.md (mean and spread over seeds) and
results.csv (one row per figure). Delete a record to repeat its run.
Several processes or machines that share DIR divide the work by --seeds, --sets or --only; then the whole command writes
all tables. Features are cached in $GALLOP_CACHE.

JSON: {out, sets, unknown, runs, done, left, failed, files}""",
)
