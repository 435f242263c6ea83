"""Everything that is written from the records of a benchmark: table, Markdown and pictures."""

from __future__ import annotations

from pathlib import Path

from gallop.lab.bench.reporting.charts import chart_files
from gallop.lab.bench.reporting.costs import costs
from gallop.lab.bench.reporting.results import Results
from gallop.lab.bench.reporting.tables import tables
from gallop.runtime.writing import write_file

TABLES, COSTS, CSV = "tables.md", "costs.md", "results.csv"


def write_outcome(results: Results, out: Path) -> list[Path]:
    """Write ``results.csv``, ``tables.md``, ``costs.md`` and the pictures into OUT; returns the files."""
    files = {
        CSV: results.csv(),
        TABLES: tables(results).encode(),
        COSTS: costs(results).encode(),
        **dict(chart_files(results)),
    }
    for name, content in files.items():
        write_file(out / name, content)
    return [out / name for name in files]
