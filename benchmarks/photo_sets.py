"""Zero-shot, CoOp and GalLoP on a folder of photo sets: accuracy over seeds, and OOD detection before and after.

    python -m benchmarks.photo_sets DATA --out results.json

DATA holds sets laid out as ``SET/{train,test}/CLASS/*.jpg``; folders without classes are groups of unknown photos.
Test photos are encoded once a set; every figure is a fraction. Finished sets are kept in ``--out`` and not run again.
"""

from __future__ import annotations

from gallop.process import prepare

prepare()

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gallop import GalLoPClassifier, load_backbone, read_folder
from gallop.backbones import Backbone
from gallop.features import ImageFeatures, encode_sources
from gallop.images import list_images
from gallop.metrics import accuracy, auroc, fpr_at_tpr
from gallop.predictions import Predictions, answer

COOP = {"global_prompts": 1, "local_prompts": 0, "dropout": 0.0, "calibration_folds": 0}
OOD_SETS = ("clothing10", "caltech101")
NEW_CLASS = "umbrella stand"
"""Added after training, to see what a longer class list does to the threshold."""


def photo_sets(root: Path) -> Iterator[Path]:
    """Every folder below ``root`` that holds train/ and test/."""
    for train in sorted(root.glob("**/train")):
        if (train.parent / "test").is_dir():
            yield train.parent


def unknown_groups(root: Path) -> dict[str, Path]:
    """Groups of unknown photos: folders of images under ``ood_mixed``."""
    return {folder.name: folder for folder in sorted(root.glob("ood_mixed/*")) if folder.is_dir()}


def ask(classifier: GalLoPClassifier, features: ImageFeatures) -> Predictions:
    """Answers from features that were encoded before."""
    model = classifier.model_
    with torch.no_grad():
        return answer(model, model.similarities(features, model.text_features()), classifier.calibration_)


def encode(backbone: Backbone, sources: Any) -> ImageFeatures:
    return ImageFeatures.cat(list(encode_sources(backbone, sources)))


def branches(found: Predictions, classes: Any, labels: list[str]) -> dict[str, float]:
    """Accuracy of the ensemble and of the global branch."""
    names = np.array(classes)
    return {
        "accuracy": accuracy(found.labels, labels),
        "accuracy_global": accuracy(names[found.probabilities_global.argmax(1)], labels),
    }


def ood_figures(
    classifier: GalLoPClassifier, known: ImageFeatures, unknown: dict[str, ImageFeatures]
) -> dict[str, Any]:
    """FPR95 and AUROC of each score and group, and the share of known photos that the stored threshold lets through."""
    inliers = ask(classifier, known)
    figures: dict[str, Any] = {"tpr": None if inliers.is_ood is None else float((~inliers.is_ood).mean())}
    for group, features in unknown.items():
        outliers = ask(classifier, features)
        figures[group] = {
            name: {
                "fpr95": fpr_at_tpr(inliers.ood[name], outliers.ood[name]),
                "auroc": auroc(inliers.ood[name], outliers.ood[name]),
            }
            for name in inliers.ood
        }
        if outliers.is_ood is not None:
            figures[group]["called unknown"] = float(outliers.is_ood.mean())
    return figures


def run_set(backbone: Backbone, root: Path, seeds: list[int], unknown: dict[str, ImageFeatures]) -> dict[str, Any]:
    test = read_folder(root, split="test")
    features = encode(backbone, test.paths)
    zero_shot = GalLoPClassifier(backbone).zero_shot(test.class_names)
    result: dict[str, Any] = {
        "n": len(test),
        "zero_shot": branches(ask(zero_shot, features), test.class_names, test.names),
    }
    if unknown:
        result["ood_zero_shot"] = ood_figures(zero_shot, features, unknown)
    for method, settings in (("coop", COOP), ("gallop", {} if unknown else {"calibration_folds": 0})):
        result[method] = []
        for seed in seeds:
            classifier = GalLoPClassifier(backbone, shots=16, seed=seed, **settings).fit(root)
            row = branches(ask(classifier, features), classifier.classes_, test.names)
            if method == "gallop" and unknown:
                row["ood"] = ood_figures(classifier, features, unknown)
                classifier.add_class(NEW_CLASS)
                row["ood_after_add_class"] = ood_figures(classifier, features, unknown)
            result[method].append(row)
            print(f"{root.name} {method} seed {seed}: {row['accuracy']:.3f}", file=sys.stderr, flush=True)
    return result


def table(results: dict[str, Any]) -> str:
    """Markdown: percent, mean and standard deviation over seeds; the ensemble's zero-shot in brackets."""

    def cell(rows: list[dict[str, float]]) -> str:
        values = [100 * row["accuracy"] for row in rows]
        return f"{statistics.mean(values):.1f} ± {statistics.pstdev(values):.1f}"

    lines = ["| set | zero-shot | CoOp | GalLoP |", "|---|---|---|---|"]
    sums = np.zeros(4)
    for name, r in results.items():
        zero = 100 * r["zero_shot"]["accuracy_global"], 100 * r["zero_shot"]["accuracy"]
        lines.append(f"| {name} | {zero[0]:.1f} ({zero[1]:.1f}) | {cell(r['coop'])} | {cell(r['gallop'])} |")
        means = [100 * statistics.mean(row["accuracy"] for row in r[m]) for m in ("coop", "gallop")]
        sums += np.array([*zero, *means]) / len(results)
    lines.append(f"| **mean** | {sums[0]:.1f} ({sums[1]:.1f}) | {sums[2]:.1f} | {sums[3]:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", help="sets to run, such as pacs/photo; all by default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    backbone = load_backbone("mini")
    groups = unknown_groups(options.data)
    unknown = {name: encode(backbone, list_images(folder)) for name, folder in groups.items()}
    results = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for root in photo_sets(options.data):
        name = root.relative_to(options.data).as_posix()
        if name not in results and name in (options.only or [name]):
            results[name] = run_set(backbone, root, options.seeds, unknown if name in OOD_SETS else {})
            options.out.write_text(json.dumps(results, indent=1))
    print(table(results))


if __name__ == "__main__":
    main()
