"""The arguments of ``gallop bench``."""

from __future__ import annotations

from gallop.cli import values
from gallop.cli.shared_options import Commands, add_common

_EXAMPLES = """\
examples:
  gallop bench --list                                    # the benchmarks that come with gallop
  gallop bench photos-mini sets --dry-run                # check everything, count the runs, train nothing
  gallop bench photos-mini sets --out results --time 2h  # run it again to continue where it stopped
  gallop bench photos-mini sets --out results --part 1/2 # one of two processes (or machines) that write into results
  gallop bench mine.yaml sets --out results --only GalLoP CoOp --sets pacs/photo --shots 16 --seeds 0

DATA holds data sets, SET/{train,test}/CLASS/*.jpg or those of `gallop data list`, and groups of unknown photos, as the
benchmark names them.
DIR receives one record per run (runs/KEY.json). Each call also writes, from all records: tables.md (mean and spread
over seeds, ablations, claims), results.csv (one row per figure), costs.md (time and memory) and charts (*.svg).
Delete a record to repeat its run. Features are cached in $GALLOP_CACHE.

JSON: {out, runs, done, left, failed, files, claims [{claim, verdict, mean, spread, interval, over, sets, right, pairs,
planned}, ...]}; with --dry-run {runs, done, left, sets, unknown, methods, seconds, runs_without_estimate}"""


def add_bench(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "bench",
        help="compare methods on data sets",
        epilog=_EXAMPLES,
        description="Compare methods on data sets over shots and seeds, and report which claims the results support.",
    )
    parser.add_argument("spec", nargs="?", metavar="BENCHMARK", help="name of a built-in benchmark, or a YAML file")
    parser.add_argument("data", nargs="?", metavar="DATA", help="folder that holds the data sets")
    parser.add_argument("--out", metavar="DIR", help="output folder for records, tables and charts")
    parser.add_argument(
        "--time", type=values.duration, metavar="T", help="time limit such as 90s, 30m or 2h; no run starts after it"
    )
    parser.add_argument(
        "--part", type=values.part, metavar="I/N", help="do every N-th run of each method, from the I-th on"
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything and count the runs; train nothing")
    parser.add_argument("--list", action="store_true", help="list the benchmarks that come with gallop")
    narrow = parser.add_argument_group("run part of the benchmark; tables always use all records")
    narrow.add_argument("--only", nargs="+", metavar="METHOD", help='methods: headings, groups, or "group / variant"')
    narrow.add_argument("--sets", nargs="+", metavar="SET", help="data sets")
    narrow.add_argument("--shots", nargs="+", type=int, metavar="N", help="images drawn from each class")
    narrow.add_argument(
        "--seeds", nargs="+", type=int, metavar="N", help="seeds of the draw, the views and the training"
    )
    add_common(parser)
