"""Whether prompts that learn from few photos should see each of them thirty times: accuracy, and how true answers are.

    python -m benchmarks.few_rounds DATA [--shots 1] [--seeds 0 1 2] [--inside]

DATA holds sets, each with ``train`` and ``test``. The default learns from some shots of each class in thirty rounds,
and in no more rounds than there are shots, as ``train_preset`` has it; both are asked about the test photos, or with
``--inside`` about the rest of the train folder. A line each: accuracy in %; the calibration error over ten bins (ECE)
in %, and what it would be by chance if every answer were right as often as it says; and minus the mean logarithm of the
right class's probability. The last line has the means over the sets.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.together import sets_in
from gallop import GalLoPClassifier, draw_shots, load_backbone, read_folder
from gallop.data import LabelledPhotos
from gallop.evaluation.metrics import calibration_error, calibration_error_by_chance
from gallop.features.encoding import ImageFeatures, encode_centres, open_cache

BINS = 10
MANY_ROUNDS = 30


def figures(classifier: GalLoPClassifier, features: ImageFeatures, asked: LabelledPhotos) -> list[float]:
    """Return accuracy, ECE and its chance in %, and the mean loss."""
    probabilities, names = classifier.predict_all(features).probabilities, classifier.classes_.tolist()
    truth = np.array([names.index(name) for name in asked.names])
    sure, right = torch.from_numpy(probabilities.max(axis=1)), torch.from_numpy(probabilities.argmax(axis=1) == truth)
    error, chance = calibration_error(sure, right, BINS), calibration_error_by_chance(sure, BINS)
    loss = -np.log(probabilities[np.arange(len(truth)), truth].clip(1e-9)).mean()
    return [100 * float(right.double().mean()), 100 * error, 100 * chance, float(loss)]


def main() -> None:
    """Print a line for each set, and the means over the sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--inside", action="store_true")
    options = parser.parse_args()
    backbone, cache, rows = load_backbone("mini"), open_cache(None), []
    for name in sets_in(options.data):
        every, each = read_folder(options.data / name / "train"), []
        for seed in options.seeds:
            shots = draw_shots(every, options.shots, seed=seed)
            asked = every.left_over(shots) if options.inside else read_folder(options.data / name / "test")
            features = ImageFeatures.cat(list(encode_centres(backbone, asked.photos, cache)))
            each.append(
                [
                    figures(GalLoPClassifier(backbone, seed=seed, epochs=rounds).fit(shots), features, asked)
                    for rounds in (MANY_ROUNDS, None)
                ]
            )
        rows.append(np.mean(each, axis=0))
        print(f"| {name} | {line(rows[-1])} |", flush=True)
    print(f"| mean | {line(np.mean(rows, axis=0))} |")


def line(row: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> str:
    """Return the figures of a row, those of thirty rounds first."""
    return " | ".join(f"{first:.1f} | {error:.1f} | {chance:.1f} | {loss:.3f}" for first, error, chance, loss in row)


if __name__ == "__main__":
    main()
