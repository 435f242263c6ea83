"""What goes wrong on a GPU is a sentence and ends nothing else; what shares it does not get in each other's way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch

from app.jobs.manager import JobManager, Snapshot, State
from gallop.backbones.text import TextTower
from gallop.estimator import GalLoPClassifier
from tests import tiny
from tests.gpu.towers import tower

NAMES = ["red", "green", "blue", "yellow"]
PATIENCE = 120


class Training:
    """A job as the app has them."""

    def __init__(self, made: GalLoPClassifier) -> None:
        self.made = made

    def run(self) -> Iterator[Any]:
        yield from self.made.fit_steps(*tiny.pictures(dict.fromkeys(NAMES, 4)))

    def result(self) -> GalLoPClassifier:
        return self.made


def ended(manager: JobManager, made: GalLoPClassifier) -> Snapshot:
    """What became of a training."""
    job = manager.submit(Training(made))
    end = time.monotonic() + PATIENCE
    while job.snapshot().active and time.monotonic() < end:
        time.sleep(0.01)
    return job.snapshot()


@contextmanager
def no_memory_left(device: torch.device) -> Iterator[None]:
    """Next to nothing can be had on a GPU; a CPU, whose system would end the process, says what a GPU would."""
    if device.type == "cpu":
        full = mock.Mock(side_effect=torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."))
        with mock.patch.object(TextTower, "encode", full):
            yield
        return
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(device) + 2**20) / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def test_out_of_memory_is_a_sentence_and_ends_nothing_else(device: torch.device) -> None:
    images, _ = tiny.pictures(dict.fromkeys(NAMES, 2))
    other = tiny.classifier(backbone=tower("vit", device)).zero_shot(NAMES)
    before = other.predict_all(images).probabilities
    backbone = tower("mini", device)
    settings = {"backbone": backbone, "epochs": 1, "views": 1, "batch_size": 8}
    manager = JobManager()
    try:
        with no_memory_left(device):
            failed = ended(manager, tiny.classifier(**settings))
        assert failed.state is State.FAILED
        assert failed.error.startswith("The GPU has too little memory for this. ")
        assert np.array_equal(other.predict_all(images).probabilities, before)
        assert ended(manager, tiny.classifier(**settings)).state is State.DONE, "the same, once there is room"
    finally:
        manager.close()
