"""``gallop data``: the paper's data sets by name, what of one is there, and whether photos are fit to learn from."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from gallop.cli.console import Console, columns
from gallop.lab.paper_sets import available_datasets, find_set, open_dataset


def run(options: Namespace, console: Console) -> int:
    """Run ``list`` or ``check``, which draws a curve with ``--curve``."""
    if options.action == "list":
        return _list(console)
    if options.root is not None:
        return _check(options, console)
    from gallop.cli.health import check_photos, show_curve  # with torch

    return (show_curve if options.curve else check_photos)(options, console)


def _list(console: Console) -> int:
    sets = available_datasets()
    keys = ("name", "title", "kind", "classes", "template", "address", "torchvision")
    result = [{key: getattr(known, key) for key in keys} for known in sets]
    rows = [
        [known.name, known.kind, str(known.classes or "-"), known.torchvision or "-", known.template or "-"]
        for known in sets
    ]
    console.result(result, lambda: columns([["name", "kind", "classes", "torchvision", "template"], *rows]))
    return 0


def _check(options: Namespace, console: Console) -> int:
    console.progress(f"looking for {options.name}")
    known, data = find_set(options.name), open_dataset(options.name, options.root)
    classes, complete = len(data.class_names), not data.incomplete
    result: dict[str, Any] = {
        "name": known.name,
        "title": known.title,
        "kind": known.kind,
        "folder": str(data.folder),
        "split": data.split,
        "classes": classes,
        "classes_expected": known.classes,
        **{part: len(getattr(data, part)) for part in ("train", "val", "test", "photos")},
        "most_shots": data.fewest[0],
        "template": known.template,
        "complete": complete,
    }
    if not complete:
        console.warn(
            f"This data set has {classes} classes instead of {known.classes}, so it is either incomplete or not "
            f"{known.name}."
        )
    console.result(result, lambda: columns([["what", "value"], *([key, str(value)] for key, value in result.items())]))
    return 0 if complete else 2
