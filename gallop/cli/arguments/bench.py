"""The arguments of ``gallop bench``."""

from __future__ import annotations

from gallop.cli.shared_options import Commands, add_common

_EXAMPLES = """\
examples:
  gallop bench photos-mini sets --out results --dry-run  # check everything, count the runs, train nothing
  gallop bench photos-mini sets --out results            # run it again to continue where it stopped
  gallop bench mine.yaml sets --out results --only GalLoP CoOp --sets pacs/photo --shots 16 --seeds 0

Benchmarks that come with gallop: photos-mini, and the paper's tables: paper-fewshot, paper-domain, paper-ood,
paper-ablation, paper-backbones.
DATA holds data sets, SET/{train,test}/CLASS/*.jpg or those of `gallop data list`, and groups of unknown photos, as the
benchmark names them.
DIR receives one record per run (runs/KEY.json) and, from the records, tables.md (mean and spread over seeds) and
results.csv (one row per figure). Delete a record to repeat its run.
Several processes or machines that share DIR divide the work by --seeds, --sets or --only; then the whole command writes
all tables. Features are cached in $GALLOP_CACHE.

JSON: {out, sets, unknown, runs, done, left, failed, files}"""


def add_bench(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "bench",
        help="compare methods on data sets",
        epilog=_EXAMPLES,
        description="Compare methods on data sets over shots and seeds.",
    )
    parser.add_argument("spec", metavar="BENCHMARK", help="name of a built-in benchmark, or a YAML file")
    parser.add_argument("data", metavar="DATA", help="folder that holds the data sets")
    parser.add_argument("--out", metavar="DIR", required=True, help="output folder for records and tables")
    parser.add_argument("--dry-run", action="store_true", help="check everything and count the runs; train nothing")
    narrow = parser.add_argument_group("run part of the benchmark; the tables are of that part")
    narrow.add_argument("--only", nargs="+", metavar="METHOD", help='methods: headings, groups, or "group / variant"')
    narrow.add_argument("--sets", nargs="+", metavar="SET", help="data sets")
    narrow.add_argument("--shots", nargs="+", type=int, metavar="N", help="images drawn from each class")
    narrow.add_argument(
        "--seeds", nargs="+", type=int, metavar="N", help="seeds of the draw, the views and the training"
    )
    add_common(parser)
