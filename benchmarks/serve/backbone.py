"""What one process does without a service: the backbone alone in full batches, and a loop that asks about photo by
photo.

python -m benchmarks.serve.backbone
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import subprocess
import sys
import time
from collections.abc import Callable
from itertools import cycle

from gallop.sample import sample_folder, sample_photos

SECONDS = 10.0


def rates() -> tuple[float, float]:
    """Photos a second that pass the backbone in batches as full as the service's, prepared before, and nothing else;
    and those that a loop over the same files is answered, one after the other.
    """
    command = [sys.executable, "-m", "benchmarks.serve.backbone"]
    alone, direct = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(alone), float(direct)


def _rates() -> tuple[float, float]:
    import torch

    from gallop import GalLoPClassifier, load_image
    from gallop.features.encoding import BATCH, encode_pixels

    classifier = GalLoPClassifier.load(sample_folder() / "model", device="cpu")
    backbone = classifier.model_.backbone
    pixels = [backbone.preprocess.centre(load_image(photo.path).image)[0] for photo in sample_photos()]
    batches = cycle([[torch.stack(pixels[i : i + BATCH])] for i in range(0, len(pixels) // BATCH * BATCH, BATCH)])
    files = cycle([photo.path.read_bytes() for photo in sample_photos()])
    alone = _rate(lambda: encode_pixels(backbone, next(batches)))
    return BATCH * alone, _rate(lambda: classifier.predict_all([next(files)]))


def _rate(work: Callable[[], object]) -> float:
    work()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        work()
        done += 1
    return done / (time.perf_counter() - began)


if __name__ == "__main__":
    print(*_rates())
