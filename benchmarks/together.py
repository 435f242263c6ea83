"""Accuracy on test photos one by one, and together, where each photo's neighbours vote on it.

    python -m benchmarks.together DATA
    python -m benchmarks.together DATA --presets default accurate --shots 16 4 1 --seeds 0 1

DATA holds sets, each with ``train`` and ``test``, and one of photos of other things, ``ood_mixed``. ``rare``: of every
class in turn nine of ten test photos are left out. ``with unknown``: as many unknown photos are asked about together
with the test photos that they are 30 % of all; the accuracy is that on the test photos. In brackets: the gain.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from collections.abc import Iterator
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
COLUMNS = ("alone", "together", "rare alone", "rare together", "with unknown")


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


def rare_rows(truth: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the photos that are left where each class in turn has a tenth of its photos."""
    for rare in range(int(truth.max()) + 1):
        (its,) = np.nonzero(truth == rare)
        yield np.setdiff1d(np.arange(len(truth)), its[max(len(its) // 10, 1) :])


def figures(known: Predictions, truth: NDArray[np.int64], unknown: Predictions) -> list[list[bool]]:
    """Return which photos are right, by column."""
    rows = list(rare_rows(truth))
    rare = [(taken(known, some), truth[some]) for some in rows]
    mixed = Predictions.cat([known, taken(unknown, np.arange(min(len(unknown), round(len(known) * 3 / 7))))])
    return [
        right(known, truth).tolist(),
        right(known.together(), truth).tolist(),
        [one for some, true in rare for one in right(some, true)],
        [one for some, true in rare for one in right(some.together(), true)],
        right(mixed.together(), truth).tolist(),
    ]


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
            print(
                f"\n{preset}, {shots} shots\n\n| set | {' | '.join(COLUMNS)} |\n|---|{'---:|' * len(COLUMNS)}",
                flush=True,
            )
            means = []
            for name, folder in sets_in(options.data).items():
                if options.sets and name not in options.sets:
                    continue
                columns: list[list[bool]] = [[] for _ in COLUMNS]
                for seed in options.seeds if shots < 16 else options.seeds[:1]:  # 16 are all there are
                    how = {"preset": preset, "shots": shots, "seed": seed, "allow_fewer": True}
                    fitted = GalLoPClassifier(backbone, **how).fit(folder / "train")
                    test = read_folder(folder / "test")
                    truth = np.array([fitted.classes_.tolist().index(label) for label in test.names])
                    for column, more in zip(
                        columns, figures(features.of(fitted, test), truth, features.of(fitted, others)), strict=True
                    ):
                        column += more
                means.append([100 * np.mean(column) for column in columns])
                print(f"| {name} | {cells(means[-1])} |", flush=True)
            print(f"| mean | {cells(np.mean(means, axis=0).tolist())} |", flush=True)


def cells(values: list[float]) -> str:
    """Return accuracies of a row; those together with their gain."""
    alone, together, rare, rare_together, mixed = values
    gains = together - alone, rare_together - rare, mixed - alone
    return (
        f"{alone:.1f} | {together:.1f} ({gains[0]:+.1f}) | {rare:.1f} | {rare_together:.1f} ({gains[1]:+.1f}) | "
        f"{mixed:.1f} ({gains[2]:+.1f})"
    )


if __name__ == "__main__":
    main()
