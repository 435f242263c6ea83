"""Another class list on the same prompts, of a model and of its calibration."""

from __future__ import annotations

import pytest
import torch

from gallop.errors import ClassNameError
from gallop.model.calibration import NOT_HELD_OUT, ONE_CLASS, Calibration
from gallop.model.prompted import PromptModel
from tests import tiny


@pytest.fixture(scope="module")
def model() -> PromptModel:
    named: PromptModel = tiny.classifier().zero_shot(["red", "green"]).model_
    return named


def test_one_more_class_is_encoded_alone(model: PromptModel) -> None:
    more = model.with_class("blue").cached_text_features()
    assert torch.equal(more.local[:2], model.cached_text_features().local)
    fresh = tiny.classifier().zero_shot(["red", "green", "blue"]).model_.cached_text_features()
    assert torch.allclose(more.local, fresh.local, atol=1e-6)


def test_a_class_that_goes_leaves_the_others_as_they_were(model: PromptModel) -> None:
    less = model.without_class("red")
    assert (less.class_names, model.class_names) == (("green",), ("red", "green"))
    assert torch.equal(less.cached_text_features().global_, model.cached_text_features().global_[1:])


def test_a_class_that_is_not_there_is_named_with_those_that_are(model: PromptModel) -> None:
    with pytest.raises(ClassNameError, match=r"no class 'blue'; its classes are red, green"):
        model.without_class("blue")


@pytest.mark.parametrize(
    ("found", "before", "now", "note"),
    [
        (Calibration(2.0, -1.5), 2, 3, "void: the class 'blue' was added after"),
        (Calibration(2.0, note=NOT_HELD_OUT), 2, 3, NOT_HELD_OUT),
        (Calibration(2.0, -1.5), 2, 1, ONE_CLASS),
        (Calibration(note=ONE_CLASS), 1, 2, NOT_HELD_OUT),
    ],
)
def test_without_held_out_shots_a_limit_is_void(found: Calibration, before: int, now: int, note: str) -> None:
    left = found.after_change(before, now, "'blue' was added")
    assert left.threshold is None
    assert left.note.startswith(note)
