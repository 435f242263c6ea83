"""How the configuration of ``mini`` was chosen: candidates by cross-validation inside train folders.

    python -m benchmarks.choosing DATA RUNS            # trains what RUNS has not, and prints the candidates
    python -m benchmarks.choosing DATA RUNS --heads usual    # looks, strengths, weights and temperatures of heads
    python -m benchmarks.choosing DATA RUNS --pairs    # each two sets held out: chosen on six, tested on two

Only --pairs reads test folders, and there a set's test photos are answered by what the others chose. An interrupted
call continues where it was cut off: trainings are saved in the folder RUNS.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from collections.abc import Iterable
from pathlib import Path

from benchmarks.choosing.candidates import CANDIDATES
from benchmarks.choosing.heads import over_names, over_strengths
from benchmarks.choosing.pairs import pairs
from benchmarks.choosing.runs import VARIANTS
from benchmarks.choosing.tables import Judged, over_sets, over_shots
from benchmarks.choosing.trainings import COUNTS, Trainings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--shots", nargs="+", type=int, choices=COUNTS, default=COUNTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--heads", metavar="VARIANT", choices=VARIANTS, help="the prompts that they are mixed with")
    parser.add_argument("--pairs", action="store_true")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    judged = Judged(Trainings(options.data, options.runs), options.seeds)
    if options.pairs:
        show(pairs(judged, CANDIDATES, options.shots, options.seeds))
        return
    if options.heads:
        for count in options.shots:
            show(over_strengths(judged, options.heads, count))
        show(over_names(judged, options.heads, options.shots))
        return
    show(over_shots(judged, CANDIDATES, options.shots))
    for count in options.shots:
        show(over_sets(judged, CANDIDATES, count))


def show(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)
    print()


if __name__ == "__main__":
    main()
