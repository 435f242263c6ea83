"""Whether photos from elsewhere than the shots are noticed, from their scores alone, and plain ones are left in peace.

    python -m benchmarks.unlike DATA [--shots 8] [--inside] [--rounds 0]

DATA holds sets, each with ``train`` and ``test``. A classifier learns from some shots of each class (``--rounds 0``:
its head alone, in seconds; else prompts too), and is asked about photos as they are, and made strange in five ways:
grey, in few colours, dark, blurred, as drawings. With ``--inside`` these are the rest of the train folder, as the
settings were chosen; else the test photos. A line each: accuracy, the fraction that passes the limit, which is to be
95 %, and whether it is said that they look unlike the shots (``Calibration.unlike``): of photos that are known to show
the classes, of any, and of any with 30 % unknown ones among them (photos of another set).
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from benchmarks.together import sets_in
from gallop import GalLoPClassifier, draw_shots, load_backbone, read_folder
from gallop.features.encoding import ImageFeatures, encode_sources
from gallop.model.scores import VERDICT


def _drawing(photo: Image.Image) -> Image.Image:
    edges = ImageOps.grayscale(photo).filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.FIND_EDGES)
    return ImageOps.invert(ImageOps.autocontrast(edges, cutoff=2)).convert("RGB")


STRANGE: dict[str, Callable[[Image.Image], Image.Image]] = {
    "plain": lambda photo: photo,
    "grey": lambda photo: ImageOps.grayscale(photo).convert("RGB"),
    "few colours": lambda photo: ImageOps.posterize(photo, 2),
    "dark": lambda photo: photo.point(lambda value: int(0.3 * value)),
    "blurred": lambda photo: photo.filter(ImageFilter.GaussianBlur(4)),
    "drawing": _drawing,
}


def main() -> None:
    """Print a line for each way, over all sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--shots", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--inside", action="store_true")
    options = parser.parse_args()
    backbone, rows = load_backbone("mini"), dict[str, list[tuple[float, ...]]]()
    names = list(sets_in(options.data))
    unknown = {name: read_folder(options.data / name / "train").photos[::4] for name in names}
    for number, name in enumerate(names):
        every = read_folder(options.data / name / "train")
        shots = draw_shots(every, options.shots, seed=0, allow_fewer=True)
        asked = every.left_over(shots) if options.inside else read_folder(options.data / name / "test")
        classifier = GalLoPClassifier(backbone, preset="default", epochs=options.rounds).fit(shots)
        others = classifier.ood_score([Image.open(photo).convert("RGB") for photo in unknown[names[number - 2]]])
        pictures, limit = [Image.open(photo).convert("RGB") for photo in asked.photos], classifier.calibration_
        for way, change in STRANGE.items():
            encoded = encode_sources(backbone, [change(picture) for picture in pictures], classifier.model_.sight)
            answers = classifier.predict_all(ImageFeatures.cat(list(encoded)))
            scores = answers.ood[VERDICT]
            mixed = np.concatenate([scores, others[: int(len(scores) * 0.3 / 0.7)]])
            said = [bool(limit.unlike(*each)) for each in ((mixed,), (scores,))]
            right = float((answers.labels == np.array(asked.names)).mean())
            passes = float((scores <= limit.threshold).mean())
            known = bool(limit.unlike(scores, known=True))
            rows.setdefault(way, []).append((right, passes, known, said[1], said[0]))
            print(f"{name:13} {way:12} {right:6.1%} right, {passes:6.1%} pass; said {known:d} {said[1]:d} {said[0]:d}")
    for way, each in rows.items():
        right, passes = np.mean(each, axis=0)[:2]
        known, some, mix = np.sum(each, axis=0)[2:].astype(int)
        print(f"all {len(each)} sets, {way:12} {right:6.1%} right, {passes:6.1%} pass; said of {known}, {some}, {mix}")


if __name__ == "__main__":
    main()
