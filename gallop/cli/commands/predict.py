"""``gallop predict``: class names, probabilities and an OOD verdict for images."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gallop.answers import Extras, PhotoScorer
from gallop.answers.scorer import Columns, answers
from gallop.answers.sources import Opener, SourceItem
from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import check_output, model_or_classes
from gallop.cli.many import answer_many, opener_of, require_many
from gallop.errors import CommandError
from gallop.images import list_images
from gallop.model.scores import VERDICT
from gallop.predictions.rows import answers_csv
from gallop.runtime.writing import write_file
from gallop.wording import answer_in_words


def run(options: Namespace, console: Console) -> int:
    """Classify every image that can be read, and report the others."""
    if options.out is not None:
        return _many(options, console)
    if options.extras or options.column or options.buckets or options.part != (1, 1) or options.engine != "here":
        raise CommandError(
            "--with, --column, --buckets, --part and --engine only apply to batch prediction: add --out DIR."
        )
    if options.web:
        require_many("--web")
    if options.csv is not None:
        check_output(Path(options.csv), "--csv", *(Path(image) for image in options.images))
    opener = Opener(web=options.web, home=None, allow="--{}")
    worker = PhotoScorer(
        model_or_classes(options), extras=Extras(probabilities=True), opener=opener, draft=options.draft
    )
    classes = worker.classifier.classes_.tolist()
    # In the order of the call; an image given twice is answered once.
    rows: dict[str, dict[str, Any]] = {path: {} for image in options.images for path in _expand(image)}
    paths = [path for path in rows if not Path(path).is_dir()]

    def take(row: dict[str, Any]) -> None:
        rows[row["image"]] = row
        if "error" in row:
            console.warn(f"{row['image']} has no answer: {row['error']}")

    for path in rows:
        if Path(path).is_dir():
            take({"image": path, "error": f"The folder {path} contains no images."})
    done = 0
    try:
        for columns in answers(worker, (SourceItem(Path(path).name, place=path) for path in paths)):
            batch = paths[done : done + len(columns["key"])]
            for i, path in enumerate(batch):
                take(_row(path, columns, i, classes))
            done += len(batch)
            console.progress("predicting", done, len(paths))
    except KeyboardInterrupt:
        if options.csv is None:
            raise
        part = Path(f"{options.csv}.part")
        write_file(part, answers_csv(list(filter(None, rows.values())), classes))
        raise KeyboardInterrupt(f"Stopped. The answers so far are in {part}.") from None
    doubt = worker.classifier.calibration_.doubt
    if doubt:
        console.warn(doubt)
    found = list(rows.values())
    if options.csv is not None:
        write_file(Path(options.csv), answers_csv(found, classes))
    console.result(found, lambda: _table(found, doubt))
    return 2 if any("error" in row for row in found) else 0


def _row(path: str, columns: Columns, i: int, classes: Sequence[str]) -> dict[str, Any]:
    """The answer to photo number ``i`` of a batch, or why there is none."""
    if columns["error"][i] is not None:
        return {"image": path, "error": columns["error"][i]}
    return {
        "image": path,
        "label": columns["label"][i],
        "probability": columns["probability"][i],
        "probabilities": dict(zip(classes, columns["probabilities"][i], strict=True)),
        "ood_score": columns[VERDICT][i],
        "is_ood": columns["is_ood"][i],
    }


def _many(options: Namespace, console: Console) -> int:
    if len(options.images) != 1 or options.csv is not None:
        raise CommandError("With --out, give one source (a folder, a list, a table or archives) and leave out --csv.")
    worker = PhotoScorer(
        model_or_classes(options),
        extras=Extras(**dict.fromkeys(options.extras, True)),
        opener=opener_of(options, options.images[0]),
        draft=options.draft,
    )
    return answer_many(options.images[0], worker, options, console)


def _expand(image: str) -> list[str]:
    """The files of a folder and of all folders below it; anything else is taken as a file.

    A folder without images stays as it is, to be refused by name.
    """
    if not Path(image).is_dir():
        return [image]
    return [str(path) for path in list_images(image, recursive=True)] or [image]


def _table(answers: Sequence[dict[str, Any]], doubt: str) -> list[str]:
    rows = [["image", "answer", "probability", "OOD score"]]
    for answer in answers:
        if "error" in answer:
            rows.append([answer["image"], "not read", "-", "-"])
        else:
            said = answer_in_words(answer["label"], answer["is_ood"], doubt)
            rows.append([answer["image"], said, percentage(answer["probability"]), f"{answer['ood_score']:.4f}"])
    return columns(rows)
