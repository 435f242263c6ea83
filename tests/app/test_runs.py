"""What is said of runs: figures against formulas worked out here."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from app.runs import run as run_module
from app.runs.run import (
    Run,
    before,
    change_in_words,
    differences,
    fair,
    flips,
    on_tests,
    seeds_in_words,
    sign_test,
    who_is_right,
)
from app.teaching.training import QUICK, Answer, Point, Taught, preset
from gallop.evaluation.intervals import Proportion
from tests.app_pages import there


def answers(said: dict[str, str], seen: str = "") -> dict[str, Answer]:
    """``{"a": "xy"}``: photo a is really an x, and was called y."""
    return {digest: Answer(pair[0], pair[1], 0.75, digest in seen) for digest, pair in said.items()}


def run(number: int = 1, *, seed: int = 0, said: dict[str, str] | None = None, **changes: Any) -> Run:
    made = Run(
        id=number,
        name=f"run {number}",
        made=float(number),
        class_names=("x", "y"),
        settings=replace(preset(QUICK), seed=seed),
        content=frozenset({("x", "s1"), ("y", "s2")}),
        shots=2,
        steps=3,
        of_steps=3,
        best_epoch=None,
        history=(Point(1, 1.0, 0.5), Point(3, 0.5, 1.0)),
        answers=answers(said or {"a": "xx", "b": "xy", "c": "yy", "d": "yx"}),
        answers_before=answers({"a": "xy", "b": "xy", "c": "yy", "d": "yx"}),
    )
    return replace(made, **changes)


def test_a_run_is_right_on_so_many_test_photos() -> None:
    assert (on_tests(run()), on_tests(run_module.zero_shot_run(run()))) == (Proportion(2, 4), Proportion(1, 4))


def test_photos_that_were_learned_from_test_nothing() -> None:
    a = run(1, answers=answers({"a": "xx", "b": "xx", "c": "yy"}, seen="a"))
    b = run(2, answers=answers({"a": "xy", "b": "xy", "d": "yy"}))
    assert (on_tests(a), fair(a, b)) == (Proportion(2, 2), {"b"})
    assert [(digest, who_is_right(a, b, digest)) for digest in flips(a, b)] == [
        ("b", "A is right"),
        ("a", "A is right"),
    ]
    assert (on_tests(replace(a, answers={})), sign_test(a, replace(b, answers={}))) == (None, None)


def test_the_sign_test_is_mcnemars_exact_one() -> None:
    said = {f"p{i}": "xx" for i in range(10)} | {"q": "xy", "r": "xy"}
    other = {f"p{i}": "xy" for i in range(7)} | {f"p{i}": "xx" for i in range(7, 10)} | {"q": "xx", "r": "xy"}
    found = there(sign_test(run(1, said=said), run(2, said=other)))
    assert (found.only_first, found.only_second) == (7, 1)
    assert found.p == pytest.approx(2 * (math.comb(8, 0) + math.comb(8, 1)) / 2**8)
    assert there(sign_test(run(1), run(2))).p == 1


def test_only_what_differs_is_listed() -> None:
    assert differences(run(1), run(2)) == []
    assert differences(run(1), run(2, seed=3, class_names=("y", "z"), steps=2)) == [
        ("classes", "x, y", "y, z"),
        ("seed", "0", "3"),
        ("steps", "3", "2 of 3"),
    ]
    assert ("seed", "0", "-") in differences(run(1), run_module.zero_shot_run(run(1)))
    coop = run(3, settings=replace(preset(QUICK), global_prompts=1, topk=()))
    assert ("k of the local prompts", "5, 10, 15, 20", "none") in differences(run(1), coop)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dropout": 0.5}, "dropout 0.5"),
        ({"topk": (3, 7, 11)}, "k of the local prompts 3, 7, 11"),
        ({"topk": ()}, "k of the local prompts none"),
        ({"global_projection": False}, "projection of the whole photo no"),
        ({"epochs": 7, "seed": 3}, "7 epochs, seed 3"),
        ({"epochs": 7, "seed": 3, "lr": 0.5, "views": 0}, "7 epochs, learning rate 0.5, 0 views of each and 1 more"),
        ({}, ""),
    ],
)
def test_a_run_is_called_by_the_settings_that_changed(changes: dict[str, Any], words: str) -> None:
    assert change_in_words(run(2, settings=replace(preset(QUICK), **changes)), run()) == words


def test_a_run_is_called_by_the_photos_and_classes_that_changed() -> None:
    others = (run(2, shots=16), run(2, content=frozenset({("x", "s9")})), run(2, class_names=("x", "z")))
    assert [change_in_words(other, run()) for other in others] == ["16 photos", "other photos", "other classes"]


def test_a_run_is_compared_with_the_one_before_on_its_backbone() -> None:
    first, other = run(1), run(2, fingerprint="b")
    runs = [replace(other, backbone_name="other"), first]
    assert [before(each, runs) for each in (run(4), run(0), first)] == [first, first, None]


def test_the_spread_over_seeds_is_that_of_a_sample_and_of_runs_that_are_the_same_in_all_else() -> None:
    mine = run(1, seed=0, said={"a": "xx", "b": "xy"})
    better, worse = {"a": "xx", "b": "xx"}, {"a": "xy", "b": "xy"}
    others = [
        run(7, seed=6, said=better, class_names=("y", "x")),  # the order of the classes is no difference
        run(6, seed=5, said={"a": "xx"}),  # other test photos
        run(5, seed=4, said=worse, steps=1),  # cancelled
        run(4, seed=3, said=worse, content=frozenset({("x", "other")})),
        run(3, said=worse, settings=replace(preset(QUICK), seed=2, lr=0.5)),
        run(2, seed=1, said=better),
        run(8, seed=1, said=worse),  # the same once more, earlier: the latest counts
        mine,
    ]
    assert seeds_in_words(mine, others) == (
        "83.3 % on average over 3 seeds, from 50.0 % to 100.0 %, standard deviation 28.9 points"
    )
    assert seeds_in_words(mine, [mine]) == seeds_in_words(run_module.zero_shot_run(mine), others) == ""


def test_a_long_curve_is_kept_short_with_both_its_ends() -> None:
    backbone = SimpleNamespace(name="other", fingerprint="f1n9e7", region_kind="value")
    learned: Any = SimpleNamespace(model_=SimpleNamespace(class_names=("x", "y"), backbone=backbone))
    history = tuple(Point(step, 1 / step, 0.5) for step in range(1, 5001))
    course = run(history=history).course()
    made = run_module.of_taught(Taught(None, learned, preset(QUICK), **course), "", 0.0)  # type: ignore[arg-type]
    assert made.course() | {"history": history} == course, "all else is kept as it is"
    assert (made.class_names, made.backbone_name, made.fingerprint) == (("x", "y"), "other", "f1n9e7")
    assert len(made.history) <= run_module.MOST_POINTS * 2
    assert (made.history[0].step, made.history[-1].step) == (1, 5000)
