"""``gallop evaluate``: accuracy on labelled images, and how well unknown images are detected."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from gallop import GalLoPClassifier, load_backbone
from gallop.backbones import Backbone
from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import DEFAULT_BACKBONE, labelled_images, trained_model
from gallop.data import PhotoSource, folder_class_names
from gallop.errors import CommandError, ImageError
from gallop.evaluation.measure import Evaluation
from gallop.evaluation.scored_answers import GLOBAL, LOCAL, ScoredAnswers
from gallop.features.contents import EncodedContents
from gallop.features.encoding import BATCH, FeatureCache, ImageFeatures, default_cache_folder, encode_centres
from gallop.images import list_images
from gallop.model.scores import VERDICT
from gallop.names.class_names import missing_names, spelled_as
from gallop.wording import listed


def run(options: Namespace, console: Console) -> int:
    """Measure a model on DATA and on every OOD folder."""
    groups = ood_groups(options.ood)
    trained = None if options.model == "zero-shot" else trained_model(options.model, options)
    if trained is not None:
        backbone = trained.model_.backbone
        if Path(options.data).is_dir():
            _check_names(folder_class_names(options.data, split="test"), trained, options)  # before hours of encoding
    else:
        backbone = load_backbone(options.backbone or DEFAULT_BACKBONE, device=options.device)
    photos = Photos(backbone, console)
    data = labelled_images(options.data, split="test", content=photos.content)
    classifier = GalLoPClassifier(backbone).zero_shot(data.class_names) if trained is None else trained
    data = replace(data, class_names=_check_names(data.class_names, classifier, options))
    for path, reason in data.skipped:
        photos.refuse(path, reason)
    answers = photos.answers(classifier, data.photos, data.hashes, options.data)
    number = {name: k for k, name in enumerate(classifier.classes_.tolist())}
    truth = np.array([number[name] for name in data.names])
    outliers = {name: photos.answers(classifier, *some, name) for name, some in photos.readable(groups).items()}
    result = Evaluation(tuple(number), truth, answers, outliers).figures() | {"skipped": photos.skipped}
    result["unlike_shots"] = classifier.calibration_.unlike(answers.ood[VERDICT], known=True)
    if result["unlike_shots"]:
        console.warn(result["unlike_shots"])
    console.result(result, lambda: _table(result))
    return 2 if photos.skipped else 0


class Photos:
    """Photos that a model is measured on. Each is decoded once at most, and not at all where its features are cached.

    Attributes:
        skipped: those that cannot be read, for the JSON.
    """

    def __init__(self, backbone: Backbone, console: Console, cache: FeatureCache | None = None) -> None:
        self.skipped: list[dict[str, str]] = []
        self._backbone, self._console = backbone, console
        self._cache, self._read = cache or FeatureCache(default_cache_folder()), count(1)
        self._contents = EncodedContents(backbone, self._cache)

    def refuse(self, path: object, reason: str) -> None:
        self.skipped.append({"image": str(path), "error": reason})
        self._console.warn(f"{path} is left out: {reason}")

    def content(self, path: Path) -> str:
        """Return the hash of a file's content. Those that must be decoded for it are encoded as well, by ``answers``.

        Raises:
            ImageError: it is no picture that can be read.
        """
        self._console.progress("reading photos", next(self._read))
        return self._contents.sha256(path)

    def readable(self, groups: Mapping[str, tuple[Path, Sequence[Path]]]) -> dict[str, tuple[list[Path], list[str]]]:
        """Return those files of each group of ``ood_groups`` that are pictures, and the hashes of their content.

        Raises:
            CommandError: a group without any.
        """
        found = dict[str, tuple[list[Path], list[str]]]()
        for name, (folder, paths) in groups.items():
            read, hashes = found[name] = [], []
            for path in paths:
                try:
                    hashes.append(self.content(path))
                    read.append(path)
                except ImageError as error:
                    self.refuse(path, str(error))
            if not read:
                raise CommandError(f"{folder} (OOD group {name}) contains no readable images.")
        return found

    def answers(
        self, classifier: GalLoPClassifier, given: Sequence[PhotoSource], hashes: Sequence[str], what: str
    ) -> ScoredAnswers:
        """Return the answers, reduced to what the figures need, for photos that were read before."""
        self._contents.finish()
        parts = []
        for start in range(0, len(given), BATCH):
            some, sight = slice(start, start + BATCH), classifier.model_.sight
            encoded = encode_centres(self._backbone, given[some], self._cache, hashes[some], sight)
            parts.append(ScoredAnswers.of(classifier.predict_all(ImageFeatures.cat(list(encoded)))))
            self._console.progress(f"evaluating {what}", min(start + BATCH, len(given)), len(given))
        return ScoredAnswers.cat(parts)


def ood_groups(pairs: Sequence[str]) -> dict[str, tuple[Path, list[Path]]]:
    """Return the folder and the files of each ``--ood NAME=DIR``."""
    groups: dict[str, tuple[Path, list[Path]]] = {}
    for pair in pairs:
        name, _, folder = pair.partition("=")
        if not name.strip() or not folder:
            raise CommandError(f"--ood needs NAME=DIR, such as --ood scenes=photos/scenes; got {pair!r}.")
        if name in groups:
            raise CommandError(f"The OOD group name {name!r} is used twice: give each group a different name.")
        paths = list_images(folder, recursive=True)
        if not paths:
            raise CommandError(f"{folder} (OOD group {name}) contains no images.")
        groups[name] = (Path(folder), paths)
    return groups


def _check_names(names: Sequence[str], classifier: GalLoPClassifier, options: Namespace) -> tuple[str, ...]:
    """The class names of DATA as the classifier spells them, if it knows every one."""
    known = classifier.classes_.tolist()
    class_names = spelled_as(names, known)
    unknown = missing_names(class_names, known)
    if unknown:
        raise CommandError(
            f"{options.model} does not know these classes of {options.data}: {listed(unknown)}. Remove "
            "their images, or train a model with these classes."
        )
    return tuple(class_names)


def _table(result: dict[str, Any]) -> list[str]:
    branches = [name for name in result if name.startswith("accuracy_") and name not in (GLOBAL, LOCAL)]
    lines = [
        f"accuracy {percentage(result['accuracy'])} on {result['n']} images, 95% interval "
        f"{' to '.join(map(percentage, result['interval']))} (global prompts {percentage(result['accuracy_global'])}, "
        f"local prompts {percentage(result['accuracy_local'])}"
        + "".join(f", {name[len('accuracy_') :].replace('_', ' ')} {percentage(result[name])}" for name in branches)
        + ")",
        *([f"accepted as known: {percentage(result['tpr'])}"] if result["tpr"] is not None else []),
        "",
        *columns([["class", "accuracy"], *([name, percentage(one)] for name, one in result["per_class"].items())]),
    ]
    if result["ood"]:
        rows = [
            [group, score, percentage(values["fpr95"]), percentage(values["auroc"])]
            for group, scores in result["ood"].items()
            for score, values in scores.items()
        ]
        lines += ["", *columns([["unknown things", "score", "FPR95", "AUROC"], *rows])]
    return lines
