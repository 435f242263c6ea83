"""Answers for named images as plain rows, and as a CSV table that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from gallop.model.scores import VERDICT
from gallop.predictions.predict import Predictions

FIXED = ("image", "label", "probability", "ood_score", "is_ood", "error")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would calculate a cell that starts so."""


def answer_row(image: str, found: Predictions, i: int, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the answer for image number ``i`` of ``found``: label, probability of each class, GL-MCM and
    the verdict.
    """
    probabilities = found.probabilities[i].tolist()
    return {
        "image": image,
        "label": str(found.labels[i]),
        "probability": max(probabilities),
        "probabilities": dict(zip(class_names, probabilities, strict=True)),
        "ood_score": float(found.ood[VERDICT][i]),
        "is_ood": None if found.is_ood is None else bool(found.is_ood[i]),
    }


def answers_csv(rows: Sequence[Mapping[str, Any]], class_names: Sequence[str]) -> bytes:
    """Return one line an image, UTF-8; the last columns are the classes' probabilities.

    A row that has an ``error`` instead of an answer keeps its line.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*FIXED, *(csv_cell(f"p({name})") for name in class_names)])
    for row in rows:
        probabilities = row.get("probabilities", {})
        shares = [probabilities.get(name, "") for name in class_names]
        writer.writerow([*(csv_cell(row.get(key)) for key in FIXED), *shares])
    return text.getvalue().encode("utf-8", "backslashreplace")


def csv_cell(value: Any) -> Any:
    """Return text that a spreadsheet would take for a formula is marked as text; numbers stay numbers.

    >>> csv_cell("=1+1"), csv_cell(-1.5), csv_cell(None)
    ("'=1+1", -1.5, '')
    """
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value
