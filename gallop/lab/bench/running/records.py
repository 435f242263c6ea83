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
PARTS = ("encode", "fit", "predict")
"""Of a run's seconds: the encoding of views to learn from, learning, and answering."""


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
        photos: how many it learned from.
        failed: why it has no figures; empty for one that went well.
        seconds: of each of ``PARTS``.
        peak_bytes: by how much the process (on a GPU, its memory) grew at its largest; 0 where it cannot be measured.
        backbone, machine, versions: what it was computed with and on.
        date: when it ended, ISO 8601.
    """

    key: str
    method: str
    settings: dict[str, Any]
    set: str
    shots: int
    seed: int
    photos: int
    data: dict[str, Any]
    figures: tuple[Figure, ...]
    failed: str
    seconds: dict[str, float]
    peak_bytes: int
    backbone: dict[str, str]
    machine: dict[str, Any]
    versions: dict[str, Any]
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

    def path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def has(self, key: str) -> bool:
        return self.read(key) is not None

    def read(self, key: str) -> Record | None:
        """Return the record of a run, or None. A damaged one counts as none, with a warning: the run is done again."""
        path = self.path(key)
        try:
            return _record(read_text(path, LARGEST_RECORD), key)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            warnings.warn(f"{path} cannot be read ({error}), so the run counts as not done.", stacklevel=2)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            warnings.warn(f"{path} is damaged ({error!r:.200}), so the run counts as not done.", stacklevel=2)
        return None

    def read_all(self, keys: Collection[str]) -> dict[str, Record]:
        return {key: record for key in keys if (record := self.read(key)) is not None}

    def write(self, record: Record) -> None:
        text = json.dumps(asdict(record), indent=1, ensure_ascii=True, allow_nan=False)
        write_file(self.path(record.key), f"{text}\n".encode())


def _record(text: str, key: str) -> Record:
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("it is not a record")
    record = Record(**content | {"figures": tuple(Figure(**figure) for figure in content["figures"])})
    if record.key != key or not (record.figures or record.failed):
        raise ValueError("it is not the record of this run")
    for figure in record.figures:
        if not 0 <= figure.value <= 1 or figure.n < 0:
            raise ValueError(f"{figure} is not a figure")
    for number in (*(record.seconds[part] for part in PARTS), record.peak_bytes, record.photos):
        if not math.isfinite(number) or number < 0:
            raise ValueError(f"{number} is not a count or a time")
    return record
