"""Whether promises about piles are kept, how much is accepted, and how many checks that takes.

    python -m benchmarks.promise DATA
    python -m benchmarks.promise DATA --shots 8 --piles 8

DATA holds sets, each with ``train`` and ``test``, and one of photos of other things, ``ood_mixed``. In each draw a head
is taught with some of the train photos, and a pile of 2,000 is drawn, with replacement, from the test photos, of which
one class is ten times as rare as the others, and, a fifth of it, from unknown photos. A simulated checker, who is never
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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.together import UNKNOWN, Features, sets_in
from gallop import GalLoPClassifier, read_folder
from gallop.backbones import load_backbone
from gallop.evaluation.promise import LEVELS, Promise, next_line, suggested_line
from gallop.predictions.predict import Predictions

PILE, UNKNOWN_PART, RARE = 2000, 0.2, 10
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
        checks, given_up: how many checks it took, and how many lines were given up before the first promise.
    """

    promised: bool
    true: bool
    accepted: int
    oracle: int
    checks: int
    given_up: int


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
    line, moved, best, true = suggested_line(scores, scores, wrong), 0, np.inf, True
    while moved <= MOST_GIVEN_UP:
        pile = np.flatnonzero((scores >= line) & ~seen)
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
    return Outcome(bool(np.isfinite(best)), true, int(accepted.sum()), oracle, int(seen.sum()), moved)


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
    known: Predictions, truth: NDArray[np.int64], unknown: Predictions, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return scores, and whether answers are right, of a pile that is drawn from these photos."""
    rng = np.random.default_rng(seed)
    weights = np.where(truth == rng.integers(truth.max() + 1), 1 / RARE, 1.0)
    rows = rng.choice(len(truth), round(PILE * (1 - UNKNOWN_PART)), p=weights / weights.sum())
    others = rng.choice(len(unknown), round(PILE * UNKNOWN_PART))
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
    options = parser.parse_args()
    backbone = load_backbone("mini")
    features, others = Features(backbone), read_folder(options.data / UNKNOWN)
    every: dict[float, list[Outcome]] = {wrong: [] for wrong in LEVELS}
    print("| set | level | promised | all true | oracle accepts | of that accepted | checks | lines given up |")
    print(f"|---|{'---:|' * 7}")
    for name, folder in sets_in(options.data).items():
        of_set: dict[float, list[Outcome]] = {wrong: [] for wrong in LEVELS}
        test = read_folder(folder / "test")
        for seed in range(options.seeds):
            how = {"preset": "default", "shots": options.shots, "seed": seed, "epochs": 0, "allow_fewer": True}
            fitted = GalLoPClassifier(backbone, **how).fit(folder / "train")
            truth = np.array([fitted.classes_.tolist().index(label) for label in test.names])
            known, unknown = features.of(fitted, test), features.of(fitted, others)
            for pile in range(options.piles):
                scores, right = drawn_pile(known, truth, unknown, 1000 * seed + pile)
                for wrong in LEVELS:
                    of_set[wrong].append(checked_pile(scores, right, wrong, pile))
        for wrong, outcomes in of_set.items():
            every[wrong] += outcomes
            print(line_of(name, wrong, outcomes), flush=True)
    for wrong, outcomes in every.items():
        print(line_of("all", wrong, outcomes))


def line_of(name: str, wrong: float, outcomes: list[Outcome]) -> str:
    """Return a row: percentages, and means of checks and lines."""
    promised, true = (100 * np.mean([getattr(each, what) for each in outcomes]) for what in ("promised", "true"))
    some = [min(each.accepted / each.oracle, 1) for each in outcomes if each.oracle]
    accepted = f"{100 * np.mean(some):.0f} %" if some else "-"
    checks, given_up = (np.mean([getattr(each, what) for each in outcomes]) for what in ("checks", "given_up"))
    oracle = 100 * np.mean([each.oracle for each in outcomes]) / PILE
    figures = f"{promised:.0f} % | {true:.1f} % | {oracle:.0f} % | {accepted} | {checks:.0f} | {given_up:.1f}"
    return f"| {name} | {100 * wrong:g} % | {figures} |"


if __name__ == "__main__":
    main()
