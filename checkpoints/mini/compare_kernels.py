"""Which kernel and which ridge put classes right that the regression of ``targets`` has not seen.

    python compare_kernels.py --work /tmp/mini-build

Prints a table: fraction of the classes left out, a fifth at a time, that are nearest to themselves among those left
out, over three ways of dividing them. Takes a few minutes; sentence embeddings are saved in the work folder, as by
build.py.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from statistics import fmean

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from joint import classifier, implied_mean, joint_space
from open_clip import IMAGENET_CLASSNAMES
from sentences import embed
from targets import Kernel, exponential, held_out_accuracy
from timm.data import ImageNetInfo
from wordnet import describe, read_synsets

RIDGES = (0.03, 0.1, 0.3, 1.0)
KERNELS: dict[str, Kernel] = {
    "linear, 1 + cos": lambda cosines: 1 + cosines,
    "quadratic, ((1 + cos) / 2)^2": lambda cosines: ((1 + cosines) / 2) ** 2,
    "fourth power, ((1 + cos) / 2)^4": lambda cosines: ((1 + cosines) / 2) ** 4,
    **{f"exp({sharpness} (cos - 1))": exponential(sharpness) for sharpness in (2, 4, 6, 8, 12)},
    "exp(-distance)": lambda cosines: (-(2 - 2 * cosines).clamp(min=0).sqrt()).exp(),
    "exp(-2 distance)": lambda cosines: (-2 * (2 - 2 * cosines).clamp(min=0).sqrt()).exp(),
    "mean of exp with 2, 6 and 12": lambda cosines: (
        (exponential(2)(cosines) + exponential(6)(cosines) + exponential(12)(cosines)) / 3
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    options = parser.parse_args()
    network = classifier()
    _, _, directions = joint_space(network.get_classifier().weight.detach(), implied_mean(network.bn2), 512)
    synsets = read_synsets(options.wordnet, "noun")
    described = embed([describe(wnid, synsets) for wnid in synsets], options.work)
    position = {wnid: row for row, wnid in enumerate(synsets)}
    descriptions = described[[position[wnid] for wnid in ImageNetInfo().label_names()]]
    names = embed(list(IMAGENET_CLASSNAMES), options.work)
    print(f"| kernel | {' | '.join(f'ridge {ridge}' for ridge in RIDGES)} |\n|---|{'---|' * len(RIDGES)}")
    for label, kernel in KERNELS.items():
        accuracies = [
            fmean(held_out_accuracy(names, descriptions, directions, kernel, ridge, seed=seed) for seed in range(3))
            for ridge in RIDGES
        ]
        print(f"| {label} | {' | '.join(f'{accuracy:.1%}' for accuracy in accuracies)} |", flush=True)


if __name__ == "__main__":
    main()
