"""What is said of runs: figures against formulas worked out here."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from app.charts import seeds_chart, spread_in_words
from app.runs import run as run_module
from app.runs.run import (
    Run,
    Spread,
    before,
    change_in_words,
    differences,
    fair,
    flips,
    further_seeds,
    on_tests,
    sign_test,
    spread,
)
from app.teaching.training import PAPER, QUICK, Answer, Point, Taught, preset
from app.views import compare
from gallop.evaluation.intervals import Proportion
from tests.app_pages import there


def answers(said: dict[str, str], seen: str = "") -> dict[str, Answer]:
    """``{"a": "xy"}``: photo a is really an x, and was called y."""
    return {digest: Answer(pair[0], pair[1], 0.75, digest in seen) for digest, pair in said.items()}


def run(number: int = 1, *, seed: int = 0, said: dict[str, str] | None = None, **changes: Any) -> Run:
    made = Run(
        id=number,
        name=f"GalLoP {number}",
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
    assert [(flip.digest, flip.words) for flip in flips(a, b)] == [("b", "A is right"), ("a", "A is right")]
    assert (on_tests(replace(a, answers={})), sign_test(a, replace(b, answers={}))) == (None, None)


def test_a_training_is_compared_with_the_run_before_it_on_photos_that_neither_was_trained_on() -> None:
    earlier = run(1, answers=answers({"a": "xy", "b": "xx", "c": "yy", "d": "yx", "e": "xx"}))
    other = run(2, settings=compare.coop_settings(preset(QUICK)))  # another method
    later = run(3, answers=answers({"a": "xx", "b": "xy", "c": "yy", "d": "yx", "e": "xx"}, seen="e"))
    found = there(run_module.changes(later, [later, other, earlier]))
    assert (found.earlier, found.fixed, found.broken) == (earlier, ("a",), ("b",))
    assert (found.unchanged, found.moved, found.split.chance) == (2, 1, "may be chance")
    assert run_module.changes(earlier, [later, other, earlier]) is None
    assert run_module.changes(replace(later, answers={}), [earlier]) is None


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
    coop = run(3, settings=compare.coop_settings(preset(QUICK)))
    assert ("k of the local prompts", "5, 10, 15, 20", "no local prompts") in differences(run(1), coop)
    assert not run(settings=replace(preset(QUICK), global_prompts=1, topk=(), head="ridge")).is_coop, "it is more"
    assert (coop.method, run().method, run_module.zero_shot_run(run()).method) == ("CoOp", "GalLoP", "zero-shot")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dropout": 0.5}, "dropout 0.5"),
        ({"topk": (3, 7, 11)}, "k 3, 7, 11"),
        ({"topk": ()}, "no local prompts"),
        ({"global_projection": False}, "no projection of the whole photo"),
        ({"epochs": 7, "seed": 3}, "7 epochs, seed 3"),
        ({"epochs": 7, "seed": 3, "lr": 0.5, "views": 0}, "7 epochs, learning rate 0.5, 0 views of each and 1 more"),
        ({}, ""),
    ],
)
def test_a_run_is_called_by_the_settings_that_changed(changes: dict[str, Any], words: str) -> None:
    assert change_in_words(run(2, settings=replace(preset(QUICK), **changes)), run()) == words


def test_a_run_is_called_by_the_photos_and_classes_that_changed() -> None:
    others = (run(2, shots=16), run(2, content=frozenset({("x", "s9")})), run(2, class_names=("x", "z")))
    assert [change_in_words(other, run()) for other in others] == ["16 photos", "other photos", "with z, without y"]


def test_a_run_is_compared_with_the_one_before_of_its_method_and_backbone() -> None:
    first, other, coop = run(1), run(2, fingerprint="b"), run(3, settings=compare.coop_settings(preset(QUICK)))
    runs = [coop, replace(other, backbone_name="other"), first]
    assert [before(each, runs) for each in (run(4), run(0, made=5.0), first)] == [first, first, None]


def test_what_a_run_has_beside_the_papers_method_is_said() -> None:
    more = replace(preset(PAPER), head="pairs", global_projection=True, detail=2)
    runs = [run(settings=each) for each in (more, preset(QUICK), preset(PAPER))]
    assert [each.beside for each in (*runs, run_module.zero_shot_run(run()))] == [
        "global projection, pairs head, second look in answers",
        "global projection, ridge head",
        "",
        "",
    ]


def test_seeds_belong_together_only_if_all_else_is_the_same() -> None:
    mine = run(1, seed=0)
    others = [
        mine,
        run(2, seed=1),
        run(3, seed=1),  # the same once more: the latest counts
        run(4, seed=2, settings=replace(preset(QUICK), seed=2, lr=0.5)),
        run(5, seed=3, content=frozenset({("x", "other")})),
        run(6, seed=4, steps=1),  # cancelled
        run(7, seed=5, said={"a": "xx"}),  # other test photos
        run(8, seed=6, class_names=("y", "x")),  # the order of the classes is no difference
    ]
    assert [found.id for found in run_module.siblings(mine, others)] == [1, 3, 8]
    assert further_seeds(mine, others, 3) == (2, 3, 4)
    assert run_module.siblings(run_module.zero_shot_run(mine), others) == []


def test_runs_that_differ_in_dropout_alone_stand_by_it_and_what_is_left_to_train_keeps_other_prompts() -> None:
    usual = replace(preset(QUICK), dropout=0.75)  # of its 4 global prompts 1 is kept
    mine, none = run(1, settings=usual), run(2, settings=replace(usual, dropout=0.0))
    other_seed = run(3, settings=replace(usual, dropout=0.5, seed=9))
    coop = run(4, settings=compare.coop_settings(usual))
    kept = [mine, none, other_seed, coop]
    assert [found.id for found in run_module.siblings(mine, kept, but="dropout")] == [2, 1]
    for pinned, beside in (
        ((mine, coop), [2, 1]),
        ((coop, other_seed), [3]),
        ((mine, other_seed), [2, 1, 3]),
        ((coop, run_module.zero_shot_run(mine)), []),
    ):
        assert [found.id for found in compare.dropout_runs(pinned, kept)] == beside
    cancelled = replace(mine, id=9, steps=1)
    assert [found.id for found in compare.dropout_runs((cancelled, cancelled), [*kept, cancelled])] == [2, 1, 9]
    assert compare.dropouts_left(mine, kept) == [replace(usual, dropout=0.5)], "seed and all else stay"
    assert [found.dropout for found in compare.dropouts_left(other_seed, kept)] == [0.0, 0.75]


@pytest.mark.parametrize(("prompts", "left"), [(2, [0.5]), (3, [0.5, 0.75]), (4, [0.5, 0.75])])
def test_two_dropouts_that_keep_as_many_prompts_are_one_training(prompts: int, left: list[float]) -> None:
    """A dropout of 0.1 keeps all, as 0 does; of 2 prompts 0.5 and 0.75 both keep 1."""
    mine = run(settings=replace(preset(QUICK), global_prompts=prompts, dropout=0.1))
    assert [found.dropout for found in compare.dropouts_left(mine, [mine])] == left
    assert [found.dropout for found in compare.dropouts_left(mine, [])] == [0.0, *left]


def test_the_spread_over_seeds_is_that_of_a_sample() -> None:
    found = spread([run(1, said={"a": "xx", "b": "xx"}), run(2, said={"a": "xx", "b": "xy"})])
    assert (found, found.deviation) == (Spread((1.0, 0.5)), pytest.approx(math.sqrt(2 * 0.25**2)))
    # Student's t with two degrees of freedom: 4.3027.
    three = Spread((0.6, 0.7, 0.8))
    assert three.interval == pytest.approx((0.7 - 4.3027 * 0.1 / 3**0.5, 0.7 + 4.3027 * 0.1 / 3**0.5), abs=1e-4)
    assert spread([run(1)]) is None
    assert spread_in_words(three) == (
        "70.0 % on average over 3 seeds, from 60.0 % to 80.0 %, standard deviation 10.0 points"
    )
    figure = seeds_chart({"A": three})
    assert (list(figure.data[0].x), list(figure.data[1].x)) == (pytest.approx([60, 70, 80]), pytest.approx([70]))


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
