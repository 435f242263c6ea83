"""How the third branch was chosen: its strength, its views and its usual weight, by cross-validation in train folders.

    python -m benchmarks.choose_head DATA RUNS          # the choice; what was trained is kept in the folder RUNS
    python -m benchmarks.choose_head DATA RUNS --test   # what was chosen, once, on the test folders

For the choice no test folder is read. Photos are cut as ``benchmarks.choose_settings`` does it: first ten classes, 16
shots of seed 0, four folds of which two are held out in turn; of the others 12, 8, 4 and 1 of each class are learned
from. GalLoP is trained once for each of these, with the default settings, and every head is fitted to the same shots:
their centre crops, or those and the kept views. A head's temperature makes it as sharp as the prompts, each alone as
probable as it can be on what is held out (geometric mean over the sets); mixed is what both say with a weight.

For the test GalLoP learns from 16, 8, 4 and 1 shots of all classes and calibrates, and each head takes its weight from
the same folds.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.choose_settings import FOLDS, HELD_OUT, first_classes
from gallop import GalLoPClassifier, MethodConfig, draw_shots, load_backbone, read_folder
from gallop.backbones import Backbone
from gallop.bench.running.photos import set_folders
from gallop.config import HEAD_KINDS, HeadKind, train_preset
from gallop.data import LabelledPhotos, stratified_folds
from gallop.features.encoding import ImageFeatures, TrainingViews, encode_centres, open_cache
from gallop.methods import LinearProbe, Setup
from gallop.model.calibration import fit_temperature
from gallop.model.gallop import GalLoP
from gallop.model.head.forms import LinearForm, discriminant, logistic, ridge
from gallop.model.head.head import Head
from gallop.model.head.mix import Mix
from gallop.model.head.sums import KeptShots, ShotSums, shot_features
from gallop.training.learn import learn
from gallop.training.loop import ALONE
from gallop.training.third import shots_for_heads

KINDS = HEAD_KINDS[1:]
LEARNED, TESTED = (12, 8, 4, 1), (16, 8, 4, 1)
STRENGTHS: dict[HeadKind, list[float]] = {
    "discriminant": [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9],
    "ridge": [0.03, 0.1, 0.3, 1.0, 3.0, 10.0],
    "logistic": [1.0, 10.0, 100.0, 1000.0],
}
WEIGHTS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Trained:
    """What is kept of one training: logits (m, K) of photos that it has not seen, their features (m, D) and labels."""

    logits: Tensor
    features: Tensor
    labels: Tensor
    shots: KeptShots


def fitted(kind: HeadKind, shots: KeptShots, classes: int, strength: float) -> LinearForm:
    if kind == "logistic":
        return logistic(shots, strength)
    return {"discriminant": discriminant, "ridge": ridge}[kind](ShotSums.of(shots, classes), strength)


def fewer(labels: list[int], rest: list[int], count: int) -> list[int]:
    """The first photos of each class, which were drawn in no order."""
    seen: dict[int, int] = {}
    kept = []
    for i in rest:
        seen[labels[i]] = seen.get(labels[i], 0) + 1
        kept += [i] if seen[labels[i]] <= count else []
    return kept


def trained(backbone: Backbone, shots: LabelledPhotos, fold: list[int], count: int) -> Trained:
    cache, config = open_cache(None), train_preset("default", calibration_folds=0)
    kept = shots.take(fewer(list(shots.labels), sorted(set(range(len(shots))) - set(fold)), count))
    model = GalLoP(backbone, shots.class_names, MethodConfig())
    for _ in learn(model, kept, config, cache=cache):
        pass
    views = TrainingViews(backbone, kept.photos, kept.hashes, views=config.views, seed=config.seed, cache=cache)
    for _ in views.encode():
        pass
    *_, known = shots_for_heads(backbone, kept, cache, ALONE)
    assert isinstance(known, KeptShots)
    everyone = torch.arange(len(kept))
    more = [shot_features(backbone, views.batch(everyone, view))[:, None] for view in range(views.count)]
    known = KeptShots(torch.cat([known.features, *more], dim=1), known.labels)
    held = shots.take(fold)
    parts = list(encode_centres(backbone, held.photos, cache, held.hashes))
    with torch.no_grad():
        text = model.text_features()
        logits = torch.cat([model.similarities(part, text).logits(model.config.topk) for part in parts])
    features = torch.cat([shot_features(backbone, part) for part in parts])
    return Trained(logits * backbone.logit_scale, features.double(), torch.tensor(held.labels), known)


def kept_trainings(options: argparse.Namespace, backbone: Backbone) -> Iterator[tuple[str, int, Trained]]:
    """Each of them, from the folder where it was made before."""
    for name, root in set_folders(options.data).items():
        shots = draw_shots(first_classes(read_folder(root)), 16, seed=0)
        folds = stratified_folds(shots.labels, FOLDS, seed=0)[:HELD_OUT]
        for number, fold in enumerate(folds):
            for count in LEARNED:
                path = options.runs / f"{name.replace('/', '-')}-{number}-{count}.pt"
                if not path.exists():
                    torch.save(vars(made := trained(backbone, shots, fold, count)) | {"shots": vars(made.shots)}, path)
                found = torch.load(path, weights_only=True)
                yield name, count, Trained(**(found | {"shots": KeptShots(**found["shots"])}))


def percent(logits: Tensor, labels: Tensor) -> float:
    return 100 * float((logits.argmax(dim=-1) == labels).float().mean())


def surprise(logits: Tensor, labels: Tensor) -> float:
    """Of the labels, each answer as sure as it should be."""
    return float(F.cross_entropy(logits.double() / fit_temperature(logits, labels), labels))


def choose(options: argparse.Namespace, backbone: Backbone) -> None:
    runs = list(kept_trainings(options, backbone))
    for count in LEARNED:
        own = [run for _, shots, run in runs if shots == count]
        print(f"\n{count} shots: GalLoP {statistics.mean(percent(run.logits, run.labels) for run in own):.1f}\n")
        columns = [f"w {weight:g}" for weight in WEIGHTS] + ["surprise at w 0.5"]
        print(f"| head | views | strength | temperature | alone | {' | '.join(columns)} |\n|{'---|' * 9}")
        for kind in KINDS:
            for views in (1, 5):
                for strength in STRENGTHS[kind]:
                    print(row(kind, views, strength, own), flush=True)


def row(kind: HeadKind, views: int, strength: float, runs: list[Trained]) -> str:
    heads = []
    for run in runs:
        shots = KeptShots(run.shots.features[:, :views], run.shots.labels)
        heads.append(fitted(kind, shots, run.logits.shape[-1], strength)(run.features))
    start = statistics.mean(1 / float(head.std(dim=-1).mean()) for head in heads)  # the fit has bounds and a prior
    sharp = [
        fit_temperature(head * start, run.labels) / start / fit_temperature(run.logits, run.labels)
        for head, run in zip(heads, runs, strict=True)
    ]
    temperature = math.exp(statistics.mean(map(math.log, sharp)))
    pairs = list(zip(heads, runs, strict=True))
    mixed = [
        [percent(Mix(weight, temperature)(run.logits, head), run.labels) for head, run in pairs] for weight in WEIGHTS
    ]
    cells = [statistics.mean(percent(head, run.labels) for head, run in pairs), *map(statistics.mean, mixed)]
    lost = statistics.mean(surprise(Mix(0.5, temperature)(run.logits, head), run.labels) for head, run in pairs)
    words = " | ".join(f"{cell:.1f}" for cell in cells)
    return f"| {kind} | {views} | {strength:g} | {temperature:.3g} | {words} | {lost:.3f} |"


def test(options: argparse.Namespace, backbone: Backbone) -> None:
    sets = set_folders(options.data)
    names = ["GalLoP", "linear probe", *(f"{kind}{more}" for kind in KINDS for more in ("", " alone"))]
    for count in TESTED:
        print(f"\n{count} shots\n\n| set | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
        rows = []
        for name, root in sets.items():
            rows.append(tested(backbone, root, count))
            print(f"| {name} | {' | '.join(f'{cell:.1f}' for cell in rows[-1])} |", flush=True)
        means = [statistics.mean(column) for column in zip(*rows, strict=True)]
        print(f"| **mean** | {' | '.join(f'{cell:.1f}' for cell in means)} |", flush=True)


def tested(backbone: Backbone, root: Path, count: int) -> list[float]:
    """Accuracy of GalLoP, a linear probe, and of each head beside GalLoP and alone."""
    cache = open_cache(None)
    shots, photos = draw_shots(read_folder(root), count, seed=0), read_folder(root, split="test")
    truth = torch.tensor([shots.class_names.index(name) for name in photos.names])
    features = ImageFeatures.cat(list(encode_centres(backbone, photos.photos, cache, photos.hashes)))
    classifier = GalLoPClassifier.of(
        MethodConfig(head="ridge"), train_preset("default"), backbone, cache=cache, keep_shots=True
    ).fit(shots)
    probe = LinearProbe(strength=1000).fit(shots, Setup(backbone, cache=cache))

    def right(probabilities: Any) -> float:
        return 100 * float((torch.as_tensor(probabilities).argmax(dim=-1) == truth).float().mean())

    found = [right(without_head(classifier).predict_proba(features)), right(probe.predict(features).probabilities)]
    for kind in KINDS:
        answers = other_head(classifier, kind).predict_all(features)
        found += [right(answers.probabilities), right(answers.probabilities_head)]
    return found


def without_head(classifier: GalLoPClassifier) -> GalLoPClassifier:
    other = GalLoPClassifier.of(MethodConfig(), classifier.training_, classifier.model_.backbone)
    other.__dict__ |= {name: value for name, value in vars(classifier).items() if name.endswith("_")}
    other._text, other._data_fingerprint = None, ""
    other.model_ = classifier.model_.with_head(None)
    return other


def other_head(classifier: GalLoPClassifier, kind: HeadKind) -> GalLoPClassifier:
    """The same prompts, in the folds too, with another head for the same shots."""
    other, model = without_head(classifier), classifier.model_
    assert model.head is not None
    assert model.head.shots is not None
    known, classes = model.head.shots, len(model.class_names)
    other.model_ = model.with_head(Head.of(kind, known, classes))
    fit = classifier.cross_fit_
    if fit is not None:
        folds = []
        for fold, index in zip(fit.models, fit.index, strict=True):
            seen = torch.ones(len(known), dtype=torch.bool)
            seen[index] = False
            config = replace(fold.config, head=kind)
            changed = fold.with_head(Head.of(kind, known.take(seen), classes))
            changed.config = config
            folds.append(changed)
        other.cross_fit_ = replace(fit, models=tuple(folds))
        other._calibrate()
    return other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--test", action="store_true")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    (test if options.test else choose)(options, load_backbone("mini"))


if __name__ == "__main__":
    main()
