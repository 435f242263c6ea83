"""Everything that is written from the records of a benchmark: table, Markdown and pictures."""

from __future__ import annotations

from pathlib import Path

from gallop.bench.costs import costs
from gallop.bench.figures import pictures
from gallop.bench.results import Results
from gallop.bench.tables import tables
from gallop.writing import write_file

TABLES, COSTS, CSV = "tables.md", "costs.md", "results.csv"


def write_outcome(results: Results, out: Path) -> list[Path]:
    """Write ``results.csv``, ``tables.md``, ``costs.md`` and the pictures into OUT; returns the files."""
    files = {CSV: results.csv(), TABLES: tables(results).encode(), COSTS: costs(results).encode()}
    drawn = dict(pictures(results))
    for name, content in (files | drawn).items():
        write_file(out / name, content)
    return [out / name for name in files | drawn]
