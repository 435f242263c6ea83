"""The records of runs: one JSON file each, ``OUT/runs/KEY.json``, complete or not there at all."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gallop.runtime.reading import read_text
from gallop.runtime.writing import write_file

RUNS = "runs"  # folder in OUT
LARGEST_RECORD = 16 * 2**20  # bytes


@dataclass(frozen=True)
class Figure:
    """One number of a run.

    Attributes:
        test: the set whose test photos it is about.
        metric: "accuracy", "accuracy_global", "accuracy_local", "accuracy_head", "fpr95/SCORE" or "auroc/SCORE".
        value: a fraction.
        n: how many photos it is about, known and unknown ones together.
        unknown: the group of unknown photos; empty for accuracies.
    """

    test: str
    metric: str
    value: float
    n: int
    unknown: str = ""


@dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes:
        failed: why it has no figures; empty for one that went well.
        seconds: of learning and of the answers for its own test photos.
        machine: what it was computed with and on: backbone, device, processor, versions.
        date: when it ended, ISO 8601.
    """

    key: str
    method: str
    settings: dict[str, Any]
    set: str
    shots: int
    seed: int
    data: dict[str, Any]
    figures: tuple[Figure, ...]
    failed: str
    seconds: float
    machine: dict[str, Any]
    date: str

    def value(self, test: str, metric: str, unknown: str = "") -> float | None:
        """Return a figure; where it is about unknown photos and no group is named, the mean over the groups."""
        values = [f.value for f in self.figures if (f.test, f.metric) == (test, metric) and unknown in ("", f.unknown)]
        return math.fsum(values) / len(values) if values else None


class RecordStore:
    """The records of a folder.

    Args:
        out: OUT; made when the first record is written.
    """

    def __init__(self, out: Path) -> None:
        self.folder = out / RUNS

    def read(self, key: str) -> Record | None:
        """Return the record of a run, or None. A damaged one counts as none, with a warning: the run is done again."""
        path = self.folder / f"{key}.json"
        try:
            return _record(read_text(path, LARGEST_RECORD), key)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            warnings.warn(f"{path} is damaged ({error!r:.200}), so the run counts as not done.", stacklevel=2)
        return None

    def read_all(self, keys: Collection[str]) -> dict[str, Record]:
        return {key: record for key in keys if (record := self.read(key)) is not None}

    def write(self, record: Record) -> None:
        text = json.dumps(asdict(record), indent=1, ensure_ascii=True, allow_nan=False)
        write_file(self.folder / f"{record.key}.json", f"{text}\n".encode())


def _record(text: str, key: str) -> Record:
    content = json.loads(text)
    record = Record(**content | {"figures": tuple(Figure(**figure) for figure in content["figures"])})
    sound = all(0 <= figure.value <= 1 <= figure.n for figure in record.figures) and record.seconds >= 0
    if record.key != key or not sound or not (record.figures or record.failed):
        raise ValueError("it is not the record of this run")
    return record
