"""What the tower does alone, on the same photos in batches as full as the service's.

python -m benchmarks.serve.tower
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import subprocess
import sys
import time
from itertools import cycle

from gallop.sample import sample_folder, sample_photos

SECONDS = 10.0


def tower_rate() -> float:
    """Photos a second that pass the tower in batches as full as the service's, prepared before, and nothing else."""
    command = [sys.executable, "-m", "benchmarks.serve.tower"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _tower() -> float:
    import torch

    from gallop import GalLoPClassifier, load_image
    from gallop.features.encoding import BATCH, encode_pixels

    backbone = GalLoPClassifier.load(sample_folder() / "model", device="cpu").model_.backbone
    pixels = [backbone.preprocess.centre(load_image(photo.path).image)[0] for photo in sample_photos()]
    batches = cycle([[torch.stack(pixels[i : i + BATCH])] for i in range(0, len(pixels) // BATCH * BATCH, BATCH)])
    encode_pixels(backbone, next(batches))
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        encode_pixels(backbone, next(batches))
        done += BATCH
    return done / (time.perf_counter() - began)


if __name__ == "__main__":
    print(_tower())
