"""How far a training is, and how long it may still take. Knows no Streamlit and no torch."""

from __future__ import annotations

import math
import time

from gallop import TrainConfig

SIDE_BY_SIDE = 0.6
"""What a step of one fold costs where several are trained at once, in steps of a training alone."""
VIEW = 0.15
"""What a view of a photo costs to encode, in steps: on ``mini``, and only for how much of the bar it gets."""


class Pace:
    """One measure over encoding, training and calibration, and the time left by the rates that were measured.

    Calibration trains once more for each fold of the photos without it, all folds at once. What a step takes is not
    known before two were made, so until then nothing is said of the time: photos are encoded at another rate.

    Attributes:
        share: how much of all is done; it never falls.
        left: seconds; None until they are known.
    """

    def __init__(self, photos: int, config: TrainConfig) -> None:
        folds = config.calibration_folds
        per_epoch = math.ceil(photos / config.batch_size)
        without_fold = math.ceil((photos - photos / folds) / config.batch_size) if folds else 0
        self._sizes = {
            "encoding": photos * config.views * VIEW,
            "training": float(config.epochs * per_epoch),
            "calibrating": config.epochs * without_fold * folds * SIDE_BY_SIDE,
        }
        """Of each phase, in steps."""
        self.share = 0.0
        self.left: float | None = None
        self._phase, self._rate = "", 0.0
        self._since = 0.0, 0.0

    def note(self, phase: str, done: int, of: int) -> None:
        """Take down that so much of a phase is done now."""
        now, size = time.monotonic(), self._sizes[phase]
        made = size * done / of
        order = list(self._sizes)
        before = sum(self._sizes[name] for name in order[: order.index(phase)])
        after = sum(self._sizes[name] for name in order[order.index(phase) + 1 :])
        self.share = max(self.share, min((before + made) / sum(self._sizes.values()), 1.0))
        if phase != self._phase:
            self._phase, self._since = phase, (now, made)
        elif phase != "encoding":
            began, then = self._since
            self._rate = (now - began) / (made - then)
        self.left = (size - made + after) * self._rate if self._rate else None
