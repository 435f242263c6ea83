"""``gallop evidence``: what each class relies on, as a page."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import check_output, images_with_warnings, trained_model
from gallop.evaluation.evidence import Evidence, evidence_steps
from gallop.evaluation.what_if import WhatIf, what_if
from gallop.export.evidence_report import evidence_report
from gallop.runtime.writing import write_file


def run(options: Namespace, console: Console) -> int:
    """Find what each class relies on, and write the page."""
    out = Path(options.out)
    check_output(out, "--out", endings=[".html", ".htm"])
    classifier = trained_model(options.model, options)
    data = images_with_warnings(options.data, console)
    found: Evidence = console.last_of(evidence_steps(classifier, data))
    asked: list[WhatIf] = [
        console.last_of(
            what_if(classifier, found, each.class_name, i, fill=options.fill), f" {each.class_name} {i + 1}"
        )
        for each in found.classes
        for i, cluster in enumerate(each.clusters[: options.what_if])
        if cluster.photos
    ]
    write_file(out, evidence_report(found, classifier.model_.backbone, asked).encode())
    skipped = [{"image": str(path), "error": reason} for path, reason in data.skipped]
    console.result(
        found.to_dict() | {"what_ifs": [each.to_dict() for each in asked], "skipped": skipped},
        lambda: _table(found, out),
    )
    return 2 if skipped else 0


def _table(found: Evidence, out: Path) -> list[str]:
    rows: list[Any] = [["class", "cluster", "share", "photos", "mistakes", "nearest words"]]
    for each in found.classes:
        rows += [
            [each.class_name, str(i), percentage(c.share), str(len(c.photos)), str(len(c.mistakes)), c.called]
            for i, c in enumerate(each.clusters, 1)
        ] + [[each.class_name, "none", percentage(each.rest_share), str(len(each.photos)), "0", ""]]
    told = [f"{each.repeats[0].upper()}{each.repeats[1:]}." for each in found.classes if each.repeats]
    told += [
        f"{group.name}: {group.accuracy.right} of {group.accuracy.of} right, others {percentage(group.rest.value)}"
        for group in found.groups.found
    ]
    return [f"The page is in {out}; it holds parts of the photos.", "", *columns(rows), *[""] * bool(told), *told]
