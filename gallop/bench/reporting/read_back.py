"""Records from a table of results: what was published goes on counting where the records themselves are gone.

The table has a run's figures and, of its costs, the whole time and the memory; the rest is the plan's.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Mapping
from pathlib import Path

from gallop.bench.reporting.results import COLUMNS
from gallop.bench.running.plan import BenchRun, Plan
from gallop.bench.running.records import ALL, Figure, Record
from gallop.errors import BenchError
from gallop.predictions.rows import csv_cell
from gallop.runtime.reading import read_bytes

LARGEST_TABLE = 2**28
"""Bytes, also of what a file in gzip unpacks to; a hundred times as many as photos-mini's has."""
_GZIP = b"\x1f\x8b"


def read_back(path: Path, plan: Plan) -> dict[str, Record]:
    """Return the records, by key, that a table has for the runs of a plan; it may have others, which are left alone.

    A run of which figures are missing, as at the end of a table that was cut off, is left out.

    Args:
        path: of a ``results.csv``, or the same in gzip.

    Raises:
        BenchError: it cannot be read, or is no such table.
    """
    runs, rows = {run.key: run for run in plan.runs}, dict[str, list[Mapping[str, str]]]()
    # Names stand in the table as a spreadsheet may read them.
    names = {str(csv_cell(name)): name for run in plan.runs for name in (run.set, *run.transfer, *run.unknown)}
    try:
        for row in _rows(path):
            if row["key"] in runs:
                rows.setdefault(row["key"], []).append(row)
    except csv.Error as error:
        raise BenchError(f"{path} is no table of results ({error}); give a results.csv.") from error
    found = {}
    for key, some in rows.items():
        try:
            record = _record(runs[key], some, names)
        except (ValueError, TypeError) as error:
            raise BenchError(f"{path} is damaged at the run {key} ({error}); give another copy.") from error
        if _is_whole(record, runs[key]):
            found[key] = record
    return found


def _rows(path: Path) -> csv.DictReader[str]:
    try:
        data = read_bytes(path, LARGEST_TABLE)
        if data.startswith(_GZIP):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                data = file.read(LARGEST_TABLE + 1)
            if len(data) > LARGEST_TABLE:
                raise BenchError(f"{path} unpacks to more than {LARGEST_TABLE >> 20} MiB, so it is no results.csv.")
        text = data.decode("utf-8-sig")
    except (EOFError, UnicodeDecodeError, zlib.error, gzip.BadGzipFile) as error:
        raise BenchError(f"{path} cannot be unpacked ({error}); give another copy.") from error
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror}); give a results.csv or results.csv.gz.") from error
    rows = csv.DictReader(io.StringIO(text, newline=""), restval="")
    missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise BenchError(f"{path} is no table of results: it has no column {missing[0]!r}; give a results.csv.")
    return rows


def _record(run: BenchRun, rows: list[Mapping[str, str]], names: Mapping[str, str]) -> Record:
    """A run that stands in two places of the tables has each figure twice."""
    figures = dict.fromkeys(
        Figure(
            test=names.get(row["test"], row["test"]),
            metric=row["metric"],
            value=float(row["value"]),
            n=int(row["n"]),
            unknown=names.get(row["unknown"], row["unknown"]),
        )
        for row in rows
    )
    for figure in figures:
        figure.check()
    if len({(each.test, each.metric, each.unknown) for each in figures}) < len(figures):
        raise ValueError("it says two things of one figure")
    return Record(
        **run.asked,
        figures=tuple(figures),
        failed="",
        seconds={ALL: float(rows[0]["seconds"])},
        peak_bytes=int(rows[0]["memory"]),
        backbone={},
        machine={},
        versions={},
        date="",
    )


def _is_whole(record: Record, run: BenchRun) -> bool:
    """Whether all places are there, and each group of unknown photos with the same scores, in pairs."""
    tests = {each.test for each in record.figures}
    groups = [{each.metric for each in record.figures if each.unknown == group} for group in run.unknown]
    pairs = all({metric.replace("fpr95/", "auroc/") for metric in found} <= found for found in groups)
    return {run.set, *run.transfer} <= tests and pairs and all(found and found == groups[0] for found in groups)
