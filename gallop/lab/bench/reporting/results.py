"""Records by the place that they have: what a line of the tables has on some sets, at some shots, over its seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from gallop.lab.bench.running.plan import UNTAUGHT, Plan, TableEntry
from gallop.lab.bench.running.records import Record
from gallop.predictions.rows import csv_cell

COLUMNS = (
    *("method", "group", "set", "test", "unknown", "shots", "seed"),
    *("metric", "value", "n", "seconds", "key"),
)
"""Of ``results.csv``."""
FAILED = "–"
"""The cell of runs that diverged; one of runs that have not been made is empty."""


@dataclass(frozen=True)
class MeanCell:
    """A mean over sets and seeds.

    Attributes:
        mean: over sets of the means over seeds; None where no run has a figure.
        spread: standard deviation (n - 1) over seeds of the mean over sets; None with fewer than two seeds.
        done, planned, failed: runs with the figure, those that are to be, and those that diverged.
    """

    mean: float | None
    spread: float | None
    done: int
    planned: int
    failed: int

    @property
    def complete(self) -> bool:
        """Every planned run is in the mean."""
        return self.mean is not None and self.done == self.planned

    @property
    def text(self) -> str:
        """In percent: mean, spread, and how many runs are in it where some are missing."""
        if self.mean is None:
            return FAILED if self.failed else ""
        spread = "" if self.spread is None else f" ± {100 * self.spread:.1f}"
        missing = "" if self.complete else f" ({self.done} of {self.planned})"
        return f"{100 * self.mean:.1f}{spread}{missing}"


class Results:
    """A plan and the records that there are.

    Args:
        records: by key; those of other plans do no harm.
    """

    def __init__(self, plan: Plan, records: Mapping[str, Record]) -> None:
        self.plan, self.spec = plan, plan.spec
        self.records = {run.key: records[run.key] for run in plan.runs if run.key in records}
        self._entries: dict[str, list[TableEntry]] = {}
        for entry in plan.entries:
            self._entries.setdefault(entry.line.label, []).append(entry)

    @property
    def failures(self) -> list[Record]:
        """Runs that diverged, in the order of the plan."""
        return [record for record in self.records.values() if record.failed]

    @property
    def main_shots(self) -> int:
        """The shots of the main table: the most at which anything of it has been run."""
        done = {each.shots for each in self.plan.entries if not each.line.group and each.key in self.records}
        return max(done - {UNTAUGHT} or self.spec.shots)

    def untaught(self, label: str) -> bool:
        """Whether a line learns nothing: its one value of a set counts for all shots and seeds."""
        return any(entry.shots == UNTAUGHT for entry in self._entries.get(label, ()))

    def mean(
        self, label: str, metric: str, shots: int, sets: Sequence[str], test: str = "", unknown: str = ""
    ) -> MeanCell:
        """Return a figure of a line, averaged over the sets that it was trained on, and over seeds.

        Args:
            test: the set whose test photos the figure is about; empty for those of the training set.
            unknown: against one group of unknown photos; empty for the mean over all groups, or for accuracies.
        """
        values: dict[str, dict[int, float]] = {}
        planned = failed = 0
        for entry in self._entries.get(label, ()):
            if entry.shots not in (shots, UNTAUGHT) or entry.set not in sets:
                continue
            planned += 1
            if record := self.records.get(entry.key):
                failed += bool(record.failed)
                value = record.value(test or entry.set, metric, unknown)
                if value is not None:
                    values.setdefault(entry.set, {})[entry.seed] = value
        common = set.intersection(*map(set, values.values())) if values and not self.untaught(label) else set[int]()
        by_seed = [fmean(each[seed] for each in values.values()) for seed in sorted(common)]
        return MeanCell(
            mean=fmean(fmean(each.values()) for each in values.values()) if values else None,
            spread=stdev(by_seed) if len(by_seed) > 1 else None,
            done=sum(map(len, values.values())),
            planned=planned,
            failed=failed,
        )

    def scores(self, label: str) -> list[str]:
        """Return the outlier scores of which a line has figures, in the order in which the method gives them."""
        there = [self.records[entry.key] for entry in self._entries.get(label, ()) if entry.key in self.records]
        metrics = [each.metric for record in there for each in record.figures]
        return list(dict.fromkeys(metric[6:] for metric in metrics if metric.startswith("fpr95/")))

    def asked(self, group: str = "") -> list[str]:
        """Return the sets whose runs are asked about a group of unknown photos, or about any."""
        skip = self.spec.unknown.skip if self.spec.unknown else {}
        groups = [group] if group else self.plan.unknown
        return [name for name in self.plan.sets if any(each not in skip.get(name, ()) for each in groups)]

    def csv(self) -> bytes:
        """Return the tidy table, a row a figure and place, in UTF-8 and safe for spreadsheets."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for entry in self.plan.entries:
            if entry.key not in self.records:
                continue
            record = self.records[entry.key]
            for each in record.figures:
                place = (
                    entry.line.heading,
                    entry.line.group,
                    entry.set,
                    each.test,
                    each.unknown,
                    entry.shots,
                    entry.seed,
                )
                figure = each.metric, each.value, each.n, round(record.seconds, 3), entry.key
                writer.writerow(map(csv_cell, (*place, *figure)))
        return text.getvalue().encode("utf-8", "backslashreplace")
