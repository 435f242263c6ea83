"""What becomes of prompts that start from different words: trained on shots, asked about test photos.

    python -m benchmarks.prompts_apart DATA OUT.jsonl [--shots 16 4] [--seeds 0 1 2] [--starts WORDS;WORDS ...]
    python -m benchmarks.prompts_apart --table OUT.jsonl

A line in OUT for each training (a second call goes on where the first stopped); the table gives means over the sets
and the standard errors of the differences to the paper's words, over sets and seeds. *Alike over seeds* and *of one
run*: how much the ten best regions that a local prompt chooses for a photo's true class (and the photos on which a
prompt of either branch is wrong) are the same for one prompt in trainings with two seeds, and for two prompts of one
training: the size of the intersection over that of the union. Unknown photos are those of the other sets' test
folders, every fifth; *kept* is the fraction of test photos that pass the limit, where there is one.
"""

from __future__ import annotations

from gallop.model.answers import Rule, answers
from gallop.runtime.process import prepare

prepare()

import argparse
import itertools
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.together import sets_in
from gallop import GalLoPClassifier, draw_shots, load_backbone, read_folder
from gallop.backbones import Backbone
from gallop.config import CONTEXT_INIT, KINDS_OF_PICTURE, method_preset
from gallop.data import LabelledPhotos
from gallop.evaluation.diversity import mean_of_pairs, text_cosines
from gallop.evaluation.metrics import fpr_at_tpr
from gallop.features.encoding import BATCH, ImageFeatures, encode_sources
from gallop.model.scores import VERDICT

STARTS = (CONTEXT_INIT, KINDS_OF_PICTURE)
BEST = 10


def encoded(backbone: Backbone, photos: LabelledPhotos) -> ImageFeatures:
    return ImageFeatures.cat(list(encode_sources(backbone, photos.paths)))


def figures(clf: GalLoPClassifier, asked: ImageFeatures, labels: Tensor, unknown: ImageFeatures) -> dict[str, Any]:
    """What a trained model answers, and of each prompt which photos it has wrong and which regions it takes."""
    model, wrong, regions = clf.model_, [], []
    text, scores = model.cached_text_features(), {"known": [], "unknown": []}
    with torch.no_grad():
        for part, true in zip(asked.split(BATCH), labels.split(BATCH), strict=True):
            similar = model.similarities(part, text)
            each = torch.cat([similar.image_cosines, answers(similar, Rule(model.config.topk)).local], dim=2)
            wrong.append(each.argmax(dim=1) != true[:, None])
            regions.append(similar.looks[-1].ranked[1][torch.arange(len(true)), true, :, :BEST])
            scores["known"].append(similar.ood[VERDICT])
        scores["unknown"] = [model.similarities(part, text).ood[VERDICT] for part in unknown.split(BATCH)]
    known, other = (torch.cat(parts).numpy() for parts in scores.values())
    said = clf.predict_all(asked)
    mistakes, branches = torch.cat(wrong), model.config.sizes
    return {
        "accuracy": float((said.labels == np.array(clf.classes_)[labels.numpy()]).mean()),
        "global": 1 - float(mistakes[:, : branches[0]].float().mean()),
        "local": 1 - float(mistakes[:, branches[0] :].float().mean()),
        "fpr95": float(fpr_at_tpr(known, other)),
        "kept": None if said.is_ood is None else float(1 - said.is_ood.mean()),
        "cosines": [mean_of_pairs(text_cosines(part)) for part in (text.global_, text.local)],
        "wrong": [np.flatnonzero(column).tolist() for column in mistakes.numpy().T],
        "regions": torch.cat(regions).transpose(0, 1).tolist(),
    }


def overlap(one: frozenset[Any], other: frozenset[Any]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


def alike(runs: Sequence[dict[str, Any]], key: str, prompts: range) -> tuple[float, float]:
    """Mean overlaps of one prompt over seeds, and of two prompts of one run."""

    def sets(run: dict[str, Any], prompt: int) -> list[frozenset[int]]:
        chosen: NDArray[Any] | list[int] = run[key][prompt]
        return [frozenset(each) for each in chosen] if key == "regions" else [frozenset(chosen)]

    def mean(pairs: list[tuple[list[frozenset[int]], list[frozenset[int]]]]) -> float:
        return statistics.mean(overlap(a, b) for one, other in pairs for a, b in zip(one, other, strict=True))

    seeds = [(sets(a, p), sets(b, p)) for a, b in itertools.combinations(runs, 2) for p in prompts]
    within = [(sets(run, p), sets(run, q)) for run in runs for p, q in itertools.combinations(prompts, 2)]
    return mean(seeds), mean(within)


def table(lines: list[dict[str, Any]]) -> None:
    """Print a line for each number of shots and starting words."""
    names = ("accuracy", "global", "local", "fpr95", "kept")
    print("| shots | starting words | " + " | ".join(names) + " | cosines | regions | mistakes |\n" + "|---" * 10 + "|")
    for shots in sorted({line["shots"] for line in lines}, reverse=True):
        of_shots = [line for line in lines if line["shots"] == shots]
        usual = {(line["set"], line["seed"]): line for line in of_shots if line["starts"] == CONTEXT_INIT}
        for starts in dict.fromkeys(line["starts"] for line in of_shots):
            runs = [line for line in of_shots if line["starts"] == starts]
            cells = []
            for name in names:
                pairs = [
                    (100 * run[name], 100 * usual[run["set"], run["seed"]][name])
                    for run in runs
                    if run[name] is not None
                ]
                gaps = [now - before for now, before in pairs]
                if not pairs:
                    cells.append("")
                    continue
                gain = f" ({statistics.mean(gaps):+.1f} ± {statistics.stdev(gaps) / len(gaps) ** 0.5:.1f})"
                cells.append(f"{statistics.mean(now for now, _ in pairs):.1f}{gain if any(gaps) else ''}")
            cosines = [statistics.mean(run["cosines"][branch] for run in runs) for branch in (0, 1)]
            cells.append("/".join(f"{cosine:.3f}" for cosine in cosines))
            by_set = [[run for run in runs if run["set"] == name] for name in dict.fromkeys(run["set"] for run in runs)]
            locals_ = range(len(runs[0]["regions"]))
            every = range(len(runs[0]["wrong"]))
            for key, prompts in (("regions", locals_), ("wrong", every)):
                overlaps = [alike(some, key, prompts) for some in by_set if len(some) > 1]
                means = [statistics.mean(of_set[i] for of_set in overlaps) for i in (0, 1)] if overlaps else []
                cells.append(" over seeds, ".join(f"{mean:.2f}" for mean in means) + " of one run")
            print(f"| {shots} | {starts} ({len(runs)}) | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--shots", type=int, nargs="+", default=[16, 4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--starts", nargs="+", default=STARTS)
    parser.add_argument(
        "--folds", type=int, default=5, help="0 is six times as fast, and has no limit to keep photos by"
    )
    parser.add_argument("--sets", nargs="+", help="all where none is named")
    options = parser.parse_args()
    if options.table:
        return table([json.loads(line) for line in options.table.read_text().splitlines()])
    backbone, names = load_backbone("mini"), sets_in(options.data)
    tests = {name: read_folder(options.data / name / "test") for name in names}
    asked = {name: encoded(backbone, photos) for name, photos in tests.items()}
    kept = options.out.read_text().splitlines() if options.out.is_file() else []
    done = {tuple(json.loads(line)[key] for key in ("set", "shots", "seed", "starts")) for line in kept}
    for shots, name, seed, starts in itertools.product(
        options.shots, options.sets or names, options.seeds, options.starts
    ):
        if (name, shots, seed, starts) in done:
            continue
        learned = draw_shots(read_folder(options.data / name / "train"), shots, seed=seed, allow_fewer=True)
        method = method_preset("default", starts=starts)
        clf = GalLoPClassifier(backbone, method=method, seed=seed, calibration_folds=options.folds).fit(learned)
        labels = torch.tensor([clf.classes_.tolist().index(true) for true in tests[name].names])
        # Sets of one domain or of the same things are no unknown photos of each other.
        others = [other for other in names if other.split("/")[0] != name.split("/")[0]]
        unknown = ImageFeatures.cat([asked[other][slice(None, None, 5)] for other in others])
        line = {"set": name, "shots": shots, "seed": seed, "starts": starts}
        line |= figures(clf, asked[name], labels, unknown)
        with options.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(name, shots, seed, starts, f"{line['accuracy']:.3f}", line["cosines"], flush=True)


if __name__ == "__main__":
    main()
