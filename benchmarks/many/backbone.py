"""One process of ``backbone_rate``: photos a second of the backbone alone.

    python -m benchmarks.many.backbone SOURCE SECONDS

It prints a line when it is ready, waits for one, and encodes for that time.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import sys
import time
from itertools import cycle, islice

from gallop import load_backbone
from gallop.answers.scorer import prepare_photos
from gallop.answers.sources import Opener, open_source
from gallop.features.encoding import BATCH

BATCHES = 8


def main() -> None:
    source, seconds = sys.argv[1], float(sys.argv[2])
    backbone, opener = load_backbone("mini", device="cpu"), Opener()
    items = iter(open_source(source, opener))
    made = [prepare_photos(list(islice(items, BATCH)), opener, backbone.preprocess) for _ in range(BATCHES)]
    batches = cycle([batch.looks[0] for batch in made if batch.looks])
    for _ in range(BATCHES):
        backbone.encode_image(next(batches))
    print("ready", flush=True)
    sys.stdin.readline()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        pixels = next(batches)
        backbone.encode_image(pixels)
        done += len(pixels)
    print(done / (time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main()
