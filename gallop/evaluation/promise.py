"""A promise about a pile: at most so many of the photos that are accepted are wrong, with 95% confidence.

It is earned by checks of photos drawn from the accepted ones at random. The more are found wrong, the more must be
checked; the number for each count of errors is fixed beforehand, such that the chance of ever promising what is not
true is at most 5% wherever the checks stop (a sequential test with a curtailed acceptance region, computed exactly for
draws without replacement, in place of an approximation as Wald's, 1945, "Sequential tests of statistical hypotheses").

The line between accepted and other photos may be moved freely until the first check. Afterwards, a line that is given
up for another because of what was seen costs: else one would move it until luck does the rest. The new line is another
promise, about the photos above it that were not checked (what was checked is known, right or corrected), for which
only checks made since the move count, and ``moved`` says how many lines were given up. All of them together have the
same 5%. Each photo not yet checked is as likely to be the next as before, so the line may be moved by any rule. A line
that earned its promise costs nothing: the next one, with the photos below it, too, begins with all of the 5%.

Shapes: n checks, e errors among them.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gallop.wording import counted

LEVELS = (0.05, 0.02, 0.01)
CHANCE, FOR_MOVED, FIRST = 0.05, 0.0002, 0.0496
"""Chance that a promise is false: in all, the part that is kept for lines that were moved, and the part that may be
spent where no error is found: 59, 149 and 299 checks at 5, 2 and 1% spend 0.0485, 0.0493 and 0.0495."""
MOST_ERRORS = 64  # with more, no number of checks is worked out


@lru_cache(maxsize=256)
def checks_needed(wrong: float, pile: int, moved: int = 0) -> NDArray[np.intp]:
    """Return how many checks earn a promise where 0, 1, 2, ... of them are errors.

    They are the fewest that keep the chance of a false promise, if one photo more than promised is wrong (with more
    wrong ones it is smaller), within what is allotted to that number of errors. With e of them, that is 1 / (e + 1) of
    what fewer errors have left over.

    Returns:
        (E,) increasing, at most ``pile``; E is at most ``MOST_ERRORS``, and no more than the errors that are allowed.
    """
    bad = math.floor(round(wrong * pile, 9)) + 1
    left = CHANCE - FOR_MOVED if not moved else FOR_MOVED / 2**moved
    budget = FIRST if not moved else left / 2
    n = np.arange(min(pile, math.ceil(300 / wrong)) + 1)
    log = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, pile + 1)))])  # of factorials
    paths, needed = np.ones(len(n)), list[int]()  # ways to find e errors in n checks and not have stopped
    for e in range(min(bad, pile, MOST_ERRORS)):
        right = pile - bad - n + e  # photos that are right and not checked; a path is impossible where it is negative
        one = log[bad] - log[bad - e] + log[pile - bad] - log[np.maximum(right, 0)] - log[pile] + log[pile - n]
        with np.errstate(divide="ignore"):
            chance = np.where((right < 0) | (n < e), 0, np.exp(one + np.log(paths)))
        enough = (chance <= budget) & (n > (needed[-1] if needed else -1)) & (n >= e)
        if not enough.any():
            break
        needed.append(int(enough.argmax()))
        left -= float(chance[needed[-1]])
        budget = left / (e + 2)
        paths = np.concatenate([[0.0], np.cumsum(np.where(n < needed[-1], paths, 0))[:-1]])
    return np.array(needed, dtype=np.intp)


@dataclass(frozen=True)
class Promise:
    """What checks of accepted photos allow to promise.

    Attributes:
        wrong: at most this fraction of the accepted photos is wrong, above 0 and below 1.
        pile: accepted photos; after a move of the line, those that were not checked before it.
        right, errors: checks of a random sample of them, since the line was moved, by what they found.
        moved: lines that were given up after checks because of what they found.
    """

    wrong: float
    pile: int
    right: int = 0
    errors: int = 0
    moved: int = 0

    @property
    def checked(self) -> int:
        """Return the number of checks."""
        return self.right + self.errors

    @property
    def kept(self) -> bool:
        """Return whether it can be promised now, with 95% confidence; with a pile that is empty it cannot."""
        if self.checked == self.pile:
            return self.pile > 0 and self.errors <= round(self.wrong * self.pile, 9)
        needed = checks_needed(self.wrong, self.pile, self.moved)
        return self.errors < len(needed) and self.checked >= int(needed[self.errors])

    @property
    def remaining(self) -> int | None:
        """Return how many more checks earn it if no more errors are found; None where all photos would have to be
        checked, or too many are wrong already.
        """
        if self.kept:
            return 0
        needed = checks_needed(self.wrong, self.pile, self.moved)
        if self.errors >= len(needed) or needed[self.errors] >= self.pile:
            return None
        return int(needed[self.errors]) - self.checked

    @property
    def words(self) -> str:
        """Return as a sentence what is promised, how many checks are missing (at best, at first), or why it cannot."""
        if not self.pile:
            return "No photo lies above the line, so there is nothing to check or to promise."
        percent, photos = f"{100 * self.wrong:.3g} %", counted(self.pile, "photo")
        found = f"{self.checked} checked, {self.errors or 'none'} wrong" if self.checked else "more if any is wrong"
        if self.kept:
            sure = "all checked" if self.checked == self.pile else f"95 % sure: {found}"
            return f"At most {percent} of these {photos} are wrong ({sure})."
        if self.remaining is not None:
            check, how = ("more check", "without an error") if self.checked else ("check", "at best")
            return (
                f"{counted(self.remaining, check)} {how} to promise that at most {percent} of these {photos} are wrong "
                f"({found})."
            )
        if self.errors > round(self.wrong * self.pile, 9) or self.errors >= MOST_ERRORS:
            return f"More than {percent} of these {photos} seem to be wrong ({found}): accept fewer."
        return f"Too few to promise that at most {percent} are wrong ({photos}): check them all."


def check_order(keys: Sequence[str], seed: int = 0) -> NDArray[np.intp]:
    """Return (n,) the order in which photos are checked: random, but the same for the same photos, so that after a
    move of the line those above it follow each other as before.

    Args:
        keys: what tells the photos from each other, as their paths; photos of one key are as far apart as others.
    """
    seen: Counter[str] = Counter()
    drawn = list[bytes]()
    for key in keys:
        seen[key] += 1
        drawn.append(hashlib.blake2b(f"{seed}/{seen[key]}/{key}".encode("utf-8", "surrogatepass")).digest())
    return np.array(sorted(range(len(keys)), key=drawn.__getitem__), dtype=np.intp)


def suggested_line(held_out_scores: ArrayLike, held_out_right: ArrayLike, wrong: float) -> float:
    """Return the score from which photos are accepted at first: the lowest above which a tenth as many held-out photos
    are wrong as is to be promised. So few, since a pile has photos that the shots do not know, and since a line that
    earned its promise may be lowered at no cost, but not raised. It promises nothing.

    Args:
        held_out_right: of each, whether its answer is right, or the probability that it is.
    """
    order = np.argsort(-np.asarray(held_out_scores, np.float64), kind="stable")
    scores, right = np.asarray(held_out_scores, np.float64)[order], np.asarray(held_out_right, np.float64)[order]
    above = np.cumsum(1 - right) / np.arange(1, len(scores) + 1)
    allowed = scores[(above <= wrong / 10) & (np.diff(scores, append=-np.inf) < 0)]  # of equal scores all or none
    return float(min(allowed, default=scores[0]))


def next_line(scores: ArrayLike, line: float, kept: bool) -> float:
    """Return where to move the line: down, to accept 1.2 times as many photos, or as many more as the square root of
    the pile (those with ``scores``), where it earned its promise; else up, to accept half as many. From a strict line
    on this accepts most of what can be promised, in small piles, too (benchmarks/README.md has the figures).
    """
    falling = -np.sort(-np.asarray(scores, np.float64))
    accepted = int((falling >= line).sum())
    wanted = math.ceil(max(1.2 * accepted, accepted + math.sqrt(len(falling)))) if kept else accepted // 2
    return float(falling[min(wanted, len(falling)) - 1]) if wanted else line
