"""``gallop evaluate``: accuracy on labelled images, and how well unknown things are told from them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gallop import GalLoPClassifier, Predictions
from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import Refuse, labelled_images, readable, trained_model, zero_shot_classifier
from gallop.data import Dataset
from gallop.errors import CommandError
from gallop.evaluation.metrics import accuracy, auroc, authors_fpr_at_tpr, fpr_at_tpr
from gallop.images import list_images
from gallop.names.class_names import missing_names, spelled_as
from gallop.wording import listed

_ZERO_SHOT = "zero-shot"


@dataclass
class _Answers:
    """Predictions of many images, gathered a few at a time."""

    classes: NDArray[np.str_]
    ensemble: list[str] = field(default_factory=list)
    global_: list[str] = field(default_factory=list)
    local: list[str] = field(default_factory=list)
    is_ood: list[bool] = field(default_factory=list)
    ood: dict[str, list[float]] = field(default_factory=dict)

    def add(self, found: Predictions) -> None:
        """Append the answers of some images."""
        self.ensemble += found.labels.tolist()
        self.global_ += self.classes[found.probabilities_global.argmax(axis=1)].tolist()
        if found.probabilities_local is not None:
            self.local += self.classes[found.probabilities_local.argmax(axis=1)].tolist()
        if found.is_ood is not None:
            self.is_ood += found.is_ood.tolist()
        for name, scores in found.ood.items():
            self.ood.setdefault(name, []).extend(scores.tolist())


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
        refuse(path, reason)
    answers, names = _Answers(classifier.classes_), dict(zip(map(str, data.paths), data.names, strict=True))
    truth: list[str] = []  # of those that can still be read
    for paths_read, found in _predictions(classifier, data.paths, options.data, refuse, console):
        answers.add(found)
        truth += [names[path] for path in paths_read]
    if not truth:
        raise CommandError(f"{options.data} holds no images that can still be read.")
    outliers = {}
    for name, (folder, paths) in groups.items():
        outliers[name] = _Answers(classifier.classes_)
        for _, found in _predictions(classifier, paths, name, refuse, console):
            outliers[name].add(found)
        if not outliers[name].ensemble:
            raise CommandError(f"{folder} (OOD group {name}) holds no readable images.")
    result = _result(data.class_names, np.array(truth), answers, outliers) | {"skipped": skipped}
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


def _known(data: Dataset, classifier: GalLoPClassifier, options: Namespace) -> Dataset:
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


def _predictions(
    classifier: GalLoPClassifier, paths: Sequence[Path], what: str, refuse: Refuse, console: Console
) -> Iterator[tuple[list[str], Predictions]]:
    for chunk, photos in readable(paths, refuse, console, f"evaluating {what}", classifier.model_.backbone.device):
        yield chunk, classifier.predict_all(photos)


def _result(
    class_names: Sequence[str], truth: NDArray[np.str_], answers: _Answers, outliers: dict[str, _Answers]
) -> dict[str, Any]:
    found = np.array(answers.ensemble)
    return {
        "accuracy": accuracy(found, truth),
        "accuracy_global": accuracy(np.array(answers.global_), truth),
        "accuracy_local": accuracy(np.array(answers.local), truth) if answers.local else None,
        "n": len(truth),
        "per_class": {
            name: accuracy(found[truth == name], truth[truth == name]) for name in class_names if (truth == name).any()
        },
        "tpr": 1.0 - float(np.mean(answers.is_ood)) if answers.is_ood else None,
        "ood": {
            group: {
                score: {
                    "fpr95": fpr_at_tpr(answers.ood[score], other.ood[score]),
                    "fpr95_authors": authors_fpr_at_tpr(answers.ood[score], other.ood[score]),
                    "auroc": auroc(answers.ood[score], other.ood[score]),
                }
                for score in answers.ood
            }
            for group, other in outliers.items()
        },
        "n_ood": {group: len(other.ensemble) for group, other in outliers.items()},
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
