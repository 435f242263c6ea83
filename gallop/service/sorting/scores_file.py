"""The scores of a pile in one file: a line of JSON for each photo, added as they come, so a killed call keeps them.

Of several lines about a photo the last one counts; a line without a score says that the photo is gone, or is to be
scored again. A line that is damaged is as if it were not there: its photo is scored again. So is half a line at the
end, which is cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from gallop.answers.scorer import PhotoScorer, answers
from gallop.answers.sources.folder import folder_photos
from gallop.model.scores import VERDICT
from gallop.runtime.writing import append_quickly, whole_lines
from gallop.service.sorting.scored_pile import COLUMNS
from gallop.service.sorting.sort_into_folders import MOST_BYTES

_KEPT = (*COLUMNS, VERDICT)


def read_scores(lines: Iterable[str], classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return by key the rows of a ``Pile`` for photos that are not gone, each with ``file``: size and time (ns)."""
    found = dict[str, dict[str, Any]]()
    for line in lines:
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            row = json.loads(line)
            found.pop(row["key"], None)
            if (
                isinstance(row["key"], str)
                and row["label"] in classes
                and 0 <= row["probability"] <= 1
                and row["is_ood"] in (None, True, False)
                and isinstance(row.get(VERDICT, 0), int | float)
                and row["file"]
            ):
                found[row["key"]] = row
    return found


def score_pile(
    photos: Path, file: Path, kept: Collection[str], worker: PhotoScorer, heard: Callable[[int, int], None]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Score the photos of a folder whose files have no score, or another size or time than when they were scored.

    Args:
        file: of scores, to which lines are added.
        kept: keys of photos that keep their scores where they are not in the folder any more. All others are gone.
        heard: called with how many photos are done, of how many that have no score.

    Returns:
        the lines of the file, and rows of a ``Pile`` for photos that cannot be read, which the next call tries again.

    Raises:
        OSError: the file cannot be read or written.
    """
    items = {item.key: item for item in folder_photos(str(photos))}
    there = {key: os.stat(item.place) for key, item in items.items() if os.path.exists(item.place)}
    stamps = {key: [status.st_size, status.st_mtime_ns] for key, status in there.items()}
    lines = [line.decode("utf-8", "replace") for line in whole_lines(file, MOST_BYTES)]
    scores, unread = read_scores(lines, worker.classifier.classes_.tolist()), list[dict[str, Any]]()
    over = {key for key, row in scores.items() if row["file"] != stamps.get(key, row["file"] if key in kept else None)}
    due, first = [item for key, item in items.items() if key in over or key not in scores], len(lines) + len(over)
    for columns in chain([{"key": [*over]}], answers(worker, due)):
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        unread += [row for row in rows if row.get("error")]
        new = [
            json.dumps({name: row[name] for name in _KEPT if name in row} | {"file": stamps.get(row["key"])})
            for row in rows
            if not row.get("error")
        ]
        append_quickly(file, "".join(f"{line}\n" for line in new).encode())
        lines += new
        heard(len(lines) + len(unread) - first, len(due))
    return lines, unread
