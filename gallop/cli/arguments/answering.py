"""The arguments of the commands that answer photos and show why: predict, explain, evidence, sort, export."""

from __future__ import annotations

from gallop.cli import values
from gallop.cli.shared_options import COMMON, DETAIL, MODEL_HELP, MODEL_OR_CLASSES, Command, OneOf, Option
from gallop.export.formats import FORMATS, PhotoToExport, formats_of
from gallop.model.scores import VERDICT

PREDICT = Command(
    help="classify images",
    about="Classify images, and report which ones show something unknown.",
    options=[
        Option(
            "images",
            nargs="+",
            metavar="IMAGE",
            help="photos, folders (read recursively), .txt lists, or .csv or .parquet tables",
        ),
        *MODEL_OR_CLASSES,
        Option("--csv", metavar="FILE", help="also write the answers as a table"),
        Option(
            "--out",
            metavar="FILE",
            help="add each answer to this file, .csv, .jsonl or .parquet, in place of the screen; run an interrupted "
            "command again to continue it: photos that have a line are not answered again",
        ),
        Option(
            "--format",
            choices=("label-studio",),
            help="write tasks to standard output, with answers as predictions and their probability as score: names "
            "are those that Label Studio serves from the folder that the command runs in",
        ),
        Option(
            "--together",
            action="store_true",
            help="answer all photos together: the photos most like each photo vote on it, so answers depend on each "
            "other. Use it with 16 photos or more that show few of the classes, or with one to four shots a class; "
            "with 16 shots and photos of all classes it gains nothing. --json has the votes",
        ),
        Option(
            "--next",
            type=values.some,
            metavar="N",
            help="also name N photos whose labels would teach most: uncertain ones that are unlike each other",
        ),
        Option("--column", metavar="NAME", help="column of a .csv or .parquet table with paths or bytes"),
        Option(
            "--draft",
            action="store_true",
            help="decode JPEGs whose short side is at least four times the backbone's input at a half, a quarter or an "
            "eighth of their size: two to three times faster, but probabilities change by 0.02 on average",
        ),
        Option(
            "--with",
            dest="extras",
            nargs="+",
            default=[],
            choices=("probabilities", "embedding", "regions"),
            metavar="COLUMN",
            help="more values with --json and in a .jsonl or .parquet file: probabilities (of all classes), "
            "embedding (the photo's feature, half precision), regions (boxes of the regions that decided)",
        ),
        *DETAIL,
        COMMON,
    ],
    examples=f"""\
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
skipped_errors, seconds}}; standard output has only the result, the same with out.""",
)

EXPLAIN = Command(
    help="show which prompts and regions decided",
    about="Show each prompt's score for one image, and where each local prompt looked.",
    options=[
        Option("image", metavar="IMAGE"),
        *MODEL_OR_CLASSES,
        Option("--out", required=True, metavar="FILE.png", help="output picture"),
        Option("--class", dest="class_name", metavar="NAME", help="class to explain (default: the predicted one)"),
        *DETAIL,
        COMMON,
    ],
    examples="""\
examples:
  gallop explain cat.jpg --model model --out why.png
  gallop explain cat.jpg --classes "cat, dog" --class dog --out why-dog.png --json

JSON: {image, label, class, global_scores (M), local_scores (N), topk (N), regions [{prompt, k, boxes}, ...],
branch_scores {name: score of a branch besides the prompts}}
Scores are those of the shown class; a box is [left, top, right, bottom] in the photo's pixels, best first; prompts are
counted from 1.""",
)

EVIDENCE = Command(
    help="show what each class relies on over labelled photos",
    about="Write a page with what repeats in the photos of each class and in no others, with the regions "
    "that decide for it, in clusters that look alike, and with the groups of photos that fail.",
    options=[
        Option("model", metavar="MODEL", help=MODEL_HELP),
        Option("data", metavar="DATA", help="folder of class folders, folder with train/ and test/, or .csv table"),
        Option("--out", required=True, metavar="FILE.html", help="output page; it holds parts of the photos"),
        Option(
            "--what-if",
            type=values.count,
            default=0,
            metavar="N",
            help="cover the first N clusters of each class where they decide, and let the backbone look again, which "
            "takes up to a minute for each (0)",
        ),
        Option(
            "--fill",
            choices=("blur", "neighbours", "grey"),
            default="blur",
            help="what covered regions show: the photo blurred, the colours around them, or grey (%(default)s)",
        ),
        *DETAIL,
        COMMON,
    ],
    examples="""\
examples:
  gallop evidence model photos --out evidence.html
  gallop evidence model photos --out evidence.html --what-if 3       # cover 3 clusters of each class where they decide
  gallop evidence model photos --out evidence.html --json

The page holds parts of the photos. A class's score is what it has above the mean of all classes; the clusters' shares
and the rest are that score.
JSON: {photos, accuracy, classes [{class, photos, score, rest, repeats {photos, own {right, of}, others, drop},
clusters [{words {word: cosine}, adds, share, photos, mistakes}]}], groups {found [{name, photos, accuracy {right,
of}, rest, p, common}], looked_at}, what_ifs [{class_name, cluster, photos, before {right {right, of}, confidence,
score}, without, at_random, spread, fill, drop, interval, stands_out}], skipped [{image, error}]}
Photos are numbers from 0, in the order in which DATA was read, clusters too.""",
)

SORT = Command(
    help="sort a pile of photos into folders by class, with a promise",
    about="Sort photos into folders by class, and promise how many are wrong once you have checked a sample.",
    options=[
        Option("photos", metavar="PHOTOS", help="folder of photos (read recursively)"),
        Option("--model", metavar="MODEL", required=True, help=MODEL_HELP),
        Option("--out", metavar="DIR", required=True, help="folder for the class folders, outside PHOTOS"),
        Option(
            "--promise",
            choices=("5", "2", "1", "none"),
            default="5",
            help="at most this percentage of the accepted photos is wrong; none: accept without checks (%(default)s)",
        ),
        Option(
            "--line",
            type=values.fraction,
            metavar="P",
            help="least probability of an accepted photo (default: chosen by the model)",
        ),
        Option(
            "--checks",
            metavar="FILE",
            help="checks that check.html has saved (default: DIR/checks.json where it exists)",
        ),
        Option(
            "--move", action="store_true", help="move the photos instead of copying them; what links lead to is copied"
        ),
        Option("--undo", action="store_true", help="move all photos back, and remove copies; what fails is remembered"),
        COMMON,
    ],
    examples="""\
examples:
  gallop sort pile --model model --out sorted                # scores the photos, and writes sorted/check.html
  gallop sort pile --model model --out sorted --checks ~/Downloads/checks.json   # copies what was promised
  gallop sort pile --model model --out sorted --promise 1 --line 0.97
  gallop sort pile --model model --out sorted --promise none --line 0.9          # no checks, no promise
  gallop sort pile --model model --out sorted --move         # moves in place of copying; --undo moves back

A photo is accepted if its probability is at least the line and it is not "none of these". The promise is that at most
5, 2 or 1 % of the accepted photos are wrong (95 % sure). You earn it by checking a random sample: 59, 149 or 299 photos
without an error, fewer in a small pile, more with errors. To accept more after that, go on with --line at next_line. If
you give up a line because too many photos are wrong, the next line takes more checks.
Accepted photos go into a folder of DIR for each class, and checked photos into the folder of the class that you named.
Nothing is overwritten. All other photos stay where they are, and DIR/rest.txt lists them.
Run an interrupted command again to continue it. The scores stay in DIR/.gallop. The next call scores new and replaced
photos; if they change what is accepted, the promise takes new checks.

JSON: {photos, errors, none_of_these, unlike_shots, line, accepted, checked, wrong, remaining, promise, next_line,
placed, page}""",
)

_EXPORT_EXAMPLES = """\
examples:
  gallop export model --onnx model.onnx
  gallop export model --onnx model.onnx --photos photos/test --json   # also check with these photos
  gallop export model --card model.md --test photos     # with the accuracy on photos/test
  gallop export model --report why.html --photo cat.jpg
  gallop export model --web page                    # a page for browsers: python -m http.server -d page
  gallop export --web page                          # without a model: users type class names in the page
  gallop export --web page --teach                  # users teach classes on the page, with photos or a camera
"""
_EXPORT_JSON = """
JSON: {out, bytes, class_names} and, of an ONNX file, {input, outputs, checked_on, largest_difference, labels_differ};
of a page {files, loads (bytes), fixed_classes, checked_on, largest_difference}"""


def _named(attribute: str) -> str:
    """Return the options of the formats that have an attribute."""
    return ", ".join(f"--{key}" for key, each in FORMATS.items() if getattr(each, attribute))


EXPORT = Command(
    help="export a trained model, or an explained photo as a report",
    about="Export a trained model, or its explanation of a photo, as a file to share.",
    options=[
        Option(
            "model", metavar="MODEL", nargs="?", help=f"{MODEL_HELP}; {_named('without_model')} also works without one"
        ),
        OneOf(
            [
                Option(f"--{key}", metavar="DIR" if each.check_folder else "FILE", help=f"{each.title}: {each.help}")
                for key, each in FORMATS.items()
            ],
            required=True,
        ),
        Option(
            "--photos",
            metavar="DIR",
            help=f"with {_named('checked')}: also check with the photos in this folder, read recursively",
        ),
        Option("--precision", choices=("fp32", "fp16"), help="with --web: number format of the stored encoders (fp32)"),
        Option(
            "--teach",
            action="store_true",
            help="with --web: a page on which classes are taught, with photos or a camera",
        ),
        Option(
            "--embed",
            metavar="ORIGIN",
            action="append",
            default=[],
            help="with --web: send answers to the page that holds it in a frame, if it is of this origin; repeatable",
        ),
        Option(
            "--test",
            metavar="DATA",
            help="with --card: test photos, as for `gallop evaluate`; the card states the accuracy",
        ),
        Option(
            "--photo",
            metavar="IMAGE",
            help=f"with {', '.join(f'--{key}' for key in formats_of(PhotoToExport))}: the photo to explain",
        ),
        COMMON,
    ],
    examples="".join(
        [
            _EXPORT_EXAMPLES,
            *(f"\n--{key}: {each.details}\n" for key, each in FORMATS.items() if each.details),
            _EXPORT_JSON,
        ]
    ),
)
