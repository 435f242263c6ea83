"""What lets the prompts of a class part in training without loss: settings compared inside train folders.

    python -m benchmarks.choose_prompts DATA CACHE
    python -m benchmarks.choose_prompts DATA CACHE --folds 4 --shots 12 4 --seeds 0 1

Test folders are never read. Photos are cut as ``benchmarks.choose_settings`` does it: the first ten classes of a
set, 16 shots, four folds; from the others so many shots of each class are learned, and the fold is asked. Each line
gives the accuracy of the answer (prompts and head), of the prompts alone, of a single global and a single local prompt
(the mean over them), FPR95 of GL-MCM against photos of the next set, and the mean pairwise cosines of the prompts.
Behind the accuracies are the differences to the first line with their standard errors over photos.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import copy
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.choose_settings import FOLDS, drawn_sets, settings_text
from gallop import load_backbone
from gallop.backbones import Backbone
from gallop.config import (
    CONTEXT_INIT,
    KINDS_OF_PHOTO,
    KINDS_OF_PICTURE,
    MethodConfig,
    TrainConfig,
    method_preset,
    train_preset,
)
from gallop.data import LabelledPhotos, stratified_folds
from gallop.evaluation.diversity import mean_of_pairs, text_cosines
from gallop.evaluation.metrics import fpr_at_tpr
from gallop.features.encoding import BATCH, FeatureCache, ImageFeatures, TrainingViews, encode_centres
from gallop.model.answers import answers
from gallop.model.prompted import PromptModel, starting_prompts
from gallop.model.scores import VERDICT
from gallop.training.learn import all_shots
from gallop.training.steps import Learner, Steps

ROOM = 2**35
"""Bytes of features on disk: those of all train folders, in all views, take five gigabytes."""
PLAIN: dict[str, Any] = {"starts": CONTEXT_INIT, "init": 0.0, "diversity": 0.0}
"""What settings leave out."""
SETTINGS: list[dict[str, Any]] = [
    {"steps": 10_000},
    {"steps": 100},
    {"steps": 50},
    {"steps": 100, "starts": KINDS_OF_PICTURE, "diversity": 0.3},
    {"steps": 50, "starts": KINDS_OF_PICTURE, "diversity": 0.3},
    {"steps": 100, "starts": KINDS_OF_PHOTO, "diversity": 0.3},
    {"steps": 50, "starts": KINDS_OF_PHOTO, "diversity": 0.3},
    {"steps": 100, "starts": KINDS_OF_PHOTO, "diversity": 1.0},
    {"steps": 100, "init": 0.5, "diversity": 0.3},
    {"steps": 100, "init": 1.0, "diversity": 1.0},
    {"steps": 100, "starts": KINDS_OF_PHOTO, "diversity": 0.3, "dropout": 0.5},
]
"""The first, with as many rounds as before, is what the others are compared with. ``steps``: the most of a training."""
FIGURES = ("answer", "prompts", "global", "local", "FPR95", "cosine, global", "cosine, local")
_ACCURACIES = FIGURES[:4]


def fewer(labels: Sequence[int], rest: Sequence[int], count: int) -> list[int]:
    """Return the first photos of each class, which were drawn in no order."""
    seen: dict[int, int] = {}
    first = []
    for i in rest:
        seen[labels[i]] = seen.get(labels[i], 0) + 1
        first += [i] if seen[labels[i]] <= count else []
    return first


def asked(model: PromptModel, photos: ImageFeatures, labels: Tensor, others: ImageFeatures) -> dict[str, Any]:
    """What a trained model answers: of each photo 1 or 0 where it is an accuracy."""
    text, right, scores = model.cached_text_features(), [], {"known": [], "other": []}
    with torch.no_grad():
        for part, true in zip(photos.split(BATCH), labels.split(BATCH), strict=True):
            found = answers(model.similarities(part, text), model.rule())
            both = found.scores.argmax(dim=1), found.prompts.argmax(dim=1)
            each = found.global_, found.local
            alone = [(scores.argmax(dim=1) == true[:, None]).double().mean(dim=1) for scores in each]
            right.append(torch.stack([(answer == true).double() for answer in both] + alone))
            scores["known"].append(found.similarities.ood[VERDICT])
        scores["other"] = [model.similarities(part, text).ood[VERDICT] for part in others.split(BATCH)]
    known, other = (torch.cat(parts).numpy() for parts in scores.values())
    cosines = [mean_of_pairs(text_cosines(part)) for part in (text.global_, text.local)]
    return dict(zip(FIGURES, [*torch.cat(right, dim=1), 100 * fpr_at_tpr(known, other), *cosines], strict=True))


def trained(
    backbone: Backbone,
    method: MethodConfig,
    config: TrainConfig,
    data: tuple[LabelledPhotos, LabelledPhotos],
    cache: FeatureCache,
    count: int,
    folds: int,
) -> Iterator[dict[str, Any]]:
    """Of each fold what ``asked`` returns; all are learned side by side."""
    shots, others = data
    labels = torch.tensor(shots.labels)
    views = TrainingViews(backbone, shots.photos, shots.hashes, views=config.views, seed=config.seed, cache=cache)
    for _ in views.encode():
        pass
    learners, held = [], stratified_folds(shots.labels, FOLDS, seed=config.seed)[:folds]
    for fold in held:
        rest = fewer(shots.labels, sorted(set(range(len(shots))) - set(fold)), count)
        model = PromptModel(backbone, shots.class_names, method, copy.deepcopy(starting_prompts(backbone, method)))
        model.branches = model.taught(all_shots(model, shots.take(rest), cache))
        learners.append(Learner(model, torch.tensor(rest)))
    for _ in Steps(views, labels, config, PromptModel.loss).trainer(learners).run():
        pass
    sees = learners[0].model.sight
    every = ImageFeatures.cat(list(encode_centres(backbone, shots.photos, cache, shots.hashes, sees)))
    unknown = ImageFeatures.cat(list(encode_centres(backbone, others.photos, cache, others.hashes, sees)))
    for learner, fold in zip(learners, held, strict=True):
        index = torch.tensor(fold)
        yield asked(learner.model, every[index], labels[index], unknown)


def line(figures: dict[str, list[dict[str, Any]]], usual: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Cells of the means over sets, and what they gain."""
    cells = []
    for name in FIGURES:
        if name not in _ACCURACIES:
            mean = statistics.mean(float(fold[name]) for folds in figures.values() for fold in folds)
            cells.append(f"{mean:.3f}" if "cosine" in name else f"{mean:.1f}")
            continue
        right, before = (
            {key: torch.cat([fold[name] for fold in folds]) for key, folds in some.items()} for some in (figures, usual)
        )
        gaps = [right[key] - before[key] for key in right]
        error = math.sqrt(sum(float(gap.var()) / len(gap) for gap in gaps)) / len(gaps)
        gain = f" ({100 * statistics.mean(float(gap.mean()) for gap in gaps):+.1f} ± {100 * error:.1f})"
        cells.append(
            f"{100 * statistics.mean(float(each.mean()) for each in right.values()):.1f}"
            + gain * (figures is not usual)
        )
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path, help="folder of features that are kept")
    parser.add_argument("--shots", type=int, nargs="+", default=[12, 4])
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--sets", nargs="+", help="all where none is named")
    parser.add_argument("--only", type=int, nargs="+", default=range(len(SETTINGS)), help="by their places in the list")
    options = parser.parse_args()
    backbone, cache = load_backbone("mini"), FeatureCache(options.cache, ROOM)
    drawn = drawn_sets(options.data)
    names = list(drawn)
    data = {
        name: (
            drawn[name],
            drawn[names[(i + 1) % len(names)]].take(range(0, len(drawn[names[(i + 1) % len(names)]]), 2)),
        )
        for i, name in enumerate(names)
        if not options.sets or name in options.sets
    }
    print("| shots | setting | " + " | ".join(FIGURES) + " |\n|" + "---|" * (len(FIGURES) + 2))
    for count in options.shots:
        usual = None
        for settings in map(SETTINGS.__getitem__, options.only):
            given = {key: value for key, value in settings.items() if key != "steps"}
            method = method_preset("default", **(PLAIN | given))
            found: dict[str, list[dict[str, Any]]] = {name: [] for name in data}
            for seed in options.seeds:
                for name, photos in data.items():
                    learned = count * len(photos[0].class_names)
                    config = train_preset("default", photos=learned, seed=seed)
                    rounds = min(config.epochs, -(-settings["steps"] // config.batches(learned)))
                    config = replace(config, epochs=rounds)
                    found[name] += trained(backbone, method, config, photos, cache, count, options.folds)
            usual = usual or found
            print(f"| {count} | {settings_text(settings)} | " + " | ".join(line(found, usual)) + " |", flush=True)


if __name__ == "__main__":
    main()
