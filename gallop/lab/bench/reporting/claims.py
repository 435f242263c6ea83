"""Whether the figures support a claim: paired differences, their mean and a 95% interval.

Two lines are compared where both have a figure: same set, same seed (so the same shots), same number of shots. The
difference is averaged over seeds on each set. With more than two sets, the interval is Student's t over those set
means: does it hold on sets like these? With one or two, it is over seeds: does it hold for other draws from these?
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.stats import t as student

from gallop.evaluation.intervals import LEVEL
from gallop.lab.bench.definition.benchmark import Claim
from gallop.lab.bench.reporting.results import Results, common_seeds
from gallop.wording import counted

HOLDS, OPEN, FAILS = "holds", "not shown either way", "does not hold"
NO_FIGURES = "no figures yet"

SMALLEST_SPREAD = 1e-9
"""Below it, differences are equal but for rounding."""


@dataclass(frozen=True)
class Verdict:
    """What the figures say of a claim. All differences are ``better`` minus ``than``, as fractions.

    Attributes:
        verdict: ``HOLDS``, ``OPEN``, ``FAILS`` or ``NO_FIGURES``.
        mean: over sets of the mean over seeds; None without figures.
        spread: standard deviation (n - 1) over sets; None with a single one.
        interval: 95%, of the mean; None where there is a single difference, or all are equal.
        over: what the interval is over: "sets" or "seeds".
        sets: how many were compared.
        right: on how many of them the mean over seeds is on the claim's side.
        pairs, planned: differences that there are and that there are to be.
    """

    claim: Claim
    verdict: str
    mean: float | None = None
    spread: float | None = None
    interval: tuple[float, float] | None = None
    over: str = "sets"
    sets: int = 0
    right: int = 0
    pairs: int = 0
    planned: int = 0


def judge(results: Results) -> list[Verdict]:
    """Judge every claim of a benchmark, in order."""
    return [judge_claim(results, claim) for claim in results.spec.claims]


def judge_claim(results: Results, claim: Claim) -> Verdict:
    """Judge one claim."""
    by_set, planned = _differences(results, claim)
    if not by_set:
        return Verdict(claim, NO_FIGURES, planned=planned)
    means = [fmean(differences.values()) for differences in by_set.values()]
    over = "sets" if len(means) > 2 else "seeds"
    interval = mean_interval(means if over == "sets" else _by_seed(by_set))
    return Verdict(
        claim=claim,
        verdict=_verdict(claim, interval),
        mean=fmean(means),
        spread=stdev(means) if len(means) > 1 else None,
        interval=interval,
        over=over,
        sets=len(means),
        right=sum(_on_its_side(claim, value) for value in means),
        pairs=sum(map(len, by_set.values())),
        planned=planned,
    )


def mean_interval(values: list[float]) -> tuple[float, float] | None:
    """Return Student's 95% interval of a mean; None for fewer than two values, or for equal ones."""
    if len(values) < 2 or stdev(values) < SMALLEST_SPREAD:
        return None
    half = float(student.ppf((1 + LEVEL) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def _differences(results: Results, claim: Claim) -> tuple[dict[str, dict[int, float]], int]:
    """set -> seed -> difference, and how many there are to be."""
    by_set, planned = dict[str, dict[int, float]](), 0
    for name in results.plan.sets:
        if claim.test and claim.test not in results.spec.transfer.get(name, ()):
            continue
        better, than = (
            results.sample(side.label, side.metric, claim.shots, name, test=claim.test)
            for side in (claim.better, claim.than)
        )
        if better.planned and than.planned:
            planned += max(better.planned, than.planned)
        seeds = common_seeds([better, than]) or ([0] if better.untaught and than.untaught else [])
        if seeds and better.values and than.values:
            by_set[name] = {seed: better.at(seed) - than.at(seed) for seed in seeds}
    return by_set, planned


def _by_seed(by_set: dict[str, dict[int, float]]) -> list[float]:
    """The mean over sets, for each seed that all of them have."""
    seeds = sorted(set.intersection(*(set(differences) for differences in by_set.values())))
    return [fmean(differences[seed] for differences in by_set.values()) for seed in seeds]


def _on_its_side(claim: Claim, value: float) -> bool:
    if claim.relation == "not below":
        return value >= -claim.margin
    return value < 0 if claim.relation == "below" else value > 0


def _verdict(claim: Claim, interval: tuple[float, float] | None) -> str:
    if interval is None:
        return OPEN
    low, high = interval
    if claim.relation == "not below":
        return HOLDS if low >= -claim.margin else FAILS if high < -claim.margin else OPEN
    if claim.relation == "below":
        low, high = -high, -low
    return HOLDS if low > 0 else FAILS if high < 0 else OPEN


def sentence(verdict: Verdict) -> str:
    """Return the verdict in words, for people; differences in percentage points."""
    if verdict.mean is None:
        return f"{verdict.verdict}."
    facts = [f"{points(verdict.mean)} points"]
    if verdict.interval is None:
        facts.append("one difference or equal ones, so no interval")
    else:
        low, high = verdict.interval
        facts.append(f"95% interval over {verdict.over} {points(low)} to {points(high)}")
    if verdict.spread is not None:
        facts.append(f"standard deviation over sets {100 * verdict.spread:.1f}")
    facts.append(f"{verdict.claim.relation} on {verdict.right} of {counted(verdict.sets, 'set')}")
    if verdict.pairs < verdict.planned:
        facts.append(f"only {verdict.pairs} of {verdict.planned} pairs of runs")
    return f"{verdict.verdict} ({'; '.join(facts)})."


def points(difference: float) -> str:
    """Return a difference of fractions in percentage points, with its sign."""
    return f"{100 * difference:+.1f}"
