"""What a second look at photos is worth: ``detail`` by cross-validation inside train folders, by rule and by use.

    python -m benchmarks.detail DATA [SET ...]

``benchmarks.costs`` measures what it costs, ``benchmarks.larger`` what else could be done at the larger size.
Test folders are never read. Folds, shots and unknown photos are those of ``benchmarks.choose_settings``. Prompts are
learned from one look and from both, and asked with either look alone and with the mean of both; the second look's k is
that of the first ("same k"), or the same fraction of its regions ("same area"). Each cell gives the accuracy in percent
and the AUROC of GL-MCM: of two looks that of the mean of their scores, and that of the best region of either ("best").
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import statistics
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.choose_settings import FOLDS, HELD_OUT, first_classes
from gallop import draw_shots, load_backbone, read_folder
from gallop.backbones import Backbone
from gallop.core.scores import Cosines, gl_mcm
from gallop.data import LabelledPhotos, stratified_folds
from gallop.evaluation.metrics import auroc
from gallop.features.encoding import BATCH, ImageFeatures, Sight, encode_centres, open_cache
from gallop.lab.bench.photos import set_folders
from gallop.lab.methods import Setup
from gallop.lab.methods.prompt_learning import GalLoPMethod, PromptedText
from gallop.model import scores
from gallop.model.answers import Rule, answers
from gallop.model.similarities import Similarities

DETAIL = 2.0
RULES = ("first look", "second look", "both, same k", "both, same area", "both, same k, best")


def logits(similarities: Similarities, topk: tuple[int, ...], rule: str) -> Tensor:
    """(B, K) of one of ``RULES``."""
    first, second = similarities.each_look()
    if rule == "first look":
        return answers(first, Rule(topk)).scores
    if rule == "second look":
        return answers(second, Rule(topk)).scores
    if rule == "both, same area":
        few, many = (look.region_cosines.shape[1] for look in similarities.looks)
        return (
            answers(first, Rule(topk)).scores + answers(second, Rule([round(k * many / few) for k in topk])).scores
        ) / 2
    return answers(similarities, Rule(topk)).scores


def outlier(similarities: Similarities, rule: str) -> Tensor:
    """GL-MCM (B,) of one of ``RULES``."""
    if rule == "first look":
        return similarities.each_look()[0].ood[scores.VERDICT]
    if rule == "second look":
        return similarities.each_look()[1].ood[scores.VERDICT]
    if rule.endswith("best"):
        regions = torch.cat([look.region_scores for look in similarities.looks], dim=1)
        return gl_mcm(Cosines(similarities.image_cosines.mean(dim=-1), regions))
    return similarities.ood[scores.VERDICT]


def held_out(
    backbone: Backbone, shots: LabelledPhotos, unknown: list[Path]
) -> dict[tuple[str, str], tuple[float, float]]:
    """On photos that were not trained on, the mean over the folds."""
    cache, sight = open_cache(None), Sight((1.0, DETAIL))
    others = ImageFeatures.cat(list(encode_centres(backbone, unknown, cache, sight=sight)))
    figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for fold in stratified_folds(shots.labels, FOLDS, seed=0)[:HELD_OUT]:
        rest = sorted(set(range(len(shots))) - set(fold))
        asked = [shots.paths[i] for i in fold]
        features = ImageFeatures.cat(list(encode_centres(backbone, asked, cache, sight=sight)))
        labels = torch.tensor([shots.labels[i] for i in fold])
        for learned, use in (("one look", "answers"), ("both", "training")):
            method = GalLoPMethod(detail=DETAIL, detail_in=use)
            fitted = method.fit(shots.take(rest), Setup(backbone, cache=cache))
            known, odd = (_asked(fitted, some) for some in (features, others))
            for rule in RULES:
                right = logits(known, method.topk, rule).argmax(dim=1) == labels
                area = auroc(outlier(known, rule).numpy(), outlier(odd, rule).numpy())
                figures.setdefault((learned, rule), []).append((100 * float(right.float().mean()), area))
    return {
        key: (statistics.mean(a for a, _ in each), statistics.mean(b for _, b in each)) for key, each in figures.items()
    }


@torch.no_grad()
def _asked(fitted: PromptedText, features: ImageFeatures) -> Similarities:
    parts = [fitted.model.similarities(part, fitted.text).each(Tensor.cpu) for part in features.split(BATCH)]
    return Similarities.cat(parts)


def compare(data: Path, only: list[str]) -> None:
    sets = {name: root for name, root in set_folders(data).items() if not only or name in only}
    drawn = {name: draw_shots(first_classes(read_folder(root)), 16, seed=0) for name, root in sets.items()}
    names, backbone = list(drawn), load_backbone("mini")
    rows: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for i, name in enumerate(names):
        unknown = list(drawn[names[(i + 1) % len(names)]].paths[::2])
        for key, figures in held_out(backbone, drawn[name], unknown).items():
            rows.setdefault(key, []).append(figures)
    print("| learned from | answered from | " + " | ".join(names) + " | mean |\n|" + "---|" * (len(names) + 3))
    for (learned, rule), figures in rows.items():
        means = [statistics.mean(values) for values in zip(*figures, strict=True)]
        cells = " | ".join(f"{percent:.1f} ({area:.2f})" for percent, area in [*figures, means])
        print(f"| {learned} | {rule} | {cells} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("sets", nargs="*", metavar="SET")
    options = parser.parse_args()
    compare(options.data, options.sets)


if __name__ == "__main__":
    main()
