"""What helps the prompts to learn: settings of GalLoP judged on more than accuracy, inside train folders.

    python -m benchmarks.choose_learning DATA
    python -m benchmarks.choose_learning DATA --only "GalLoP, k" --shots 4

Sets, shots and folds are those of ``benchmarks.choose_settings``, and so are the lists of settings; test folders are
never read. With fewer shots than twelve, the first of each class are learned from. A line has, as means over the sets:
accuracy on held-out shots, of both branches and of each alone; AUROC and FPR95 of GL-MCM and of MCM, against training
photos of the next set in the list; the percentage of held-out shots that are accepted at the limit which accepts 95% of
the other fold's, and of unknown photos that are noticed there; and the accuracy of the models that learned from photos
of PACS on its training sketches, another domain.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score

from benchmarks.choose_settings import FOLDS, HELD_OUT, SETTINGS, drawn_sets, settings_text
from gallop import load_backbone
from gallop.backbones import Backbone
from gallop.data import LabelledPhotos, stratified_folds
from gallop.evaluation.metrics import auroc, fpr_at_tpr
from gallop.features.encoding import Cache, ImageFeatures, encode_centres, open_cache
from gallop.lab.methods import Method, Setup, make_method, method_sight
from gallop.model.calibration import threshold_at_tpr
from gallop.predictions.predict import Predictions

LISTS = [name for name in SETTINGS if name.startswith("GalLoP, ")]
LEARNED, OTHER_DOMAIN = "pacs/photo", "pacs/sketch"
COLUMNS = (
    *("accuracy", "global alone", "local alone"),
    *("AUROC GL-MCM", "FPR95", "AUROC MCM", "FPR95 of it", "accepted", "noticed", "photo to sketch"),
)


class Judge:
    """Trains a method without two folds of each set in turn, on so many shots a class, and measures it on the folds."""

    def __init__(self, backbone: Backbone, drawn: dict[str, LabelledPhotos], shots: int) -> None:
        self._backbone, self._drawn, self._shots = backbone, drawn, shots
        self._cache: Cache = open_cache(None)

    def line(self, method: Method) -> list[float]:
        """Return the figures of ``COLUMNS``, each a mean over the sets that have it."""
        names = list(self._drawn)
        rows = [self._of_set(method, name, names[(i + 1) % len(names)]) for i, name in enumerate(names)]
        return [statistics.mean(row[column] for row in rows if column in row) for column in COLUMNS]

    def _of_set(self, method: Method, name: str, next_set: str) -> dict[str, float]:
        shots, unknown = self._drawn[name], self._drawn[next_set].paths[::2]
        rows, known, others = [], list[Predictions](), list[Predictions]()
        for fold in stratified_folds(shots.labels, FOLDS, seed=0)[:HELD_OUT]:
            fitted = method.fit(_first(shots, fold, self._shots), Setup(self._backbone, cache=self._cache))
            known.append(fitted.predict(self._features(method, [shots.paths[i] for i in fold])))
            others.append(fitted.predict(self._features(method, unknown)))
            row = _accuracies(known[-1], [shots.names[i] for i in fold], shots.class_names)
            if name == LEARNED:
                sketches = self._drawn[OTHER_DOMAIN]
                on_sketches = fitted.predict(self._features(method, sketches.paths))
                row["photo to sketch"] = 100 * accuracy_score(on_sketches.labels, sketches.names)
            rows.append(row | _unknown(known[-1], others[-1]))
        for i, row in enumerate(rows):
            limit = threshold_at_tpr(known[1 - i].ood["GL-MCM"])
            row["accepted"] = 100 * float((known[i].ood["GL-MCM"] <= limit).mean())
            row["noticed"] = 100 * float((others[i].ood["GL-MCM"] > limit).mean())
        return {column: statistics.mean(row[column] for row in rows) for column in rows[0]}

    def _features(self, method: Method, photos: Sequence[Path]) -> ImageFeatures:
        parts = encode_centres(self._backbone, photos, self._cache, sight=method_sight(method))
        return ImageFeatures.cat(list(parts))


def _first(shots: LabelledPhotos, fold: Sequence[int], count: int) -> LabelledPhotos:
    """Take the first ``count`` shots of each class, without the fold."""
    held, chosen, seen = set(fold), list[int](), Counter[int]()
    for i, label in enumerate(shots.labels):
        if i not in held:
            seen[label] += 1
            chosen += [i] * (seen[label] <= count)
    return shots.take(chosen)


def _accuracies(predictions: Predictions, truth: Sequence[str], class_names: Sequence[str]) -> dict[str, float]:
    names = np.array(class_names)
    branches = {"global alone": predictions.probabilities_global, "local alone": predictions.probabilities_local}
    alone = {name: accuracy_score(names[p.argmax(axis=1)], truth) for name, p in branches.items() if p is not None}
    return {
        name: 100 * right for name, right in ({"accuracy": accuracy_score(predictions.labels, truth)} | alone).items()
    }


def _unknown(known: Predictions, others: Predictions) -> dict[str, float]:
    figures = {}
    for score, area, rate in (("GL-MCM", "AUROC GL-MCM", "FPR95"), ("MCM", "AUROC MCM", "FPR95 of it")):
        figures[area] = auroc(known.ood[score], others.ood[score])
        figures[rate] = 100 * fpr_at_tpr(known.ood[score], others.ood[score])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=LISTS, default=LISTS)
    parser.add_argument("--shots", nargs="+", type=int, default=[12, 4, 1])
    options = parser.parse_args()
    backbone, drawn = load_backbone("mini"), drawn_sets(options.data)
    print(f"| shots | list | setting | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 3)}")
    for shots, name in product(options.shots, options.only):
        for settings in SETTINGS[name]:
            figures = Judge(backbone, drawn, shots).line(make_method("GalLoP", dict[str, Any](settings)))
            cells = [f"{x:{'.3f' if 'AUROC' in c else '.1f'}}" for c, x in zip(COLUMNS, figures, strict=True)]
            print(f"| {shots} | {name} | {settings_text(settings)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
