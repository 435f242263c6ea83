"""The arguments of ``gallop predict``."""

from __future__ import annotations

from gallop.cli import values
from gallop.cli.shared_options import Commands, add_common, add_detail, add_many, add_model_or_classes
from gallop.model.scores import VERDICT

_EXAMPLES = f"""\
examples:
  gallop predict cat.jpg dog.jpg --model model
  gallop predict holiday/ --model model --csv answers.csv          # a folder, read recursively
  gallop predict holiday/ --model model --tpr 0.8                  # a stricter "none of these" threshold
  gallop predict holiday/ --classes "beach, mountain, city" --json # no training: zero-shot
  gallop predict pile/ --model model --next 10                     # which ten photos to label next
  gallop predict photos.csv --column url --web --model model --json --with regions
  gallop predict holiday/ --model model --format label-studio > tasks.json
  gallop predict archive/ --model model --out answers    # any number of photos; resumes if interrupted
  gallop predict s3://bucket/photos --model model --out answers --part 1/4 --with embedding regions
  gallop predict "shards/*.tar" --model model --out answers         # or a .txt list, a .csv or .parquet table
  gallop predict archive/ --model model --out answers --engine ray --address auto       # docs/howto/many_photos.md

JSON: [{{image, label, probability, probabilities {{name: p}}, ood_score, is_ood}} or {{image, error}}, ...]
With --next: next, the place among the photos to label next, or null. Of one class: answer, yes, no or unsure.
ood_score is {VERDICT} (larger = more outlier); is_ood is null without a threshold. Images that cannot be read
are reported, the others are classified, and the exit status is 2.

With --out: columns key, error, label, probability, top (the five best classes), the OOD scores, is_ood. A photo that
cannot be read has a row with its error. If a bucket or a server stops responding, the command stops with exit status
75; run it again later to continue. With --json, progress goes to standard error, one line of JSON at a time:
{{photos, errors, skipped, tables, a_second, seconds}}; standard output has only the result."""


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
        help="photos, folders (read recursively), .txt lists, .csv or .parquet tables, or tar archives",
    )
    add_model_or_classes(parser)
    parser.add_argument(
        "--csv", metavar="FILE", help="also write the answers as a table; Ctrl-C writes those so far to FILE.part"
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
    add_many(parser)
    parser.add_argument(
        "--with",
        dest="extras",
        nargs="+",
        default=[],
        choices=("probabilities", "embedding", "regions"),
        metavar="COLUMN",
        help="with --out or --json, more values: probabilities (of all classes), embedding (the photo's feature, half "
        "precision), regions (boxes of the regions that decided)",
    )
    add_detail(parser)
    add_common(parser)
