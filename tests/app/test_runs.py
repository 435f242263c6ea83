"""What is said of runs: figures against formulas worked out here."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from app.runs import run as run_module
from app.runs.run import Run, before, change_in_words, differences, read_run, written
from app.teaching.training import QUICK, Answer, Point, Taught, preset


def answers(said: dict[str, str], seen: str = "") -> dict[str, Answer]:
    """``{"a": "xy"}``: photo aaa... is really an x, and was called y."""
    return {64 * key: Answer(pair[0], pair[1], 0.75, key in seen) for key, pair in said.items()}


def run(number: int = 1, *, seed: int = 0, said: dict[str, str] | None = None, **changes: Any) -> Run:
    made = Run(
        id=number,
        name=f"run {number}",
        made=float(number),
        class_names=("x", "y"),
        settings=replace(preset(QUICK), seed=seed),
        content=frozenset({("x", 64 * "1"), ("y", 64 * "2")}),
        shots=2,
        steps=3,
        of_steps=3,
        history=(Point(1, 1.0, 0.5), Point(3, 0.5, 1.0)),
        answers=answers(said or {"a": "xx", "b": "xy", "c": "yy", "d": "yx"}),
        answers_before=answers({"a": "xy", "b": "xy", "c": "yy", "d": "yx"}),
    )
    return replace(made, **changes)


def test_photos_that_were_learned_from_test_nothing() -> None:
    assert run_module.tested(answers({"a": "xx", "b": "xx", "c": "yx"}, seen="a")) == {64 * "b": True, 64 * "c": False}


def test_a_run_comes_back_from_its_json_as_it_was() -> None:
    mine = run(0, name="", made=0.0)
    assert read_run(written(mine), "run.json") == mine
    assert read_run(written(mine, name="mine", made=3, project="shop"), "") == replace(
        mine, name="mine", made=3.0, project="shop"
    )


def test_only_what_differs_is_listed() -> None:
    assert differences(run(1), run(2)) == []
    assert differences(run(1), run(2, seed=3, class_names=("y", "z"))) == [
        ["classes", "x, y", "y, z"],
        ["seed", "0", "3"],
    ]
    coop = run(3, settings=replace(preset(QUICK), global_prompts=1, topk=()))
    assert ["k of the local prompts", "5, 10, 15, 20", "none"] in differences(run(1), coop)
    ours, theirs = (
        run(1, backbone_name="ours", fingerprint="a" * 64),
        run(2, backbone_name="ours", fingerprint="b" * 64),
    )
    assert differences(ours, theirs) == [["backbone", "aaaaaaaa", "bbbbbbbb"]], "two of one name, by their weights"
    assert differences(ours, run(2)) == [["backbone", "ours", "mini"]]
    live = run(2, steps=10, of_steps=10)  # its settings say nothing of the ten rounds that it goes on for
    assert differences(live, run(1, steps=4, of_steps=30)) == [["steps", "10", "4 of 30"]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dropout": 0.5}, "dropout 0.5"),
        ({"topk": (3, 7, 11)}, "k of the local prompts 3, 7, 11"),
        ({"topk": ()}, "k of the local prompts none"),
        ({"global_projection": False}, "projection of the whole photo no"),
        ({"epochs": 7, "seed": 3}, "7 epochs, seed 3"),
        (
            {"epochs": 7, "seed": 3, "lr": 0.5, "views": 0},
            "7 epochs, learning rate 0.5, fresh views of each and 1 more",
        ),
        ({}, ""),
    ],
)
def test_a_run_is_called_by_the_settings_that_changed(changes: dict[str, Any], words: str) -> None:
    assert change_in_words(run(2, settings=replace(preset(QUICK), **changes)), run()) == words


def test_photos_that_changed_are_counted() -> None:
    others = (run(2, shots=16), run(2, content=frozenset({("x", 64 * "9"), ("x", 64 * "1")})))
    assert [differences(other, run())[-1] for other in others] == [
        ["photos", "16 (0 new)", "2 (0 new)"],
        ["photos", "2 (1 new)", "2 (1 new)"],
    ]
    assert [change_in_words(other, run()) for other in others] == ["", "other photos"]


def test_a_run_is_compared_with_the_one_before_with_its_classes() -> None:
    first, other = run(1), run(2, class_names=("x", "z"))
    runs = [run(3, class_names=("y", "x"), backbone_name="other"), other, first]
    assert [before(each, runs) for each in (run(4), run(0), other, first)] == [runs[0], runs[0], None, None]


def test_a_long_curve_is_kept_short_with_both_its_ends() -> None:
    backbone = SimpleNamespace(name="other", fingerprint="f1n9e7", region_kind="value")
    learned: Any = SimpleNamespace(model_=SimpleNamespace(class_names=("x", "y"), backbone=backbone))
    history = tuple(Point(step, 1 / step, 0.5) for step in range(1, 5001))
    record = run(history=history).record()
    made = run_module.of_taught(Taught(None, learned, preset(QUICK), **record))  # type: ignore[arg-type]
    assert made.record() | {"history": history} == record, "all else is kept as it is"
    assert (made.class_names, made.backbone_name, made.fingerprint) == (("x", "y"), "other", "f1n9e7")
    assert len(made.history) <= run_module.MOST_POINTS * 2
    assert (made.history[0].step, made.history[-1].step) == (1, 5000)
