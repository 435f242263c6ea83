"""What others have published, as lines beside ours: the same columns, no spread, never bold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gallop.bench.definition.benchmark import AVERAGE, Spec


@dataclass(frozen=True)
class PublishedLine:
    """A line of a table: after our own line of the method, where there is one.

    Attributes:
        values: column heading -> fraction.
    """

    method: str
    values: Mapping[str, float]

    @property
    def name(self) -> str:
        """What it is called in the table."""
        return f"{self.method}, published"

    def texts(self, headings: Sequence[str]) -> list[str]:
        """Return its cells, in percent."""
        return [f"{100 * self.values[each]:.1f}" if each in self.values else "" for each in headings]


def published_lines(
    spec: Spec, metric: str, shots: int, columns: Sequence[str], trained: str = ""
) -> list[PublishedLine]:
    """Return the lines that have a figure for one of the columns.

    An average is over what was published, so it is left out where one of its sets is no column here.
    """
    found: dict[str, dict[str, float]] = {}
    for entry in spec.published:
        if (entry.metric, entry.shots, entry.trained) == (metric, shots, trained):
            parts = {name: value for name, value in entry.values.items() if name != AVERAGE}
            here = found.setdefault(entry.method, {})
            here.update((name, value) for name, value in parts.items() if name in columns)
            if AVERAGE in entry.values and set(parts) <= set(columns):
                here[AVERAGE] = entry.values[AVERAGE]
    return [PublishedLine(method, values) for method, values in found.items() if values]


def sources(spec: Spec) -> dict[str, list[str]]:
    """Return where published figures are from, each with its methods."""
    by_source: dict[str, list[str]] = {}
    for entry in spec.published:
        methods = by_source.setdefault(entry.source, [])
        methods += [entry.method] if entry.method not in methods else []
    return by_source
