"""The learning curve: what it trains and asks, and what it foretells."""

from __future__ import annotations

import shutil
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gallop import GalLoPClassifier, load_backbone, read_folder
from gallop.config import MethodConfig
from gallop.data import LabelledPhotos
from gallop.errors import ConfigError
from gallop.evaluation.curve import Curve, CurvePoint, curve_steps, learning_curve
from gallop.sample import sample_photos
from tests import tiny

METHOD = MethodConfig(global_prompts=2, topk=(2, 4), head="ridge")


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> LabelledPhotos:
    return read_folder(tiny.write_folder(tmp_path_factory.mktemp("photos"), {"red": 8, "green": 6, "blue": 1}))


def of(labels: list[int], *points: tuple[int, list[float]]) -> Curve:
    """A curve from the fraction of draws in which each shot was right at each point."""
    return Curve(
        tuple(f"class {k}" for k in range(max(labels) + 1)),
        np.array(labels),
        tuple(CurvePoint(n, np.array(right)) for n, right in points),
    )


TWO_POINTS = of([0, 1] * 4, (1, [0.5] * 8), (2, [0.75] * 8))


def power_law(exponent: float, photos: int = 4000) -> Curve:
    points = ((n, [1 - 0.4 * n**-exponent] * photos) for n in (1, 2, 4, 7))
    return of([0, 1] * (photos // 2), *points)


def test_answers_are_those_of_a_head_that_was_given_the_other_shots(shots: LabelledPhotos) -> None:
    last = learning_curve(tiny.vit(), shots, METHOD, draws=1).points[-1]
    held = np.flatnonzero(~np.isnan(last.right))
    others = [i for i in range(len(shots)) if i not in held]
    clf = GalLoPClassifier(tiny.vit(), method=METHOD, cache=False).zero_shot(shots.class_names)
    clf.add_shots([shots.photos[i] for i in others], [shots.class_names[shots.labels[i]] for i in others])
    answers = clf.predict([shots.photos[i] for i in held])
    assert last.right[held].tolist() == [
        shots.class_names[shots.labels[i]] == name for i, name in zip(held, answers, strict=True)
    ]
    assert sorted(shots.labels[i] for i in held) == sorted([shots.class_names.index(n) for n in ("red", "green")])


def test_points_double_up_to_what_is_left_and_in_as_many_draws_as_a_class_has_shots_each_is_held_out(
    shots: LabelledPhotos,
) -> None:
    curve = learning_curve(tiny.vit(), shots, METHOD, draws=8)
    of_classes = ((min(n, 7), min(n, 5), 1) for n in (1, 2, 4, 7))
    assert [point.shots for point in curve.points] == pytest.approx([sum(some) / 3 for some in of_classes])
    alone = shots.labels.index(shots.class_names.index("blue"))
    assert np.flatnonzero(np.isnan(curve.points[0].right)).tolist() == [alone], "a class of one keeps its photo"


def test_its_progress_fills_a_bar_once_a_stage(shots: LabelledPhotos) -> None:
    *events, curve = curve_steps(tiny.vit(), shots, METHOD, draws=1)
    assert isinstance(curve, Curve)
    assert [stage for stage, _ in groupby(event.stage for event in events)] == ["encoding views", "computing the curve"]


def test_a_photo_that_was_saved_again_counts_once(tmp_path: Path) -> None:
    for name in ("candle", "teapot"):
        (tmp_path / name).mkdir()
        photos = [photo.path for photo in sample_photos() if photo.class_name == name]
        for path in photos[:3]:
            shutil.copy(path, tmp_path / name)
    Image.open(photos[0]).convert("RGB").save(tmp_path / name / "again.jpg", quality=70)
    curve = learning_curve(load_backbone("mini"), read_folder(tmp_path), METHOD, draws=1)
    assert (curve.copies, len(curve.labels)) == (1, 6)


def test_the_forecast_is_the_power_law_that_prior_and_photos_agree_on() -> None:
    curve, exponent = power_law(0.5), 0.3 + 0.3**2 / (0.3**2 + 0.2**2) * (0.5 - 0.3)
    shots = np.array([1, 2, 4, 7])
    middle = shots @ np.log(shots) / shots.sum()
    now = np.exp(np.log(0.4) - 0.5 * middle - exponent * (np.log(2000) - middle))
    told = curve.forecast(2)
    assert told.gain == pytest.approx(now * (1 - 2**-exponent), rel=0.02)
    assert told.accuracy == pytest.approx(1 - now * 2**-exponent, abs=0.001)


@pytest.mark.parametrize("exponent", [0.0, 0.3, 0.8])
def test_intervals_hold_the_forecast_and_more_shots_never_lose(exponent: float) -> None:
    told = [power_law(exponent, 40).forecast(times) for times in (1, 2, 4)]
    assert 0 == told[0].gain <= told[1].gain <= told[2].gain
    for each in told:
        assert 0 <= each.gain_interval[0] <= each.gain <= each.gain_interval[1] + 1e-9
        assert each.accuracy_interval[0] <= each.accuracy <= each.accuracy_interval[1]


def test_more_photos_make_the_interval_narrower() -> None:
    width = {}
    for classes in (4, 40):
        points = ((n, [*([1.0] * 6), 0.0, 0.0] * classes) for n in (1, 2, 4))
        width[classes] = np.ptp(of([*range(classes)] * 8, *points).forecast().accuracy_interval)
    assert width[40] < 0.7 * width[4]


def test_a_class_gets_a_figure_only_where_its_photos_can_tell() -> None:
    alike = of([0] * 8 + [1] * 8, *((n, [1.0] * 8 + [0.5] * 8) for n in (1, 2, 4)))
    assert "class 1 gains most, class 0 least; by how much, these photos cannot tell." in alike.words
    assert [*alike.by_class()] == ["class 1", "class 0"]
    steep = of([0] * 40 + [1] * 40, *((n, [1.0] * 40 + [1 - 0.8 * n**-0.9] * 40) for n in (1, 2, 4, 8, 16)))
    assert "Of the classes: class 1 +" in steep.words
    assert "class 0 +" not in steep.words, "a class without mistakes has none to lose"


def test_the_table_has_a_row_a_point() -> None:
    assert TWO_POINTS.to_frame()[["shots", "accuracy"]].values.tolist() == [[1, 0.5], [2, 0.75]]


@pytest.mark.parametrize(
    ("asked", "said"), [((0.5,), "times must be at least 1, not"), ((2, "z"), "No photo of 'z' was held out")]
)
def test_what_cannot_be_had_is_said(asked: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TWO_POINTS.forecast(*asked)


def test_too_few_photos_are_refused(tmp_path: Path) -> None:
    data = read_folder(tiny.write_folder(tmp_path, {"red": 2, "green": 2}))
    with pytest.raises(ConfigError, match="at least three different photos of a class"):
        learning_curve(tiny.vit(), data, METHOD)
