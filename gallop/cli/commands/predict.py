"""``gallop predict``: class names, probabilities and an OOD verdict for images."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from gallop.answers import Extras, PhotoScorer
from gallop.answers.scorer import Columns, answers
from gallop.answers.sources import SourceItem, open_source
from gallop.answers.sources.item import below
from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import answering, check_output
from gallop.cli.many import ENDINGS, answer_many, require_many
from gallop.errors import CommandError, DataError
from gallop.model.scores import VERDICT
from gallop.names.class_names import said
from gallop.predictions.next_to_label import next_to_label
from gallop.predictions.rows import answers_csv, label_studio_tasks, said_of_one
from gallop.predictions.together import FEW_TOGETHER, answered_together
from gallop.runtime.writing import write_file


def run(options: Namespace, console: Console) -> int:
    """Classify every image that can be read, and report the others."""
    _check(options)
    at_once = options.together or bool(options.next)
    extras = [*["probabilities"] * (not _takes_columns(options.out)), *["embedding"] * at_once, *options.extras]
    worker = PhotoScorer(answering(options), extras=Extras(**dict.fromkeys(extras, True)), draft=options.draft)
    if options.out is not None:
        return answer_many(_photos(options), worker, options, console)
    classes, rows, features = worker.classifier.classes_.tolist(), list[dict[str, Any]](), list[Any]()
    for batch in answers(worker, _photos(options)):
        for i in range(len(batch["key"])):
            rows.append(_row(batch, i, classes, options.extras))
            if "error" in rows[-1]:
                console.warn(f"No answer for {rows[-1]['image']}: {rows[-1]['error']}")
            elif at_once:
                features.append(batch["embedding"][i])
        console.progress("predicting", len(rows))
    console.progress("predicting", len(rows), len(rows))
    if options.together and features:
        _count_votes([row for row in rows if "error" not in row], features, classes)
        few = f" With fewer than {FEW_TOGETHER} photos that makes answers worse more often than better."
        console.warn(
            "Answered together: the photos most like each photo voted on its answer."
            + few * (len(features) < FEW_TOGETHER)
        )
    if options.next and features:
        _rank_next([row for row in rows if "error" not in row], features, options.next)
    calibration = worker.classifier.calibration_
    doubt, scores = calibration.doubt, [row["ood_score"] for row in rows if "error" not in row]
    unlike = calibration.unlike(scores)
    for warning in filter(None, (doubt, unlike)):
        console.warn(warning)
    if options.csv is not None:
        write_file(Path(options.csv), answers_csv(rows, classes))
    if options.format:
        Console(as_json=True).result(label_studio_tasks(rows), list)
    else:
        console.result(rows, lambda: _table(rows, doubt, trusted=not unlike))
    return 2 if any("error" in row for row in rows) else 0


def _takes_columns(out: str | None) -> bool:
    """Return whether a file has any columns, those of ``--with``; a CSV file has the same ones always."""
    return out is not None and not out.lower().endswith(".csv")


def _check(options: Namespace) -> None:
    names = [name for name in ("csv", "format", "together", "next") if getattr(options, name)]
    if options.out is not None and names:
        raise CommandError(f"--{names[0]} needs all answers at once, and --out writes each by itself: leave out --out.")
    if options.extras and not (options.json if options.out is None else _takes_columns(options.out)):
        raise CommandError(
            "--with adds values to --json, and to a file of --out that ends in .jsonl or .parquet: add one of these."
        )
    if any(name.lower().endswith(".parquet") for name in (*options.images, options.out or "")):
        require_many("Parquet tables")
    for option, endings in (("csv", ()), ("out", ENDINGS)):
        if file := getattr(options, option):
            check_output(Path(file), f"--{option}", *map(Path, options.images), endings=endings)


def _photos(options: Namespace) -> Iterator[SourceItem]:
    """Yield the photos of all sources, each path once. Their keys are what the rows call them."""
    seen = set()
    for source in options.images:
        for item in _items(source, options):
            name = item.place or (source if item.key == source else below(source, item.key))
            if not item.place or name not in seen:  # a table may hold several photos of one name
                seen.add(name)
                yield replace(item, key=name)


def _items(source: str, options: Namespace) -> Iterator[SourceItem]:
    """Yield the photos of a source; of one that cannot be read the problem, which ends a call with ``--out``."""
    try:
        items = open_source(source, options.column)
        if (first := next(items, None)) is None:
            raise DataError(f"{source} contains no photos.")
        yield from chain([first], items)
    except DataError as error:
        if options.out is not None:
            raise
        yield SourceItem(source, problem=str(error))


def _row(columns: Columns, i: int, classes: Sequence[str], extras: Sequence[str]) -> dict[str, Any]:
    """Return the answer to photo number ``i`` of a batch, or why there is none."""
    if columns["error"][i] is not None:
        return {"image": columns["key"][i], "error": columns["error"][i]}
    row = {
        "image": columns["key"][i],
        "label": columns["label"][i],
        "probability": columns["probability"][i],
        "probabilities": dict(zip(classes, columns["probabilities"][i], strict=True)),
        "ood_score": columns[VERDICT][i],
        "is_ood": columns["is_ood"][i],
    }
    row |= said_of_one(row["label"], row["is_ood"], classes)
    more = {extra: columns[extra][i] for extra in extras if extra not in row}
    return row | {extra: value.tolist() if extra == "embedding" else value for extra, value in more.items()}


def _count_votes(rows: Sequence[dict[str, Any]], features: Sequence[Any], classes: Sequence[str]) -> None:
    """Replace the answers of photos by those that they have together, and add what each is made of."""
    alone = [[row["probabilities"][name] for name in classes] for row in rows]
    found = answered_together(alone, features, [bool(row["is_ood"]) for row in rows])
    for row, now, near, votes in zip(rows, found.probabilities, found.neighbours, found.votes, strict=True):
        best = int(now.argmax())
        row["alone"] = {"label": row["label"], "probability": row["probability"]}
        row |= {"label": classes[best], "probability": float(now[best])}
        row["probabilities"] = dict(zip(classes, now.tolist(), strict=True))
        row["neighbours"] = [
            {"image": rows[photo]["image"], "votes": dict(zip(classes, vote.tolist(), strict=True))}
            for photo, vote in zip(near.tolist(), votes, strict=True)
        ]


def _rank_next(rows: Sequence[dict[str, Any]], features: Sequence[Any], count: int) -> None:
    """Add to the photos whose labels would teach most which of them is first, second, ..., and None to the others."""
    for row in rows:
        row["next"] = None
    asked = next_to_label([list(row["probabilities"].values()) for row in rows], features, count)
    for place, each in enumerate(asked, 1):
        rows[each.photo]["next"] = place


def _table(answers: Sequence[dict[str, Any]], doubt: str, *, trusted: bool) -> list[str]:
    rows = [["image", "answer", "probability", "OOD score"]]
    for answer in answers:
        if "error" in answer:
            rows.append([answer["image"], "not read", "-", "-"])
        else:
            words = said(answer["label"], answer["is_ood"], list(answer["probabilities"]), doubt)
            sure = percentage(answer["probability"]) if trusted else "not to be trusted"
            rows.append([answer["image"], words, sure, f"{answer['ood_score']:.4f}"])
    ranked = sorted((answer["next"], answer["image"]) for answer in answers if answer.get("next"))
    return [*columns(rows), *["Label next:"] * bool(ranked), *(f"  {image}" for _, image in ranked)]
