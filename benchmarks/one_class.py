"""Is it a mug or not: a model of one class, asked about photos of it and of its set's other classes.

    python -m benchmarks.one_class DATA
    python -m benchmarks.one_class DATA --shots 4 --classes 3 --sets trashnet6

DATA holds sets, each with ``train`` and ``test``. Each class in turn is the one class, taught from some photos of its
train folder, alone or with as many of the other classes as what it is not; the sample's photos are always among these.
It is asked about the test folder. AUROC, beside two plain baselines: the cosine with the mean of the same photos, and
the names alone ("something else"). Then how many photos of the class, and of the others, are answered yes and unsure.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.together import sets_in
from gallop import GalLoPClassifier, load_backbone, read_folder
from gallop.backbones import Backbone
from gallop.data import LabelledPhotos
from gallop.evaluation.metrics import auroc
from gallop.features.encoding import ImageFeatures, MemoryCache, encode_centres
from gallop.names.class_names import SOMETHING_ELSE

COLUMNS = ("AUROC", "cosine", "names", "own yes", "own unsure", "others yes", "others unsure")


class Asked:
    """The photos of a set, encoded once."""

    def __init__(self, backbone: Backbone, folder: Path) -> None:
        self.backbone, self.cache = backbone, MemoryCache(2 * 2**30)
        self.train, test = read_folder(folder / "train"), read_folder(folder / "test")
        self.truth = np.array(test.labels)
        self.features = self._encoded(test)

    def _encoded(self, photos: LabelledPhotos) -> ImageFeatures:
        return ImageFeatures.cat(list(encode_centres(self.backbone, photos.photos, self.cache, photos.hashes)))

    def row(self, one: int, shots: int, others: int) -> list[float]:
        """Return the figures of a class that is taught from so many photos, and so many of other classes."""
        labels, name = np.array(self.train.labels), self.train.class_names[one]
        rng = np.random.default_rng(one)
        its, rest = (rng.permutation(np.flatnonzero(some)) for some in (labels == one, labels != one))
        chosen = [*its[:shots].tolist(), *rest[:others].tolist()]
        names = (name, SOMETHING_ELSE)[: 1 + bool(others)]
        given = replace(self.train.take(chosen), labels=tuple(int(labels[i] != one) for i in chosen), class_names=names)
        how = {"epochs": 0, "cache": self.cache}
        model = GalLoPClassifier(self.backbone, **how).fit(given, class_names=[name, SOMETHING_ELSE])
        answers, own = model.predict_all(self.features), self.truth == one
        middle = self._encoded(self.train.take(chosen[:shots])).global_.float()
        unit = torch.nn.functional.normalize
        cosine = (unit(self.features.global_.float(), dim=1) @ unit(middle, dim=1).mean(dim=0)).numpy()
        named = GalLoPClassifier(self.backbone, preset="default", cache=self.cache).zero_shot([name, SOMETHING_ELSE])
        scores = answers.probabilities[:, 0], cosine, named.predict_all(self.features).probabilities[:, 0]
        told = [np.mean(answers.answers[some] == word) for some in (own, ~own) for word in ("yes", "unsure")]
        return [*(auroc(-score[own], -score[~own]) for score in scores), *map(float, told)]


def main() -> None:
    """Print a line for each set, and the mean over the sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", help="some of them")
    parser.add_argument("--shots", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--classes", type=int, help="so many of each set")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of unreliable limits, a line a model
    backbone = load_backbone("mini")
    sets = {name: folder for name, folder in sets_in(options.data).items() if not options.sets or name in options.sets}
    asked = {name: Asked(backbone, folder) for name, folder in sets.items()}
    for shots in options.shots:
        for others in (0, shots):
            print(f"\n{shots} photos, {others} of what it is not\n\n| set | {' | '.join(COLUMNS)} |")
            print(f"|{'---|' * (len(COLUMNS) + 1)}", flush=True)
            every = list[NDArray[np.float64]]()
            for name, photos in asked.items():
                classes = range(len(photos.train.class_names))[: options.classes]
                every.append(np.mean([photos.row(one, shots, others) for one in classes], axis=0))
                print(_line(name, every[-1]), flush=True)
            print(_line("mean", np.mean(every, axis=0)), flush=True)


def _line(name: str, row: NDArray[np.float64]) -> str:
    return f"| {name} | {' | '.join(f'{100 * figure:.1f}' for figure in row)} |"


if __name__ == "__main__":
    main()
