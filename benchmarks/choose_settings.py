"""How the settings of every method were chosen: cross-validation inside train folders, six settings each, one for all.

    python -m benchmarks.choose_settings DATA
    python -m benchmarks.choose_settings DATA --only CoOp GalLoP

Test folders are never read. For each set the 16 shots of seed 0 are cut into four stratified folds; two of them are
held out in turn. To keep it short, sets with many classes take part with their first ten. Every method gets the same
budget of six settings, around those of its paper. Beside the accuracy on held-out shots, each cell gives the AUROC of
the method's last outlier score (GL-MCM or MSP), held-out shots against training photos of the next set in the list: a
setting may be as accurate as another and ruin "none of these".
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from sklearn.metrics import accuracy_score

from gallop import draw_shots, load_backbone, read_folder
from gallop.backbones import Backbone
from gallop.data import LabelledPhotos, stratified_folds
from gallop.evaluation.metrics import auroc
from gallop.features.encoding import ImageFeatures, encode_centres, open_cache
from gallop.lab.bench.photos import set_folders
from gallop.lab.methods import Method, Setup, make_method, method_sight

CLASSES, FOLDS, HELD_OUT = 10, 4, 2


def grid(**choices: list[float]) -> list[dict[str, float]]:
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


SETTINGS: dict[str, list[dict[str, Any]]] = {
    "CoOp": grid(lr=[0.02, 0.05, 0.1, 0.2, 0.5, 1.0]),
    "linear-probe, detail 2": grid(strength=[1, 10, 100, 1e3, 1e4, 1e5], detail=[2]),
    "linear-probe": grid(strength=[1, 10, 100, 1e3, 1e4, 1e5]),
    "Tip-Adapter": grid(weight=[5, 20, 80], sharpness=[2, 5.5]),
    "Tip-Adapter-F": grid(weight=[5, 20, 80], lr=[0.001, 0.01], folds=[4]),
    "LoCoOp": grid(lr=[0.1, 0.5, 1.0], weight=[0.25, 1.0]),
    "GalLoP": grid(lr=[0.02, 0.05, 0.1, 0.2, 0.5, 1.0]),
}
"""By method; the words after a comma distinguish two lists of one method."""


def first_classes(dataset: LabelledPhotos) -> LabelledPhotos:
    names = dataset.class_names[:CLASSES]
    chosen = dataset.take([i for i, label in enumerate(dataset.labels) if label < len(names)])
    return replace(chosen, class_names=names)


def drawn_sets(data: Path) -> dict[str, LabelledPhotos]:
    return {name: draw_shots(first_classes(read_folder(root)), 16, seed=0) for name, root in set_folders(data).items()}


def settings_text(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {f'{v:g}' if isinstance(v, float) else v}" for k, v in settings.items()) or "as usual"


def held_out(backbone: Backbone, shots: LabelledPhotos, unknown: Sequence[Path], method: Method) -> tuple[float, float]:
    """On photos that were not trained on, mean over the folds: accuracy in percent, AUROC of the last outlier score."""
    cache, sight = open_cache(None), method_sight(method)
    others = ImageFeatures.cat(list(encode_centres(backbone, unknown, cache, sight=sight)))
    accuracies, aurocs = [], []
    for fold in stratified_folds(shots.labels, FOLDS, seed=0)[:HELD_OUT]:
        rest = sorted(set(range(len(shots))) - set(fold))
        fitted = method.fit(shots.take(rest), Setup(backbone, cache=cache))
        asked = [shots.paths[i] for i in fold]
        features = ImageFeatures.cat(list(encode_centres(backbone, asked, cache, sight=sight)))
        known, other = fitted.predict(features), fitted.predict(others)
        accuracies.append(100 * accuracy_score(known.labels, [shots.names[i] for i in fold]))
        score = list(known.ood)[-1]
        aurocs.append(auroc(known.ood[score], other.ood[score]))
    return statistics.mean(accuracies), statistics.mean(aurocs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    options = parser.parse_args()
    drawn = drawn_sets(options.data)
    backbone = load_backbone("mini")
    names = list(drawn)
    print("| method | setting | " + " | ".join(names) + " | mean |\n|" + "---|" * (len(names) + 3))
    unknown = {name: drawn[names[(i + 1) % len(names)]].paths[::2] for i, name in enumerate(names)}
    for name in options.only:
        for settings in SETTINGS[name]:
            method = make_method(name.partition(",")[0], settings)
            row = [held_out(backbone, shots, unknown[each], method) for each, shots in drawn.items()]
            means = [statistics.mean(values) for values in zip(*row, strict=True)]
            cells = " | ".join(f"{percent:.1f} ({area:.2f})" for percent, area in [*row, means])
            print(f"| {name} | {settings_text(settings)} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
