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
from gallop.answers.sources import SourceItem, is_archive, is_single, open_source
from gallop.answers.sources.opening import BUCKETS, below, folder_of, protocol_of
from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import check_output, model_or_classes
from gallop.cli.many import answer_many, opener_of, require_many
from gallop.errors import CommandError, DataError, KeysRefused, Unreachable
from gallop.model.scores import VERDICT
from gallop.names.class_names import said
from gallop.predictions.next_to_label import next_to_label
from gallop.predictions.rows import answers_csv, label_studio_tasks, said_of_one
from gallop.predictions.together import answered_together
from gallop.runtime.writing import write_file


def run(options: Namespace, console: Console) -> int:
    """Classify every image that can be read, and report the others."""
    _check(options)
    tables, at_once = options.out is not None, options.together or bool(options.next)
    extras = options.extras if tables else ["probabilities", *["embedding"] * at_once, *options.extras]
    worker = PhotoScorer(
        model_or_classes(options),
        extras=Extras(**dict.fromkeys(extras, True)),
        opener=opener_of(options, options.images[0] if tables else None),
        draft=options.draft,
    )
    if tables:
        return answer_many(options.images[0], worker, options, console)
    classes, rows, features = worker.classifier.classes_.tolist(), list[dict[str, Any]](), list[Any]()
    try:
        for columns in answers(worker, _photos(options)):
            for i in range(len(columns["key"])):
                rows.append(_row(columns, i, classes, options.extras))
                if "error" in rows[-1]:
                    console.warn(f"No answer for {rows[-1]['image']}: {rows[-1]['error']}")
                elif at_once:
                    features.append(columns["embedding"][i])
            console.progress("predicting", len(rows))
        console.progress("predicting", len(rows), len(rows))
    except (KeyboardInterrupt, Unreachable, KeysRefused) as stop:
        if options.csv is None:
            raise
        part = Path(f"{options.csv}.part")
        write_file(part, answers_csv(rows, classes))
        raise type(stop)(f"{str(stop) or 'Stopped.'} The answers so far are in {part}.") from None
    if options.together and features:
        _count_votes([row for row in rows if "error" not in row], features, classes)
        console.warn("Answered together: the photos most like each photo voted on its answer.")
    if options.next and features:
        _rank_next([row for row in rows if "error" not in row], features, options.next)
    calibration = worker.classifier.calibration_
    doubt, scores = calibration.doubt, [row["ood_score"] for row in rows if "error" not in row]
    for warning in filter(None, (doubt, calibration.unlike(scores))):
        console.warn(warning)
    if options.csv is not None:
        write_file(Path(options.csv), answers_csv(rows, classes))
    if options.format:
        Console(as_json=True).result(label_studio_tasks(rows), list)
    else:
        console.result(rows, lambda: _table(rows, doubt))
    return 2 if any("error" in row for row in rows) else 0


def _check(options: Namespace) -> None:
    if options.out is not None:
        if options.format:
            raise CommandError("--format is of what is written to standard output: leave out --out.")
        if options.together or options.next:
            raise CommandError(
                f"{'--together' if options.together else '--next'} needs all answers at once, so it cannot write "
                "tables: leave out --out."
            )
        if len(options.images) != 1 or options.csv is not None:
            raise CommandError(
                "With --out, pass one source (a folder, a list, a table or archives) and leave out --csv."
            )
        return
    if options.part != (1, 1) or options.engine != "here":
        raise CommandError("--part and --engine only apply to the tables that --out writes: add --out DIR.")
    if options.extras and not options.json:
        raise CommandError(
            "--with only adds values to --json and to the tables that --out writes: add --json or --out DIR."
        )
    if (
        options.web
        or options.buckets
        or any(protocol_of(name) in BUCKETS or name.lower().endswith(".parquet") for name in options.images)
    ):
        require_many("photos from the network and Parquet tables")
    if options.csv is not None:
        check_output(Path(options.csv), "--csv", *(Path(image) for image in options.images))


def _photos(options: Namespace) -> Iterator[SourceItem]:
    """Yield the photos of all sources, each path or URL once. Their keys are what the rows call them."""
    seen = set()
    for source in options.images:
        folder = folder_of(source) if is_archive(source) else source
        for item in _items(source, options):
            name = item.place or (source if item.key == source else below(folder, item.key))
            if not item.place or name not in seen:  # archives and tables may hold several photos of one name
                seen.add(name)
                yield replace(item, key=name)


def _items(source: str, options: Namespace) -> Iterator[SourceItem]:
    if is_single(source):
        yield SourceItem(source, place=source)
        return
    opener, empty = opener_of(options, source), SourceItem(source, problem=f"{source} contains no photos.")
    try:
        items = open_source(source, opener, options.column)
        for item in chain([next(items, empty)], items):
            try:
                opener.check(item.place)
                yield item
            except DataError as error:  # in another bucket than the source, to which its credentials must not be sent
                yield replace(item, problem=str(error))
    except (Unreachable, KeysRefused):
        raise
    except DataError as error:
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


def _table(answers: Sequence[dict[str, Any]], doubt: str) -> list[str]:
    rows = [["image", "answer", "probability", "OOD score"]]
    for answer in answers:
        if "error" in answer:
            rows.append([answer["image"], "not read", "-", "-"])
        else:
            words = said(answer["label"], answer["is_ood"], list(answer["probabilities"]), doubt)
            rows.append([answer["image"], words, percentage(answer["probability"]), f"{answer['ood_score']:.4f}"])
    ranked = sorted((answer["next"], answer["image"]) for answer in answers if answer.get("next"))
    return [*columns(rows), *["Label next:"] * bool(ranked), *(f"  {image}" for _, image in ranked)]
