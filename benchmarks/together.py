"""Accuracy on test photos one by one, and together, where each photo's neighbours vote on it.

    python -m benchmarks.together DATA
    python -m benchmarks.together DATA --presets default accurate --shots 16 4 1 --seeds 0 1

DATA holds sets, each with ``train`` and ``test``, and one of photos of other things, ``ood_mixed``. ``rare``: of every
class in turn nine of ten test photos are left out. The next four follow Zanella et al. 2025 (arXiv 2501.03729, StatA):
piles of at most 64 photos of 1 to 4 or 2 to 10 classes; and a stream answered by 64 photos at a time, with one class
after the other, or with classes that come in bursts (Dirichlet, 0.1). ``with unknown``: as many unknown photos are
asked about together with the test photos that they are 30 % of all; the accuracy is that on the test photos. In
brackets: the gain.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gallop import GalLoPClassifier, read_folder
from gallop.backbones import Backbone, load_backbone
from gallop.data import LabelledPhotos
from gallop.features.encoding import ImageFeatures, encode_centres, open_cache
from gallop.predictions.predict import Predictions

UNKNOWN = "ood_mixed"
PILE, DRAWS = 64, 50  # photos that are asked about together; piles of few classes


def sets_in(data: Path) -> dict[str, Path]:
    """Return the folders that have ``train`` and ``test``, by name."""
    return {str(train.parent.relative_to(data)): train.parent for train in sorted(data.glob("**/train"))}


def taken(answers: Predictions, rows: NDArray[np.int64]) -> Predictions:
    """Return some of the answers, in the order of ``rows``."""
    assert answers.embeddings is not None
    verdicts = None if answers.is_ood is None else answers.is_ood[rows]
    probabilities, embeddings = answers.probabilities[rows], answers.embeddings[rows]
    return replace(answers, probabilities=probabilities, embeddings=embeddings, is_ood=verdicts)


def right(answers: Predictions, truth: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether the most probable class of each photo is its own."""
    found: NDArray[np.bool_] = answers.probabilities.argmax(axis=1)[: len(truth)] == truth
    return found


def piles(truth: NDArray[np.int64], rng: np.random.Generator) -> dict[str, list[NDArray[np.int64]]]:
    """Return by name the photos that are asked about together, as indices."""
    of = [np.flatnonzero(truth == k) for k in range(int(truth.max()) + 1)]
    order = rng.permutation(len(of))

    def of_few(least: int, most: int) -> list[NDArray[np.int64]]:
        counts = np.minimum(rng.integers(least, most + 1, DRAWS), len(of))
        drawn = (np.concatenate([of[k] for k in rng.choice(len(of), count, replace=False)]) for count in counts)
        return [rng.permutation(photos)[:PILE] for photos in drawn]

    def stream(parts: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        photos = np.concatenate(parts)
        return np.split(photos, range(PILE, len(photos), PILE))

    shares = [(rng.dirichlet([0.1] * len(of)).cumsum()[:-1] * len(photos)).astype(int) for photos in of]
    split = (np.split(rng.permutation(photos), cuts) for photos, cuts in zip(of, shares, strict=True))
    bursts = [rng.permutation(np.concatenate(parts)) for parts in zip(*split, strict=True)]
    return {
        "all": [np.arange(len(truth))],
        "rare": [np.setdiff1d(np.arange(len(truth)), its[max(len(its) // 10, 1) :]) for its in of],
        "1 to 4 classes": of_few(1, 4),
        "2 to 10 classes": of_few(2, 10),
        "class by class": stream([of[k] for k in order]),
        "in bursts": stream(bursts),
    }


def figures(
    known: Predictions, truth: NDArray[np.int64], unknown: Predictions, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Return by the name of the piles the accuracy (%) one by one, and together."""
    mixed = Predictions.cat([known, taken(unknown, np.arange(min(len(unknown), round(len(known) * 3 / 7))))])
    asked = {
        name: [(taken(known, rows), truth[rows]) for rows in some if len(rows)]
        for name, some in piles(truth, rng).items()
    }
    asked["with unknown"] = [(mixed, truth)]
    return {
        name: (
            100 * float(np.concatenate([right(pile, true) for pile, true in some]).mean()),
            100 * float(np.concatenate([right(pile.together(), true) for pile, true in some]).mean()),
        )
        for name, some in asked.items()
    }


class Features:
    """Features of photos, encoded once."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone, self._cache = backbone, open_cache(None)

    def of(self, classifier: GalLoPClassifier, photos: LabelledPhotos) -> Predictions:
        """Return a classifier's answers to photos."""
        sight = classifier.model_.sight
        parts = encode_centres(self._backbone, photos.photos, self._cache, photos.hashes, sight)
        return classifier.predict_all(ImageFeatures.cat(list(parts)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", help="some of them")
    parser.add_argument("--presets", nargs="+", default=["default"])
    parser.add_argument("--shots", nargs="+", type=int, default=[16, 4, 1])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    options = parser.parse_args()
    backbone = load_backbone("mini")
    features, others = Features(backbone), read_folder(options.data / UNKNOWN)
    for preset in options.presets:
        for shots in options.shots:
            means: list[dict[str, NDArray[np.float64]]] = []
            for name, folder in sets_in(options.data).items():
                if options.sets and name not in options.sets:
                    continue
                found = []
                for seed in options.seeds if shots < 16 else options.seeds[:1]:  # 16 are all there are
                    how = {"preset": preset, "shots": shots, "seed": seed, "allow_fewer": True}
                    fitted = GalLoPClassifier(backbone, **how).fit(folder / "train")
                    test = read_folder(folder / "test")
                    truth = np.array([fitted.classes_.tolist().index(label) for label in test.names])
                    answers = features.of(fitted, test), truth, features.of(fitted, others)
                    found.append(figures(*answers, np.random.default_rng(seed)))
                means.append({way: np.mean([each[way] for each in found], axis=0) for way in found[0]})
                if len(means) == 1:
                    print(
                        f"\n{preset}, {shots} shots\n\n| set | {' | '.join(found[0])} |\n|---|{'---:|' * len(found[0])}"
                    )
                print(f"| {name} | {cells(means[-1])} |", flush=True)
            print(f"| mean | {cells({way: np.mean([each[way] for each in means], axis=0) for way in means[0]})} |")


def cells(row: dict[str, NDArray[np.float64]]) -> str:
    """Return the accuracies of a row one by one, each with what is gained together."""
    return " | ".join(f"{alone:.1f} ({together - alone:+.1f})" for alone, together in row.values())


if __name__ == "__main__":
    main()
