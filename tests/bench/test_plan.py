"""Which runs a benchmark makes, what their keys depend on, and what is kept of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gallop.config import PRESETS, MethodConfig, TrainConfig
from gallop.errors import BenchError, ConfigError
from gallop.lab.bench import plan as plans
from gallop.lab.bench.photos import read_photos
from gallop.lab.bench.plan import Plan, canonical, make_plan
from gallop.lab.bench.runner import RecordStore
from gallop.lab.methods import make_method
from tests.bench_things import SPEC, plan_of, record_of, spec, write_sets
from tests.tiny import picture


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sets(tmp_path_factory.mktemp("sets"))


def made(root: Path, text: str = SPEC, backbone: str = "fp") -> Plan:
    what = spec(text)
    return make_plan(what, read_photos(what, root), lambda name, regions: backbone)


def keys(plan: Plan) -> dict[tuple[str, str, int, int], str]:
    return {(line.label, run.set, run.shots, run.seed): run.key for line, run in plan.entries}


# ------------------------------------------------------------------ runs


def test_the_runs_of_a_benchmark(sets: Path) -> None:
    plan = made(sets)
    # guess once a set; two methods on 2 sets, 2 shots, 2 seeds; of the variants, "as ours" shares ours.
    assert (len(plan.runs), len(plan.entries)) == (2 + 16 + 2, 2 + 16 + 4)
    assert len({run.key for run in plan.runs}) == len(plan.runs)
    found = keys(plan)
    assert found["skill / as ours", "first", 2, 1] == found["ours", "first", 2, 1]
    run = next(run for run in plan.runs if run.key == found["ours", "first", 2, 0])
    assert (run.transfer, run.unknown, len(run.train)) == (("second",), ("dots", "lines"), 4)
    other = next(run for run in plan.runs if run.key == found["ours", "second", 1, 0])
    assert (other.transfer, other.unknown, len(other.train)) == ((), ("lines",), 2)


def test_the_order_is_useful_when_cut_off(sets: Path) -> None:
    order = [(run.method, run.seed, run.shots, run.set) for run in made(sets).runs]
    assert [method for method, *_ in order[:2]] == ["fake-untaught"] * 2
    places = [(seed, -shots, name) for _, seed, shots, name in order[2:]]
    assert places == sorted(places), "seeds, then the most shots, then set by set"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("skill: 0.9", "skill: 0.8"),
        ("skill: 0.9", "skill: 0.9, diverges: true"),
        ("transfer: {first: [second]}", ""),
        ("skip: {second: [dots]}", "skip: {first: [dots]}"),
    ],
)
def test_any_change_makes_another_key(sets: Path, old: str, new: str) -> None:
    before, after = keys(made(sets)), keys(made(sets, SPEC.replace(old, new)))
    assert after["ours", "first", 1, 0] != before["ours", "first", 1, 0]


def test_keys_depend_on_figures_alone(sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, before = ("ours", "first", 2, 1), keys(made(sets))
    assert len({key for (label, *_), key in before.items() if label == "ours"}) == 8, "set, shots and seed matter"
    renamed = SPEC.replace("name: tiny", "name: other").replace("ours", "mine").replace("shots: [1, 2]", "shots: [2]")
    assert keys(made(sets, renamed))[("mine", *place[1:])] == before[place], "headings and other runs do not"
    assert keys(made(sets, SPEC.replace("skill: 0.9", "diverges: false, skill: 0.9"))) == before, "a default"
    assert keys(made(sets, backbone="other"))[place] != before[place]
    monkeypatch.setattr(plans, "FIGURES", "9")
    assert keys(made(sets))[place] != before[place]
    monkeypatch.undo()
    copy = shutil.copytree(sets, tmp_path / "copy")
    assert keys(made(copy)) == before, "where the photos lie does not matter"
    (copy / "first" / "test" / "red" / "0.png").rename(copy / "first" / "test" / "red" / "new.png")
    assert keys(made(copy)) == before, "nor what they are called"
    picture(77).save(copy / "first" / "test" / "red" / "new.png")
    after = keys(made(copy))
    assert after[place] != before[place]
    assert after["ours", "second", 2, 1] == before["ours", "second", 2, 1]
    picture(78).save(copy / "odd" / "dots" / "one-more.png")
    assert keys(made(copy))["ours", "second", 2, 1] == before["ours", "second", 2, 1], "it skips the dots"


def test_settings_are_canonical_for_real_methods() -> None:
    def of(**settings: object) -> dict[str, object]:
        return canonical(make_method("GalLoP", settings))

    assert of() == of(topk=[5, 10, 15, 20], dropout=0.75, preset="default", views=None)
    assert of(dropout=0) == of(dropout=0.0)
    assert of(lr=of()["lr"]) == of(), "what comes from the preset is filled in"
    assert of(preset="paper") != of()
    assert json.loads(json.dumps(of())) == of()


def test_ours_has_other_runs_when_the_preset_has_another_method(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"method_preset": "default", "preset": "default", "dropout": 0.5, "epochs": 3}
    before = canonical(make_method("GalLoP", given))
    monkeypatch.setitem(PRESETS, "default", (MethodConfig(topk=(7,), head="ridge"), TrainConfig(weight_decay=0.5)))
    asked = {"topk": [7], "head": "ridge", "dropout": 0.5, "epochs": 3, "weight_decay": 0.5}
    assert before != canonical(make_method("GalLoP", given)) == canonical(make_method("GalLoP", asked))
    for name, preset, said in (
        ("GalLoP", "backbone", "no preset 'backbone'"),
        ("CoOp", "default", "CoOp has no setting 'method_preset'"),
    ):
        with pytest.raises(ConfigError, match=said):
            make_method(name, {"method_preset": preset})


def test_every_setting_of_a_training_can_be_set_for_a_method() -> None:
    usual = canonical(make_method("CoOp", {"preset": "paper"}))
    made = make_method("CoOp", {"preset": "paper", "momentum": 0.5, "epochs": 3})
    assert canonical(made) == usual | {"momentum": 0.5, "epochs": 3}


# ------------------------------------------------------------------ parts of it


def test_narrowed(sets: Path) -> None:
    whole = keys(made(sets))

    def part(**asked: Any) -> dict[tuple[str, str, int, int], str]:
        what = spec().narrowed(**asked)
        return keys(make_plan(what, read_photos(what, sets), lambda name, regions: "fp"))

    one = ("ours", "first", 1, 1)
    assert part(only=["ours"], sets=["first"], shots=[1], seeds=[1]) == {one: whole[one]}
    assert {label for label, *_ in part(only=["skill"])} == {"skill / low", "skill / as ours"}
    assert {label for label, *_ in part(only=["skill / low"])} == {"skill / low"}
    assert len(part(only=["guess"], shots=[1], seeds=[1])) == 2, "what learns nothing belongs to all shots"
    assert part() == whole
    every = (part(seeds=[seed]) for seed in (0, 1))
    assert {key: value for each in every for key, value in each.items()} == whole


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("method: fake, skill: 0.5", "method: magic", "theirs: There is no method 'magic'; choose one of zero-shot"),
        ("skill: 0.5", "skil: 0.5", "theirs: fake has no setting 'skil'; its settings are skill, diverges"),
        ("method: fake, skill: 0.1", "method: GalLoP, dropout: 2", "skill / low: dropout is 2"),
        ("method: fake, skill: 0.1", "method: GalLoP, topk: 3", "skill / low: topk is 3"),
        ("sets: [first, second]", "sets: [first, second, third]", "third does not contain train/ and test/. Add them"),
        ("folder: odd", "folder: even", r"even \('unknown'\) contains no folders of unknown photos"),
        ("skip: {second: [dots]}", "skip: {second: [balls]}", "there is no group 'balls'; the groups are dots, lines"),
        ("shots: [1, 2]", "shots: [1, 2, 16]", "first has 3 training photos of 'green', but 16 shots are needed"),
    ],
)
def test_what_does_not_fit_the_photos_or_methods(sets: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        made(sets, SPEC.replace(old, new))


def test_sets_and_shots_that_are_not_asked_for_may_be_absent(sets: Path) -> None:
    what = spec(SPEC.replace("sets: [first, second]", "sets: [first, second, third]"))
    what = replace(what, lines=tuple(replace(line, shots=(*line.shots, 16)) for line in what.lines))
    part = what.narrowed(sets=["first"], shots=[1])
    plan = make_plan(part, read_photos(part, sets), lambda *_: "fp")
    assert (plan.sets, {run.shots for run in plan.runs}) == (("first",), {0, 1})
    with pytest.raises(BenchError, match="'fourth' is not a set of this benchmark; choose one of first, second, third"):
        what.narrowed(sets=["fourth"])


def test_photos_that_would_spoil_figures_are_told(sets: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(sets, tmp_path / "copy")
    shutil.copy(copy / "first" / "train" / "red" / "0.png", copy / "first" / "test" / "red" / "9.png")
    (copy / "first" / "test" / "red" / "broken.png").write_bytes(b"no")
    (copy / "odd" / "dots" / "broken.png").write_bytes(b"no")
    with pytest.warns(UserWarning, match="first: train/ and test/ share 1 pictures") as caught:
        made(copy)
    assert sum("was skipped" in str(warning.message) for warning in caught) == 2


def test_test_photos_of_unknown_classes_are_refused(sets: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(sets, tmp_path / "copy")
    (copy / "second" / "test" / "red").rename(copy / "second" / "test" / "purple")
    with pytest.raises(BenchError, match="do not have the class 'purple'"):
        made(copy)


# ------------------------------------------------------------------ records


def test_a_record_comes_back_and_a_damaged_one_counts_as_none(tmp_path: Path) -> None:
    _, run = plan_of(spec()).entries[0]
    record = record_of(run, {("first", "accuracy", ""): 0.1 + 0.2})
    store = RecordStore(tmp_path)
    assert store.read(run.key) is None
    store.write(record)
    assert store.read(run.key) == record
    (file,) = store.folder.iterdir()
    assert file.name == f"{run.key}.json", "nothing unfinished is left"
    whole = file.read_text()
    for text in (
        "", "{", "[]", "null", whole[: len(whole) // 2], whole.replace(run.key, "another"),
        whole.replace('"seed"', '"sead"'), whole.replace('"figures": [', '"figures": [3, '),
        whole.replace("0.30000000000000004", '"high"'), whole.replace("0.30000000000000004", "NaN"),
        whole.replace('"n": 10', '"n": "ten"'), whole.replace('"seconds": 5.5', '"seconds": -1'),
        json.dumps(json.loads(whole) | {"figures": []}),
    ):  # fmt: skip
        file.write_text(text)
        with pytest.warns(UserWarning, match=r"is damaged .* counts as not done"):
            assert store.read(run.key) is None, text
    file.write_bytes(b"\xff\xfe")
    with pytest.warns(UserWarning, match="counts as not done"):
        assert store.read(run.key) is None
