"""Does "none of these" hold? The stored threshold on test photos, before and after one more class.

    python -m benchmarks.thresholds DATA

DATA holds the sets and the groups of unknown photos that ``photos-mini`` names, as ``SET/{train,test}/CLASS/*.jpg``.
For every score: FPR95 / AUROC of test photos against each group, of the untrained model, after training (mean of the
seeds) and after a class was added without retraining.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import statistics
from pathlib import Path

from gallop import GalLoPClassifier, Predictions, load_backbone
from gallop.bench.definition.spec import read_spec
from gallop.bench.running.photos import read_photos
from gallop.evaluation.metrics import auroc, fpr_at_tpr
from gallop.features.encoding import ImageFeatures, encode_centres, open_cache

SETS, SEEDS = ["clothing10", "caltech101"], [0, 1, 2]
NEW_CLASS = "umbrella stand"
"""Added after training, to see what a longer class list does to the threshold."""

Figures = dict[tuple[str, str], float]


def separations(known: Predictions, unknown: dict[str, Predictions]) -> tuple[Figures, Figures]:
    """(FPR95, AUROC), in percent by group and score."""
    pairs = [(group, score) for group in unknown for score in known.ood]
    fpr = {(g, s): 100 * fpr_at_tpr(known.ood[s], unknown[g].ood[s]) for g, s in pairs}
    return fpr, {(g, s): 100 * auroc(known.ood[s], unknown[g].ood[s]) for g, s in pairs}


def let_through(found: Predictions) -> float:
    assert found.is_ood is not None
    return 100 * float((~found.is_ood).mean())


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
            found, others = asked(classifier)
            columns.setdefault(column, []).append(separations(found, others))
            passed.setdefault(column, []).append(let_through(found))
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
    for what, shares in passed.items():
        print(
            f"- let through, {what}: {statistics.mean(shares):.0f}% ({', '.join(f'{s:.0f}' for s in shares)} by seed)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    photos = read_photos(read_spec("photos-mini"), options.data, SETS)
    backbone, cache = load_backbone("mini"), open_cache(None)

    def encoded(paths: tuple[Path, ...]) -> ImageFeatures:
        return ImageFeatures.cat(list(encode_centres(backbone, paths, cache)))

    unknown = {name: encoded(group.paths) for name, group in photos.unknown.items()}
    for name in SETS:
        chosen = photos.sets[name]
        report(name, list(chosen.train.paths), chosen.train.names, encoded(chosen.test.paths), unknown)


if __name__ == "__main__":
    main()
