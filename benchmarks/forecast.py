"""Whether the forecast of a learning curve comes true: accuracy with twice as many shots, foretold from half of them.

    python -m benchmarks.forecast DATA
    python -m benchmarks.forecast DATA --inside --shots 4 6    # as it was chosen: no test photo is read

DATA holds sets, each with ``train`` and ``test``. In each draw a curve is made of some shots of each class; what comes
true is the accuracy of heads trained on these and on twice as many, on the test photos, or ``--inside`` on the rest of
the train folder. A gain is also counted as in its interval where the interval, widened by the standard error of the
test, has it: forty test photos measure a gain to five points at best.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.together import sets_in
from gallop import load_backbone, read_folder
from gallop.backbones import Backbone
from gallop.config import MethodConfig, method_preset
from gallop.core.cosines import ensemble
from gallop.data import LabelledPhotos
from gallop.evaluation.curve import learning_curve
from gallop.features.encoding import MemoryCache, encode_centres
from gallop.model.answers import Rule, answers
from gallop.model.branches.mix import mixed
from gallop.model.branches.sums import ShotFeatures
from gallop.model.prompted import PromptModel

DRAWS = 20
_COLUMNS = ("gain in interval", "allowing for the test", "half width", "gain off by", "no gain off by")
_COLUMNS += ("accuracy in interval", "accuracy off by", "last point off by", "last point in interval")


class Asked:
    """Photos of a set, whose answers by heads of other photos are asked again and again."""

    def __init__(self, backbone: Backbone, photos: LabelledPhotos, method: MethodConfig, cache: MemoryCache) -> None:
        self.model = PromptModel(backbone, photos.class_names, method)
        self.labels, text = torch.tensor(photos.labels), self.model.cached_text_features()
        features, logits = list[torch.Tensor](), list[torch.Tensor]()
        for part in encode_centres(backbone, photos.photos, cache, photos.hashes, self.model.sight):
            similar = self.model.similarities(part, text)
            logits.append(
                ensemble(similar.image_cosines, answers(similar, Rule(method.topk)).local) * backbone.logit_scale
            )
            features.append(self.model.shot_features(part)["ridge"])
        self.features, self.logits = torch.cat(features), torch.cat(logits)

    def answers(self, shots: ShotFeatures) -> torch.Tensor:
        """Return the logits (B, K) of a head of these shots and the prompts."""
        (head,) = self.model.taught({"ridge": shots})
        scores = head.complete(self.model.cached_text_features().global_)(self.features.double())
        return mixed(self.logits.double(), [scores], [head.mix])

    def right(self, shots: ShotFeatures) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return which photos a head of these shots answers right."""
        return (self.answers(shots).argmax(dim=1) == self.labels).double().numpy()


def judged(name: str, data: Path, shots: int, inside: bool) -> list[tuple[float, ...]]:
    """Return a row of figures for each draw of a set."""
    backbone, method, cache = load_backbone("mini"), method_preset("default"), MemoryCache(2 * 2**30)
    train, rows = read_folder(data / name / "train"), list[tuple[float, ...]]()
    known = Asked(backbone, train, method, cache)
    tested = known if inside else Asked(backbone, read_folder(data / name / "test"), method, cache)
    for seed in range(DRAWS):
        generator = torch.Generator().manual_seed(seed)
        classes = [(known.labels == k).nonzero()[:, 0] for k in range(len(train.class_names))]
        orders = [some[torch.randperm(len(some), generator=generator)] for some in classes]
        few, many = (torch.cat([order[: times * shots] for order in orders]) for times in (1, 2))
        rest = torch.cat([order[2 * shots :] for order in orders]) if inside else torch.arange(len(tested.labels))
        now, then = (
            tested.right(ShotFeatures(known.features[some][:, None], known.labels[some]))[rest] for some in (few, many)
        )
        curve = learning_curve(backbone, train.take(few.tolist()), method, cache=cache)
        told, gain, accuracy = curve.forecast(), float((then - now).mean()), float(then.mean())
        error = 1.96 * (then - now).std() / len(rest) ** 0.5
        (low, high), last = told.gain_interval, curve.points[-1]
        wide = told.gain - np.hypot(told.gain - low, error), told.gain + np.hypot(high - told.gain, error)
        found = low <= gain <= high, wide[0] <= gain <= wide[1], (high - low) / 2, abs(told.gain - gain), abs(gain)
        there = [each[0] <= accuracy <= each[1] for each in (told.accuracy_interval, last.interval)]
        off = abs(told.accuracy - accuracy), abs(last.accuracy - accuracy)
        rows.append(tuple(map(float, (*found, there[0], *off, there[1]))))
    return rows


def main() -> None:
    """Print a line for each set, and one for all draws: means, of the half width the median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--inside", action="store_true", help="test on the rest of the train folders")
    parser.add_argument("--shots", type=int, nargs="+", default=[8], help="to forecast from (8)")
    options = parser.parse_args()
    print(f"| set | {' | '.join(_COLUMNS)} |\n|{'---|' * (len(_COLUMNS) + 1)}")
    for shots in options.shots:
        every = list[tuple[float, ...]]()
        for name in sets_in(options.data):
            rows = judged(name, options.data, shots, options.inside)
            every += rows
            print(_line(f"{name}, {shots} shots", rows), flush=True)
        print(_line(f"all, {shots} shots", every), flush=True)


def _line(name: str, rows: list[tuple[float, ...]]) -> str:
    table = np.array(rows) * 100
    figures = [float(np.median(column) if i == 2 else column.mean()) for i, column in enumerate(table.T)]
    return f"| {name} | {' | '.join(f'{figure:.1f}' for figure in figures)} |"


if __name__ == "__main__":
    with torch.no_grad():
        main()
