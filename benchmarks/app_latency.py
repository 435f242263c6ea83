"""How long the server takes from a moved slider to the new picture on the page Explore, alone and beside a training.

    python benchmarks/app_latency.py

Each figure is a whole run of the page in this process: widgets, answer, charts and all region grids, with the shipped
model and a sample photo. The time of the browser and of the network is not in it. Processor time, of all threads, is
what counts on a machine that others use too.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import logging
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "app")]

from streamlit.testing.v1 import AppTest

from gallop import GalLoPClassifier, load_image

RUNS = 30
SLIDERS = {"k 0": range(20, 20 + RUNS), "opacity": range(20, 20 + RUNS), "threshold": range(20, 20 + RUNS)}


def main() -> None:
    logging.disable(logging.WARNING)
    page = AppTest.from_file(str(ROOT / "app" / "navigation.py"), default_timeout=120).run()
    page.button(key="sample Cat").click()
    page.run()
    print("alone")
    measure(page)
    stop = threading.Event()
    training = threading.Thread(target=train, args=(stop,))
    training.start()
    time.sleep(5)  # past the encoding of its photos
    print("beside a training")
    measure(page)
    stop.set()
    training.join()


def measure(page: Any) -> None:
    for key, values in SLIDERS.items():
        times, work = [], []
        for value in values:
            page.slider(key=key).set_value(value)
            start, busy = time.perf_counter(), time.process_time()
            page.run()
            times.append(1000 * (time.perf_counter() - start))
            work.append(1000 * (time.process_time() - busy))
            assert not page.exception
        times.sort()
        print(
            f"  {key:10} median {statistics.median(times):5.0f} ms, 9 of 10 under {times[int(0.9 * RUNS)]:5.0f} ms; "
            f"processor time {statistics.median(work):5.0f} ms"
        )


def train(stop: threading.Event) -> None:
    """Learn ten classes of sixteen crops until told to stop, as the app's worker does."""
    from app.photos import samples

    photo = load_image(samples.available_samples()["Cat"]).image
    crops = [photo.crop((i, i, i + 150, i + 150)) for i in range(160)]
    labels = [f"class {i % 10}" for i in range(160)]
    for _ in GalLoPClassifier("mini", epochs=10_000, views=1, cache=False).fit_steps(crops, labels):
        if stop.is_set():
            return


if __name__ == "__main__":
    main()
