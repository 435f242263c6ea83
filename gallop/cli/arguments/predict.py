"""The arguments of ``gallop predict``."""

from __future__ import annotations

from gallop.cli import values
from gallop.cli.shared_options import Commands, add_common, add_detail, add_model_or_classes
from gallop.model.scores import VERDICT

_EXAMPLES = f"""\
examples:
  gallop predict cat.jpg dog.jpg --model model
  gallop predict holiday/ --model model --csv answers.csv          # a folder, read recursively
  gallop predict holiday/ --model model --tpr 0.8                  # a stricter "none of these" threshold
  gallop predict holiday/ --classes "beach, mountain, city" --json # no training: zero-shot
  gallop predict pile/ --model model --next 10                     # which ten photos to label next
  gallop predict photos.csv --column photo --model model --json --with regions
  gallop predict holiday/ --model model --format label-studio > tasks.json
  gallop predict archive/ --model model --out answers.csv    # any number of photos; resumes if interrupted
  gallop predict archive/ --model model --out answers.parquet --with embedding regions    # or answers.jsonl

JSON: [{{image, label, probability, probabilities {{name: p}}, ood_score, is_ood}} or {{image, error}}, ...]
With --next: next, the place among the photos to label next, or null. Of one class: answer, yes, no or unsure.
ood_score is {VERDICT} (larger = more outlier); is_ood is null without a threshold. Images that cannot be read
are reported, the others are classified, and the exit status is 2.

With --out: .csv has the columns of --csv and the model's fingerprint, .jsonl and .parquet have key, error, label,
probability, top (the five best classes), the OOD scores, is_ood, model. A photo that cannot be read has a row with its
error. With --json, progress goes to standard error, one line of JSON at a time: {{answered, errors, skipped,
skipped_errors, seconds}}; standard output has only the result, the same with out."""


def add_predict(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "predict",
        help="classify images",
        epilog=_EXAMPLES,
        description="Classify images, and report which ones show something unknown.",
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="photos, folders (read recursively), .txt lists, or .csv or .parquet tables",
    )
    add_model_or_classes(parser)
    parser.add_argument("--csv", metavar="FILE", help="also write the answers as a table")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="add each answer to this file, .csv, .jsonl or .parquet, in place of the screen; run an interrupted "
        "command again to continue it: photos that have a line are not answered again",
    )
    parser.add_argument(
        "--format",
        choices=("label-studio",),
        help="write tasks to standard output, with answers as predictions and their probability as score: names are "
        "those that Label Studio serves from the folder that the command runs in",
    )
    parser.add_argument(
        "--together",
        action="store_true",
        help="answer all photos together: the photos most like each photo vote on it, so answers depend on each "
        "other; --json has the votes",
    )
    parser.add_argument(
        "--next",
        type=values.some,
        metavar="N",
        help="also name N photos whose labels would teach most: uncertain ones that are unlike each other",
    )
    parser.add_argument("--column", metavar="NAME", help="column of a .csv or .parquet table with paths or bytes")
    parser.add_argument(
        "--draft",
        action="store_true",
        help="decode JPEGs whose short side is at least four times the backbone's input at a half, a quarter or an "
        "eighth of their size: two to three times faster, but probabilities change by 0.02 on average",
    )
    parser.add_argument(
        "--with",
        dest="extras",
        nargs="+",
        default=[],
        choices=("probabilities", "embedding", "regions"),
        metavar="COLUMN",
        help="more values with --json and in a .jsonl or .parquet file: probabilities (of all classes), embedding (the "
        "photo's feature, half precision), regions (boxes of the regions that decided)",
    )
    add_detail(parser)
    add_common(parser)
