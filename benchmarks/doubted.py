"""How many wrong labels are doubted: some are made wrong, and ``doubted_labels`` is asked which.

    python -m benchmarks.doubted DATA

DATA holds sets as ``SET/{train,test}/CLASS/*.jpg``, of which train folders alone are read. Percentages are means over
sets and seeds: of the wrong labels how many are doubted, of the doubted ones how many are wrong, and how many labels
are doubted where none was made wrong.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import statistics
import sys
from pathlib import Path

import numpy as np

from gallop import load_backbone, read_folder
from gallop.evaluation.health import doubted_labels
from gallop.features.encoding import ImageFeatures, encode_centres, open_cache
from gallop.lab.bench.photos import set_folders

SHOTS, SEEDS, WRONG_FRACTION = (16, 8, 4), (0, 1, 2), 0.1


def figures(features: ImageFeatures, labels: list[int], classes: int, seed: int) -> tuple[float, float, float]:
    """Return the three percentages of some shots, a fraction of which gets another label by chance."""
    rng, given = np.random.default_rng(seed), list(labels)
    wrong = set(rng.permutation(len(labels))[: round(WRONG_FRACTION * len(labels))].tolist())
    for i in wrong:
        given[i] = int(rng.choice([k for k in range(classes) if k != labels[i]]))
    doubted = {suspect.photo for suspect in doubted_labels(features, given)}
    right = len(doubted & wrong)
    sound = len(doubted_labels(features, labels)) / len(labels)
    return 100 * right / len(wrong), 100 * right / max(len(doubted), 1), 100 * sound


def main(data: Path) -> None:
    backbone, cache = load_backbone("mini"), open_cache(None)
    rows: dict[int, list[tuple[float, float, float]]] = {shots: [] for shots in SHOTS}
    for folder in set_folders(data).values():
        photos = read_folder(folder)
        for shots in SHOTS:
            for seed in SEEDS:
                drawn = photos.draw(shots, seed=seed)
                parts = encode_centres(backbone, drawn.photos, cache, drawn.hashes)
                features = ImageFeatures.cat(list(parts))
                rows[shots].append(figures(features, list(drawn.labels), len(drawn.class_names), seed))
    print("| shots | wrong ones doubted | doubted ones wrong | doubted where none is wrong |\n|---:|---:|---:|---:|")
    for shots, each in rows.items():
        print(f"| {shots} | {' | '.join(f'{statistics.mean(column):.0f}' for column in zip(*each, strict=True))} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
