"""The minutes that a notebook says it will take: of what was measured, and of as much as there is."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from gallop.images import load_image
from gallop.lab.tutorial import TimeAhead, frozen_backbone, time_ahead
from tests import tiny


def test_it_is_what_there_is_to_do_at_the_measured_pace() -> None:
    ahead = TimeAhead(photos=100, each=0.03, steps=200, step=0.06)
    assert ahead.seconds == pytest.approx(15)
    assert "about 15 seconds" in str(ahead)
    assert "100 photos" in str(ahead)
    assert "60 ms" in str(ahead)
    assert "about 4.1 minutes" in str(TimeAhead(photos=1000, each=0.1, steps=1000, step=0.146))


def test_one_photo_and_one_step_are_measured_after_a_first_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    backbone = frozen_backbone(str(tiny.backbone_folder(tmp_path)))
    ticks = itertools.chain([0.0, 0.5, 1.0, 2.0], itertools.count(4.0))
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    ahead = time_ahead(backbone, ["red", "blue", "green"], load_image(tiny.picture(0)), photos=7, steps=3, batch=4)
    assert (ahead.photos, ahead.steps) == (7, 3)
    assert (ahead.each, ahead.step) == (0.5, 2.0)  # the second step, from 2 to 4
