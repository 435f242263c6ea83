"""How a head was chosen: its strength, and the weight and temperature with which it is mixed with the prompts.

A temperature makes a head as sharp as the prompts, each alone as probable as it can be on what is held out: the
geometric mean over all sets and folds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import torch

from benchmarks.choosing.candidates import Candidate, head_scores, prompts
from benchmarks.choosing.runs import Run
from benchmarks.choosing.tables import Judged
from gallop.model.branches.kinds import KINDS
from gallop.model.branches.mix import Mix
from gallop.model.calibration import fit_temperature

STRENGTHS = (0.03, 0.1, 0.3, 1.0)
DRAWN = [(0.0, 1.0), *((names, halved) for halved in (2.0, 3.0, 4.0, math.inf) for names in (1.0, 2.0, 3.0, 4.0, 6.0))]
"""How far ridge regression is drawn to the names, and by how many shots that is halved."""
WEIGHTS = (0.25, 0.5, 0.6, 0.75, 1.0)


def over_strengths(judged: Judged, variant: str, count: int) -> Iterator[str]:
    """Yield the lines of a table of one number of shots: accuracy (%) of heads mixed with the prompts, by weight."""
    weights = " | ".join(f"w {weight:g}" for weight in WEIGHTS)
    yield f"| {count} shots: head | looks | strength | temperature | {weights} | chosen |"
    yield "|---" * (len(WEIGHTS) + 5) + "|"
    sets = list(judged.trainings.sets)
    every = [runs for name in sets for runs in judged.runs(name, variant, count)]
    for looks, strength in product((1, 2), STRENGTHS):
        one = Candidate("ridge", variant, 1, "ridge", looks, strength, chosen=False)
        sharp = temperature(one, every)
        each = [replace(one, mix=Mix(weight, sharp)) for weight in WEIGHTS]
        each.append(replace(one, mix=Mix(KINDS["ridge"].usual.weight, sharp), chosen=True))
        cells = " | ".join(f"{judged.accuracy(some, count, sets):.1f}" for some in each)
        yield f"| ridge | {looks} | {strength:g} | {sharp:.3g} | {cells} |"


def over_names(judged: Judged, variant: str, counts: Sequence[int]) -> Iterator[str]:
    """Yield the lines of a table: accuracy (%) of ridge regression in the library's mix with the prompts, by what its
    weights are drawn to, and of photos asked about another domain.
    """
    sets = list(judged.trainings.sets)
    titles = [f"{count} shots" for count in counts]
    yield "| names | halved by | " + " | ".join([*titles, "mean", *(f"sketch, {title}" for title in titles)]) + " |"
    yield "|---" * (2 * len(counts) + 3) + "|"
    for names, halved in DRAWN:
        one = Candidate("ridge", variant, head="ridge", names=names, halved=halved, chosen=False)
        accuracies = [judged.accuracy(one, count, sets) for count in counts]
        shifts = [[some.shift for some in judged.of(one, count, sets) if some.shift is not None] for count in counts]
        cells = [*accuracies, statistics.mean(accuracies), *map(statistics.mean, shifts)]
        yield f"| {names:g} | {halved:g} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |"


def temperature(candidate: Candidate, every: list[list[Run]]) -> float:
    """Return the temperature of a head, over the folds of all sets."""
    temperatures = []
    for runs in every:
        heads = [head_scores(candidate, run, "held out") for run in runs]
        start = statistics.mean(float(head.std(dim=-1).mean()) for head in heads)  # the fit has bounds and a prior
        truth = torch.cat([run.asked["held out"].labels for run in runs])
        logits = torch.cat([prompts(candidate, run.asked["held out"], run.scale) for run in runs])
        temperatures.append(fit_temperature(torch.cat(heads) / start, truth) * start / fit_temperature(logits, truth))
    return math.exp(statistics.mean(map(math.log, temperatures)))
