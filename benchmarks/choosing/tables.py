"""Tables of candidates: accuracy by number of shots, and what else a candidate must not ruin."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.choosing.candidates import Candidate
from benchmarks.choosing.figures import SetFigures, difference, figures
from benchmarks.choosing.runs import Run
from benchmarks.choosing.trainings import Trainings


@dataclass
class Judged:
    """Figures of candidates on the folds of every set, each computed once."""

    trainings: Trainings
    seeds: Sequence[int] = (0,)
    _runs: dict[tuple[str, str, int, int], list[Run]] = field(default_factory=dict)
    _known: dict[tuple[Candidate, str, int, int], SetFigures] = field(default_factory=dict)

    def of(self, candidate: Candidate, count: int, sets: Sequence[str]) -> list[SetFigures]:
        """Return them set by set, and of each seed by seed."""
        return [self._one(candidate, name, count, seed) for name in sets for seed in self.seeds]

    def _one(self, candidate: Candidate, name: str, count: int, seed: int) -> SetFigures:
        key = candidate, name, count, seed
        if key not in self._known:
            self._known[key] = figures(candidate, self._folds(name, candidate.variant, count, seed))
        return self._known[key]

    def runs(self, name: str, variant: str, count: int) -> list[list[Run]]:
        """Return the folds of a set, of each seed."""
        return [self._folds(name, variant, count, seed) for seed in self.seeds]

    def _folds(self, name: str, variant: str, count: int, seed: int) -> list[Run]:
        which = name, variant, count, seed
        if which not in self._runs:
            self._runs[which] = self.trainings.inside(*which)
        return self._runs[which]

    def accuracy(self, candidate: Candidate, count: int, sets: Sequence[str]) -> float:
        """Return the mean over sets (and seeds), in percent."""
        return statistics.mean(each.accuracy for each in self.of(candidate, count, sets))


def over_shots(judged: Judged, candidates: Sequence[Candidate], counts: Sequence[int]) -> Iterator[str]:
    """Yield the lines of a table: accuracies, in brackets how much above the first candidate, with a standard error."""
    sets = list(judged.trainings.sets)
    yield "| configuration | " + " | ".join(f"{count} shots" for count in counts) + " | mean |"
    yield "|---" * (len(counts) + 2) + "|"
    for candidate in candidates:
        cells = []
        for count in counts:
            these, first = judged.of(candidate, count, sets), judged.of(candidates[0], count, sets)
            gap, error = difference(these, first)
            more = "" if candidate == candidates[0] else f" ({gap:+.1f} ± {error:.1f})"
            cells.append(f"{statistics.mean(each.accuracy for each in these):.1f}{more}")
        mean = statistics.mean(judged.accuracy(candidate, count, sets) for count in counts)
        yield f"| {candidate.name} | " + " | ".join(cells) + f" | {mean:.1f} |"


def over_sets(judged: Judged, candidates: Sequence[Candidate], count: int) -> Iterator[str]:
    """Yield the lines of a table of one number of shots: accuracy by set, then calibration, unknown photos, shift."""
    sets = list(judged.trainings.sets)
    yield f"| {count} shots | " + " | ".join(sets) + " | mean | ECE | GL-MCM: AUROC | FPR95 | photo -> sketch |"
    yield "|---" * (len(sets) + 6) + "|"
    for candidate in candidates:
        by_set = [judged.of(candidate, count, [name]) for name in sets]
        every = [each for some in by_set for each in some]
        cells = [f"{statistics.mean(each.accuracy for each in some):.1f}" for some in by_set]
        cells += [f"{statistics.mean(getattr(f, what) for f in every):.1f}" for what in ("accuracy", "error")]
        cells += [f"{statistics.mean(each.area for each in every):.3f}"]
        cells += [f"{statistics.mean(each.passed for each in every):.1f}"]
        cells += [f"{statistics.mean(each.shift for each in every if each.shift is not None):.1f}"]
        yield f"| {candidate.name} | " + " | ".join(cells) + " |"
