"""What a training is said to take: the steps that it then makes, at the seconds of a step."""

from __future__ import annotations

import pytest
import torch

from gallop import GalLoPClassifier
from gallop.config import MethodConfig, TrainConfig
from gallop.training.learn import CalibrationEvent
from gallop.training.loop import StepEvent
from gallop.training.pace import Pace
from tests import tiny

METHOD = MethodConfig(2, (2, 4))


@pytest.mark.parametrize(("shots", "batch"), [(4, 32), (7, 4), (9, 3)])
def test_it_counts_the_steps_that_a_training_makes(shots: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gallop.features.near_duplicates._FEWEST", 100)  # sittings are folds of another number
    config = TrainConfig(epochs=3, batch_size=batch, calibration_folds=3, views=1)
    images, labels = tiny.pictures({"red": shots, "green": shots})
    events = list(GalLoPClassifier(tiny.vit(), preset=config, method=METHOD, cache=False).fit_steps(images, labels))
    for kind, pace in ((StepEvent, Pace(1, 0)), (CalibrationEvent, Pace(0, 1))):
        assert pace.seconds(len(images), config) == sum(isinstance(event, kind) for event in events)


def test_measuring_it_draws_no_random_number() -> None:
    state, config = torch.get_rng_state(), TrainConfig(epochs=2, calibration_folds=2)
    assert Pace.measured(tiny.vit(), 3, METHOD, config, 32).of_folds > 0
    assert torch.equal(torch.get_rng_state(), state)


def test_without_folds_none_are_counted_and_a_step_takes_time() -> None:
    config = TrainConfig(calibration_folds=0, epochs=2)
    assert Pace(0.5, 1).seconds(32, config) == 1
    pace = Pace.measured(tiny.vit(), 3, METHOD, config, 32)
    assert (pace.step > 0, pace.of_folds) == (True, 0)
