"""What a run of the page Explore takes: when the k slider is released, and after each kind of widget.

    python benchmarks/app_latency.py

Each figure is one complete run of the page in this process, alone and during a training, with the shipped model and a
sample photo. The time of the browser and of the network is not in it: what moves in the explainer needs no run at all.
Processor time, of all threads, is what counts on a machine that others use too.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import logging
import statistics
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "app")]

from streamlit.testing.v1 import AppTest

from gallop import GalLoPClassifier, load_image

RUNS = 20


def main() -> None:
    logging.disable(logging.WARNING)
    start, busy = time.perf_counter(), time.process_time()
    page = AppTest.from_file(str(ROOT / "app" / "navigation.py"), default_timeout=120).run()
    print(f"the first page: {time.perf_counter() - start:.1f} s, processor time {time.process_time() - busy:.1f} s")
    for kind in ("sample", "uploaded photo"):
        if kind == "uploaded photo":
            look_at_upload(page)
        print(f"{kind}, alone")
        measure(page)
    stop = threading.Event()
    training = threading.Thread(target=train, args=(stop,))
    training.start()
    time.sleep(5)  # past the encoding of its photos
    print("uploaded photo, during a training")
    measure(page)
    stop.set()
    training.join()


def session_of(page: Any) -> Any:
    from app.ui import resources

    return resources.visitors().find(page.session_state[resources.STATE])


def look_at_upload(page: Any) -> None:
    """Look at a photo that the visitor uploads, with names typed for it."""
    from app.photos import sample_answers

    photo = load_image(sample_answers.available_samples()["Coffee"]).image.crop((50, 50, 550, 390))
    session = session_of(page)
    (taken,) = session.photos.shelf.add([photo]).taken
    session.explore = session.explore.looking_at(taken.sha256)
    page.text_area(key="explore names").set_value("cup, plate, spoon, cat, dog")
    page.run()
    while "explainer" not in str(page.get("bidi_component")[-1].proto.id):
        page.run()  # the backbone is being loaded


def let_go(page: Any, turn: int) -> None:
    """Release the k slider: a callback stores the state that the browser sends before the run."""
    session = session_of(page)
    state = session.explore.explainer_state(session.explore.photo or "", (14, 14))
    session.explore = session.explore.with_explainer_state(
        replace(state, topk=(20 + turn, 10, 15, 20)), session.explore.photo or "", (14, 14)
    )


def drawn_anew(page: Any, turn: int) -> None:
    """Nothing has changed: what any button costs at least."""


def name_added(page: Any, turn: int) -> None:
    chips = page.multiselect[0]
    chips.set_value([*chips.value[:5], f"thing {turn}"])


DEEDS = {"k let go": let_go, "nothing": drawn_anew, "a new name": name_added}


def measure(page: Any) -> None:
    for name, act in DEEDS.items():
        times, work = [], []
        for turn in range(RUNS):
            act(page, turn)
            start, busy = time.perf_counter(), time.process_time()
            page.run()
            times.append(1000 * (time.perf_counter() - start))
            work.append(1000 * (time.process_time() - busy))
            assert not page.exception
        times.sort()
        print(
            f"  {name:10} median {statistics.median(times):5.0f} ms, 9 of 10 under {times[int(0.9 * RUNS)]:5.0f} ms; "
            f"processor time {statistics.median(work):5.0f} ms"
        )


def train(stop: threading.Event) -> None:
    """Learn ten classes of sixteen crops until ``stop`` is set, as the app's worker does."""
    from app.photos import sample_answers

    photo = load_image(sample_answers.available_samples()["Cat"]).image
    crops = [photo.crop((i, i, i + 150, i + 150)) for i in range(160)]
    labels = [f"class {i % 10}" for i in range(160)]
    for _ in GalLoPClassifier("mini", epochs=10_000, views=1, cache=False).fit_steps(crops, labels):
        if stop.is_set():
            return


if __name__ == "__main__":
    main()
