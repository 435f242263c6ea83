"""Whether the photos that ``next_to_label`` asks for teach more than others: ten rounds of ten labels.

    python -m benchmarks.next_photos DATA
    python -m benchmarks.next_photos DATA --inside --seeds 20    # as the rule was chosen: no test photo is read
    python -m benchmarks.next_photos DATA --inside --seeds 8 --rules random library gains

DATA holds sets, each with ``train`` and ``test``. A label of each class is known at first; the other photos of the
train folder are the pile. In each round ten of them are asked for, and heads are trained in closed form on all labels
there are, until the pile or the rounds end. The figure is the accuracy on the test folder, or ``--inside`` on six
photos of each class that are kept out of the pile: the mean over the rounds.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.forecast import Asked
from benchmarks.together import sets_in
from gallop import load_backbone, read_folder
from gallop.config import method_preset
from gallop.errors import ConfigError
from gallop.evaluation.curve import learning_curve
from gallop.features.encoding import MemoryCache
from gallop.model.branches.sums import ShotFeatures
from gallop.predictions.next_to_label import next_to_label

ROUNDS, COUNT = 10, 10
RULES = ("random", "uncertain", "k-centre", "turns", "library")
"""``turns``: ``uncertain`` and ``k-centre`` take turns. ``gains``, which is slower: the library's with the margins of
classes that the curve says gain more counted as smaller."""
_KEPT_OUT = 6


class Pile:
    """A set's train folder, some of whose photos have labels, and the photos that it is tested on."""

    def __init__(self, name: str, data: Path, inside: bool) -> None:
        backbone, self.method, self.cache = load_backbone("mini"), method_preset("default"), MemoryCache(2 * 2**30)
        self.train, self.inside = read_folder(data / name / "train"), inside
        self.known = Asked(backbone, self.train, self.method, self.cache)
        self.units = self.known.features.double().numpy()
        self.tested = self.known
        if not inside:
            self.tested = Asked(backbone, read_folder(data / name / "test"), self.method, self.cache)

    def accuracies(self, rule: str, seed: int) -> list[float]:
        """Return the accuracy after each round."""
        rng, labels, left = np.random.default_rng(seed), list[int](), list[int]()
        test = [] if self.inside else list(range(len(self.tested.labels)))
        for k in range(len(self.train.class_names)):
            order = rng.permutation(np.flatnonzero(self.known.labels == k)).tolist()
            if self.inside:
                test, order = test + order[:_KEPT_OUT], order[_KEPT_OUT:]
            labels, left = labels + order[:1], left + order[1:]
        found = list[float]()
        while len(found) < ROUNDS and len(left) > COUNT:
            asked = self._asked(rule, labels, left, rng)
            labels, left = labels + asked, [photo for photo in left if photo not in asked]
            found.append(float(self.tested.right(self._shots(labels))[test].mean()))
        return found

    def _shots(self, labels: list[int]) -> ShotFeatures:
        return ShotFeatures(self.known.features[labels][:, None], self.known.labels[labels])

    def _asked(self, rule: str, labels: list[int], left: list[int], rng: np.random.Generator) -> list[int]:
        answers = self.known.answers(self._shots(labels))[left].softmax(dim=1).numpy()
        ordered = np.sort(answers, axis=1)
        margins = ordered[:, -1] - ordered[:, -2]
        features, known = self.units[left], self.units[labels]
        if rule == "random":
            rows = rng.permutation(len(left))[:COUNT].tolist()
        elif rule == "uncertain":
            rows = np.argsort(margins, kind="stable")[:COUNT].tolist()
        elif rule in ("k-centre", "turns"):
            rows = in_turns(margins, features, known, uncertain=rule == "turns")
        else:
            if rule == "gains":
                answers = self._drawn_together(answers, labels)
            rows = [asked.photo for asked in next_to_label(answers, features, COUNT)]
        return [left[row] for row in rows]

    def _drawn_together(self, answers: NDArray[np.float64], labels: list[int]) -> NDArray[np.float64]:
        """Return answers whose uncertainty, 1 less the margin, is larger by as much as their classes gain."""
        backbone = self.known.model.backbone
        try:
            curve = learning_curve(backbone, self.train.take(labels), self.method, cache=self.cache, draws=8)
        except ConfigError:  # no class has three different photos yet
            return answers
        told = {name: forecast.gain for name, forecast in curve.by_class().items()}
        usual = max(float(np.mean(list(told.values()))), 1e-9)
        gains = answers @ np.array([told.get(name, usual) / usual for name in self.train.class_names])
        ordered = np.sort(answers, axis=1)
        unsure = gains * (1 - ordered[:, -1] + ordered[:, -2])
        return np.stack([2 * unsure.max() - unsure, np.zeros(len(unsure))], axis=1)


def in_turns(
    margins: NDArray[np.float64], features: NDArray[np.float64], known: NDArray[np.float64], *, uncertain: bool
) -> list[int]:
    """Return the photos farthest from all that have a label or were taken; with ``uncertain``, every other one is the
    one with the smallest margin.
    """
    near, taken = (features @ known.T).max(axis=1), list[int]()
    for turn in range(COUNT):
        worth = -margins if uncertain and turn % 2 == 0 else -near
        worth = np.where(np.isin(np.arange(len(worth)), taken), -np.inf, worth)
        taken.append(int(worth.argmax()))
        near = np.maximum(near, features @ features[taken[-1]])
    return taken


def main() -> None:
    """Print the accuracy of each rule on each set, and what it adds to a random pile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--inside", action="store_true", help="test on photos of the train folders")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=(*RULES, "gains"))
    options = parser.parse_args()
    print(f"| set | {' | '.join(options.rules)} |\n|{'---|' * (len(options.rules) + 1)}")
    every = list[NDArray[np.float64]]()
    for name in sets_in(options.data):
        pile = Pile(name, options.data, options.inside)
        rows = [[np.mean(pile.accuracies(rule, s)) for rule in options.rules] for s in range(options.seeds)]
        every.append(100 * np.array(rows))  # (seeds, rules)
        print(f"| {name} | {' | '.join(f'{figure:.1f}' for figure in every[-1].mean(axis=0))} |", flush=True)
    table = np.concatenate(every)
    more = table - table[:, :1]
    error = 1.96 * more.std(axis=0, ddof=1) / len(more) ** 0.5
    print(f"| mean | {' | '.join(f'{figure:.1f}' for figure in table.mean(axis=0))} |")
    print(f"| more than {options.rules[0]} | {' | '.join(map('{:+.1f} ± {:.1f}'.format, more.mean(axis=0), error))} |")


if __name__ == "__main__":
    with torch.no_grad():
        main()
