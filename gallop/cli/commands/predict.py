"""``gallop predict``: class names, probabilities and an OOD verdict for images."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import check_output, model_or_classes, readable
from gallop.images import list_images
from gallop.predictions.rows import answer_row, answers_csv
from gallop.runtime.writing import write_file


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
    for path in [path for path in paths if Path(path).is_dir()]:
        refuse(path, f"The folder {path} holds no images.")
        paths.remove(path)
    classes = classifier.classes_.tolist()
    for chunk, photos in readable(paths, refuse, console, "answering", classifier.model_.backbone.device):
        found = classifier.predict_all(photos)
        rows.update((path, answer_row(path, found, i, classes)) for i, path in enumerate(chunk))
    answers = list(rows.values())
    if options.csv is not None:
        write_file(Path(options.csv), answers_csv(answers, classes))
    console.result(answers, lambda: _table(answers))
    return 2 if any("error" in answer for answer in answers) else 0


def _expand(image: str) -> list[str]:
    """The files of a folder and of all folders below it; anything else is taken as a file.

    A folder without images stays as it is, to be refused by name.
    """
    if not Path(image).is_dir():
        return [image]
    return [str(path) for path in list_images(image, recursive=True)] or [image]


def _table(answers: Sequence[dict[str, Any]]) -> list[str]:
    rows = [["image", "label", "probability", "OOD score", "verdict"]]
    for answer in answers:
        if "error" in answer:
            rows.append([answer["image"], "-", "-", "-", "not read"])
        else:
            verdict = {None: "-", True: "none of these", False: "known"}[answer["is_ood"]]
            score = f"{answer['ood_score']:.4f}"
            rows.append([answer["image"], answer["label"], percentage(answer["probability"]), score, verdict])
    return columns(rows)
