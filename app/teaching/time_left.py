"""How far a training is, and how long it may still take. Knows no Streamlit and no torch."""

from __future__ import annotations

import math
import time

from gallop import TrainConfig

SIDE_BY_SIDE = 0.6
"""What a step of one fold costs where several are trained at once, in steps of a training alone."""


class Pace:
    """How far a training is and how long it may take, from the pace of its steps.

    Calibration trains once more for each fold of the photos without it, all folds at once.
    """

    def __init__(self, photos: int, config: TrainConfig) -> None:
        folds = config.calibration_folds
        per_epoch = math.ceil(photos / config.batch_size)
        without_fold = math.ceil((photos - photos / folds) / config.batch_size) if folds else 0
        self._training_steps = config.epochs * per_epoch
        self._calibration = config.epochs * without_fold * folds * SIDE_BY_SIDE
        self.left: float | None = None
        self.share = 0.0
        self._began = 0.0

    def training(self, step: int) -> None:
        self._note(step)

    def calibrating(self, step: int, steps: int) -> None:
        self._note(self._training_steps + self._calibration * step / steps)

    def _note(self, done: float) -> None:
        now, total = time.monotonic(), self._training_steps + self._calibration
        self.share = min(done / total, 1.0)
        if done == 1:
            self._began = now
        else:
            self.left = (total - done) * (now - self._began) / (done - 1)
