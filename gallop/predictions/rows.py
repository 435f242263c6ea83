"""Answers and explanations as plain rows, and as a CSV table that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from gallop.model.scores import VERDICT
from gallop.names.class_names import one_class, said
from gallop.predictions.explanation import Explanation
from gallop.predictions.predict import Predictions

FIXED = ("image", "label", "probability", "ood_score", "is_ood", "error")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would calculate a cell that starts so."""


def answer_of(predictions: Predictions, i: int, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the answer for image number ``i`` of ``predictions``: label, probability of each class, GL-MCM
    and the verdict.
    """
    probabilities = predictions.probabilities[i].tolist()
    label, verdict = str(predictions.labels[i]), None if predictions.is_ood is None else bool(predictions.is_ood[i])
    return {
        "label": label,
        "probability": max(probabilities),
        "probabilities": dict(zip(class_names, probabilities, strict=True)),
        "ood_score": float(predictions.ood[VERDICT][i]),
        "is_ood": verdict,
        **said_of_one(label, verdict, class_names),
    }


def said_of_one(label: str, verdict: bool | None, class_names: Sequence[str]) -> dict[str, str]:
    """Return ``answer``, which is yes, no or unsure, for a model of one class; nothing for any other model."""
    return {} if one_class(class_names) is None else {"answer": said(label, verdict, class_names)}


def explained_row(explanation: Explanation, shown: str) -> dict[str, Any]:
    """Return the scores of one class by prompt, and the regions that entered them, best first, as boxes in pixels."""
    index = explanation.class_names.index(shown)
    regions = [explanation.regions(shown, prompt) for prompt in range(len(explanation.topk))]
    return {
        "label": explanation.label,
        "class": shown,
        "global_scores": explanation.global_scores[index].tolist(),
        "local_scores": explanation.local_scores[index].tolist(),
        "topk": list(explanation.topk),
        "regions": [
            {
                "prompt": prompt,
                "k": len(boxes),  # topk where the grid has that many regions
                "boxes": [[round(side, 2) for side in (box.left, box.top, box.right, box.bottom)] for box in boxes],
            }
            for prompt, boxes in enumerate(regions, start=1)
        ],
        "branch_scores": {name: float(of_classes[index]) for name, of_classes in explanation.branch_scores.items()},
    }


def csv_row(row: Mapping[str, Any], class_names: Sequence[str], fixed: Sequence[str] = FIXED) -> bytes:
    """Return the line of one image; a row that has an ``error`` instead of an answer has its line, too.

    Args:
        fixed: the first columns, which ``row`` has by their names.
    """
    by_class = [row.get("probabilities", {}).get(name, "") for name in class_names]
    return csv_line([*(csv_cell(row.get(key)) for key in fixed), *by_class])


def answers_csv(rows: Sequence[Mapping[str, Any]], class_names: Sequence[str], fixed: Sequence[str] = FIXED) -> bytes:
    """Return a complete table, UTF-8, one line per image; its last columns are the classes' probabilities.

    Args:
        fixed: as of ``csv_row``.
    """
    head = csv_line([*fixed, *(csv_cell(f"p({name})") for name in class_names)])
    return head + b"".join(csv_row(row, class_names, fixed) for row in rows)


def label_studio_tasks(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return tasks of Label Studio for the images that have an answer. Its sampling by score begins with the least
    probable ones.

    They fit a labelling interface with ``<Image name="image" value="$image"/>`` and, with the class names as choices,
    ``<Choices name="label" toName="image">``. Files are named as Label Studio serves those of its machine, from its
    document root on.
    """
    return [
        {
            "data": {"image": image if "://" in image else f"/data/local-files/?d={quote(image.lstrip('/'))}"},
            "predictions": [
                {
                    "model_version": "gallop",
                    "score": row["probability"],
                    "result": [
                        {
                            "from_name": "label",
                            "to_name": "image",
                            "type": "choices",
                            "value": {"choices": [row["label"]]},
                        }
                    ],
                }
            ],
        }
        for row in rows
        if "error" not in row and (image := row["image"])
    ]


def csv_line(cells: Sequence[Any]) -> bytes:
    """Return a line of a table, UTF-8; text from users goes through ``csv_cell`` first."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode("utf-8", "backslashreplace")


def csv_cell(value: Any) -> Any:
    """Mark text that a spreadsheet would take for a formula as text; numbers stay numbers.

    >>> csv_cell("=1+1"), csv_cell(-1.5), csv_cell(None)
    ("'=1+1", -1.5, '')
    """
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
