"""``gallop evaluate``: accuracy on labelled images, and how well unknown things are told from them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gallop import GalLoPClassifier
from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import Refuse, labelled_images, readable, trained_model, zero_shot_classifier
from gallop.data import LabelledPhotos
from gallop.errors import CommandError
from gallop.evaluation.kept_answers import ENSEMBLE, GLOBAL, LOCAL, KeptAnswers
from gallop.evaluation.measure import Evaluation
from gallop.images import list_images
from gallop.names.class_names import missing_names, spelled_as
from gallop.wording import listed

_ZERO_SHOT = "zero-shot"


def run(options: Namespace, console: Console) -> int:
    """Measure a model on DATA and on every OOD folder."""
    groups = _ood_groups(options.ood)
    trained = None if options.model == _ZERO_SHOT else trained_model(options.model, options)
    console.progress(f"reading {options.data}")
    data = labelled_images(options.data, split="test")
    classifier = zero_shot_classifier(data.class_names, options) if trained is None else trained
    data = _known(data, classifier, options)
    skipped: list[dict[str, str]] = []

    def refuse(path: str | Path, reason: str) -> None:
        skipped.append({"image": str(path), "error": reason})
        console.warn(f"{path} is left out: {reason}")

    for path, reason in data.skipped:
        refuse(str(path), reason)
    names = dict(zip(map(str, data.paths), data.names, strict=True))
    read, answers = _answers(classifier, data.paths, options.data, refuse, console)
    if answers is None:
        raise CommandError(f"{options.data} holds no images that can still be read.")
    number = {name: k for k, name in enumerate(classifier.classes_.tolist())}
    known = Evaluation(tuple(number), np.array([number[names[path]] for path in read]), answers)
    outliers = {}
    for name, (folder, paths) in groups.items():
        _, found = _answers(classifier, paths, name, refuse, console)
        if found is None:
            raise CommandError(f"{folder} (OOD group {name}) holds no readable images.")
        outliers[name] = found
    result = _result(data.class_names, known, outliers) | {"skipped": skipped}
    console.result(result, lambda: _table(result))
    return 2 if skipped else 0


def _ood_groups(pairs: Sequence[str]) -> dict[str, tuple[Path, list[Path]]]:
    groups: dict[str, tuple[Path, list[Path]]] = {}
    for pair in pairs:
        name, _, folder = pair.partition("=")
        if not name.strip() or not folder:
            raise CommandError(f"--ood takes NAME=DIR, such as --ood scenes=photos/scenes; {pair!r} is something else.")
        if name in groups:
            raise CommandError(f"The OOD group {name!r} was given twice; give each a name of its own.")
        if not Path(folder).is_dir():
            raise CommandError(f"{folder} (OOD group {name}) is not a folder.")
        paths = list_images(folder, recursive=True)
        if not paths:
            raise CommandError(f"{folder} (OOD group {name}) holds no images.")
        groups[name] = (Path(folder), paths)
    return groups


def _known(data: LabelledPhotos, classifier: GalLoPClassifier, options: Namespace) -> LabelledPhotos:
    """The data with its classes as the classifier spells them, if it knows every one."""
    known = classifier.classes_.tolist()
    class_names = spelled_as(data.class_names, known)
    unknown = missing_names(class_names, known)
    if unknown:
        raise CommandError(
            f"{options.model} does not know these classes of {options.data}: {listed(unknown)}. Take their images "
            "away, or train with them."
        )
    return replace(data, class_names=tuple(class_names))


def _answers(
    classifier: GalLoPClassifier, paths: Sequence[Path], what: str, refuse: Refuse, console: Console
) -> tuple[list[str], KeptAnswers | None]:
    """The photos that can still be read, and what is kept of the answers for them; None where there are none."""
    read, parts = list[str](), list[KeptAnswers]()
    for chunk, photos in readable(paths, refuse, console, f"evaluating {what}", classifier.model_.backbone.device):
        read += chunk
        parts.append(KeptAnswers.of(classifier.predict_all(photos)))
    return read, KeptAnswers.cat(parts) if parts else None


def _result(class_names: Sequence[str], known: Evaluation, outliers: dict[str, KeptAnswers]) -> dict[str, Any]:
    shares = {branch: share.value for branch, share in known.accuracies.items()}
    return {
        "accuracy": shares[ENSEMBLE],
        "accuracy_global": shares.get(GLOBAL, shares[ENSEMBLE]),  # without local prompts it is the ensemble
        "accuracy_local": shares.get(LOCAL),
        "n": len(known.truth),
        "per_class": {name: known.per_class[name].value for name in class_names if name in known.per_class},
        "tpr": known.tpr,
        "ood": {
            group: {
                score: {"fpr95": each.fpr95, "fpr95_authors": each.fpr95_authors, "auroc": each.auroc}
                for score, each in known.against(answers).items()
            }
            for group, answers in outliers.items()
        },
        "n_ood": {group: len(answers) for group, answers in outliers.items()},
    }


def _table(result: dict[str, Any]) -> list[str]:
    lines = [
        f"accuracy {percentage(result['accuracy'])} on {result['n']} images "
        f"(global prompts {percentage(result['accuracy_global'])}, "
        f"local prompts {percentage(result['accuracy_local'])})",
        *([f"taken for known things: {percentage(result['tpr'])}"] if result["tpr"] is not None else []),
        "",
        *columns([["class", "accuracy"], *([name, percentage(share)] for name, share in result["per_class"].items())]),
    ]
    if result["ood"]:
        rows = [
            [group, score, percentage(values["fpr95"]), percentage(values["auroc"])]
            for group, scores in result["ood"].items()
            for score, values in scores.items()
        ]
        lines += ["", *columns([["unknown things", "score", "FPR95", "AUROC"], *rows])]
    return lines
