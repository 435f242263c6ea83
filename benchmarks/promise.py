"""Whether promises about piles are kept, how much is accepted, and how many checks that takes.

    python -m benchmarks.promise DATA
    python -m benchmarks.promise DATA --shots 4 --sizes 200 300 500 2000
    python -m benchmarks.promise DATA --shots 4 --sizes 100 200 300 500 1000 2000 --inside    # as the step was chosen

DATA holds sets, each with ``train`` and ``test``, and one of photos of other things, ``ood_mixed``. In each draw a head
is taught with some of the train photos, and piles are drawn, with replacement, from the test photos, of which one class
is ten times as rare as the others, and, a fifth of each, from unknown photos; with ``--inside`` from the rest of the
train photos, and from those of another set, so that no test photo is read. A simulated checker, who is never
wrong, checks as ``gallop sort`` asks: photos at random above the line where the model suggests it; then with the next
line that it suggests, until the first that earns no promise after one that did. ``accepted`` is a part of what an
oracle's line would accept, the lowest above which as many are wrong as is promised; where the oracle accepts nothing, a
pile is left out of it.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.together import UNKNOWN, Features, sets_in
from gallop import GalLoPClassifier, draw_shots, read_folder
from gallop.backbones import load_backbone
from gallop.evaluation.promise import LEVELS, Promise, next_line, suggested_line
from gallop.predictions.predict import Predictions

UNKNOWN_PART, RARE = 0.2, 10
COLUMNS = ("promised", "all true", "oracle accepts", "accepted", "of that", "checks", "lines")
MOST_GIVEN_UP, PATIENCE = 4, 2
"""After so many lines the checker gives up, and a line where it takes so many times as many checks as without an error.
"""


@dataclass(frozen=True)
class Outcome:
    """What came of a pile.

    Attributes:
        promised: whether a promise was given.
        true: whether all that were given, at any line, are true.
        accepted, oracle: photos that are accepted, and that the oracle would accept.
        checks, lines: how many checks it took, and at how many lines.
    """

    promised: bool
    true: bool
    accepted: int
    oracle: int
    checks: int
    lines: int


def checked_pile(scores: NDArray[np.float64], right: NDArray[np.bool_], wrong: float, seed: int) -> Outcome:
    """Return what comes of a pile that a simulated checker checks.

    Args:
        scores: of the photos that are not "none of these".
        right: whether the answer of each is right.
    """
    rng, seen = np.random.default_rng(seed), np.zeros(len(scores), bool)
    by_score = np.argsort(-scores, kind="stable")
    part = np.cumsum(~right[by_score]) / np.arange(1, len(scores) + 1)
    oracle = int(np.flatnonzero(part <= wrong).max(initial=-1)) + 1
    line, moved, lines, best, true = suggested_line(scores, scores, wrong), 0, 0, np.inf, True
    while moved <= MOST_GIVEN_UP:
        pile, lines = np.flatnonzero((scores >= line) & ~seen), lines + 1
        kept = not len(pile) or earned(pile, right, wrong, moved, seen, rng)
        true &= not kept or not len(pile) or bool((~right[pile]).mean() <= wrong)
        if kept:
            best = line
        elif np.isfinite(best):
            break
        else:
            moved += 1
        if line == (line := next_line(scores, line, kept)):
            break
    accepted = (scores >= best) & ~(seen & ~right)
    return Outcome(bool(np.isfinite(best)), true, int(accepted.sum()), oracle, int(seen.sum()), lines)


def earned(
    pile: NDArray[np.intp],
    right: NDArray[np.bool_],
    wrong: float,
    moved: int,
    seen: NDArray[np.bool_],
    rng: np.random.Generator,
) -> bool:
    """Check photos of a pile until the promise is earned or given up, and mark them as seen."""
    first, errors = Promise(wrong, len(pile), moved=moved).remaining or len(pile), 0
    for checks, photo in enumerate(rng.permutation(pile), start=1):
        seen[photo], errors = True, errors + int(not right[photo])
        promise = Promise(wrong, len(pile), checks - errors, errors, moved)
        if promise.kept:
            return True
        if checks + (promise.remaining or len(pile) - checks) > PATIENCE * first:
            return False
    return False


def drawn_pile(
    known: Predictions, truth: NDArray[np.int64], unknown: Predictions, size: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return scores, and whether answers are right, of a pile that is drawn from these photos."""
    rng = np.random.default_rng(seed)
    weights = np.where(truth == rng.integers(truth.max() + 1), 1 / RARE, 1.0)
    rows = rng.choice(len(truth), round(size * (1 - UNKNOWN_PART)), p=weights / weights.sum())
    others = rng.choice(len(unknown), round(size * UNKNOWN_PART))
    right = known.probabilities.argmax(axis=1)[rows] == truth[rows]
    scores = np.concatenate([known.probabilities.max(axis=1)[rows], unknown.probabilities.max(axis=1)[others]])
    verdicts = [np.zeros(len(some), bool) if some.is_ood is None else some.is_ood for some in (known, unknown)]
    taken = ~np.concatenate([verdicts[0][rows], verdicts[1][others]])
    return scores[taken].astype(np.float64), np.concatenate([right, np.zeros(len(others), bool)])[taken]


def main() -> None:
    """Print a line for each set and level, and one for each level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--shots", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5, help="draws of shots (5)")
    parser.add_argument("--piles", type=int, default=8, help="piles for each (8)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000], help="photos of a pile (2000)")
    parser.add_argument("--inside", action="store_true", help="draw piles from the rest of the train folders")
    options = parser.parse_args()
    backbone, every = load_backbone("mini"), dict[tuple[int, float], list[Outcome]]()
    features, folders = Features(backbone), [*sets_in(options.data).values()]
    print(f"| set | photos | level | {' | '.join(COLUMNS)} |\n|---|{'---:|' * (2 + len(COLUMNS))}")
    for number, folder in enumerate(folders):
        train, of_set = read_folder(folder / "train"), dict[tuple[int, float], list[Outcome]]()
        others = read_folder(folders[number - 2] / "train" if options.inside else options.data / UNKNOWN)
        for seed in range(options.seeds):
            shots = draw_shots(train, options.shots, seed=seed, allow_fewer=True)
            asked = train.left_over(shots) if options.inside else read_folder(folder / "test")
            fitted = GalLoPClassifier(backbone, preset="default", seed=seed, epochs=0, allow_fewer=True).fit(shots)
            truth = np.array([fitted.classes_.tolist().index(label) for label in asked.names])
            known, unknown = features.of(fitted, asked), features.of(fitted, others)
            for pile, size in product(range(options.piles), options.sizes):
                scores, right = drawn_pile(known, truth, unknown, size, 1000 * seed + pile)
                for wrong in LEVELS:
                    of_set.setdefault((size, wrong), []).append(checked_pile(scores, right, wrong, pile))
        for what, outcomes in of_set.items():
            every.setdefault(what, []).extend(outcomes)
            print(line_of(str(folder.relative_to(options.data)), *what, outcomes), flush=True)
    for what, outcomes in every.items():
        print(line_of("all", *what, outcomes))


def line_of(name: str, size: int, wrong: float, outcomes: list[Outcome]) -> str:
    """Return a row: percentages, and means of checks and lines."""
    promised, true, accepted, oracle, checks, lines = np.mean(
        [(o.promised, o.true, o.accepted / size, o.oracle / size, o.checks, o.lines) for o in outcomes], axis=0
    )
    part = np.mean([min(each.accepted / each.oracle, 1) for each in outcomes if each.oracle] or [np.nan])
    figures = f"{promised:.0%} | {true:.1%} | {oracle:.0%} | {accepted:.0%} | {part:.0%} | {checks:.0f} | {lines:.1f}"
    return f"| {name} | {size} | {wrong:.0%} | {figures} |".replace("%", " %")


if __name__ == "__main__":
    main()
