"""A promise about a pile: how many checks earn it, and that it is false in at most 5 of 100 piles however one stops."""

import re
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from gallop.evaluation.promise import CHANCE, LEVELS, Promise, check_order, checks_needed, next_line, suggested_line


@pytest.mark.parametrize(("wrong", "checks"), [*zip(LEVELS, (59, 149, 299), strict=True)])
def test_without_an_error_59_149_and_299_checks_suffice_for_any_pile(wrong, checks):
    assert checks_needed(wrong, 1_000_000)[0] == checks
    assert (1 - wrong) ** checks <= CHANCE < (1 - wrong) ** (checks - 1)
    assert max(int(checks_needed(wrong, pile)[0]) for pile in range(1, 4000, 97)) <= checks


@pytest.mark.parametrize("pile", [137, 812])
def test_the_first_number_is_the_hypergeometric_quantile(pile):
    bad = pile * 5 // 100 + 1
    n = int(checks_needed(0.05, pile)[0])
    assert stats.hypergeom.pmf(0, pile, bad, n) <= 0.0496 < stats.hypergeom.pmf(0, pile, bad, n - 1)


def crossed(errors, needed):
    """Whether a promise would have been given at any stop; errors (n,) by check, 1 where wrong."""
    found = np.cumsum(errors)
    return any(count < len(needed) and n >= needed[count] for n, count in enumerate(found, start=1))


@pytest.mark.parametrize("moved", [0, 1])
@pytest.mark.parametrize("bad", [5, 6, 8])
def test_of_all_orders_of_a_small_pile_at_most_5_in_100_give_a_false_promise(bad, moved):
    needed = checks_needed(0.25, 16, moved)  # at most four of sixteen, so five make it false
    places = list(combinations(range(16), bad))
    false = np.mean([crossed([i in wrong for i in range(16)], needed) for wrong in places])
    assert false <= (0.0001 if moved else CHANCE)
    assert false > 0.02 or bad > 5 or moved


def test_a_promise_that_is_false_is_rare_wherever_the_checks_stop():
    rng, needed = np.random.default_rng(0), checks_needed(0.05, 600)
    assert (np.diff(needed) > 0).all()
    assert needed[-1] <= 600
    pile = np.arange(600) < 31
    false = [crossed(rng.permutation(pile), needed) for _ in range(3000)]
    assert 0.03 < np.mean(false) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 3000)


def given_by_moving(wrong, rng, fair):
    """Whether someone who moves the line above each error that is found is ever given a false promise at 5%.

    Args:
        wrong: (M,) whether each photo is wrong, by falling score.
        fair: as documented; otherwise checks above the line stay, and moves are not told.
    """
    line, moved, right, checked, pile = len(wrong), 0, 0, np.zeros(len(wrong), bool), len(wrong)
    for photo in rng.permutation(len(wrong)):
        if photo >= line:
            continue
        checked[photo] = True
        if wrong[photo]:
            line, moved = photo, moved + 1
            inside, start = int(checked[:line].sum()), checked.copy()
            pile, right = (line - inside, 0) if fair else (line, inside)
        else:
            right += 1
        if pile < 30 or moved > 12:
            return False
        if Promise(0.05, pile, right, 0, moved if fair else 0).kept:
            about = ~start[:line] if fair and moved else np.ones(line, bool)
            return bool(wrong[:line][about].mean() > 0.05)
    return False


def test_moving_the_line_until_luck_does_it_gives_no_false_promise():
    rng = np.random.default_rng(1)
    piles = [rng.random(2000) < 0.06 for _ in range(300)]
    assert np.mean([given_by_moving(pile, rng, fair=True) for pile in piles]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    unfair = np.mean([given_by_moving(pile, rng, fair=False) for pile in piles[:150]])
    assert unfair > 0.1  # the rule is needed: the same with checks that stay and moves that are not told


def test_a_line_that_earned_its_promise_may_be_lowered_at_no_cost():
    rng, false = np.random.default_rng(2), 0
    bands = [0.0, 0.058, 0.03, 0.07]  # fractions of wrong ones, 300 photos each, accepted from the first on
    for _ in range(2500):
        labels, checked = [rng.permutation(300) < round(300 * band) for band in bands], np.zeros(1200, bool)
        pile = np.concatenate(labels)
        for line in (300, 600, 900, 1200):
            left = rng.permutation(np.flatnonzero(~checked[:line]))
            n = int(checks_needed(0.05, len(left))[0])
            checked[left[:n]] = True
            if pile[left[:n]].any():
                break
            if pile[left].mean() > 0.05:
                false += 1
                break
    assert false / 2500 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2500)


def test_a_stricter_promise_that_is_kept_keeps_the_looser_ones():
    for errors in range(8):
        needed = [checks_needed(wrong, 5000)[errors] for wrong in LEVELS]
        assert needed == sorted(needed)


def test_what_is_missing_is_told_until_it_is_kept():
    begun, after, moved = (Promise(0.05, 812, right=30, **more) for more in ({}, {"errors": 1}, {"moved": 1}))
    assert (begun.remaining, begun.kept) == (checks_needed(0.05, 812)[0] - 30, False)
    assert re.match(f"{begun.remaining} more checks.*at most 5 %", begun.words)
    assert Promise(0.05, 812).words.startswith(f"{checks_needed(0.05, 812)[0]} checks at best to promise")
    done = Promise(0.05, 812, right=30 + begun.remaining)
    assert (done.remaining, done.kept, "95 % sure" in done.words) == (0, True, True)
    assert after.remaining > begun.remaining
    assert Promise(0.05, 812, right=30 + after.remaining, errors=1).kept
    assert moved.remaining > 2 * begun.remaining


@pytest.mark.parametrize(
    ("promise", "words"),
    [
        (Promise(0.05, 0), "No photo lies above the line"),
        (Promise(0.05, 10), "Too few to promise that at most 5 % are wrong (10 photos): check them all."),
        (Promise(0.05, 100, 20, 10), "More than 5 % of these 100 photos seem to be wrong (30 checked, 10 wrong)"),
    ],
)
def test_what_cannot_be_promised_is_said(promise, words):
    assert (promise.remaining, promise.kept) == (None, False)
    assert promise.words.startswith(words)


def test_a_pile_that_is_checked_completely_needs_no_luck():
    assert [Promise(0.05, 20, 20 - errors, errors).kept for errors in range(3)] == [True, True, False]


def test_the_order_of_checks_is_random_and_the_same_for_the_same_photos():
    keys = [f"photo {i}" for i in range(300)]
    order = check_order(keys)
    assert sorted(order) == list(range(300))
    assert abs(stats.spearmanr(order, np.arange(300)).statistic) < 0.2
    above = keys[::3]
    assert [above[i] for i in check_order(above)] == [keys[i] for i in order if i % 3 == 0]
    assert (order != check_order(keys, seed=1)).any()
    copies = check_order(["same"] * 200)
    assert abs(stats.spearmanr(copies, np.arange(200)).statistic) < 0.2
    first = [check_order(keys[:5], seed)[0] for seed in range(2000)]
    assert stats.chisquare(np.bincount(first)).pvalue > 0.001


def test_the_suggested_line_has_a_tenth_as_many_wrong_photos_above_it():
    scores, right = np.linspace(1, 0, 200, endpoint=False), ~np.isin(range(200), [90, 110, 140, 145, 150])
    above = [(scores >= suggested_line(scores, right, wrong)).sum() for wrong in (0.2, 0.05)]
    assert above == [140, 90]  # two of the 140 are wrong; the third would make it more than 2%
    assert suggested_line([0.9, 0.8], [False, True], 0.05) == 0.9
    assert suggested_line([0.9, 0.5, 0.5], [1, 1, 0], 0.05) == 0.9  # of equal scores all or none
    probabilities = np.array([0.999, 0.995, 0.98, 0.5])
    assert suggested_line(probabilities, probabilities, 0.1) == 0.98  # 0.87% are expected to be wrong


def test_the_next_line_accepts_more_where_it_was_kept_and_fewer_where_not():
    scores = np.linspace(1, 0, 1000, endpoint=False)
    moves = [(499, True), (99, True), (499, False)]
    # A fifth more of 500; of 100 as many more as the root of the 1,000 that there are; half.
    assert [(scores >= next_line(scores, scores[at], kept=kept)).sum() for at, kept in moves] == [600, 132, 250]
    assert next_line(scores, scores[899], kept=True) == scores[-1]
    assert next_line(scores, 2.0, kept=False) == 2.0
