"""``gallop data``: the paper's data sets by name, what of them is there, and where to get the rest."""

from __future__ import annotations

import sys
from argparse import Namespace
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from gallop.cli.console import Console, columns
from gallop.data import DatasetCheck, available_datasets, check_dataset, download


def run(options: Namespace, console: Console) -> int:
    """Run ``list`` or ``check``."""
    return _list(console) if options.action == "list" else _check(options, console)


def _list(console: Console) -> int:
    sets = available_datasets()
    keys = ("name", "title", "kind", "classes", "template", "address", "torchvision")
    result = [{key: getattr(known, key) for key in keys} for known in sets]

    def table() -> list[str]:
        rows = [
            [known.name, known.kind, str(known.classes or "-"), known.torchvision or "-", known.template or "-"]
            for known in sets
        ]
        return columns([["name", "kind", "classes", "torchvision", "template"], *rows])

    console.result(result, table)
    return 0


def _check(options: Namespace, console: Console) -> int:
    if options.download:
        _download(options, console)
    console.progress(f"looking for {options.name}")
    found = check_dataset(options.name, options.root)
    console.result(_result(found), lambda: _table(found))
    return 0 if found.complete else 2


def _download(options: Namespace, console: Console) -> None:
    there = check_dataset(options.name, options.root) if Path(options.root).is_dir() else None
    if there is not None and there.folder is not None:
        console.note(f"The photos are in {there.folder} already; nothing is downloaded.")
        return
    console.note(f"torchvision downloads {options.name} into {options.root}; this may take long.")
    with redirect_stdout(sys.stderr):  # it talks
        download(options.name, options.root)


def _result(found: DatasetCheck) -> dict[str, Any]:
    known, data = found.known, found.dataset
    return {
        "name": known.name,
        "title": known.title,
        "kind": known.kind,
        "folder": None if found.folder is None else str(found.folder),
        "split": data and data.split,
        "classes": data and len(data.class_names),
        "classes_expected": known.classes,
        "train": data and len(data.train),
        "val": data and len(data.val),
        "test": data and len(data.test),
        "photos": data and len(data.photos),
        "most_shots": data and data.fewest[0],
        "template": known.template,
        "found": list(found.found),
        "missing": [vars(piece) for piece in found.missing],
        "problem": found.problem,
        "complete": found.complete,
    }


def _table(found: DatasetCheck) -> list[str]:
    known, data = found.known, found.dataset
    rows = [["what", "found"], ["data set", f"{known.name} ({known.title}, {known.kind})"]]
    rows.append(["folder", "not found" if found.folder is None else str(found.folder)])
    if data is not None and known.kind == "ood":
        rows.append(["images", str(len(data.photos))])
    elif data is not None:
        parts = [f"{part} {len(getattr(data, part))}" for part in ("train", "val", "test") if len(getattr(data, part))]
        rows.append(["classes", f"{len(data.class_names)} of {known.classes}"])
        rows.append(["images", f"{', '.join(parts)} ({data.split})"])
        if data.fewest[0]:
            rows.append(["most shots", f"{data.fewest[0]}, the train images of the smallest class"])
        rows.append(["template", known.template])
    rows += [["there", file] for file in found.found]
    for piece in found.missing:
        word = "MISSING" if piece.needed else "not there"
        rows.append([word, f"{piece.what}{f' ({piece.note})' if piece.note else ''}: {piece.address}"])
        if piece.torchvision and found.folder is None:
            rows.append(["", f"torchvision.datasets.{piece.torchvision} downloads it: add --download"])
    if found.problem:
        rows.append(["PROBLEM", found.problem])
    rows.append(["complete", "yes" if found.complete else "no"])
    return columns(rows)
