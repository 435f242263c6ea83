"""``predict --out``: a line for each photo, added to one file as they come; a call that was stopped is continued.

The lines of a Parquet file are collected in a file beside it, from which it is written at the end.
"""

from __future__ import annotations

import csv
import hashlib
import json
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from gallop.answers.scorer import BOX, PhotoScorer, answers, manifest_of
from gallop.answers.sources import SourceItem
from gallop.cli.console import Console, plain_line
from gallop.errors import CommandError, first_line
from gallop.model.scores import SCORES, VERDICT
from gallop.predictions.rows import FIXED, answers_csv, csv_cell, csv_row
from gallop.runtime.writing import append_quickly, locked, open_draft, whole_lines

ENDINGS = (".csv", ".jsonl", ".parquet")
COLUMNS = (*FIXED, "model")
"""Of a CSV file, before the probabilities: ``model`` tells the answers of one model from those of another."""
MOST_BYTES = 2**40
ROWS_AT_ONCE = 4096
"""Of a Parquet file, in memory at a time."""


def require_many(what: str) -> None:
    """Raise CommandError where the package of the extra ``many`` is missing."""
    if find_spec("pyarrow") is None:
        raise CommandError(f"pyarrow must be installed for {what}: pip install 'gallop-explorer[many]'.")


def answer_many(photos: Iterable[SourceItem], worker: PhotoScorer, options: Namespace, console: Console) -> int:
    """Add the answers to all photos that have no line yet to the file.

    Returns the exit status: 2 where a photo has no answer, in a line of this call or of an earlier one.
    """
    out = Path(options.out)
    file = out.with_name(f"{out.name}.jsonl") if out.suffix.lower() == ".parquet" else out
    if out.exists() and not file.exists():
        raise CommandError(f"{out} is there, but not {file}, the lines that it is written from: choose another file.")
    console.progress("loading the model")
    try:
        with locked(out.with_name(f"{out.name}.lock"), wait=False):
            result = _added(photos, worker, file, console)
            if file != out:
                _write_parquet(file, out, worker)
    except BlockingIOError as error:
        raise CommandError(f"Another gallop predict writes {out}: wait until it has ended.") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped. The answers so far are in {file}. Run the same command again to continue."
        ) from None
    console.result({"out": str(out), **result}, lambda: [f"{name}: {value}" for name, value in result.items()])
    return 2 if result["errors"] or result["skipped_errors"] else 0


def _added(photos: Iterable[SourceItem], worker: PhotoScorer, file: Path, console: Console) -> dict[str, Any]:
    """Add the lines that are missing, and return how many there are of each kind."""
    model = hashlib.sha256(json.dumps(manifest_of(worker), sort_keys=True).encode()).hexdigest()[:16]
    classes = worker.classifier.classes_.tolist()
    head = answers_csv([], classes, COLUMNS) if file.suffix.lower() == ".csv" else b""
    there, failed = _there(file, head, model)
    done = {"answered": 0, "errors": 0, "skipped": there.total(), "skipped_errors": failed, "seconds": 0.0}
    began = time.monotonic()
    for columns in answers(worker, _missing(photos, there, is_csv=bool(head))):
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        begin = head if not file.exists() or not file.stat().st_size else b""
        append_quickly(file, begin + b"".join(_line({**row, "model": model}, classes, head) for row in rows))
        failed = sum(row["error"] is not None for row in rows)
        done["answered"] += len(rows) - failed
        done["errors"] += failed
        done["seconds"] = round(time.monotonic() - began, 3)
        rate = (done["answered"] + done["errors"]) / (time.monotonic() - began)
        note = f"{rate:.1f} per second, {done['errors']} failed, {done['skipped']} done before"
        console.progress("photos", int(done["answered"] + done["errors"]), note=note, facts=done)
    return done


def _there(file: Path, head: bytes, model: str) -> tuple[Counter[str], int]:
    """Return by key how many lines there are, and how many are of photos without an answer.

    Raises:
        CommandError: a line is of another model, or of another program.
    """
    found, errors, lines = Counter[str](), 0, whole_lines(file, MOST_BYTES)
    try:
        if head and next(lines, head) != head:
            raise LookupError
        text = (line.decode("utf-8", "replace") for line in lines)
        for row in csv.DictReader(text, COLUMNS) if head else map(json.loads, text):
            if row["model"] != model:  # before the end of the file is cut
                raise LookupError
            found[row["image" if head else "key"]] += 1
            errors += bool(row["error"])
    except (ValueError, LookupError, TypeError, RecursionError, csv.Error) as error:
        number = found.total() + 1 + bool(head)
        raise CommandError(
            f"{file} was not written with this model and these columns (--with, --draft), or line {number} is damaged: "
            "give the same arguments as before, choose another file, or remove that line."
        ) from error
    return found, errors


def _missing(photos: Iterable[SourceItem], there: Counter[str], *, is_csv: bool) -> Iterator[SourceItem]:
    """Yield the photos without a line: of several with one key as many as have none, the last ones."""
    for photo in photos:
        key = photo.key.encode("utf-8", "backslashreplace").decode()  # of a name that is not UTF-8
        cell = csv_cell(key) if is_csv else key
        if there[cell]:
            there[cell] -= 1
        else:
            yield replace(photo, key=key)


def _line(row: Mapping[str, Any], classes: Sequence[str], head: bytes) -> bytes:
    if not head:
        return json.dumps(plain_line(row), allow_nan=False).encode() + b"\n"
    shares = dict(zip(classes, row.get("probabilities") or [], strict=False))
    named = {"image": row["key"], "ood_score": row.get(VERDICT), "probabilities": shares}
    return csv_row({**row, **named}, classes, COLUMNS)


def _write_parquet(lines: Path, out: Path, worker: PhotoScorer) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    shares = pa.list_(pa.float32())
    types = {
        **dict.fromkeys(("key", "error", "label"), pa.string()),
        "probability": pa.float32(),
        "top": pa.list_(pa.struct([("label", pa.string()), ("probability", pa.float32())])),
        **{name: pa.float32() for name, score in SCORES.items() if score.of_cosines},
        "is_ood": pa.bool_(),
        "probabilities": shares,
        "embedding": shares,
        "regions": pa.list_(pa.struct([(name, pa.float32()) for name in BOX])),
        "model": pa.string(),
    }
    unasked = {name for name, asked in vars(worker.extras).items() if not asked}
    schema = pa.schema([(name, kind) for name, kind in types.items() if name not in unasked])
    rows = map(json.loads, whole_lines(lines, MOST_BYTES))
    try:
        with open_draft(out) as file, parquet.ParquetWriter(file, schema) as writer:
            while some := list(islice(rows, ROWS_AT_ONCE)):
                writer.write_table(pa.Table.from_pylist(some, schema))
    except (ValueError, TypeError) as error:  # somebody has changed a line
        raise CommandError(f"{lines} does not fit into a table ({first_line(error)}): remove that line.") from error
