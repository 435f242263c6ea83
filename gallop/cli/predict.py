"""``gallop predict``: class names, probabilities and an OOD verdict for images."""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gallop import Predictions
from gallop.cli.console import Console, columns, percent
from gallop.cli.files import check_output, model_or_classes, readable, write_file
from gallop.images import list_images

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would calculate a cell that starts so."""


def run(options: Namespace, console: Console) -> int:
    """Answer every image that can be read, and name the others."""
    if options.csv is not None:
        check_output(Path(options.csv), "--csv", *(Path(image) for image in options.images))
    classifier = model_or_classes(options)
    rows: dict[str, dict[str, Any]] = {}  # in the order of the call; an image given twice is answered once

    def refuse(path: str | Path, reason: str) -> None:
        rows[str(path)] = {"image": str(path), "error": reason}
        console.warn(f"{path} is left without an answer: {reason}")

    paths = list(dict.fromkeys(path for image in options.images for path in _expand(image)))
    rows.update((path, {}) for path in paths)
    classes = classifier.classes_.tolist()
    for chunk, photos in readable(paths, refuse, console, "answering"):
        found = classifier.predict_all(photos)
        rows.update((path, _answer(path, found, i, classes)) for i, path in enumerate(chunk))
    answers = list(rows.values())
    if options.csv is not None:
        write_file(Path(options.csv), _csv(answers, classes))
    console.result(answers, lambda: _table(answers))
    return 2 if any("error" in answer for answer in answers) else 0


def _expand(image: str) -> list[str]:
    """The files of a folder and of all folders below it; anything else is taken as a file.

    A folder without images stays as it is, so that it is refused by name.
    """
    if not Path(image).is_dir():
        return [image]
    return [str(path) for path in list_images(image, recursive=True)] or [image]


def _answer(image: str, found: Predictions, i: int, classes: Sequence[str]) -> dict[str, Any]:
    probabilities = found.probabilities[i].tolist()
    return {
        "image": image,
        "label": str(found.labels[i]),
        "probability": max(probabilities),
        "probabilities": dict(zip(classes, probabilities, strict=True)),
        "ood_score": float(found.ood["GL-MCM"][i]),
        "is_ood": None if found.is_ood is None else bool(found.is_ood[i]),
    }


def _csv(answers: Sequence[dict[str, Any]], classes: Sequence[str]) -> bytes:
    """One row an image; the last columns are the classes' probabilities."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    fixed = ("image", "label", "probability", "ood_score", "is_ood", "error")
    writer.writerow([*fixed, *(_cell(f"p({name})") for name in classes)])
    for answer in answers:
        probabilities = answer.get("probabilities", {})
        writer.writerow(
            [*(_cell(answer.get(key)) for key in fixed), *(probabilities.get(name, "") for name in classes)]
        )
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula is marked as text; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def _table(answers: Sequence[dict[str, Any]]) -> list[str]:
    rows = [["image", "label", "probability", "OOD score", "verdict"]]
    for answer in answers:
        if "error" in answer:
            rows.append([answer["image"], "-", "-", "-", "not read"])
        else:
            verdict = {None: "-", True: "none of these", False: "known"}[answer["is_ood"]]
            score = f"{answer['ood_score']:.4f}"
            rows.append([answer["image"], answer["label"], percent(answer["probability"]), score, verdict])
    return columns(rows)
