"""Records by the place that they have: what a line of the tables has on a set, at some shots, over its seeds."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from gallop.lab.bench.running.plan import UNTAUGHT, Plan, TableEntry
from gallop.lab.bench.running.records import Record
from gallop.predictions.rows import csv_cell

COLUMNS = (
    *("method", "group", "set", "test", "unknown", "shots", "seed"),
    *("metric", "value", "n", "seconds", "memory", "key"),
)
"""Of ``results.csv``; memory in bytes."""


@dataclass(frozen=True)
class Sample:
    """One figure of a line on one set, seed by seed.

    Attributes:
        values: seed -> value, of the runs that are done and went well.
        planned: how many runs there are to be.
        failed: how many diverged.
        left: how many have no record yet; of the others, one may lack this figure.
        untaught: a line that learns nothing: its one value counts for every seed.
    """

    values: Mapping[int, float]
    planned: int
    failed: int = 0
    left: int = 0
    untaught: bool = False

    def at(self, seed: int) -> float:
        return self.values[UNTAUGHT if self.untaught else seed]


@dataclass(frozen=True)
class MeanCell:
    """A mean over sets and seeds.

    Attributes:
        mean: over sets of the means over seeds; None where no run has a figure.
        spread: standard deviation (n - 1) over seeds of the mean over sets; None with fewer than two seeds.
        done, planned, failed, left: runs.
    """

    mean: float | None
    spread: float | None
    done: int
    planned: int
    failed: int
    left: int

    @property
    def complete(self) -> bool:
        """Every planned run is in the mean."""
        return self.mean is not None and self.done == self.planned


def common_seeds(samples: Sequence[Sample]) -> list[int]:
    """Return the seeds for which every sample has a value; none where nothing of them learns."""
    taught = [set(sample.values) for sample in samples if not sample.untaught]
    return sorted(set.intersection(*taught)) if taught else []


def cell(samples: Sequence[Sample]) -> MeanCell:
    """Return the mean of samples of several sets, or of one."""
    there = [sample for sample in samples if sample.values]
    by_seed = [fmean(sample.at(seed) for sample in there) for seed in common_seeds(there)]
    return MeanCell(
        mean=fmean(fmean(sample.values.values()) for sample in there) if there else None,
        spread=stdev(by_seed) if len(by_seed) > 1 else None,
        done=sum(len(sample.values) for sample in there),
        planned=sum(sample.planned for sample in samples),
        failed=sum(sample.failed for sample in samples),
        left=sum(sample.left for sample in samples),
    )


class Results:
    """A plan and the records that there are.

    Args:
        records: by key; those of other plans do no harm.
    """

    def __init__(self, plan: Plan, records: Mapping[str, Record]) -> None:
        self.plan, self.spec = plan, plan.spec
        self.records = {run.key: records[run.key] for run in plan.runs if run.key in records}
        self._entries: dict[tuple[str, str, int], list[TableEntry]] = {}
        for entry in plan.entries:
            self._entries.setdefault((entry.label, entry.set, entry.shots), []).append(entry)

    @property
    def failures(self) -> list[Record]:
        """Runs that diverged, in the order of the plan."""
        return [record for record in self.records.values() if record.failed]

    def records_of(self, label: str) -> list[Record]:
        """Return the records of a line's runs."""
        keys = {entry.key for entry in self.plan.entries if entry.label == label}
        return [record for key, record in self.records.items() if key in keys]

    def untaught(self, label: str) -> bool:
        return any(entry.shots == UNTAUGHT for entry in self.plan.entries if entry.label == label)

    @property
    def main_shots(self) -> int:
        """The shots of the main table: the most at which anything of it has been run."""
        done = {
            each.shots for each in self.plan.entries if each.label in self.spec.methods and each.key in self.records
        }
        return max(done - {UNTAUGHT} or self.spec.shots)

    def sample(self, label: str, metric: str, shots: int, name: str, test: str = "", unknown: str = "") -> Sample:
        """Return a figure of a line that was trained on the set ``name``.

        Args:
            test: the set whose test photos the figure is about; empty for ``name``.
            unknown: against one group of unknown photos; empty for the mean over all groups, or for accuracies.
        """
        untaught = self.untaught(label)
        entries = self._entries.get((label, name, UNTAUGHT if untaught else shots), [])
        records = {entry.seed: self.records[entry.key] for entry in entries if entry.key in self.records}
        by_seed = {seed: record.value(test or name, metric, unknown) for seed, record in records.items()}
        return Sample(
            values={seed: value for seed, value in by_seed.items() if value is not None},
            planned=len(entries),
            failed=sum(bool(record.failed) for record in records.values()),
            left=len(entries) - len(records),
            untaught=untaught,
        )

    def scores(self, label: str) -> list[str]:
        """Return the outlier scores of which a line has figures, in the order in which the method gives them."""
        matches = (re.fullmatch("fpr95/(.+)", f.metric) for record in self.records_of(label) for f in record.figures)
        return list(dict.fromkeys(match[1] for match in matches if match))

    def csv(self) -> bytes:
        """Return the tidy table, a row a figure and place, in UTF-8 and safe for spreadsheets."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for entry in self.plan.entries:
            if entry.key not in self.records:
                continue
            record = self.records[entry.key]
            costs = round(sum(record.seconds.values()), 3), record.peak_bytes
            for each in record.figures:
                place = entry.heading, entry.group, entry.set, each.test, each.unknown, entry.shots, entry.seed
                writer.writerow(map(csv_cell, (*place, each.metric, each.value, each.n, *costs, entry.key)))
        return text.getvalue().encode("utf-8", "backslashreplace")

    def group_labels(self, group: str) -> list[str]:
        return [label for label, line in self.spec.lines.items() if line.group == group]

    def group_sets(self, group: str) -> list[str]:
        there = {entry.set for entry in self.plan.entries if entry.group == group}
        return [name for name in self.plan.sets if name in there]
