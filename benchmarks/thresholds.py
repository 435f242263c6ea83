"""Does "none of these" hold? The stored threshold on test photos, before and after one more class.

    python -m benchmarks.thresholds DATA
    python -m benchmarks.thresholds DATA --choose [--write]    # would another score for each set notice more?

DATA holds the sets and the groups of unknown photos that ``photos-mini`` names, as ``SET/{train,test}/CLASS/*.jpg``.
For every score: FPR95 / AUROC of test photos against each group, of the untrained model, after training (mean of the
seeds) and after a class was added without retraining.

``--choose`` reads train folders alone. Of each set every third class is left out, as what is unknown. On the others a
score is chosen as one could be chosen for a user: every class in turn counts as unknown to the rest, on shots that
were held out, and the score that notices most of them at the limit that accepts 95 % is taken. Then the classes left
out are asked: how many of their photos are noticed with that score, with the verdict's, and with each.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import datetime
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.choose_settings import first_classes
from benchmarks.measure import machine
from benchmarks.report import README, replace_between
from gallop import GalLoPClassifier, Predictions, draw_shots, load_backbone, read_folder
from gallop.evaluation.metrics import auroc, fpr_at_tpr
from gallop.features.encoding import BATCH, ImageFeatures, encode_centres, open_cache
from gallop.lab.bench.photos import read_photos, set_folders
from gallop.lab.bench.spec import read_spec
from gallop.model.calibration import threshold_at_tpr
from gallop.model.similarities import Similarities

SETS, SEEDS = ["clothing10", "caltech101"], [0, 1, 2]
NEW_CLASS = "umbrella stand"
"""Added after training, to see what a longer class list does to the threshold."""

FEWEST = 5
"""Classes of a set: so many that two are left when a third is away, and one of the rest is asked about."""
BEGIN, END = "<!-- limit: begin -->", "<!-- limit: end -->"

Figures = dict[tuple[str, str], float]
Scores = dict[str, NDArray[np.float64]]


def separations(known: Predictions, unknown: dict[str, Predictions]) -> tuple[Figures, Figures]:
    """(FPR95, AUROC), in percent by group and score."""
    pairs = [(group, score) for group in unknown for score in known.ood]
    fpr = {(g, s): 100 * fpr_at_tpr(known.ood[s], unknown[g].ood[s]) for g, s in pairs}
    return fpr, {(g, s): 100 * auroc(known.ood[s], unknown[g].ood[s]) for g, s in pairs}


def let_through(predictions: Predictions) -> float:
    assert predictions.is_ood is not None
    return 100 * float((~predictions.is_ood).mean())


def report(
    name: str, train: list[Path], labels: list[str], known: ImageFeatures, unknown: dict[str, ImageFeatures]
) -> None:
    backbone = load_backbone("mini")

    def asked(classifier: GalLoPClassifier) -> tuple[Predictions, dict[str, Predictions]]:
        return classifier.predict_all(known), {g: classifier.predict_all(f) for g, f in unknown.items()}

    names = list(dict.fromkeys(labels))
    columns = {"zero-shot": [separations(*asked(GalLoPClassifier(backbone).zero_shot(names)))]}
    passed: dict[str, list[float]] = {}
    for seed in SEEDS:
        classifier = GalLoPClassifier(backbone, seed=seed).fit(train, labels)
        for column in ("GalLoP", "after `add_class`"):
            predictions, others = asked(classifier)
            columns.setdefault(column, []).append(separations(predictions, others))
            passed.setdefault(column, []).append(let_through(predictions))
            for group, one in others.items():
                passed.setdefault(f"{column}, {group}", []).append(let_through(one))
            if column == "GalLoP":
                classifier.add_class(NEW_CLASS)
    print(f"\n**{name}**\n\n| unknown | score | {' | '.join(columns)} |\n|---|---|{'---|' * len(columns)}")
    for group, score in columns["zero-shot"][0][0]:
        cells = [
            " / ".join(f"{statistics.mean(one[i][group, score] for one in runs):.0f}" for i in (0, 1))
            for runs in columns.values()
        ]
        print(f"| {group} | {score} | {' | '.join(cells)} |")
    print()
    for what, rates in passed.items():
        print(f"- let through, {what}: {statistics.mean(rates):.0f}% ({', '.join(f'{s:.0f}' for s in rates)} by seed)")


def ood_of(similarities: Similarities) -> Scores:
    """Return every score (B,) of photos."""
    return {name: score.double().numpy() for name, score in similarities.ood.items()}


def noticed(known: Scores, unknown: Scores) -> dict[str, float]:
    """Return by score the percentage of unknown photos above the limit that accepts 95 % of the known ones."""
    return {name: 100 * float((unknown[name] > threshold_at_tpr(known[name])).mean()) for name in known}


@torch.no_grad()
def held_out(classifier: GalLoPClassifier) -> tuple[Similarities, torch.Tensor]:
    """Return the similarities of the shots to prompts that never saw them, and the shots' labels."""
    folds = classifier.cross_fit_
    assert folds is not None
    parts = [
        model.similarities(part, model.text_features()).each(torch.Tensor.cpu)
        for model, features in zip(folds.models, folds.features, strict=True)
        for part in features.split(BATCH)
    ]
    return Similarities.cat(parts), folds.labels[torch.cat(folds.index)]


def as_unknown(similarities: Similarities, labels: torch.Tensor) -> dict[str, float]:
    """Return by score what is noticed where every class in turn is unknown to the others: the mean over classes."""
    each = []
    for one in range(similarities.image_cosines.shape[1]):
        others = [k for k in range(similarities.image_cosines.shape[1]) if k != one]
        scores = ood_of(similarities.of_classes(others))
        mine = (labels == one).numpy()
        each.append(
            noticed({name: s[~mine] for name, s in scores.items()}, {name: s[mine] for name, s in scores.items()})
        )
    return {name: statistics.mean(row[name] for row in each) for name in each[0]}


def choice(data: Path) -> Iterator[str]:
    """Yield a line a set: what is noticed with the score chosen for it, and with each."""
    backbone, cache, rows = load_backbone("mini"), open_cache(None), list[list[float]]()
    for name, root in set_folders(data).items():
        shots = draw_shots(first_classes(read_folder(root)), 16, seed=0, allow_fewer=True)
        if len(shots.class_names) < FEWEST:
            continue
        away = [label % 3 == 2 for label in shots.labels]
        learned = shots.take([i for i, gone in enumerate(away) if not gone])
        classifier = GalLoPClassifier(backbone, seed=0).fit(learned.paths, learned.names)
        known, labels = held_out(classifier)
        beforehand = as_unknown(known, labels)
        others = [path for path, gone in zip(shots.paths, away, strict=True) if gone]
        model = classifier.model_
        features = ImageFeatures.cat(list(encode_centres(model.backbone, others, cache, sight=model.sight)))
        with torch.no_grad():
            asked = model.similarities(features, model.cached_text_features()).each(torch.Tensor.cpu)
        really = noticed(ood_of(known), ood_of(asked))
        chosen = max(beforehand, key=beforehand.__getitem__)
        if not rows:
            cells = ("set", "unknown photos", "chosen", "noticed with it", *really)
            yield f"| {' | '.join(cells)} |\n|---|---:|---|{'---:|' * (len(cells) - 3)}"
        rows.append([really[chosen], *really.values()])
        yield f"| {name} | {len(others)} | {chosen} | {' | '.join(f'{value:.1f}' for value in rows[-1])} |"
    yield f"| mean | | | {' | '.join(f'{statistics.mean(column):.1f}' for column in zip(*rows, strict=True))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--choose", action="store_true", help="whether a score chosen for each set would notice more")
    parser.add_argument("--write", action="store_true", help="put what --choose finds into benchmarks/README.md")
    options = parser.parse_args()
    if options.choose:
        lines = []
        for line in choice(options.data):
            print(line, flush=True)
            lines.append(line)
        if options.write:
            head = f"{datetime.date.today().isoformat()}, {machine()}."
            replace_between(README, BEGIN, END, "\n".join([head, "", *lines]))
        return
    photos = read_photos(read_spec("photos-mini").narrowed(sets=SETS), options.data)
    backbone, cache = load_backbone("mini"), open_cache(None)

    def encoded(paths: tuple[Path, ...]) -> ImageFeatures:
        return ImageFeatures.cat(list(encode_centres(backbone, paths, cache)))

    unknown = {name: encoded(group.paths) for name, group in photos.unknown.items()}
    for name in SETS:
        chosen = photos.sets[name]
        report(name, list(chosen.train.paths), chosen.train.names, encoded(chosen.test.paths), unknown)


if __name__ == "__main__":
    main()
