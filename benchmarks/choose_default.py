"""How the default training settings for `mini` were chosen: cross-validation inside train folders, one setting for all.

    python -m benchmarks.choose_default DATA

Test folders are never read. For each set the 16 shots of seed 0 are cut into four stratified folds; two of them are
held out in turn. Settings differ from a base in one value at a time. To keep it short, sets with many classes take
part with their first ten. Beside the accuracy on held-out shots stands the AUROC of GL-MCM, held-out shots against
training photos of the next set in the list: a setting may be as accurate as another and ruin "none of these".
"""

from __future__ import annotations

from gallop.process import prepare

prepare()

import argparse
import statistics
from pathlib import Path

import torch

from benchmarks.photo_sets import encode, photo_sets
from gallop import draw_shots, load_backbone, read_folder
from gallop.backbones import Backbone
from gallop.config import MethodConfig, TrainConfig
from gallop.data import Dataset, stratified_folds
from gallop.features import ImageFeatures, open_cache
from gallop.metrics import auroc
from gallop.model import GalLoP
from gallop.training import learn

BASE = TrainConfig(epochs=30, lr=0.1, views=4, calibration_folds=0)
SETTINGS = {
    "base (30 epochs, lr 0.1, 4 views)": {},
    "lr 0.02": {"lr": 0.02},
    "lr 0.05": {"lr": 0.05},
    "lr 0.2": {"lr": 0.2},
    "15 epochs": {"epochs": 15},
    "60 epochs": {"epochs": 60},
    "1 view": {"views": 1},
    "8 views": {"views": 8},
}
CLASSES, FOLDS, HELD_OUT = 10, 4, 2


def first_classes(dataset: Dataset) -> Dataset:
    kept = dataset.class_names[:CLASSES]
    chosen = [i for i, label in enumerate(dataset.labels) if label < len(kept)]
    part = dataset.take(chosen)
    return Dataset(part.paths, part.hashes, part.labels, kept)


def held_out(backbone: Backbone, shots: Dataset, unknown: ImageFeatures, config: TrainConfig) -> tuple[float, float]:
    """On photos that were not trained on, mean over the folds: accuracy of the ensemble in percent, AUROC of GL-MCM."""
    labels = torch.tensor(shots.labels)
    accuracies, aurocs = [], []
    for fold in stratified_folds(shots.labels, FOLDS, seed=0)[:HELD_OUT]:
        rest = sorted(set(range(len(shots))) - set(fold))
        model = GalLoP(backbone, shots.class_names, MethodConfig())
        for _ in learn(model, [shots.paths[i] for i in rest], labels[rest], config, cache=open_cache(None)):
            pass
        features = encode(backbone, [shots.paths[i] for i in fold])
        with torch.no_grad():
            text = model.text_features()
            known, other = (model.similarities(f, text) for f in (features, unknown))
        right = known.logits(model.config.topk).argmax(-1) == labels[fold]
        accuracies.append(100 * float(right.float().mean()))
        aurocs.append(auroc(known.ood().gl_mcm.numpy(), other.ood().gl_mcm.numpy()))
    return statistics.mean(accuracies), statistics.mean(aurocs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    options = parser.parse_args()
    backbone = load_backbone("mini")
    sets = {r.relative_to(options.data).as_posix(): r for r in photo_sets(options.data)}
    print("| setting | " + " | ".join(sets) + " | mean |\n|" + "---|" * (len(sets) + 2))
    drawn = {name: draw_shots(first_classes(read_folder(root)), 16, seed=0) for name, root in sets.items()}
    names = list(drawn)
    unknown = {name: encode(backbone, drawn[names[(i + 1) % len(names)]].paths[::2]) for i, name in enumerate(names)}
    for label in options.only:
        config = TrainConfig(**{**BASE.__dict__, **SETTINGS[label]})
        row = [held_out(backbone, shots, unknown[name], config) for name, shots in drawn.items()]
        means = [statistics.mean(values) for values in zip(*row, strict=True)]
        cells = " | ".join(f"{percent:.1f} ({area:.2f})" for percent, area in [*row, means])
        print(f"| {label} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
