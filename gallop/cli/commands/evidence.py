"""``gallop evidence``: what each class stands on, as a page."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from gallop import GalLoPClassifier
from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import check_output, known_names, test_images, trained_model
from gallop.errors import CommandError
from gallop.evaluation.evidence import Evidence, evidence
from gallop.evaluation.what_if import WhatIf, what_if
from gallop.export.evidence_report import evidence_report
from gallop.runtime.writing import write_file


def run(options: Namespace, console: Console) -> int:
    """Find what each class stands on, and write the page."""
    out = Path(options.out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise CommandError(f"--out {out} must end in .html: only HTML pages can be written.")
    check_output(out, "--out")
    classifier = trained_model(options.model, options)
    data = test_images(options.data, console)
    known_names(data.class_names, classifier, options)
    found = evidence(classifier, data, callback=lambda event: console.progress(event.stage, event.done, event.total))
    asked = _what_ifs(found, classifier, options, console)
    write_file(out, evidence_report(found, classifier.model_.backbone, asked).encode())
    skipped = [{"image": str(path), "error": reason} for path, reason in data.skipped]
    result = found.to_dict() | {"what_ifs": [each.to_dict() for each in asked], "skipped": skipped}
    console.result(result, lambda: _table(found, out))
    return 2 if skipped else 0


def _what_ifs(found: Evidence, classifier: GalLoPClassifier, options: Namespace, console: Console) -> list[WhatIf]:
    made = []
    for each in found.classes:
        for number, cluster in enumerate(each.clusters[: options.what_if]):
            if not cluster.photos:
                continue
            model, calibration = classifier.model_, classifier.calibration_
            for event in what_if(model, calibration, found, each.class_name, number, fill=options.fill):
                if isinstance(event, WhatIf):
                    made.append(event)
                else:
                    console.progress(f"covering {each.class_name} {number + 1}", event.done, event.total)
    return made


def _table(found: Evidence, out: Path) -> list[str]:
    rows: list[Any] = [["class", "cluster", "share", "photos", "mistakes", "nearest words"]]
    for each in found.classes:
        rows += [
            [each.class_name, str(i), percentage(c.share), str(len(c.photos)), str(len(c.mistakes)), c.called]
            for i, c in enumerate(each.clusters, 1)
        ]
        rows.append([each.class_name, "none", percentage(each.rest_share), str(len(each.photos)), "0", ""])
    groups = [
        f"{group.name}: {group.accuracy.right} of {group.accuracy.of} right, others {percentage(group.rest.value)}"
        for group in found.groups.found
    ]
    lines = [f"The page is in {out}; it holds parts of the photos.", "", *columns(rows)]
    return [*lines, "", *groups] if groups else lines
