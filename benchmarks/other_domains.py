"""Answers to photos of other domains than the shots: zero-shot, the paper's method, and a preset of ours.

    python -m benchmarks.other_domains DATA [--preset default] [--shots 16] [--inside] [--sets NAME ...]

DATA holds sets, each with ``train`` and ``test``. Each method learns from some shots of each class; all are asked about
the test photos, or with ``--inside`` about the rest of the train folder, as they are and made strange as in
``benchmarks.unlike``, and what has learned pacs/photo about the sketches of pacs/sketch. The paper's method learns from
four views of each photo, encoded once: fresh ones would take hours. A line each: the accuracy of each method, and of
the preset how sure it is on the mean, and what fraction passes its limit.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.together import sets_in
from benchmarks.unlike import STRANGE
from gallop import GalLoPClassifier, draw_shots, load_backbone, read_folder
from gallop.backbones import Backbone
from gallop.data import LabelledPhotos
from gallop.features.encoding import ImageFeatures, Sight, encode_sources

PHOTOS, SKETCHES = "pacs/photo", "pacs/sketch"
Asked = tuple[ImageFeatures, np.ndarray[tuple[int], np.dtype[np.str_]]]


def asked(
    data: Path, name: str, photos: LabelledPhotos, backbone: Backbone, sight: Sight
) -> Iterator[tuple[str, Asked]]:
    """Yield the domains of a set, each with features and class names."""
    pictures = [Image.open(photo).convert("RGB") for photo in photos.paths]
    for way, change in STRANGE.items():
        encoded = ImageFeatures.cat(list(encode_sources(backbone, [change(picture) for picture in pictures], sight)))
        yield way, (encoded, np.array(photos.names))
    if name == PHOTOS:
        sketches = read_folder(data / SKETCHES / "test")
        yield (
            "sketch",
            (ImageFeatures.cat(list(encode_sources(backbone, sketches.paths, sight))), np.array(sketches.names)),
        )


def main() -> None:
    """Print a line for each domain of each set, and the means over the sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--inside", action="store_true")
    parser.add_argument("--sets", nargs="+")
    options = parser.parse_args()
    backbone, rows = load_backbone("mini"), dict[str, list[tuple[float, ...]]]()
    for name in options.sets or sets_in(options.data):
        every = read_folder(options.data / name / "train")
        shots = draw_shots(every, options.shots, seed=0, allow_fewer=True)
        photos = every.left_over(shots) if options.inside else read_folder(options.data / name / "test")
        zero = GalLoPClassifier(backbone).zero_shot(shots.class_names)
        paper = GalLoPClassifier(backbone, preset="paper", views=4, calibration_folds=0).fit(shots)
        ours = GalLoPClassifier(backbone, preset=options.preset).fit(shots)
        for way, (features, truth) in asked(options.data, name, photos, backbone, ours.model_.sight):
            once = features.looks[0]
            right = [float((m.predict(f) == truth).mean()) for m, f in ((zero, once), (paper, once), (ours, features))]
            answers = ours.predict_all(features)
            sure, passes = float(answers.probabilities.max(axis=1).mean()), 1 - float(np.mean(answers.is_ood))
            rows.setdefault(way, []).append((*right, sure, passes))
            print(f"| {name} | {way} | " + " | ".join(f"{100 * x:.1f}" for x in rows[way][-1]) + " |", flush=True)
    for way, each in rows.items():
        print(f"| {len(each)} sets | {way} | " + " | ".join(f"{100 * x:.1f}" for x in np.mean(each, axis=0)) + " |")


if __name__ == "__main__":
    main()
