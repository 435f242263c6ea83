"""Settings: what is refused, what the presets pin, and what a setting may be made of."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gallop.config import CONTEXT_INIT, HEADS, MethodConfig, TrainConfig, default_topk, method_preset, train_preset
from gallop.errors import ConfigError
from gallop.setting import check_settings, setting, settings_of


def test_method_and_paper_preset_are_the_papers() -> None:
    method, training = MethodConfig(), train_preset("paper")
    assert (method.global_prompts, method.topk, method.dropout) == (4, (5, 10, 15, 20), 0.75)
    assert (method.local_prompts, method.kept_prompts, method.local_projection) == (4, 1, True)
    assert CONTEXT_INIT == "A photo of a"
    assert (default_topk(0), default_topk(4), default_topk(6)[-1]) == ((), (5, 10, 15, 20), 30)
    assert (training.lr, training.momentum, training.weight_decay) == (0.002, 0.9, 0.01)
    assert (training.epochs, training.batch_size, training.views) == (200, 32, 0), "a fresh view each time"


@pytest.mark.parametrize(("photos", "epochs"), [(2, 50), (4, 100), (8, 100), (15, 100), (16, 200), (32, 200)])
def test_the_papers_epochs_go_by_the_shots_unless_they_are_given(photos: int, epochs: int) -> None:
    shots: Any = {"photos": photos, "classes": 2}
    assert train_preset("paper", **shots).epochs == epochs
    assert train_preset("backbone", "paper", **shots).epochs == epochs
    assert train_preset("paper", **shots, epochs=7).epochs == 7
    assert train_preset(train_preset("paper", lr=0.1), **shots).epochs == 200, "settings of a program's own"


@pytest.mark.parametrize(("photos", "epochs"), [(1, 1), (2, 2), (29, 29), (30, 30), (96, 30), (400, 9)])
def test_measured_settings_have_rounds_by_photos_and_steps_unless_they_are_given(photos: int, epochs: int) -> None:
    for name in ("default", "accurate"):
        assert train_preset(name, photos=photos, classes=2) == TrainConfig(epochs=epochs)
    assert train_preset("backbone", "default", photos=photos).epochs == epochs
    assert [train_preset("default", photos=photos, epochs=given).epochs for given in (40, 0)] == [40, 0]
    assert train_preset(TrainConfig(), photos=photos).epochs == 30, "settings of a program's own"
    assert train_preset("default") == TrainConfig()
    assert TrainConfig().views >= 4


def test_what_the_backbones_own_preset_is_the_backbone_says() -> None:
    assert train_preset("backbone", "paper") == train_preset("paper")
    assert train_preset("backbone", "default", lr=0.5) == train_preset("default", lr=0.5)
    assert train_preset("default", "paper") == TrainConfig(), "what is named is taken, whatever the backbone"
    with pytest.raises(ConfigError, match="no preset 'backbone'; choose one of accurate, default, paper"):
        train_preset("backbone")  # where there is no backbone, as in a benchmark's line


def test_a_preset_takes_changes_and_none_keeps_its_value() -> None:
    changed = train_preset("paper", epochs=50, batch_size=128, lr=None, seed=3)
    assert changed == replace(train_preset("paper"), epochs=50, batch_size=128, seed=3)


@pytest.mark.parametrize("falsy", [{"views": 0}, {"calibration_folds": 0}, {"momentum": 0.0}, {"weight_decay": 0.0}])
def test_zero_is_a_value_and_not_the_presets_own(falsy: dict[str, Any]) -> None:
    ((key, value),) = falsy.items()
    assert getattr(train_preset("default", **falsy), key) == value


def test_the_method_of_a_preset() -> None:
    """The accurate one is the default with a second look."""
    assert method_preset("accurate") == method_preset("default", detail=2)
    assert method_preset("paper") == method_preset("backbone", "paper") == MethodConfig()
    assert method_preset("backbone", "default") == method_preset("default")
    assert method_preset("paper", topk=(1,), dropout=None, local_projection=False) == MethodConfig(
        topk=(1,), local_projection=False
    )
    assert method_preset(MethodConfig(dropout=0.0), detail=2) == MethodConfig(dropout=0.0, detail=2)


def test_an_unknown_preset_or_setting_is_refused_by_name() -> None:
    for preset in (method_preset, train_preset):
        with pytest.raises(ConfigError, match=r"'papre'.*default, paper"):
            preset("papre")
    with pytest.raises(ConfigError, match=r"no method setting 'epochs'.*topk"):
        method_preset("paper", epochs=1)
    with pytest.raises(ConfigError, match=r"'learning_rate'.*lr"):
        train_preset("paper", learning_rate=0.1)


@given(m=st.integers(1, 64), p=st.floats(0, 1, exclude_max=True))
def test_kept_prompts_is_the_formula_and_never_none_or_all_too_many(m: int, p: float) -> None:
    assert MethodConfig(global_prompts=m, dropout=p).kept_prompts == max(m - math.floor(p * m), 1)


NAN, INF = float("nan"), float("inf")
HEADS_TOLD = ", ".join(HEADS)
METHODS = [
    ("global_prompts", 0),
    ("global_prompts", 65),
    ("global_prompts", 2.5),
    ("global_prompts", "4"),
    ("topk", (5, 0)),
    ("topk", (5, -1)),
    ("topk", (2.5,)),
    ("topk", (NAN,)),
    ("topk", (INF,)),
    ("topk", ("5",)),
    ("topk", (None,)),
    ("topk", 5),
    ("topk", (5,) * 65),
    ("dropout", 1.0),
    ("dropout", -0.1),
    ("dropout", NAN),
    ("dropout", "0.75"),
    ("dropout", None),
    ("dropout", 10**400),
    ("dropout", Fraction(10**400)),
    ("global_prompts", Fraction(10**400, 3)),
    ("local_projection", 1),
    ("local_projection", "no"),
    ("local_projection", None),
]
TRAININGS = [
    ("epochs", -1),
    ("epochs", 10_001),
    ("epochs", 2.5),
    ("epochs", "30"),
    ("lr", 0.0),
    ("lr", -1.0),
    ("lr", NAN),
    ("lr", INF),
    ("lr", "0.1"),
    ("batch_size", 0),
    ("batch_size", 1.5),
    ("momentum", 1.0),
    ("momentum", -0.1),
    ("momentum", NAN),
    ("weight_decay", -1e-9),
    ("weight_decay", NAN),
    ("weight_decay", INF),
    ("views", -1),
    ("views", 0.5),
    ("views", 1001),
    ("calibration_folds", 1),
    ("calibration_folds", 11),
    ("calibration_folds", 2.5),
    ("calibration_folds", -2),
    ("seed", -1),
    ("seed", 2**63),
    ("seed", 0.5),
    ("seed", "0"),
]


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [*((MethodConfig, *case) for case in METHODS), *((TrainConfig, *case) for case in TRAININGS)],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(kind: type[Any], field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=field if field != "topk" else "topk|local prompts"):
        kind(**{field: value})


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        (MethodConfig, {"global_prompts": 65}, "global_prompts is 65; it must be at least 1 and at most 64."),
        (MethodConfig, {"global_prompts": 2.5}, "global_prompts is 2.5; it must be an integer."),
        (MethodConfig, {"topk": 5}, "topk is 5; it must be a list with one k per local prompt."),
        (MethodConfig, {"topk": (5, 0)}, "topk contains 0; each k must be an integer of 1 or more."),
        (MethodConfig, {"topk": (5,) * 65}, "65 local prompts were requested; the maximum is 64."),
        (MethodConfig, {"dropout": 1}, "dropout is 1.0; it must be at least 0 and below 1."),
        (MethodConfig, {"dropout": NAN}, "dropout is nan; it must be a finite number."),
        (MethodConfig, {"dropout": 10**400}, f"dropout is 1{37 * '0'} ... {37 * '0'}; it must be a finite number."),
        (MethodConfig, {"local_projection": "no"}, "local_projection is 'no'; it must be True or False."),
        (MethodConfig, {"head": "rigde"}, f"head is 'rigde'; it must be one of {HEADS_TOLD}, or several joined by +."),
        (
            MethodConfig,
            {"head": ("ridge", "logistic")},
            f"head is 'ridge+logistic'; it must be one of {HEADS_TOLD}, or several joined by +. "
            "discriminant, logistic and pairs were removed: train again with head='ridge'.",
        ),
        (TrainConfig, {"epochs": 10_001}, "epochs is 10001; it must be at least 0 and at most 10000."),
        (TrainConfig, {"lr": 0}, "lr is 0.0; it must be above 0 and at most 100."),
        (TrainConfig, {"batch_size": 0}, "batch_size is 0; it must be at least 1 and at most 65536."),
        (TrainConfig, {"momentum": 1}, "momentum is 1.0; it must be at least 0 and below 1."),
        (TrainConfig, {"weight_decay": -1}, "weight_decay is -1.0; it must be at least 0."),
        (TrainConfig, {"views": -1}, "views is -1; it must be between 0 (fresh ones) and 1000."),
        (
            TrainConfig,
            {"calibration_folds": 1},
            "calibration_folds is 1; it must be 0 (none), or at least 2 and at most 10.",
        ),
        (TrainConfig, {"seed": -1}, "seed is -1; it must be an integer from 0 to 2**63 - 1."),
    ],
)
def test_what_is_refused_is_told_with_its_range(kind: type[Any], values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        kind(**values)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("kind", [MethodConfig, TrainConfig])
def test_every_field_says_what_it_does(kind: type[Any]) -> None:
    settings = settings_of(kind)
    assert list(settings) == [each.name for each in fields(kind)]
    for name, about in settings.items():
        assert (about.help[0].isupper(), about.help[-1]) == (True, ".")
        for value in (about.form or ())[:2]:
            kind(**{name: value})  # which is not refused


def test_choices_are_kept_to() -> None:
    @dataclass(frozen=True)
    class Taken:
        kind: str = setting("one", "kind", "Which.", choices=("one", "two"))

        def __post_init__(self) -> None:
            check_settings(self)

    assert Taken("two").kind == "two"
    with pytest.raises(ConfigError, match=r"^kind is 'three'; it must be one of one, two\.$"):
        Taken("three")


def test_numpy_numbers_and_lists_are_taken_and_become_plain_ones() -> None:
    """A grid search hands over numpy's numbers; a checkpoint is JSON, which knows none of them."""
    method = MethodConfig(np.int64(3), [np.int32(2), 4.0], np.float32(0.5), np.bool_(False))  # type: ignore[arg-type]
    training = TrainConfig(epochs=np.int64(2), lr=np.float32(0.5), seed=np.int64(7), views=np.uint8(1))  # type: ignore[arg-type]
    plain = MethodConfig(3, (2, 4), 0.5, False)
    assert (method, method.local_projection, hash(method)) == (plain, False, hash(plain))
    assert training == TrainConfig(epochs=2, lr=0.5, seed=7, views=1)
    assert json.loads(json.dumps(asdict(method))) == {
        "global_prompts": 3,
        "topk": [2, 4],
        "dropout": 0.5,
        "local_projection": False,
        "head": "none",
        "detail": 1,
        "detail_in": "answers",
        "global_projection": False,
        "class_weight": "none",
        "starts": "A photo of a",
        "init": 0,
        "diversity": 0,
        "pooling": "topk",
        "keep_rule": "random",
    }
    assert json.loads(json.dumps(asdict(training)))["seed"] == 7
