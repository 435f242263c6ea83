"""What ``make quick`` runs: all tests that lead to what changed, but for the longest of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import quick
from tests.conftest import ROOT

BUDGET = 700
"""Processor seconds of the first tier, which two cores do in less than eight minutes with lint."""


@pytest.mark.slow
def test_every_module_of_library_and_app_is_reached_by_a_test() -> None:
    imports = quick.Imports(quick.tracked())
    tests = [path for path in imports.modules if path.name.startswith("test_")]
    reached = set().union(*(imports.reached(path) for path in tests))
    product = {path for path in imports.modules if path.is_relative_to(ROOT / "gallop") or "app" in path.parts}
    assert sorted(product - reached) == []


def test_a_lazy_name_leads_to_its_home_and_to_no_other() -> None:
    imports = quick.Imports(quick.tracked())
    (estimator,) = imports.home("gallop", "GalLoPClassifier") - imports.on_the_way("gallop")
    assert estimator in imports.named["gallop.estimator"]
    assert estimator not in imports.home("gallop", "parse_names")


@pytest.mark.slow
def test_a_test_that_changed_is_run_and_a_file_that_is_no_module_changes_its_neighbours() -> None:
    me = Path(__file__).resolve()
    assert me in quick.reaching({me})
    script = next(path for path in quick.tracked() if path.suffix == ".js")
    assert quick.changed_by({script}, [script.with_suffix(".py"), me]) == {script, script.with_suffix(".py")}
    below = script.parent / "deeper" / "file.yaml"
    assert quick.changed_by({below}, [script.with_suffix(".py"), me]) == {below, script.with_suffix(".py")}


def test_the_longest_are_left_out() -> None:
    assert quick.within({"a": 5.0, "b": 1.0, "c": 3.0}, 4.0) == (["b", "c"], ["a"])
    assert quick.within({"a": 5.0}, 5.0) == (["a"], [])


def test_the_record_is_of_functions_with_all_their_parameters(tmp_path: Path) -> None:
    cases = [
        ("tests.test_x", "test_a[1]", "processor", 1),
        ("tests.test_x", "test_a[2]", "processor", 2),
        ("tests.test_x", "test_a[3]", "processor-slow", 8),
        ("tests.room.test_x", "test_b", "processor", 4),
    ]
    lines = [
        f'<testcase classname="{where}" name="{name}"><properties><property name="{noted}" value="{seconds}"/>'
        "</properties></testcase>"
        for where, name, noted, seconds in cases
    ]
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{''.join(lines)}</testsuite></testsuites>")
    assert quick.recorded(report) == {"test_x": {"test_a": 3.0, "test_a-slow": 8.0}, "room.test_x": {"test_b": 4.0}}


def test_the_first_tier_is_recorded_and_within_its_budget(request: pytest.FixtureRequest) -> None:
    """Among the tests of this run, which are all of the first tier where no file was named."""
    record = json.loads(quick.DURATIONS.read_text(encoding="utf-8"))
    first = {
        (quick.key_of(item.path), item.originalname)
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.get_closest_marker("slow") is None
    }
    assert sorted(f"{key}::{name}" for key, name in first if name not in record.get(key, {})) == [], "record it"
    assert sum(record[key][name] for key, name in first) < BUDGET, "mark what takes long as slow, or make it cheaper"
